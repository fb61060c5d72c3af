//! One connection, as the hub sees it: a bell, and what it rang for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Weak};

use tokio::sync::Notify;

use super::lane::Lane;
use super::{Hub, lock};
use crate::id::{RoomId, SessionId, UserId};
use crate::room::{Marks, NotifySetting};

/// Notices that wait for one connection. Beyond it signals are dropped and marks replaced; when
/// nothing can be dropped the connection is closed as too slow.
const NOTICES: usize = 256;

/// How someone stands to a room, as the wire tells their own devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// In it.
    Joined,
    /// Asked in.
    Invited,
    /// Out of it.
    Left,
    /// Sent out.
    Kicked,
    /// Shut out.
    Banned,
}

/// Something of the moment, never stored: someone is typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// What, such as `typing`.
    pub kind: String,
    /// Whether it begins or ends.
    pub on: bool,
    /// For how long it holds without another one.
    pub ttl_ms: u32,
}

/// Something for one connection that is not an entry of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The user's own way in or out of a room.
    Membership {
        /// Which room.
        room: RoomId,
        /// How they stand to it now.
        state: Membership,
    },
    /// How far a member is.
    Mark {
        /// Which room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// How far.
        marks: Marks,
    },
    /// A signal.
    Signal(Signal),
    /// How many members are in a room in which many listen.
    Online {
        /// Which room.
        room: RoomId,
        /// How many.
        count: u64,
    },
    /// What the user wants to be told of.
    Notify {
        /// In which room.
        room: RoomId,
        /// What.
        notify: NotifySetting,
    },
    /// The user has blocked someone, or does so no more.
    Block {
        /// Whom.
        user: UserId,
        /// Whether they are blocked.
        on: bool,
    },
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Its session was revoked. Nothing more may be written.
    Revoked,
    /// It does not read.
    Slow,
    /// The server is stopping.
    Draining,
}

/// What a connection is woken for.
#[derive(Debug, Default)]
pub struct News {
    /// Rooms with entries to read, or whose subscription has ended.
    pub rooms: Vec<RoomId>,
    /// Notices, in order.
    pub notices: VecDeque<Notice>,
    /// The connection is to end.
    pub closing: Option<Closing>,
}

/// What a listener is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// Entries and notices: a client's connection.
    All,
    /// Entries only: a stream within the host's own program.
    Entries,
}

/// One connection of one user.
#[derive(Debug)]
pub struct Listener {
    user: UserId,
    session: Option<SessionId>,
    hears: Hears,
    news: Mutex<News>,
    bell: Notify,
    lane: Lane,
    /// How many rooms it follows.
    seats: AtomicUsize,
    hub: Weak<Hub>,
}

impl Listener {
    pub(super) fn new(
        user: UserId,
        session: Option<SessionId>,
        hears: Hears,
        hub: Weak<Hub>,
    ) -> Self {
        Self {
            user,
            session,
            hears,
            news: Mutex::default(),
            bell: Notify::new(),
            lane: Lane::default(),
            seats: AtomicUsize::new(0),
            hub,
        }
    }

    /// The way to its socket.
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(super) fn sits(&self, down: bool) {
        if down {
            self.seats.fetch_add(1, Ordering::Relaxed);
        } else {
            self.seats.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether it follows more than one room.
    pub(super) fn sits_in_several(&self) -> bool {
        self.seats.load(Ordering::Relaxed) > 1
    }

    /// Rings for what is not news of a room.
    pub(super) fn rouse(&self) {
        self.bell.notify_one();
    }

    pub(super) fn hears(&self) -> Hears {
        self.hears
    }

    /// Whose it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Which session opened it.
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Waits until there is news. Cancel-safe; news that came before the call counts.
    pub async fn ring(&self) {
        self.bell.notified().await;
    }

    /// Takes what there is, and leaves no memory behind: most connections are idle.
    pub fn take(&self) -> News {
        let mut news = lock(&self.news);
        // What ends a connection stays, so that no later look misses it.
        let closing = news.closing;
        std::mem::replace(&mut *news, News { closing, ..News::default() })
    }

    /// Why this connection is to end, if it is. Look right before writing.
    pub fn closing(&self) -> Option<Closing> {
        lock(&self.news).closing
    }

    pub(super) fn room_has_news(&self, room: &RoomId) {
        lock(&self.news).rooms.push(room.clone());
        self.rouse();
    }

    /// Ends the connection. A revocation outranks any other reason.
    ///
    /// What is revoked, or too slow, is written to no more once this returns.
    pub fn close(&self, why: Closing) {
        let mut news = lock(&self.news);
        if news.closing.is_none() || why == Closing::Revoked {
            news.closing = Some(why);
        }
        drop(news);
        if matches!(why, Closing::Revoked | Closing::Slow) {
            self.lane.close();
        }
        self.rouse();
    }

    pub(super) fn notify(&self, notice: Notice) {
        if self.hears == Hears::Entries {
            return;
        }
        let mut news = lock(&self.news);
        let waiting = &mut news.notices;
        if let Some(old) = waiting.iter_mut().find(|old| supersedes(&notice, old)) {
            *old = notice;
        } else if waiting.len() < NOTICES {
            waiting.push_back(notice);
        } else if !is_of_the_moment(&notice) {
            match waiting.iter().position(is_of_the_moment) {
                Some(at) => {
                    waiting.remove(at);
                    waiting.push_back(notice);
                }
                None => news.closing = news.closing.or(Some(Closing::Slow)),
            }
        }
        drop(news);
        self.rouse();
    }
}

/// Whether nothing is lost that another one would not mend.
fn is_of_the_moment(notice: &Notice) -> bool {
    matches!(notice, Notice::Signal(_) | Notice::Online { .. })
}

/// Whether `new` makes `old` pointless: the latest mark of a member, the latest signal of a kind.
fn supersedes(new: &Notice, old: &Notice) -> bool {
    match (new, old) {
        (Notice::Mark { room, user, .. }, Notice::Mark { room: old_room, user: old_user, .. }) => {
            room == old_room && user == old_user
        }
        (Notice::Signal(new), Notice::Signal(old)) => {
            new.room == old.room && new.user == old.user && new.kind == old.kind
        }
        (Notice::Online { room, .. }, Notice::Online { room: old, .. }) => room == old,
        (Notice::Block { user, .. }, Notice::Block { user: old, .. }) => user == old,
        (Notice::Notify { room, .. }, Notice::Notify { room: old, .. }) => room == old,
        _ => false,
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.disconnected(&self.user, self.hears);
        }
    }
}
