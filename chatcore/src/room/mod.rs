//! Rooms, members, roles.

use std::time::Duration;

use crate::error::Code;

/// Why the rules of the chat refuse something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {}

impl Rejection {
    /// The stable code.
    pub fn code(&self) -> Code {
        match *self {}
    }
    /// How long to wait before trying again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match *self {}
    }
}
