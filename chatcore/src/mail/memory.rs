use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Mail, MailError, Mailer};
use crate::account::Email;

/// Keeps the newest 1,000 mails in memory: for tests.
#[derive(Debug, Default)]
pub struct MemoryMailer {
    sent: Mutex<VecDeque<Mail>>,
    failing: AtomicBool,
}

const KEPT: usize = 1_000;

impl MemoryMailer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was sent, oldest first.
    pub fn sent(&self) -> Vec<Mail> {
        self.lock().iter().cloned().collect()
    }

    /// The newest mail to `email`.
    pub fn last_to(&self, email: &str) -> Option<Mail> {
        let key = Email::parse(email).ok()?.key();
        self.lock().iter().rev().find(|mail| mail.to.key() == key).cloned()
    }

    /// Makes each mail fail from now on, or none.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Mail>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(MailError::Unavailable("told to fail".into()));
        }
        let mut sent = self.lock();
        if sent.len() == KEPT {
            sent.pop_front();
        }
        sent.push_back(mail);
        Ok(())
    }
}
