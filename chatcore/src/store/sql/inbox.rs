//! What a host hands in, as a row.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::corrupt;
use crate::clock::Timestamp;
use crate::id::{AttachmentId, ClientMsgId, MessageId, RoomId, Seq, UserId};
use crate::log::Draft;
use crate::room::{Action, Actor, Command, NewRoom, RoomKind, SendAction};
use crate::store::{Handed, Refused, StoreError};

/// Commands of one room that are looked at to see what they will have done, at most.
pub(in crate::store) const LOOKED_AT: i64 = 256;

/// A command that waits, as JSON.
#[derive(Deserialize, Serialize)]
struct Form {
    /// None for the host itself.
    by: Option<UserId>,
    what: Deed,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Deed {
    Create {
        kind: RoomKind,
        name: Option<String>,
        topic: Option<String>,
        members: Vec<UserId>,
        keep: bool,
    },
    Enter,
    Leave,
    Send {
        client_msg_id: ClientMsgId,
        text: String,
        reply_to: Option<MessageId>,
        attachments: Vec<AttachmentId>,
        #[serde(default)]
        mentions: Vec<UserId>,
        meta: Option<Value>,
    },
    Edit {
        message: MessageId,
        client_msg_id: ClientMsgId,
        text: String,
    },
    Delete {
        message: MessageId,
        client_msg_id: ClientMsgId,
    },
    Read {
        seq: Seq,
    },
}

/// A command to be kept.
pub(in crate::store) struct Row {
    /// What it is known by to those that come after it: the message that it is, nothing for what none of
    /// them can depend on, and none for what any of them may.
    pub(in crate::store) key: Option<String>,
    pub(in crate::store) command: String,
}

impl Row {
    pub(in crate::store) fn of(command: &Command) -> Result<Self, StoreError> {
        let by = match &command.actor {
            Actor::User(user) => Some(user.clone()),
            Actor::System => None,
        };
        let key = match &command.action {
            Action::Send(send) => Some(send.message_id.to_string()),
            Action::Mark { .. } => Some(String::new()),
            _ => None,
        };
        let what = Deed::of(&command.action)?;
        Ok(Self { key, command: serde_json::to_string(&Form { by, what }).map_err(corrupt)? })
    }
}

impl Deed {
    fn of(action: &Action) -> Result<Self, StoreError> {
        Ok(match action.clone() {
            Action::Create(NewRoom { kind, name, topic, members, keep }) => {
                Self::Create { kind, name, topic, members, keep }
            }
            Action::Enter => Self::Enter,
            Action::Leave => Self::Leave,
            Action::Send(SendAction { draft, client_msg_id, .. }) => {
                let Draft { text, reply_to, attachments, mentions, meta, .. } = draft;
                Self::Send { client_msg_id, text, reply_to, attachments, mentions, meta }
            }
            Action::Edit { message, client_msg_id, text } => {
                Self::Edit { message, client_msg_id, text }
            }
            Action::Delete { message, client_msg_id } => Self::Delete { message, client_msg_id },
            Action::Mark { read: Some(seq), delivered: None } => Self::Read { seq },
            _ => return Err(corrupt("this cannot be handed in")),
        })
    }

    fn action(self, room: &RoomId, actor: &Actor) -> Action {
        match self {
            Self::Create { kind, name, topic, members, keep } => {
                Action::Create(NewRoom { kind, name, topic, members, keep })
            }
            Self::Enter => Action::Enter,
            Self::Leave => Action::Leave,
            Self::Send { client_msg_id, text, reply_to, attachments, mentions, meta } => {
                let once = Some(client_msg_id.clone());
                let called = mentions.clone();
                let draft =
                    Draft { text, client_msg_id: once, reply_to, attachments, mentions, meta };
                let message_id = MessageId::derive(room, &actor.id(), &client_msg_id);
                Action::Send(SendAction {
                    draft,
                    client_msg_id,
                    message_id,
                    mentions: called,
                    original: None,
                })
            }
            Self::Edit { message, client_msg_id, text } => {
                Action::Edit { message, client_msg_id, text }
            }
            Self::Delete { message, client_msg_id } => Action::Delete { message, client_msg_id },
            Self::Read { seq } => Action::Mark { read: Some(seq), delivered: None },
        }
    }
}

/// A row of what waits.
pub(in crate::store) fn handed(place: u64, room: RoomId, command: &str) -> Handed {
    let asked = serde_json::from_str::<Form>(command).map_err(|error| error.to_string());
    let asked = asked.map(|Form { by, what }| {
        let actor = by.map_or(Actor::System, Actor::User);
        let action = what.action(&room, &actor);
        (actor, action)
    });
    Handed { place, room, asked }
}

/// Those of `handed` that can be read, as commands at `at`.
pub(in crate::store) fn commands(
    handed: impl IntoIterator<Item = Handed>,
    at: Timestamp,
) -> Vec<Command> {
    let command = |Handed { room, asked, .. }: Handed| {
        let (actor, action) = asked.ok()?;
        Some(Command { room, actor, at, action, inbox: None })
    };
    handed.into_iter().filter_map(command).collect()
}

/// The messages that a command is about, whose being handed in before it must know of.
pub(in crate::store) fn about(command: &Command) -> Vec<String> {
    let needs = command.needs();
    needs.sends.iter().chain(&needs.messages).map(ToString::to_string).collect()
}

/// A row of what was refused.
pub(in crate::store) fn refused(
    place: u64,
    room: RoomId,
    key: Option<&str>,
    (code, why, at): (String, String, i64),
    asked: String,
) -> Result<Refused, StoreError> {
    let message = key.filter(|key| !key.is_empty()).map(MessageId::parse);
    let form = serde_json::from_str::<Form>(&asked).ok();
    Ok(Refused {
        place,
        room,
        by: form.map(|form| form.by.unwrap_or_else(UserId::system)),
        message_id: message.transpose().map_err(corrupt)?,
        code,
        why,
        at: Timestamp(at),
        asked,
    })
}
