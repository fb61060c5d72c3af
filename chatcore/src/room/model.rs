//! What a room and a member are.

use crate::clock::Timestamp;
use crate::id::{RoomId, Seq, UserId};

/// Who may find a room, and how one gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Everyone may find, read and enter it.
    Public,
    /// Only those invited know of it.
    Private,
    /// Two people's; one for each pair.
    Direct,
}

/// What a member may do. Each role may do what those before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Deletes messages of others, pins, invites, mutes, kicks and bans members.
    Moderator,
    /// Changes roles and the room itself.
    Owner,
}

/// How someone stands to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In it.
    Joined,
    /// Asked in.
    Invited,
    /// Was in it and went.
    Left,
    /// Was sent out; may enter again where the room lets in.
    Kicked,
    /// Shut out.
    Banned {
        /// Until when; without one, until unbanned.
        until: Option<Timestamp>,
    },
}

/// A room, as its last entry left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name on the wire.
    pub id: RoomId,
    /// Who may find it.
    pub kind: RoomKind,
    /// What people call it; not unique.
    pub name: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// Whether it outlives its last member.
    pub keep: bool,
    /// The last entry of its log.
    pub head_seq: Seq,
    /// The count of its messages.
    pub head_n: u64,
    /// The oldest entry that is still there is the one after this.
    pub floor_seq: Seq,
    /// The messages up to there: they count as unread no more.
    pub floor_n: u64,
    /// How many are in it.
    pub members: u32,
    /// How many of them own it.
    pub owners: u32,
    /// Pinned messages.
    pub pins: u32,
    /// Between one message of a member and the next must lie so many seconds; 0: no matter. Moderators
    /// and owners are free of it.
    pub slow_mode: u32,
    /// Messages are removed once they are so many seconds old; 0: as the server has it
    /// ([`Limits::retention`](crate::limits::Limits::retention)).
    pub retention: u32,
    /// When its last member left; from then on it is as if it had never been.
    pub deleted_at: Option<Timestamp>,
}

/// How someone stands to a room, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// How they stand.
    pub standing: Standing,
    /// What they may do while they are in.
    pub role: Role,
    /// Until when they may not write; `i64::MAX` for no end.
    pub muted_until: Option<Timestamp>,
    /// Where in the log they came in last: the order of succession.
    pub entered_seq: Seq,
    /// How far they have read.
    pub marks: Marks,
    /// Messages beyond that which mention them, in order; of more than [`Member::MENTIONS`] the newest.
    pub mentions: Vec<Seq>,
    /// When they wrote last while the room was in slow mode.
    pub spoke_at: Option<Timestamp>,
    /// In a direct room: the other one has blocked them.
    pub barred: bool,
    /// What they want to be told of.
    pub notify: NotifySetting,
}

/// What of a room a member wants to be told of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NotifyLevel {
    /// Every message.
    #[default]
    All,
    /// Messages that mention them.
    Mentions,
    /// Nothing.
    None,
}

/// What of a room a member wants to be told of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotifySetting {
    /// What.
    pub level: NotifyLevel,
    /// Until then nothing, whatever the level says; then what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snooze_until: Option<Timestamp>,
}

impl NotifySetting {
    /// What holds at `now`.
    pub fn level_at(&self, now: Timestamp) -> NotifyLevel {
        let snoozed = self.snooze_until.is_some_and(|until| now < until);
        if snoozed { NotifyLevel::None } else { self.level }
    }
}

/// How far a member is. Each only ever moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Marks {
    /// The last entry that they have read.
    pub read_seq: Seq,
    /// The messages up to `read_seq`: unread = the room's `head_n` − `read_n`.
    pub read_n: u64,
    /// The last entry that reached one of their devices.
    pub delivered_seq: Seq,
}

impl Member {
    /// Someone of whom the room has not heard.
    pub fn stranger(user: UserId) -> Self {
        Self {
            user,
            standing: Standing::Left,
            role: Role::Member,
            muted_until: None,
            entered_seq: Seq::START,
            marks: Marks::default(),
            mentions: Vec::new(),
            spoke_at: None,
            barred: false,
            notify: NotifySetting::default(),
        }
    }

    /// So many mentions that were not read are counted; more are not told apart.
    pub const MENTIONS: usize = 100;

    /// Takes in a message that mentions them.
    pub(super) fn mentioned(&mut self, seq: Seq) {
        if self.mentions.len() == Self::MENTIONS {
            self.mentions.remove(0);
        }
        self.mentions.push(seq);
    }

    /// Lets go of the mentions that they have read.
    pub(super) fn settle_mentions(&mut self) {
        let read = self.marks.read_seq;
        self.mentions.retain(|seq| *seq > read);
    }

    /// Whether they are in the room.
    pub fn joined(&self) -> bool {
        self.standing == Standing::Joined
    }

    /// Whether they are shut out at `now`.
    pub fn banned(&self, now: Timestamp) -> bool {
        matches!(self.standing, Standing::Banned { until } if until.is_none_or(|t| now < t))
    }
}

/// What someone may do with a room, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Must not learn that it exists.
    None,
    /// May know of it: invited, or shut out of a public room.
    Know,
    /// May read it.
    Read,
    /// Is in it.
    Joined,
}

impl Access {
    /// What `member` (none: a stranger) may do with `room` at `now`. The one place where it is
    /// decided who may see what.
    pub fn of(room: &Room, member: Option<&Member>, now: Timestamp) -> Self {
        if room.deleted_at.is_some() {
            return Self::None;
        }
        let standing = member.map(|m| m.standing);
        match (standing, room.kind) {
            (Some(Standing::Joined), _) => Self::Joined,
            (Some(Standing::Invited), RoomKind::Public) => Self::Read,
            (Some(Standing::Invited), _) => Self::Know,
            (Some(Standing::Kicked), RoomKind::Public) => Self::Know,
            (Some(Standing::Banned { .. }), RoomKind::Public)
                if member.is_some_and(|m| m.banned(now)) =>
            {
                Self::Know
            }
            (_, RoomKind::Public) => Self::Read,
            (_, RoomKind::Private | RoomKind::Direct) => Self::None,
        }
    }
}
