//! A store in memory: for tests, for programs that keep nothing, and as the plainest statement of
//! what the traits ask.

mod account;
mod admin;
mod attachment;
mod erasure;
mod hook;
mod inbox;
mod log;
mod oversight;
mod room;
mod search;
mod session;
mod verification;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::SystemRandom;
use crate::id::Epoch;
use crate::store::HookCursor;

/// Keeps everything in memory; what is acked is gone with the process.
#[derive(Debug)]
pub struct MemoryStore {
    epoch: Epoch,
    logs: Mutex<log::Logs>,
    accounts: Mutex<account::Accounts>,
    sessions: Mutex<session::Sessions>,
    verifications: Mutex<verification::Verifications>,
    hooks: Mutex<HashMap<String, HookCursor>>,
    /// Locked after `logs`, where both are.
    attachments: Mutex<attachment::AttachmentTable>,
    erasures: Mutex<erasure::Erasures>,
    oversight: Mutex<oversight::Oversight>,
    admins: Mutex<admin::Admins>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            epoch: Epoch::random(&SystemRandom),
            logs: Mutex::default(),
            accounts: Mutex::default(),
            sessions: Mutex::default(),
            verifications: Mutex::default(),
            hooks: Mutex::default(),
            attachments: Mutex::default(),
            erasures: Mutex::default(),
            oversight: Mutex::default(),
            admins: Mutex::default(),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Locks. What a panic may have left half done is still whole here: every change is made by code
/// that cannot fail midway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
