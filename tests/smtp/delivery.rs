//! What arrives, and how.

use chatcore::mail::{Mail, MailError, Mailer, SmtpMailer, SmtpOptions};
use chatcore_tests::smtp::SmtpServer;
use std::sync::Arc;

use chatcore::clock::{SystemClock, SystemRandom};

use crate::{CODE, mail, opened, options, spooled, until};

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    let mailer = opened(options(&server), folder.path()).await;
    mailer.send(mail("ann@example.org", "Für Ann: пароль")).await.unwrap();
    until("it arrives", || server.arrived().len() == 1).await;
    let arrived = server.arrived().remove(0);
    assert_eq!(
        (&*arrived.from, &*arrived.to),
        ("chat@example.org", &["ann@example.org".into()][..])
    );
    assert_eq!(arrived.header("To").as_deref(), Some("ann@example.org"));
    assert_eq!(arrived.header("From").as_deref(), Some("Chat <chat@example.org>"));
    assert_eq!(arrived.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    let subject = arrived.header("Subject").unwrap();
    assert!(subject.starts_with("=?utf-8?") && subject.is_ascii(), "{subject}");
    let body = body(&arrived.message);
    // Blank lines at the end are the writer's affair.
    let body = body.trim_end();
    assert_eq!(body, "Your code is\r\n\r\n    012345\r\n\r\n.\r\n.. dots, and ünïcode");
    until("the file goes", || spooled(folder.path()).is_empty()).await;
    until("it is counted", || mailer.counts().delivered == 1 && mailer.counts().waiting == 0).await;
}

/// The body, its transfer encoding undone.
fn body(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").expect("a body");
    if !head.contains("quoted-printable") {
        let base64 = head.contains("base64");
        assert!(!base64, "{head}");
        return body.to_owned();
    }
    let mut bytes = Vec::new();
    let mut rest = body.replace("=\r\n", "").into_bytes().into_iter();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().expect("two digits"), rest.next().expect("two digits")];
            let hex = std::str::from_utf8(&hex).expect("digits");
            bytes.push(u8::from_str_radix(hex, 16).expect("digits"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("it is UTF-8")
}

#[tokio::test]
async fn text_and_html_go_along_together() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    let mailer = opened(options(&server), folder.path()).await;
    let both = Mail { html: Some("<p>in <b>HTML</b></p>".into()), ..mail("ann@example.org", "s") };
    mailer.send(both).await.unwrap();
    until("it arrives", || server.arrived().len() == 1).await;
    let message = &server.arrived()[0].message;
    let (text, html) = (message.find("text/plain").unwrap(), message.find("text/html").unwrap());
    assert!(message.contains("multipart/alternative") && text < html, "the best comes last");
    assert!(message.contains("<p>in <b>HTML</b></p>"), "{message}");
}

#[tokio::test]
async fn a_line_break_injects_neither_a_header_nor_a_command() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    let mailer = opened(options(&server), folder.path()).await;
    for bad in ["ann@example.org\r\nBcc: eve@example.org", "ann@example.org>\r\nRCPT TO:<eve@x.y"] {
        assert!(chatcore::account::Email::parse(bad).is_err(), "{bad:?}");
    }
    let mut evil = mail("ann@example.org", "hello\r\nBcc: eve@example.org\r\n\r\nbody");
    evil.text =
        "a\r\n.\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\n".into();
    mailer.send(evil).await.unwrap();
    until("it arrives", || server.arrived().len() == 1).await;
    let arrived = server.arrived().remove(0);
    assert_eq!(arrived.to, ["ann@example.org"]);
    assert_eq!(arrived.header("Bcc"), None);
    assert!(arrived.message.contains("MAIL FROM:<eve@example.org>"), "as text");
    assert_eq!(server.attempts(), 1);
}

#[tokio::test]
async fn what_waits_is_its_owners_alone_and_one_process_sends_it() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.always(Some(chatcore_tests::smtp::Answer::Message(451)));
    let spool = folder.path().join("spool");
    let mailer = opened(options(&server), &spool).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    let waiting = spooled(&spool);
    assert_eq!(waiting.len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(spool.clone()), mode(spool.join(&waiting[0]))), (0o700, 0o600));
    }
    let clock = Arc::new(SystemClock);
    let second = SmtpMailer::open(options(&server), &spool, clock, Arc::new(SystemRandom)).await;
    let refused = second.expect_err("it is in use");
    assert!(matches!(refused, MailError::Unusable(_)), "{refused:?}");
    assert!(!format!("{mailer:?}").contains(CODE));
}

#[tokio::test]
async fn a_server_without_starttls_is_told_nothing() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    let url = format!("smtp://{}?from=a@b.c&tls=required", server.address());
    let mut strict = SmtpOptions::parse(&url).unwrap();
    strict.first_retry = std::time::Duration::from_millis(10);
    let mailer = opened(strict, folder.path()).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!((server.attempts(), mailer.counts().waiting), (0, 1));
}
