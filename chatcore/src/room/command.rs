//! What can be asked of a room.

use crate::clock::{Random, Timestamp};
use crate::error::{Error, Invalid};
use crate::id::{
    AttachmentId, ClientMsgId, InvalidId, InviteLinkId, MessageId, RoomId, Seq, UserId,
    random_string,
};
use crate::limits::Limits;
use crate::log::{Draft, check_emoji, check_text};
use crate::room::{
    InviteHash, InviteLink, NewInviteLink, NotifySetting, Rejection, Role, RoomKind,
};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Someone, bound by the rules.
    User(UserId),
    /// The host itself, to whom every room is open.
    System,
}

/// Someone, bound by the rules.
impl From<&UserId> for Actor {
    fn from(user: &UserId) -> Self {
        Self::User(user.clone())
    }
}

impl Actor {
    /// Refuses a user of the host's own name: whoever made this id let someone choose it.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::User(user) if *user == UserId::system() => {
                Err(Invalid::new("user", "this user id is the host's own"))
            }
            Self::User(_) | Self::System => Ok(()),
        }
    }

    /// The name that entries carry.
    pub fn id(&self) -> UserId {
        match self {
            Self::User(user) => user.clone(),
            Self::System => UserId::system(),
        }
    }
}

/// One request to one room.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which room; for [`Action::Create`], the one to make.
    pub room: RoomId,
    /// Who asks.
    pub actor: Actor,
    /// The moment that the decision takes for now.
    pub at: Timestamp,
    /// What is asked.
    pub action: Action,
    /// Its place in the [inbox](crate::store::InboxStore), if it came by a transaction of the host's.
    /// It is then settled by what becomes of it, in the same commit.
    pub inbox: Option<u64>,
}

/// What is asked of a room.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Make it. If it is there (a direct room, the lobby), this is [`Action::Enter`].
    Create(NewRoom),
    /// Come in.
    Enter,
    /// Go.
    Leave,
    /// Say something.
    Send(SendAction),
    /// Change the text of one's own message.
    Edit {
        /// Which.
        message: MessageId,
        /// The caller's name for this edit.
        client_msg_id: ClientMsgId,
        /// The new text.
        text: String,
    },
    /// Delete a message.
    Delete {
        /// Which.
        message: MessageId,
        /// The caller's name for this deletion.
        client_msg_id: ClientMsgId,
    },
    /// Add (`on`) or take back a reaction.
    React {
        /// To which message.
        message: MessageId,
        /// Which.
        emoji: String,
        /// Whether it shall be there.
        on: bool,
    },
    /// Take back one's own reaction, wherever one stands: what is left of who is erased.
    Retract {
        /// From which message.
        message: MessageId,
        /// Which.
        emoji: String,
    },
    /// Pin (`on`) or unpin a message.
    Pin {
        /// Which.
        message: MessageId,
        /// Whether it shall be pinned.
        on: bool,
    },
    /// Do something to someone.
    Member {
        /// To whom.
        target: UserId,
        /// What.
        what: MemberAction,
    },
    /// Make a link by which people come in.
    AddInviteLink(InviteLink),
    /// Take such a link back.
    RevokeInviteLink(InviteLinkId),
    /// Come in by the link with this code.
    EnterByLink(InviteHash),
    /// Block someone (`on`), or do so no more. The room is the direct one of both.
    Block {
        /// Whom.
        target: UserId,
        /// Whether they shall be blocked.
        on: bool,
    },
    /// Say what of the room the caller wants to be told of.
    Notify(NotifySetting),
    /// Describe the room anew.
    Update(RoomUpdate),
    /// Let go of what is too old, as the host.
    Expire {
        /// All up to here.
        upto: Seq,
        /// Messages among it that were edited: what their edits said goes too.
        edited: Vec<MessageId>,
    },
    /// Move the caller's marks forward.
    Mark {
        /// All up to here is read.
        read: Option<Seq>,
        /// All up to here has arrived.
        delivered: Option<Seq>,
    },
}

