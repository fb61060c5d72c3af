//! Who people are.

use std::time::Duration;

use crate::error::Code;

/// Why something about an account was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {}

impl AccountError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match *self {}
    }
    /// The field at fault, where one is.
    pub fn field(&self) -> Option<&str> {
        match *self {}
    }
    /// How long to wait before trying again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match *self {}
    }
}
