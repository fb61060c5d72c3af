//! Mail over SMTP, to a real listener within this process: nothing is lost, whatever the server does,
//! and nothing is tried for ever.

mod delivery;
mod failures;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatcore::account::Email;
use chatcore::clock::{Clock, SystemClock, SystemRandom};
use chatcore::mail::{Mail, SmtpMailer, SmtpOptions};
use chatcore_tests::PATIENCE;
use chatcore_tests::smtp::SmtpServer;

fn mail(to: &str, subject: &str) -> Mail {
    Mail {
        to: Email::parse(to).expect("an address"),
        subject: subject.to_owned(),
        text: format!("Your code is\n\n    {CODE}\n\n.\n.. dots, and ünïcode\n"),
        html: None,
        key: Some(CODE.to_owned()),
    }
}

const CODE: &str = "012345";

/// Options that do not keep a test waiting.
fn options(server: &SmtpServer) -> SmtpOptions {
    let mut options = SmtpOptions::parse(&server.url()).expect("a sound URL");
    options.first_retry = Duration::from_millis(20);
    options.longest_retry = Duration::from_millis(200);
    options.timeout = Duration::from_secs(5);
    options
}

async fn opened(options: SmtpOptions, folder: &Path) -> SmtpMailer {
    at(options, folder, Arc::new(SystemClock)).await
}

async fn at(options: SmtpOptions, folder: &Path, clock: Arc<dyn Clock>) -> SmtpMailer {
    let opened = SmtpMailer::open(options, folder, clock, Arc::new(SystemRandom));
    opened.await.expect("the folder is free")
}

/// Waits for something to become so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "it never came to pass that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What waits in a spool.
fn spooled(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != ".lock").collect()
}
