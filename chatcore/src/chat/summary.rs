//! Rooms and members, as lists show them.

use crate::clock::Timestamp;
use crate::hub::Membership;
use crate::id::{Epoch, RoomId, Seq, UserId};
use crate::log::is_zero;
use crate::room::{Marks, Member, NotifyLevel, NotifySetting, Role, Room, RoomKind, Standing};

/// A room, as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomSummary {
    /// Its name on the wire.
    pub room: RoomId,
    /// Who may find it.
    pub kind: RoomKind,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// How the user stands to it; absent for a stranger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Membership>,
    /// What the user may do, if they are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// How many are in it.
    pub members: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Seconds between one message of a member and the next.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slow_mode: u32,
    /// How many of its messages are pinned.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pins: u32,
    /// Seconds after which messages are removed; left out where the server's default holds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retention: u32,
    /// Which life of the log the places count in.
    pub epoch: Epoch,
    /// The last entry of its log.
    pub head_seq: Seq,
    /// The count of its messages.
    pub head_n: u64,
    /// Entries up to here are gone.
    pub floor_seq: Seq,
    /// The messages up to there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub floor_n: u64,
    /// How far the user has read.
    pub read_seq: Seq,
    /// The messages up to there.
    pub read_n: u64,
    /// The last entry that reached one of the user's devices.
    pub delivered_seq: Seq,
    /// Messages that the user, a member, has not read, those left out that are gone.
    pub unread: u64,
    /// How many of them mention the user; 100 also for more.
    #[serde(default)]
    pub mentions: u64,
    /// What the user wants to be told of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notify: NotifySetting,
    /// The user wants to be told of nothing now: what is unread here counts in no sum.
    #[serde(default, skip_serializing_if = "is_default")]
    pub muted: bool,
    /// What a badge is to show, as the user wants it: messages that are not read, those of them that
    /// mention the user, or 0.
    #[serde(default)]
    pub badge: u64,
}

impl RoomSummary {
    pub(in crate::chat) fn new(
        room: Room,
        member: Option<&Member>,
        epoch: &Epoch,
        now: Timestamp,
    ) -> Self {
        let inside = member.filter(|m| m.joined());
        let unread =
            inside.map_or(0, |m| room.head_n.saturating_sub(m.marks.read_n.max(room.floor_n)));
        // Those that are too old to be read count no more.
        let mentions = inside
            .map_or(0, |m| m.mentions.iter().filter(|seq| **seq > room.floor_seq).count() as u64);
        let notify = inside.map(|m| m.notify).unwrap_or_default();
        let level = notify.level_at(now);
        let marks = inside.map(|m| m.marks).unwrap_or_default();
        Self {
            unread,
            mentions,
            notify,
            muted: level == NotifyLevel::None,
            badge: match level {
                NotifyLevel::All => unread,
                NotifyLevel::Mentions => mentions,
                NotifyLevel::None => 0,
            },
            room: room.id,
            kind: room.kind,
            name: room.name,
            topic: room.topic,
            state: member.map(|m| m.standing.into()),
            role: inside.map(|m| m.role),
            members: room.members,
            created_at: room.created_at,
            slow_mode: room.slow_mode,
            pins: room.pins,
            retention: room.retention,
            epoch: epoch.clone(),
            head_seq: room.head_seq,
            head_n: room.head_n,
            floor_seq: room.floor_seq,
            floor_n: room.floor_n,
            read_seq: marks.read_seq,
            read_n: marks.read_n,
            delivered_seq: marks.delivered_seq,
        }
    }
}

impl From<Standing> for Membership {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Joined => Self::Joined,
            Standing::Invited => Self::Invited,
            Standing::Left => Self::Left,
            Standing::Kicked => Self::Kicked,
            Standing::Banned { .. } => Self::Banned,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberSummary {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Until when they may not write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// How far they are.
    #[serde(flatten)]
    pub marks: Marks,
}

impl From<Member> for MemberSummary {
    fn from(member: Member) -> Self {
        let Member { user, role, muted_until, marks, .. } = member;
        Self { user, role, muted_until, marks }
    }
}
