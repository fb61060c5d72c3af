//! The words of each mail. None of them holds anything that a stranger wrote: whoever registers with
//! another's address cannot use the mail to tell them something.

use std::time::Duration;

use super::Mail;
use crate::account::Email;

/// Writes mails in the name of one product.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    product: String,
    confirm_link: String,
}

impl Templates {
    /// `confirm_link` is what a token is appended to.
    pub(crate) fn new(product: &str, confirm_link: &str) -> Self {
        let product = product.chars().filter(|c| !c.is_control()).collect();
        Self { product, confirm_link: confirm_link.into() }
    }

    pub(crate) fn confirm_code(&self, to: &Email, code: &str, valid: Duration) -> Mail {
        let text = format!(
            "Your code is\n\n    {code}\n\nIt confirms this e-mail address for {} and is good for {}.\n\
             If you did not ask for it, someone mistyped their address: do nothing, and give the code \
             to nobody.\n",
            self.product,
            span(valid),
        );
        self.mail(to, "confirm your e-mail address", text, Some(code.into()))
    }

    pub(crate) fn confirm_link(&self, to: &Email, token: &str, valid: Duration) -> Mail {
        let link = format!("{}{token}", self.confirm_link);
        let text = format!(
            "To confirm this e-mail address for {}, open\n\n{link}\n\nwithin {}.\n\
             If you did not ask for it, someone mistyped their address: do nothing.\n",
            self.product,
            span(valid),
        );
        self.mail(to, "confirm your e-mail address", text, Some(link))
    }

    pub(crate) fn reset_code(&self, to: &Email, code: &str, valid: Duration) -> Mail {
        let text = format!(
            "Your code is\n\n    {code}\n\nWith it you can choose a new password for {}, within {}.\n\
             If you did not ask for it, do nothing, and give the code to nobody: your password stays \
             as it is.\n",
            self.product,
            span(valid),
        );
        self.mail(to, "choose a new password", text, Some(code.into()))
    }

    /// For an address that someone asked to reset, but that no account has.
    pub(crate) fn reset_unknown(&self, to: &Email) -> Mail {
        let text = format!(
            "Someone asked for a new password for {} and gave this e-mail address, but no account \
             has it.\nIf it was you, try the address that you registered with. If it was not, do \
             nothing.\n",
            self.product,
        );
        self.mail(to, "choose a new password", text, None)
    }

    /// For an address that someone registered, but that an account has already.
    pub(crate) fn already_registered(&self, to: &Email) -> Mail {
        let text = format!(
            "Someone registered with {} and gave this e-mail address, but you have an account \
             already.\nIf it was you, log in, or ask for a new password. If it was not, do nothing: \
             your account stays as it is.\n",
            self.product,
        );
        self.mail(to, "you have an account already", text, None)
    }

    fn mail(&self, to: &Email, about: &str, text: String, key: Option<String>) -> Mail {
        let subject = format!("{}: {about}", self.product);
        let html = Some(html(&text, key.as_deref()));
        Mail { to: to.clone(), subject, text, html, key }
    }
}

/// The same words in HTML: nothing that is fetched, and the code or the link in a paragraph of its own.
fn html(text: &str, key: Option<&str>) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"></head>\n\
         <body style=\"font-family:sans-serif;line-height:1.5\">\n",
    );
    for paragraph in text.split("\n\n") {
        let words = escaped(paragraph.trim());
        let shown = match key {
            Some(key) if key == paragraph.trim() && key.contains("://") => {
                format!("<p><a href=\"{words}\">{words}</a></p>\n")
            }
            Some(key) if key == paragraph.trim() => {
                format!("<p style=\"font-size:1.6em;letter-spacing:.15em\"><b>{words}</b></p>\n")
            }
            _ => format!("<p>{}</p>\n", words.replace('\n', "<br>\n")),
        };
        html.push_str(&shown);
    }
    html.push_str("</body></html>\n");
    html
}

/// Text as it may stand in HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A length of time in words.
fn span(time: Duration) -> String {
    match time.as_secs().div_ceil(60) {
        0 | 1 => "a minute".into(),
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes if minutes < 48 * 60 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / (24 * 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mail_holds_its_key_and_says_how_long_it_is_good() {
        let templates = Templates::new("Chat", "https://chat.example/auth/confirm?token=");
        let to = Email::parse("ann@example.org").unwrap();
        let code = templates.confirm_code(&to, "012345", Duration::from_secs(900));
        assert_eq!(code.key.as_deref(), Some("012345"));
        assert!(code.text.contains("    012345\n") && code.text.contains("15 minutes"));
        let link = templates.confirm_link(&to, "abc", Duration::from_secs(24 * 3600));
        assert!(link.text.contains("\nhttps://chat.example/auth/confirm?token=abc\n"));
        assert!(link.text.contains("24 hours"));
        let reset = templates.reset_code(&to, "01234567", Duration::from_secs(60));
        assert!(reset.text.contains("    01234567\n") && reset.text.contains("a minute"));
    }

    #[test]
    fn the_html_says_the_same_and_fetches_nothing() {
        let templates = Templates::new("<Chat & Co>", "https://chat.example/confirm?a=1&token=");
        let to = Email::parse("ann@example.org").unwrap();
        let hour = Duration::from_secs(3600);
        let html = |mail: Mail| mail.html.expect("every mail has it");
        let code = html(templates.confirm_code(&to, "012345", hour));
        assert!(code.contains("<b>012345</b>") && code.contains("&lt;Chat &amp; Co&gt;"), "{code}");
        assert!(code.contains("60 minutes"), "{code}");
        let link = html(templates.confirm_link(&to, "abc", hour));
        let address = "https://chat.example/confirm?a=1&amp;token=abc";
        assert!(link.contains(&format!("<a href=\"{address}\">{address}</a>")), "{link}");
        for mail in [templates.reset_unknown(&to), templates.already_registered(&to)] {
            let html = html(mail);
            assert!(html.contains("<p>") && !html.contains("<Chat"), "{html}");
        }
        assert!(!code.contains("src=") && !code.contains("<a "), "{code}");
    }

    #[test]
    fn a_mail_does_not_show_its_code_in_debug() {
        let to = Email::parse("ann@example.org").unwrap();
        let mail = Templates::new("Chat", "").confirm_code(&to, "012345", Duration::ZERO);
        assert!(!format!("{mail:?}").contains("012345"));
    }

    #[test]
    fn a_product_cannot_add_a_header() {
        let to = Email::parse("ann@example.org").unwrap();
        let mail = Templates::new("Chat\r\nBcc: x@y.z", "").reset_unknown(&to);
        assert!(!mail.subject.contains(['\r', '\n']));
    }
}
