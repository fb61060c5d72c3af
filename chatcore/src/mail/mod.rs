//! Mail that the account module sends: what is in it, and who carries it.

mod memory;
mod nobody;
mod outbox;
#[cfg(feature = "smtp")]
mod smtp;
mod template;

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;

pub use memory::MemoryMailer;
pub use nobody::NoMail;
pub use outbox::OutboxMailer;
#[cfg(feature = "smtp")]
pub use smtp::{MailCounts, SmtpMailer, SmtpOptions, SmtpTls};
pub(crate) use template::Templates;

use crate::account::Email;

/// One mail to one address.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Whom it is for.
    pub to: Email,
    /// One line, without control characters.
    pub subject: String,
    /// The body; lines end with `\n`.
    pub text: String,
    /// The same body in HTML, if there is one.
    pub html: Option<String>,
    /// The code or the link that the mail is about, by itself: for outboxes that show it.
    pub key: Option<String>,
}

/// Says whom it is for and what about, and keeps the code to itself.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("to", &self.to)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// Not now; the same mail may go out later.
    #[error("mail cannot be sent now")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// Never: the address or the mail is refused for good.
    #[error("the mail was refused")]
    Refused(#[source] Box<dyn StdError + Send + Sync>),
    /// Never, as it is set up. The sentence says how to mend it.
    #[error("mail cannot be sent: {0}")]
    Unusable(String),
}

/// Carries mail.
///
/// # Contract
/// - `Ok` means that someone else answers for the mail from now on: a server took it, or it lies in a
///   file. Whether it arrives is not known.
/// - A mail is sent after what it tells of is stored. When sending fails the caller is told so, and
///   asks for another mail.
/// - The text holds codes that open accounts: it never shows up in a log or an error, unless that is
///   what the mailer was made for.
/// - Answers within seconds, or fails: someone is waiting for it.
#[async_trait]
pub trait Mailer: fmt::Debug + Send + Sync + 'static {
    /// Hands `mail` on.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}