impl Action {
    /// Checks all that can be known without the room.
    pub(crate) fn check(&self, now: Timestamp, limits: &Limits) -> Result<(), Error> {
        match self {
            Self::Create(new) => new.check(limits),
            Self::Send(send) => send.draft.check(limits),
            Self::Edit { text, .. } => check_text("text", text, limits),
            Self::React { emoji, .. } => Ok(check_emoji(emoji)?),
            Self::Member { what, .. } => what.check(now, limits),
            Self::Update(update) => update.check(limits),
            Self::Enter | Self::Leave | Self::Delete { .. } => Ok(()),
            Self::Pin { .. } | Self::Mark { .. } => Ok(()),
            Self::AddInviteLink(link) => {
                let (expires_at, uses) = (Some(link.expires_at), link.uses);
                NewInviteLink { expires_at, uses }.check(now, limits).map(|_| ())
            }
            Self::RevokeInviteLink(_) | Self::EnterByLink(_) | Self::Block { .. } => Ok(()),
            Self::Notify(notify) => {
                Ok(check_until("snooze_until", notify.snooze_until, now, limits)?)
            }
            // The library's own.
            Self::Retract { .. } | Self::Expire { .. } => Ok(()),
        }
    }
}

/// A message on its way, with the name under which it takes effect once.
#[derive(Clone, Debug)]
pub struct SendAction {
    /// What to send; its `client_msg_id` is the one beside it.
    pub draft: Draft,
    /// The sender's name for it.
    pub client_msg_id: ClientMsgId,
    /// The message's own name, derived from it.
    pub message_id: MessageId,
    /// Whom it calls: the draft's own, and those that its text names.
    pub mentions: Vec<UserId>,
    /// What tells it from another one under the same name, if that is not the draft, because a hook has
    /// changed it.
    pub original: Option<[u8; 16]>,
}

impl SendAction {
    /// `draft` as `actor` sends it to `room`; under a fresh name if it has none.
    pub(crate) fn new(
        room: &RoomId,
        actor: &Actor,
        draft: Draft,
        random: &dyn Random,
    ) -> Result<Self, InvalidId> {
        let client_msg_id = match draft.client_msg_id.clone() {
            Some(id) => id,
            None => ClientMsgId::parse(&random_string::<16>(random))?,
        };
        let message_id = MessageId::derive(room, &actor.id(), &client_msg_id);
        let mentions = draft.mentions.clone();
        Ok(Self { draft, client_msg_id, message_id, mentions, original: None })
    }
}

/// A room to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// Who may find it.
    pub kind: RoomKind,
    /// What people call it.
    pub name: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Whom to ask in; of a direct room, the other one.
    pub members: Vec<UserId>,
    /// Whether it outlives its last member.
    pub keep: bool,
}

impl NewRoom {
    fn of_kind(kind: RoomKind, name: Option<String>) -> Self {
        Self { kind, name, topic: None, members: Vec::new(), keep: false }
    }

    /// A room that everyone may enter.
    pub fn public(name: impl Into<String>) -> Self {
        Self::of_kind(RoomKind::Public, Some(name.into()))
    }

    /// A room for those who are asked in.
    pub fn private(name: impl Into<String>) -> Self {
        Self::of_kind(RoomKind::Private, Some(name.into()))
    }

    /// The room of the caller and `other`.
    pub fn direct(other: UserId) -> Self {
        Self { members: vec![other], ..Self::of_kind(RoomKind::Direct, None) }
    }

    /// Asks these in.
    #[must_use]
    pub fn invite(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.members.extend(users);
        self
    }

