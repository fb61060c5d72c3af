//! A mail as RFC 5322 and MIME have it.

use std::time::{Duration, SystemTime};

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::super::{Mail, MailError};
use super::spool::Letter;
use crate::clock::Timestamp;

/// So that no robot answers a robot (RFC 3834).
const AUTOMATIC: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Writes `mail`. Its id stays the same over all attempts, so that a mail that arrives twice can be told.
pub(super) fn letter(
    mail: Mail,
    from: &Mailbox,
    at: Timestamp,
    id: &str,
) -> Result<Letter, MailError> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| MailError::Refused(error);
    let to = mail.to.as_str().parse().map_err(|_| refused("not an address".into()))?;
    let date = SystemTime::UNIX_EPOCH + Duration::from_millis(at.0.try_into().unwrap_or_default());
    let subject: String = mail.subject.chars().filter(|c| !c.is_control()).collect();
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .date(date)
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .raw_header(HeaderValue::new(AUTOMATIC, "auto-generated".into()));
    let message = match mail.html {
        None => message.singlepart(SinglePart::plain(mail.text)),
        Some(html) => message.multipart(MultiPart::alternative_plain_html(mail.text, html)),
    };
    let message = message.map_err(|error| refused(error.into()))?;
    Ok(Letter { envelope: message.envelope().clone(), message: message.formatted() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Email;

    fn written(subject: &str, html: Option<&str>) -> (Letter, String) {
        let mail = Mail {
            to: Email::parse("ann@example.org").unwrap(),
            subject: subject.into(),
            text: "Your code is\n\n    123456\n".into(),
            html: html.map(Into::into),
            key: None,
        };
        let from = "Chat <chat@example.org>".parse().unwrap();
        let letter = letter(mail, &from, Timestamp(1_234_567_890_000), "an-id").unwrap();
        let text = String::from_utf8(letter.message.clone()).unwrap();
        (letter, text)
    }

    #[test]
    fn a_letter_has_what_a_mail_needs() {
        let (letter, text) = written("Chat: your code", None);
        assert_eq!(letter.envelope.to()[0].to_string(), "ann@example.org");
        assert_eq!(letter.envelope.from().unwrap().to_string(), "chat@example.org");
        for header in [
            "From: Chat <chat@example.org>\r\n",
            "To: ann@example.org\r\n",
            "Subject: Chat: your code\r\n",
            "Date: Fri, 13 Feb 2009 23:31:30 +0000\r\n",
            "Message-ID: <an-id@example.org>\r\n",
            "Auto-Submitted: auto-generated\r\n",
        ] {
            assert!(text.contains(header), "{header:?} in {text}");
        }
        assert!(text.contains("\r\n    123456\r\n"), "{text}");
    }

    #[test]
    fn a_subject_cannot_add_a_header() {
        let (_, text) = written("a\r\nBcc: b@c.d\r\n\r\nbody", None);
        assert!(text.contains("Subject: aBcc: b@c.dbody\r\n"), "{text}");
        let (_, text) = written("ä\r\nBcc: b@c.d", None);
        assert!(!text.to_lowercase().contains("\nbcc:"), "{text}");
    }

    #[test]
    fn html_goes_along_as_an_alternative() {
        let (_, text) = written("s", Some("<b>123456</b>"));
        assert!(text.contains("multipart/alternative") && text.contains("text/html"), "{text}");
        assert!(text.contains("123456") && text.contains("<b>"), "{text}");
    }
}
