//! Why the rules refuse something.

use std::time::Duration;

use super::Role;
use crate::clock::Timestamp;
use crate::error::Code;

/// Why the rules of the chat refuse a command. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such room, or the caller may not know of it; which of the two is not told.
    #[error("there is no such room")]
    NoSuchRoom,
    /// There is no such message in this room.
    #[error("there is no such message in this room")]
    NoSuchMessage,
    /// There is no such person.
    #[error("there is no such user")]
    NoSuchUser,
    /// There is no such person in this room.
    #[error("there is no such member in this room")]
    NoSuchMember,
    /// No link has this code: there never was one, or it has expired, is used up, or was revoked.
    #[error("this invitation is not good, or not any more; ask for another one")]
    NoSuchInvite,
    /// There is no such link in this room.
    #[error("there is no such invite link in this room")]
    NoSuchInviteLink,
    /// There is no such report.
    #[error("there is no such report")]
    NoSuchReport,
    /// The file is not there, is someone else's, or is in a message already; which, is not told.
    #[error("only a file of your own that is in no message yet can be sent; upload it again")]
    NoSuchUpload,
    /// The message is deleted.
    #[error("the message is deleted")]
    MessageDeleted,
    /// The caller is not in the room.
    #[error("enter the room first")]
    NotJoined,
    /// The caller is shut out.
    #[error("you are banned from this room")]
    Banned {
        /// Until when; without one, until unbanned.
        until: Option<Timestamp>,
    },
    /// The caller may read but not write.
    #[error("you are muted in this room")]
    Muted,
    /// The room is in slow mode, and the caller wrote a moment ago.
    #[error("this room is in slow mode; wait before you write again")]
    SlowMode {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Someone does not want it from the caller; who, and that it is so, is not told.
    #[error("this is not possible")]
    Unwanted,
    /// The caller's role does not allow it.
    #[error("this needs the role {needs:?} or a higher one than the other's")]
    RoleTooLow {
        /// The lowest role that may do it.
        needs: Role,
    },
    /// Only the author may.
    #[error("only its author may change a message")]
    NotTheAuthor,
    /// It would leave a room without an owner.
    #[error("a room needs an owner; make another member owner first")]
    LastOwner,
    /// Not possible in a direct room.
    #[error("a direct room is of two people, for good")]
    DirectRoom,
    /// One cannot do this to oneself.
    #[error("you cannot do this to yourself")]
    Yourself,
    /// The `client_msg_id` was used for something else.
    #[error("this client_msg_id was used for another request; use a fresh one")]
    ClientMsgIdReused,
    /// The host refuses it.
    #[error("{why}")]
    Refused {
        /// Why, in the host's words.
        why: String,
    },
    /// What was handed in by a transaction of the host's has been settled before.
    #[error("this was settled before")]
    Settled,
    /// Above a limit of number.
    #[error("too many {what}: at most {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// Above a limit of size.
    #[error("{what} is too large: at most {most} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit in bytes.
        most: u64,
    },
    /// An edit that leaves nothing.
    #[error("a message needs text or an attachment; delete it instead")]
    EmptyText,
    /// A mark beyond the end of the log.
    #[error("seq must not be above the room's head_seq")]
    BeyondHead,
}

impl Rejection {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::NoSuchRoom
            | Self::NoSuchMessage
            | Self::NoSuchMember
            | Self::NoSuchUser
            | Self::NoSuchInvite
            | Self::NoSuchInviteLink
            | Self::NoSuchReport => Code::NotFound,
            Self::MessageDeleted => Code::Gone,
            Self::NotJoined
            | Self::Banned { .. }
            | Self::Muted
            | Self::Unwanted
            | Self::RoleTooLow { .. }
            | Self::NotTheAuthor
            | Self::NoSuchUpload
            | Self::LastOwner
            | Self::DirectRoom
            | Self::Yourself
            | Self::Refused { .. } => Code::Forbidden,
            Self::ClientMsgIdReused | Self::Settled => Code::Conflict,
            Self::SlowMode { .. } => Code::RateLimited,
            Self::TooMany { .. } => Code::LimitReached,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::BeyondHead | Self::EmptyText => Code::BadRequest,
        }
    }

    /// How long to wait before trying again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::SlowMode { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}
