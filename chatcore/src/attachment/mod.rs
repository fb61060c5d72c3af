//! Files in messages.

use crate::error::Code;

/// Why a file was not stored or not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {}

impl AttachmentError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match *self {}
    }
}