    /// Says what it is about.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Keeps it when its last member leaves.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The id that it gets: of a direct room the pair's, of another a fresh one.
    pub(crate) fn id_for(&self, actor: &Actor, random: &dyn Random) -> Result<RoomId, Rejection> {
        match (self.kind, self.members.first(), actor) {
            (RoomKind::Direct, Some(other), Actor::User(user)) if other == user => {
                Err(Rejection::Yourself)
            }
            (RoomKind::Direct, Some(other), Actor::User(user)) => Ok(RoomId::direct(user, other)),
            (RoomKind::Direct, ..) => Err(Rejection::DirectRoom),
            _ => Ok(RoomId::random(random)),
        }
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        check_line("name", self.name.as_deref(), limits.name_chars)?;
        check_line("topic", self.topic.as_deref(), limits.topic_chars)?;
        if self.kind == RoomKind::Direct && self.members.len() != 1 {
            return Err(Invalid::new("members", "a direct room needs exactly one other").into());
        }
        if self.members.len() > limits.invitees {
            let most = limits.invitees as u64;
            return Err(Rejection::TooMany { what: "members to invite at once", most }.into());
        }
        Ok(())
    }
}

/// A room's new description. What is `None` stays as it is; an empty text takes it away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomUpdate {
    /// What people call it.
    pub name: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Who may find it; a direct room stays one.
    pub kind: Option<RoomKind>,
    /// Seconds between one message of a member and the next; 0 ends it.
    pub slow_mode: Option<u32>,
    /// Seconds after which messages are removed; 0: as the server has it.
    pub retention: Option<u32>,
}

impl RoomUpdate {
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        check_line("name", self.name.as_deref(), limits.name_chars)?;
        check_line("topic", self.topic.as_deref(), limits.topic_chars)?;
        if self.slow_mode.is_some_and(|seconds| seconds > limits.slow_mode) {
            let problem = format!("slow_mode must be at most {} seconds", limits.slow_mode);
            return Err(Invalid::new("slow_mode", problem).into());
        }
        if self.retention.is_some_and(|seconds| seconds != 0 && !RETENTION.contains(&seconds)) {
            let (least, most) = (RETENTION.start(), RETENTION.end());
            let problem = format!("retention must be 0, or from {least} to {most} seconds");
            return Err(Invalid::new("retention", problem).into());
        }
        Ok(())
    }
}

/// What can be done to someone in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberAction {
    /// Ask them in.
    Invite,
    /// Send them out.
    Kick {
        /// Why.
        reason: Option<String>,
    },
    /// Shut them out.
    Ban {
        /// Until when; without one, until unbanned.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// Lift a ban.
    Unban,
    /// Let them read but not write.
    Mute {
        /// Until when; without one, until unmuted.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// Lift a mute.
    Unmute,
    /// Change what they may do.
    Role(Role),
}

impl MemberAction {
    pub(crate) fn check(&self, now: Timestamp, limits: &Limits) -> Result<(), Error> {
        let (until, reason) = match self {
            Self::Kick { reason } => (None, reason),
            Self::Ban { until, reason } | Self::Mute { until, reason } => (*until, reason),
            Self::Invite | Self::Unban | Self::Unmute | Self::Role(_) => return Ok(()),
        };
        check_line("reason", reason.as_deref(), limits.topic_chars)?;
        Ok(check_until("until", until, now, limits)?)
    }
}

/// Checks the end of something that may have none.
pub(crate) fn check_until(
    field: &'static str,
    until: Option<Timestamp>,
    now: Timestamp,
    limits: &Limits,
) -> Result<(), Invalid> {
    match until {
        Some(t) if t <= now => Err(Invalid::new(field, format!("{field} must be in the future"))),
        Some(t) if t > now.after(limits.sanction) => {
            Err(Invalid::new(field, format!("{field} is too far away; leave it out for no end")))
        }
        _ => Ok(()),
    }
}

/// Whether a character reorders what stands around it (Unicode Standard Annex 9: embeddings,
/// overrides, isolates), so that a name could pass for another.
pub(crate) fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many seconds messages may be kept for: an hour to ten years.
const RETENTION: std::ops::RangeInclusive<u32> = 3_600..=10 * 365 * 86_400;

/// Checks a text of one line.
pub(crate) fn check_line(
    field: &'static str,
    text: Option<&str>,
    most: usize,
) -> Result<(), Invalid> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().count() > most {
        return Err(Invalid::new(field, format!("{field} must be at most {most} characters")));
    }
    if text.chars().any(|c| c.is_control() || reorders(c)) {
        let problem =
            format!("{field} must not have control characters, nor such that reorder text");
        return Err(Invalid::new(field, problem));
    }
    Ok(())
}

