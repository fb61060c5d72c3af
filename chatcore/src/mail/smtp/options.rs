//! Which server carries mail, and in whose name.

use std::fmt;
use std::time::Duration;

use lettre::message::Mailbox;
use url::{Host, Url};

use super::super::MailError;

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte on.
    Wrapped,
    /// From `STARTTLS` on; without it nothing is sent.
    StartTls,
    /// Not at all: for a server on this machine.
    None,
}

/// Which server carries mail, and in whose name. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmtpOptions {
    /// The server's name, which its certificate has to bear.
    pub host: String,
    /// Its port. Default 465 with TLS from the first byte on, else 587.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// The name and the password to log in with, if any.
    pub login: Option<(String, String)>,
    /// The address that mails come from.
    pub(super) from: Mailbox,
    /// How many mails wait at most; more are refused. Default 1,000.
    pub max_waiting: usize,
    /// How long a mail is tried before it is given up. Default 24 hours.
    pub max_age: Duration,
    /// How long after its first failure a mail is tried again, give or take a half; then twice as long
    /// each time, to [`longest_retry`](Self::longest_retry). Default 5 s.
    pub first_retry: Duration,
    /// The longest time between two attempts. Default 15 minutes.
    pub longest_retry: Duration,
    /// How long one attempt may take. Default 30 s.
    pub timeout: Duration,
}

impl fmt::Debug for SmtpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("login", &self.login.is_some())
            .field("from", &self.from.to_string())
            .finish_non_exhaustive()
    }
}

impl SmtpOptions {
    /// From `smtps://NAME:PASSWORD@HOST:PORT?from=ADDRESS`, or the same with `smtp:`, which begins
    /// without TLS and insists on `STARTTLS`. `tls=none` does without, and so does a host that is this
    /// machine; a password is only sent with TLS, or to this machine. Name and password are
    /// percent-encoded. The address may have a name: `from=Chat <chat@example.org>`.
    ///
    /// # Errors
    /// [`MailError::Unusable`], without showing the URL.
    pub fn parse(url: &str) -> Result<Self, MailError> {
        let url = Url::parse(url).map_err(|e| unusable(&format!("its URL cannot be read: {e}")))?;
        let form = "its URL is of the form `smtps://NAME:PASSWORD@HOST:PORT?from=ADDRESS`";
        let wrapped = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(unusable(form)),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| unusable(form))?;
        let mut tls = match (wrapped, is_local(&url)) {
            (true, _) => SmtpTls::Wrapped,
            (false, true) => SmtpTls::None,
            (false, false) => SmtpTls::StartTls,
        };
        let mut from = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "from" => from = Some(sender(&value)?),
                "tls" if value == "none" && !wrapped => tls = SmtpTls::None,
                "tls" if value == "required" && !wrapped => tls = SmtpTls::StartTls,
                _ => {
                    return Err(unusable(
                        "its URL takes from=ADDRESS and, with `smtp:`, tls=none or tls=required",
                    ));
                }
            }
        }
        let from =
            from.ok_or_else(|| unusable("its URL needs from=ADDRESS, the sender of mails"))?;
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (name, Some(password)) => Some((decoded(name)?, decoded(password)?)),
            _ => return Err(unusable("its URL has a name without a password")),
        };
        if login.is_some() && tls == SmtpTls::None && !is_local(&url) {
            return Err(unusable("a password is not sent without TLS: use `smtps:`"));
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(if wrapped { 465 } else { 587 }),
            tls,
            login,
            from,
            max_waiting: 1_000,
            max_age: Duration::from_secs(24 * 3600),
            first_retry: Duration::from_secs(5),
            longest_retry: Duration::from_secs(15 * 60),
            timeout: Duration::from_secs(30),
        })
    }
}

/// Whether the host is this machine.
fn is_local(url: &Url) -> bool {
    // Of the schemes that the crate does not know hosts are not parsed.
    let host = url.host_str().unwrap_or_default();
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

fn sender(value: &str) -> Result<Mailbox, MailError> {
    let refused = || unusable("from is an address, such as chat@example.org");
    if value.chars().any(char::is_control) {
        return Err(refused());
    }
    value.parse().map_err(|_| refused())
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Result<String, MailError> {
    // The crate has no function of its own for it, but for pairs, where a plus is a blank and an
    // ampersand begins the next.
    let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let value = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value);
    match value {
        Some(value) if !value.contains(['\u{fffd}', '\0']) => Ok(value.into_owned()),
        _ => Err(unusable("its name and password are percent-encoded UTF-8")),
    }
}

pub(super) fn unusable(how: &str) -> MailError {
    MailError::Unusable(format!("SMTP: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_who_where_and_how() {
        let url = "smtps://ann%40x:hunter%2B2+&3@mail.example?from=Chat%20%3Cchat@example.org%3E";
        let options = SmtpOptions::parse(url).unwrap();
        assert_eq!((&*options.host, options.port), ("mail.example", 465));
        assert_eq!(options.tls, SmtpTls::Wrapped);
        assert_eq!(options.login, Some(("ann@x".into(), "hunter+2+&3".into())));
        assert_eq!(options.from.email.to_string(), "chat@example.org");
        assert!(!format!("{options:?}").contains("hunter"));

        let tls = |url: &str| SmtpOptions::parse(url).map(|options| options.tls).unwrap();
        assert_eq!(tls("smtp://mail.example?from=a@b.c"), SmtpTls::StartTls);
        assert_eq!(tls("smtp://mail.example?from=a@b.c&tls=none"), SmtpTls::None);
        for local in ["localhost", "127.0.0.1:2525", "[::1]:25"] {
            assert_eq!(tls(&format!("smtp://{local}?from=a@b.c")), SmtpTls::None, "{local}");
        }
        assert_eq!(tls("smtp://localhost?from=a@b.c&tls=required"), SmtpTls::StartTls);
        assert_eq!(SmtpOptions::parse("smtp://[::1]?from=a@b.c").unwrap().host, "::1");
    }

    #[test]
    fn a_url_that_will_not_do_is_refused_without_being_shown() {
        for bad in [
            "smtp:",
            "smtp://",
            "http://mail.example?from=a@b.c",
            "smtp://hunter2.example",
            "smtp://mail.example?from=hunter2",
            "smtp://mail.example?from=a@b.c%0D%0ABcc:hunter2@b.c",
            "smtp://mail.example?from=a@b.c&password=hunter2",
            "smtp://hunter2@mail.example?from=a@b.c",
            "smtp://ann:hunter2@mail.example?from=a@b.c&tls=none",
            "smtps://mail.example?from=a@b.c&tls=none",
        ] {
            let said = SmtpOptions::parse(bad).expect_err(bad).to_string();
            assert!(said.contains("SMTP: ") && !said.contains("hunter2"), "{said}");
        }
    }
}
