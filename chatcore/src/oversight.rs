//! What moderators and admins are shown: reports, and an account of what was done to whom.

use crate::clock::Timestamp;
use crate::id::{MessageId, RoomId, Seq, UserId};
use crate::room::Role;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Act {
    /// Someone was sent out of a room.
    Kick,
    /// Someone was shut out of a room.
    Ban,
    /// A ban was lifted.
    Unban,
    /// Someone may read but not write.
    Mute,
    /// A mute was lifted.
    Unmute,
    /// A member's role changed.
    Role,
    /// A message of another was deleted.
    DeleteMessage,
    /// A room was ended by an admin.
    DeleteRoom,
    /// An account was switched off.
    Suspend,
    /// An account was switched on again.
    Unsuspend,
    /// All sessions of someone were ended.
    EndSessions,
    /// A report was dealt with.
    ResolveReport,
    /// Someone became an admin.
    GrantAdmin,
    /// Someone is no admin any more.
    RevokeAdmin,
}

/// Who did what to whom, when, and why. It never holds the text of a message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who did it; the host itself is `~system`.
    pub by: UserId,
    /// What.
    pub act: Act,
    /// In which room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// To whom; of a message, its author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<UserId>,
    /// Which message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The role that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl AuditRecord {
    /// That `by` did `act`; what more there is to say is added to it.
    pub fn new(at: Timestamp, by: UserId, act: Act) -> Self {
        Self {
            at,
            by,
            act,
            room: None,
            target: None,
            message: None,
            role: None,
            until: None,
            reason: None,
        }
    }
}

/// A record at its place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditEntry {
    /// Its number: later ones are higher.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub record: AuditRecord,
}

/// What someone says of a message, with what the message said then.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewReport {
    /// When.
    pub at: Timestamp,
    /// Who reports it.
    pub by: UserId,
    /// In which room it is.
    pub room: RoomId,
    /// Which message.
    pub message: MessageId,
    /// Its place.
    pub seq: Seq,
    /// Who wrote it.
    pub author: UserId,
    /// What is wrong with it.
    pub reason: String,
    /// What it said when it was reported. Emptied when its author is erased.
    pub text: String,
}

/// A report at its place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Its number: later ones are higher.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub report: NewReport,
    /// When it was dealt with, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Which admin dealt with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<UserId>,
}
