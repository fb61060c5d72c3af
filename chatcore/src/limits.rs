//! The numbers that bound what one user, one room or one request may take.

use std::time::Duration;

use crate::throttle::Rate;

/// The longest that a signal may hold, in milliseconds.
pub const SIGNAL_TTL_MS: u32 = 60_000;

/// Bounds on rooms and messages, announced to clients and enforced under the room's lock.
///
/// Changing one never touches what is stored: a lower bound holds for what comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest text of a message, in bytes of UTF-8. Default 65,536.
    pub text_bytes: usize,
    /// The longest `meta` of a message, in bytes of its JSON. Default 4,096.
    pub meta_bytes: usize,
    /// Attachments of one message. Default 100.
    pub attachments: usize,
    /// People whom one message mentions. Default 50.
    pub mentions: usize,
    /// The longest room name, in characters. Default 100.
    pub name_chars: usize,
    /// The longest topic, or reason of a kick or ban, in characters. Default 1,000.
    pub topic_chars: usize,
    /// Members of one room. Default 100,000.
    pub members: u32,
    /// People invited when a room is made. Default 100.
    pub invitees: usize,
    /// Rooms that one user may be in. Default 10,000.
    pub rooms: u32,
    /// Different emoji on one message. Default 20.
    pub reactions: u32,
    /// Pinned messages of one room. Default 100.
    pub pins: u32,
    /// Invite links of one room that are good at the same time. Default 50.
    pub invite_links: u32,
    /// The most that may come by one invite link with a number. Default 1,000.
    pub invite_link_uses: u32,
    /// How long an invite link may be good. Default 30 days.
    pub invite_link_life: Duration,
    /// Codes of invite links tried from one address, and by one user. Default: 50 at once, and then
    /// one each 2 seconds.
    pub invite_codes: Option<Rate>,
    /// People whom one user blocks. Default 1,000.
    pub blocks: u32,
    /// Items of one page. Default 200.
    pub page: u32,
    /// Messages, changes, entries and signals of one user; marks do not count. Default: 1,000 at
    /// once, and then 50 a second.
    pub turns_per_user: Option<Rate>,
    /// Messages that one user reports. Default: 20 at once, and then one every 3 minutes (20 an hour).
    pub reports_per_user: Option<Rate>,
    /// Exports that one user begins of all that is kept of them. Default: 2 at once, and then one
    /// every 30 minutes.
    pub exports_per_user: Option<Rate>,
    /// How long messages are kept in rooms that say nothing of it. Default: for ever.
    pub retention: Option<Duration>,
    /// The slowest slow mode of a room, in seconds. Default 21,600 (6 h).
    pub slow_mode: u32,
    /// How far a mute, a ban or a member's own silence with an end may reach. Default 10 years.
    pub sanction: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 64 * 1024,
            meta_bytes: 4 * 1024,
            attachments: 100,
            mentions: 50,
            name_chars: 100,
            topic_chars: 1_000,
            members: 100_000,
            invitees: 100,
            rooms: 10_000,
            reactions: 20,
            pins: 100,
            invite_links: 50,
            invite_link_uses: 1_000,
            invite_link_life: Duration::from_secs(30 * 86_400),
            invite_codes: Some(Rate::new(50, Duration::from_secs(2))),
            blocks: 1_000,
            page: 200,
            turns_per_user: Some(Rate::new(1_000, Duration::from_millis(20))),
            reports_per_user: Some(Rate::new(20, Duration::from_secs(3 * 60))),
            exports_per_user: Some(Rate::new(2, Duration::from_secs(30 * 60))),
            retention: None,
            slow_mode: 6 * 3_600,
            sanction: Duration::from_secs(10 * 365 * 86_400),
        }
    }
}