/// What a store must load before a command can be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How these people stand to the room.
    pub members: Vec<UserId>,
    /// How many rooms these people are in.
    pub joined_counts: Vec<UserId>,
    /// What was done under these names.
    pub sends: Vec<MessageId>,
    /// These messages as they stand now.
    pub messages: Vec<MessageId>,
    /// These messages' reactions.
    pub reactions: Vec<MessageId>,
    /// These uploads.
    pub uploads: Vec<AttachmentId>,
    /// Those next in the order of succession: joined, highest role first, then longest in.
    pub successors: bool,
    /// The count of messages up to here.
    pub n_at: Option<Seq>,
    /// The links by which people come in.
    pub invite_links: bool,
    /// Whether the first of each pair blocks the second, and where it is said so, how many they block.
    pub blocks: Vec<(UserId, UserId, bool)>,
    /// Whether this place of the inbox still waits.
    pub inbox: Option<u64>,
}

impl Command {
    /// What must be loaded before this can be decided.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs { inbox: self.inbox, ..Needs::default() };
        let actor = match &self.actor {
            Actor::User(user) => Some(user.clone()),
            Actor::System => None,
        };
        needs.members.extend(actor.clone());
        match &self.action {
            Action::Create(new) => {
                needs.members.extend(new.members.iter().cloned());
                needs.joined_counts.extend(actor.clone());
                if new.kind == RoomKind::Direct {
                    needs.joined_counts.extend(new.members.iter().cloned());
                } else if let Some(actor) = actor {
                    let invited = new.members.iter().cloned();
                    needs.blocks.extend(invited.map(|user| (user, actor.clone(), false)));
                }
            }
            Action::Enter => needs.joined_counts.extend(actor),
            Action::Leave => needs.successors = true,
            Action::Send(send) => {
                needs.sends.push(send.message_id.clone());
                needs.members.extend(send.mentions.iter().cloned());
                needs.messages.extend(send.draft.reply_to.clone());
                needs.uploads.extend(send.draft.attachments.iter().cloned());
            }
            Action::Edit { message, client_msg_id, .. }
            | Action::Delete { message, client_msg_id } => {
                let key = MessageId::derive(&self.room, &self.actor.id(), client_msg_id);
                needs.sends.push(key);
                needs.messages.push(message.clone());
            }
            Action::React { message, .. } | Action::Retract { message, .. } => {
                needs.messages.push(message.clone());
                needs.reactions.push(message.clone());
            }
            Action::Pin { message, .. } => needs.messages.push(message.clone()),
            Action::Member { target, what } => {
                needs.members.push(target.clone());
                if let (MemberAction::Invite, Some(actor)) = (what, actor) {
                    needs.blocks.push((target.clone(), actor, false));
                }
                // Only the host can send an owner out; then another one must take over.
                needs.successors = self.actor == Actor::System
                    && matches!(what, MemberAction::Kick { .. } | MemberAction::Ban { .. });
            }
            Action::AddInviteLink(_) | Action::RevokeInviteLink(_) => needs.invite_links = true,
            Action::EnterByLink(_) => {
                needs.invite_links = true;
                needs.joined_counts.extend(actor);
            }
            Action::Block { target, .. } => {
                needs.members.push(target.clone());
                needs.blocks.extend(actor.map(|actor| (actor, target.clone(), true)));
            }
            Action::Update(_) | Action::Notify(_) => {}
            Action::Expire { upto, .. } => needs.n_at = Some(*upto),
            Action::Mark { read, .. } => needs.n_at = *read,
        }
        needs
    }
}
