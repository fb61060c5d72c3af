//! No mail at all.

use async_trait::async_trait;

use super::{Mail, MailError, Mailer};

/// Refuses every mail: for a chat that was given no mailer, so that what needs one says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMail;

#[async_trait]
impl Mailer for NoMail {
    async fn send(&self, _: Mail) -> Result<(), MailError> {
        Err(MailError::Refused("no mailer is configured".into()))
    }
}
