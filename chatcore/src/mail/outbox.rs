use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt as _;

use super::{Mail, MailError, Mailer};
use crate::clock::{Clock, Random, Timestamp};
use crate::id::random_string;

type Notice = Arc<dyn Fn(&Mail) + Send + Sync>;

/// Writes each mail into a folder instead of sending it: one `.eml` file a mail, for its owner's eyes
/// only. What reads the folder may send it on; nothing is ever deleted from it here.
#[derive(Clone)]
pub struct OutboxMailer {
    folder: PathBuf,
    from: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    notice: Option<Notice>,
}

impl OutboxMailer {
    /// Writes to `folder`, which is made when the first mail comes, with mode 0700.
    pub fn new(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let from = "chatcore <chatcore@localhost>".into();
        Self { folder: folder.into(), from, clock, random, notice: None }
    }

    /// Calls `notice` after each mail is written: a program for one's own desk may print the code.
    #[must_use]
    pub fn with_notice(mut self, notice: impl Fn(&Mail) + Send + Sync + 'static) -> Self {
        self.notice = Some(Arc::new(notice));
        self
    }

    /// Where the mails lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    async fn write(&self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let mut folder = tokio::fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        folder.mode(0o700);
        folder.create(&self.folder).await?;
        // Under its name only once it is whole, for those who watch the folder.
        let (unfinished, finished) =
            (self.folder.join(format!(".{name}")), self.folder.join(format!("{name}.eml")));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let written = async {
            let mut file = options.open(&unfinished).await?;
            file.write_all(content).await?;
            file.sync_data().await?;
            tokio::fs::rename(&unfinished, &finished).await
        };
        let result = written.await;
        if result.is_err() {
            let _ = tokio::fs::remove_file(&unfinished).await;
        }
        result
    }
}

impl fmt::Debug for OutboxMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxMailer").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[async_trait]
impl Mailer for OutboxMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let now = self.clock.now();
        let id = random_string::<9>(self.random.as_ref());
        let content = render(&mail, &self.from, now, &id);
        self.write(&format!("{:015}-{id}", now.0), content.as_bytes())
            .await
            .map_err(|error| MailError::Unavailable(error.into()))?;
        if let Some(notice) = &self.notice {
            notice(&mail);
        }
        Ok(())
    }
}

/// The mail as RFC 5322 and MIME have it.
fn render(mail: &Mail, from: &str, now: Timestamp, id: &str) -> String {
    let mut eml = format!(
        "Date: {}\r\nFrom: {from}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{id}@chatcore>\r\n\
         MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n",
        date(now),
        mail.to,
        subject(&mail.subject),
    );
    let text = crlf(&mail.text);
    let plain = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    match &mail.html {
        None => {
            let _ = write!(eml, "{plain}\r\n{text}");
        }
        Some(html) => {
            let _ = write!(
                eml,
                "Content-Type: multipart/alternative; boundary=\"={id}\"\r\n\r\n\
                 --={id}\r\n{plain}\r\n{text}\r\n\
                 --={id}\r\nContent-Type: text/html; charset=utf-8\r\n\
                 Content-Transfer-Encoding: 8bit\r\n\r\n{}\r\n--={id}--\r\n",
                crlf(html),
            );
        }
    }
    eml
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Plain if it is ASCII, else as encoded words of at most 75 characters (RFC 2047).
fn subject(subject: &str) -> String {
    let line: String = subject.chars().filter(|c| !c.is_control()).collect();
    if line.is_ascii() {
        return line;
    }
    let mut words: Vec<String> = Vec::new();
    let mut chunk = String::new();
    for c in line.chars() {
        if chunk.len() + c.len_utf8() > 45 {
            words.push(std::mem::take(&mut chunk));
        }
        chunk.push(c);
    }
    words.push(chunk);
    let encoded: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

/// `Fri, 13 Feb 2009 23:31:30 +0000`: the calendar by Howard Hinnant's `civil_from_days`.
fn date(at: Timestamp) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let secs = at.0.div_euclid(1000);
    let (days, second) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let weekday = WEEKDAYS[usize::try_from(days.rem_euclid(7)).unwrap_or_default()];
    let month = MONTHS[usize::try_from(month).unwrap_or_default()];
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::account::Email;
    use crate::testing::{ManualClock, SeededRandom};

    fn mail() -> Mail {
        Mail {
            to: Email::parse("ann@example.org").unwrap(),
            subject: "Chat: your code".into(),
            text: "Your code is\n\n    123456\n".into(),
            html: None,
            key: Some("123456".into()),
        }
    }

    fn outbox(folder: &Path) -> OutboxMailer {
        let clock = Arc::new(ManualClock::at(1_234_567_890_000));
        OutboxMailer::new(folder.join("outbox"), clock, Arc::new(SeededRandom::new(1)))
    }

    #[tokio::test]
    async fn a_mail_becomes_a_file_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(folder.path());
        outbox.send(mail()).await.unwrap();
        outbox.send(mail()).await.unwrap();
        let files: Vec<_> =
            std::fs::read_dir(outbox.folder()).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 2);
        let eml = std::fs::read_to_string(&files[0]).unwrap();
        assert!(eml.starts_with("Date: Fri, 13 Feb 2009 23:31:30 +0000\r\n"));
        assert!(eml.contains("\r\nTo: ann@example.org\r\nSubject: Chat: your code\r\n"));
        assert!(eml.ends_with("\r\n\r\nYour code is\r\n\r\n    123456\r\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&files[0]), 0o600);
            assert_eq!(mode(outbox.folder()), 0o700);
        }
    }

    #[tokio::test]
    async fn the_notice_gets_the_code_once_the_mail_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let outbox = outbox(folder.path())
            .with_notice(move |mail| sink.lock().unwrap().push(mail.key.clone()));
        outbox.send(mail()).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [Some("123456".to_owned())]);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("outbox"), "a file").unwrap();
        let failed = outbox(folder.path()).send(mail()).await;
        assert!(matches!(failed, Err(MailError::Unavailable(_))));
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(date(Timestamp(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(Timestamp(951_782_400_000)), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(date(Timestamp(1_709_251_199_000)), "Thu, 29 Feb 2024 23:59:59 +0000");
        assert_eq!(date(Timestamp(4_102_444_800_000)), "Fri, 01 Jan 2100 00:00:00 +0000");
    }

    #[test]
    fn a_subject_cannot_add_a_header_and_may_be_in_any_script() {
        assert_eq!(subject("a\r\nBcc: b@c.d"), "aBcc: b@c.d");
        let long = subject(&"č".repeat(60));
        assert!(long.split("\r\n ").all(|word| word.len() <= 75 && word.starts_with("=?utf-8?B?")));
        assert!(long.split("\r\n ").count() > 1);
    }

    #[test]
    fn html_goes_along_as_an_alternative() {
        let both = Mail { html: Some("<b>123456</b>".into()), ..mail() };
        let eml = render(&both, "a@b", Timestamp(0), "xyz");
        assert!(eml.contains("multipart/alternative; boundary=\"=xyz\""));
        assert!(eml.contains("<b>123456</b>\r\n--=xyz--\r\n"));
    }
}
