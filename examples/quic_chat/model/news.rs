//! What can happen, and what is to be done about it.

use std::path::PathBuf;

use chatcore::chat::{RoomSummary, Sent};
use chatcore::clock::Timestamp;
use chatcore::id::{AttachmentId, ClientMsgId, MessageId, RoomId, Seq, UserId};
use chatcore::log::{AttachmentRef, Cursor, HistoryPage, Message};
use chatcore::room::RoomKind;
use chatcore_quic::client::{Notice, Progress, State, Unsent, Update};
use crossterm::event::KeyEvent;

/// What happened.
#[derive(Debug)]
pub(crate) enum News {
    Key(KeyEvent),
    Pasted(String),
    Resized(u16, u16),
    Time(Timestamp),
    LoggedIn {
        user: UserId,
        name: String,
    },
    NotLoggedIn(String),
    /// The session is over; why.
    LoggedOut(String),
    State {
        state: State,
        retry_at: Option<Timestamp>,
        /// Over WebSocket rather than QUIC.
        spare: bool,
    },
    /// Why the last attempt to connect failed.
    Unreachable(String),
    Rooms(Vec<RoomSummary>),
    /// Rooms that one may enter.
    Visible(Vec<RoomSummary>),
    Update(RoomId, Update),
    /// A room is followed no more; why.
    Unfollowed(RoomId, String),
    Page {
        room: RoomId,
        before: Option<Seq>,
        page: Result<HistoryPage, String>,
    },
    /// A message as it stands now.
    Reread(RoomId, Box<Message>),
    /// What waits in the outbox from last time.
    Unsent(Vec<Unsent>),
    Sent {
        room: RoomId,
        id: ClientMsgId,
        result: Result<Sent, String>,
    },
    Told(Notice),
    Name(UserId, String),
    Entered(RoomId),
    Left(RoomId),
    Uploading {
        room: RoomId,
        id: ClientMsgId,
        at: Progress,
    },
    Downloading {
        file: AttachmentId,
        at: Progress,
    },
    Saved {
        file: AttachmentId,
        saved: Result<PathBuf, String>,
    },
    /// Something was done that shows nowhere else.
    Done(String),
    Failed(String),
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    LogIn {
        name: String,
        password: Secret,
        register: bool,
    },
    /// End the session, here and on the server.
    LogOut,
    /// The session is over: put away what belongs to it.
    Over,
    Quit,
    /// Try to connect at once.
    Nudge,
    Rooms,
    Visible,
    /// From here on: pages are read later, so that nothing lies between.
    Follow {
        room: RoomId,
        since: Cursor,
    },
    Unfollow(RoomId),
    Page {
        room: RoomId,
        before: Option<Seq>,
    },
    Reread {
        room: RoomId,
        seq: Seq,
    },
    /// Through the outbox, in this order.
    Write(Box<Unsent>),
    Upload {
        room: RoomId,
        id: ClientMsgId,
        path: PathBuf,
        reply_to: Option<MessageId>,
    },
    Download(AttachmentRef),
    React {
        room: RoomId,
        message: MessageId,
        emoji: String,
        on: bool,
    },
    Create {
        kind: RoomKind,
        name: Option<String>,
        with: Vec<UserId>,
    },
    Invite {
        room: RoomId,
        user: UserId,
    },
    Enter(RoomId),
    Leave(RoomId),
    Read {
        room: RoomId,
        seq: Seq,
    },
    Typing {
        room: RoomId,
        on: bool,
    },
    Name(UserId),
}

/// Text that is on its way to the server and to nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
