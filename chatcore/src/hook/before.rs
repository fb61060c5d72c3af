//! What the host says before something is decided.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::id::{MessageId, RoomId};
use crate::log::Draft;
use crate::room::{Action, Actor, NewRoom, SendAction};

/// What is asked, and by whom.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub by: Actor,
    /// Which room; the new one's id, if one is to be made.
    pub room: RoomId,
    /// What is asked.
    pub what: Asking,
}

/// What a host may have a say in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Asking {
    /// To say this. Its `client_msg_id` stays what it was, whatever becomes of the rest.
    Send(Draft),
    /// To change the text of a message.
    Edit {
        /// Which.
        message: MessageId,
        /// The new text.
        text: String,
    },
    /// To come in.
    Enter,
    /// To make a room.
    CreateRoom(NewRoom),
}

impl Asking {
    /// What of `action` a host has a say in.
    pub(super) fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Send(send) => Some(Self::Send(send.draft.clone())),
            Action::Edit { message, text, .. } => {
                Some(Self::Edit { message: message.clone(), text: text.clone() })
            }
            Action::Enter | Action::EnterByLink(_) => Some(Self::Enter),
            Action::Create(new) => Some(Self::CreateRoom(new.clone())),
            _ => None,
        }
    }

    /// `action` as this has it; none if this is of another kind.
    pub(super) fn onto(self, action: Action) -> Option<Action> {
        match (self, action) {
            (Self::Send(draft), Action::Send(send)) => {
                let SendAction { draft: asked, client_msg_id, message_id, mentions, original } =
                    send;
                // A retry is told by what the sender has sent, not by what was made of it.
                let original = original.unwrap_or_else(|| asked.fingerprint());
                let draft = Draft { client_msg_id: asked.client_msg_id, ..draft };
                let original = Some(original);
                Some(Action::Send(SendAction {
                    draft,
                    client_msg_id,
                    message_id,
                    mentions,
                    original,
                }))
            }
            (Self::Edit { text, .. }, Action::Edit { message, client_msg_id, .. }) => {
                Some(Action::Edit { message, client_msg_id, text })
            }
            (Self::Enter, action @ (Action::Enter | Action::EnterByLink(_))) => Some(action),
            (Self::CreateRoom(new), Action::Create(_)) => Some(Action::Create(new)),
            _ => None,
        }
    }
}

/// Why a host refuses; who asked is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    /// The longest reason, in characters; what is longer is cut.
    pub const MOST: usize = 256;

    /// Refuses for a reason that who asked will read.
    pub fn because(reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        Self(reason.chars().filter(|c| !c.is_control()).take(Self::MOST).collect())
    }

    pub(super) fn reason(self) -> String {
        self.0
    }
}

/// Has a say in what people ask, before it is decided.
///
/// # Contract
/// - It is called once for each call, also for one that was made before and is made again: it has to say the
///   same of the same, or a retry of what took effect may be refused. What it makes of a message does not
///   matter for that: a retry is told by what its sender has sent.
/// - What it lets pass must still pass the rules. It cannot allow what they refuse.
/// - What one person asks is decided in the order in which it was asked, however long each call takes.
#[async_trait]
pub trait Before: fmt::Debug + Send + Sync + 'static {
    /// Says what is to be decided instead of `asked.what`: the same, or something else of the same
    /// kind.
    ///
    /// # Errors
    /// [`Refusal`], which ends the call with
    /// [`Rejection::Refused`](crate::room::Rejection::Refused).
    async fn before(&self, asked: Asked) -> Result<Asking, Refusal>;
}

/// What becomes of a call when its hook says nothing in time, or panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes on as it was asked.
    Open,
    /// It fails with [`Error::Unavailable`](crate::Error::Unavailable), and may be made again.
    Closed,
}

/// How a [`Before`] is called.
#[derive(Clone, Copy, Debug)]
pub struct BeforeOptions {
    pub(super) deadline: Duration,
    pub(super) on_failure: OnFailure,
}

impl BeforeOptions {
    /// With a deadline of 2 s.
    pub fn new(on_failure: OnFailure) -> Self {
        Self { deadline: Duration::from_secs(2), on_failure }
    }

    /// How long it may take. Default 2 s.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}
