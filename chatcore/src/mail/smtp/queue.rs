//! The task that sends what waits in the spool.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::spool::{Spool, created};
use super::{Counters, SmtpOptions};
use crate::clock::{Clock, Random, Timestamp};

/// What the sending works with.
pub(super) struct Sending {
    pub(super) transport: AsyncSmtpTransport<Tokio1Executor>,
    pub(super) spool: Arc<Spool>,
    pub(super) counters: Arc<Counters>,
    pub(super) options: SmtpOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// A letter that waits: ordered by when it is due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    name: String,
    failures: u32,
}

/// What came of an attempt.
enum Outcome {
    Sent,
    /// The server will not have this letter.
    Refused(String),
    /// The server will not have this letter now.
    Later(String),
    /// The server cannot be talked to, whatever the letter.
    Away(String),
}

impl Sending {
    /// Sends what waits and what comes, one letter at a time; ends with the mailer.
    pub(super) async fn run(self, found: Vec<String>, mut coming: mpsc::Receiver<String>) {
        let now = Instant::now();
        let fresh = |name| Reverse(Waiting { due: now, name, failures: 0 });
        let mut queue: BinaryHeap<Reverse<Waiting>> = found.into_iter().map(fresh).collect();
        // While the server is away nothing is tried.
        let (mut away, mut failures) = (now, 0);
        loop {
            let due = queue.peek().map(|Reverse(first)| first.due.max(away));
            tokio::select! {
                biased;
                came = coming.recv() => match came {
                    Some(name) => {
                        queue.push(Reverse(Waiting { due: Instant::now(), name, failures: 0 }));
                    }
                    None => return,
                },
                () = at(due) => {
                    let Some(Reverse(mut letter)) = queue.pop() else { continue };
                    match self.attempt(&letter.name).await {
                        Some(Outcome::Later(said)) => {
                            failures = 0;
                            letter.failures += 1;
                            letter.due = Instant::now() + self.pause(letter.failures);
                            tracing::info!(said, attempts = letter.failures, "a mail is tried again later");
                            queue.push(Reverse(letter));
                        }
                        Some(Outcome::Away(said)) => {
                            failures += 1;
                            away = Instant::now() + self.pause(failures);
                            let waiting = queue.len() + 1;
                            tracing::warn!(said, waiting, "the mail server cannot be used; trying again later");
                            queue.push(Reverse(letter));
                        }
                        Some(Outcome::Sent | Outcome::Refused(_)) => failures = 0,
                        None => {}
                    }
                }
            }
        }
    }

    /// How long to wait after so many failures: twice as long each time, give or take a half.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let time = self.options.first_retry.saturating_mul(doubled).min(self.options.longest_retry);
        let mut byte = [0];
        self.random.fill(&mut byte);
        time / 2 + time * u32::from(byte[0]) / 255
    }

    /// Tries a letter; none if there is nothing to try any more.
    async fn attempt(&self, name: &str) -> Option<Outcome> {
        if self.too_old(name) {
            tracing::warn!("a mail was given up: it could not be sent for too long");
            self.done(name, &self.counters.given_up).await;
            return None;
        }
        let letter = match self.spool.read(name).await {
            Ok(Some(letter)) => letter,
            Ok(None) => {
                tracing::error!(name, "a mail in the spool cannot be read, and is laid aside");
                if let Err(error) = self.spool.lay_aside(name).await {
                    tracing::error!(%error, name, "it could not be laid aside");
                }
                self.counters.less_waiting();
                return None;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.counters.less_waiting();
                return None;
            }
            Err(error) => return Some(Outcome::Away(error.to_string())),
        };
        let sent = self.transport.send_raw(&letter.envelope, &letter.message);
        let outcome = match tokio::time::timeout(self.options.timeout, sent).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(error)) => judged(&error),
            Err(_) => Outcome::Away("no answer in time".into()),
        };
        match &outcome {
            Outcome::Sent => self.done(name, &self.counters.delivered).await,
            Outcome::Refused(said) => {
                tracing::warn!(said, "a mail was refused for good, and is dropped");
                self.done(name, &self.counters.refused).await;
            }
            Outcome::Later(_) | Outcome::Away(_) => {}
        }
        Some(outcome)
    }

    fn too_old(&self, name: &str) -> bool {
        let Timestamp(created) = created(name).unwrap_or(Timestamp(0));
        let age = self.clock.now().0.saturating_sub(created);
        u128::try_from(age).is_ok_and(|age| age > self.options.max_age.as_millis())
    }

    /// Takes a letter out of the spool, and then counts it: whoever sees it counted sees it gone.
    async fn done(&self, name: &str, ended: &AtomicU64) {
        if let Err(error) = self.spool.remove(name).await {
            tracing::error!(%error, name, "a mail that is done with stays in the spool, and may go out again");
        }
        self.counters.less_waiting();
        Counters::up(ended);
    }
}

/// What the server meant. Its words are left out: they may hold the address.
fn judged(error: &SmtpError) -> Outcome {
    let Some(code) = error.status() else {
        let kind = match error {
            error if error.is_timeout() => "no answer in time",
            error if error.is_tls() => "TLS failed",
            // Not even asked: what this letter needs the server does not offer.
            error if error.is_client() => {
                return Outcome::Later("it cannot be sent this way".into());
            }
            _ => "the connection failed",
        };
        return Outcome::Away(kind.into());
    };
    let said = code.to_string();
    match u16::from(code) {
        // The server is about to close, or does not accept who we say we are: no letter's fault.
        421 | 454 | 530 | 534 | 535 | 538 => Outcome::Away(said),
        _ if error.is_permanent() => Outcome::Refused(said),
        _ => Outcome::Later(said),
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
