//! What a client asks of the chat, and what the chat answers.

use super::page;
use super::work::Client;
use crate::chat::{Caller, Resume};
use crate::error::{Error, Invalid};
use crate::hub::Subscription;
use crate::id::RoomId;
use crate::log::Cursor;
use crate::protocol::frame::{
    Answer, BlockList, Changed, Failure, InviteLinkList, MemberList, PinList, Request, RoomList,
    Rooms, UseInvite,
};
use crate::protocol::session::{Authenticated, Reply};
use crate::room::MemberAction;
use crate::store::RoomFilter;

/// Items of a page, for a client that does not say.
const PAGE: u32 = 50;

/// When the others in a room are told that a client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    AtOnce,
    /// Once it is [shown](Subscription::show).
    Later,
}

/// Begins to listen to a room, if the client may read it.
pub(super) async fn subscribe(
    client: &Client,
    room: &RoomId,
    since: Option<&Cursor>,
    presence: Presence,
) -> Result<(Subscription, Resume), Failure> {
    // Register first, check second: whoever is put out in between is told.
    let subscription = client.caller.chat().hub().subscribe(&client.listener, room);
    if presence == Presence::Later {
        subscription.hide();
    }
    let resume = client.caller.resume(room, since).await?;
    if resume.barred {
        subscription.bar();
    }
    subscription.let_in(resume.joined(), resume.head_seq);
    Ok((subscription, resume))
}

/// Has a request answered by the chat.
pub(super) async fn answer(caller: &Caller, request: Request) -> Result<Reply, Error> {
    let answer = match request {
        Request::Auth { token } => {
            let identity = caller.chat().authenticate(token.expose()).await?;
            return Ok(Reply::Authenticated(Authenticated {
                user: identity.user,
                session: identity.session,
                expires_at: identity.expires_at,
                ticket: None,
            }));
        }
        Request::Rooms(page) => Answer::Rooms(rooms(caller, page).await?),
        Request::CreateRoom(body) => Answer::Room(caller.create_room(body.into()).await?),
        Request::Enter { room } => Answer::Room(caller.enter(&room).await?),
        Request::Leave { room } => Answer::Left(caller.leave(&room).await?),
        Request::UpdateRoom { room, body } => {
            changed(caller.update_room(&room, body.into()).await?)
        }
        Request::Send { room, body } => Answer::Sent(caller.send(&room, body.into()).await?),
        Request::Edit { room, message_id, body } => {
            let edit = caller.edit(&room, &message_id, body.client_msg_id, body.text);
            Answer::Sent(edit.await?)
        }
        Request::Delete { room, message_id, body } => {
            Answer::Sent(caller.delete(&room, &message_id, body.client_msg_id).await?)
        }
        Request::React { room, message_id, emoji } => {
            changed(caller.react(&room, &message_id, &emoji, true).await?)
        }
        Request::Unreact { room, message_id, emoji } => {
            changed(caller.react(&room, &message_id, &emoji, false).await?)
        }
        Request::Pin { room, message_id } => changed(caller.pin(&room, &message_id, true).await?),
        Request::Unpin { room, message_id } => {
            changed(caller.pin(&room, &message_id, false).await?)
        }
        Request::History { room, body } => {
            let query = body.query(caller.chat().limits().page)?;
            Answer::History(page::fitted(caller.history(&room, query).await?, query.anchor))
        }
        Request::Members { room, body } => {
            let limit = body.limit.unwrap_or(PAGE.min(caller.chat().limits().page));
            let members = caller.members(&room, body.after.as_ref(), limit).await?;
            Answer::Members(MemberList::page(members, limit))
        }
        Request::CreateInviteLink { room, body } => {
            Answer::InviteLink(caller.create_invite_link(&room, body.into()).await?)
        }
        Request::InviteLinks { room } => {
            Answer::InviteLinks(InviteLinkList { links: caller.invite_links(&room).await? })
        }
        Request::RevokeInviteLink { room, link } => {
            changed(caller.revoke_invite_link(&room, &link).await?)
        }
        // What one user tries is bounded, from wherever.
        Request::Invitation(UseInvite { code }) => {
            Answer::Invitation(caller.invitation(&code, None).await?)
        }
        Request::AcceptInvite(UseInvite { code }) => {
            Answer::Room(caller.accept_invite(&code, None).await?)
        }
        Request::Notify { room, body } => {
            caller.notify(&room, body.into()).await?;
            Answer::Done {}
        }
        Request::Block { user } => {
            caller.block(&user).await?;
            Answer::Done {}
        }
        Request::Unblock { user } => {
            caller.unblock(&user).await?;
            Answer::Done {}
        }
        Request::Blocks(body) => {
            let limit = body.limit.unwrap_or(PAGE.min(caller.chat().limits().page));
            Answer::Blocks(BlockList::page(caller.blocks(body.after.as_ref(), limit).await?, limit))
        }
        Request::Pins { room, body } => {
            let limit = body.limit.unwrap_or(PAGE.min(caller.chat().limits().page));
            let pinned = caller.pinned(&room, body.after.unwrap_or_default(), limit).await?;
            Answer::Pins(page::fitted_pins(PinList::page(pinned, limit)))
        }
        Request::Readers { room, message_id, body } => {
            let limit = body.limit.unwrap_or(PAGE.min(caller.chat().limits().page));
            let after = body.after.as_ref();
            Answer::Readers(caller.readers(&room, &message_id, after, limit).await?)
        }
        Request::Search(body) => Answer::Found(caller.search(body.into()).await?),
        Request::MarkRead { room, body } => {
            caller.mark_read(&room, body.seq).await?;
            Answer::Done {}
        }
        Request::Member { room, user, body } => {
            let action = MemberAction::try_from(body)?;
            changed(caller.member(&room, &user, action).await?)
        }
        // The session answers these by itself.
        Request::Subscribe { .. } | Request::Unsubscribe { .. } => {
            return Err(Invalid::new("op", "is not answered here").into());
        }
    };
    Ok(Reply::Answer(answer))
}

fn changed(head_seq: crate::id::Seq) -> Answer {
    Answer::Changed(Changed { head_seq })
}

async fn rooms(caller: &Caller, page: Rooms) -> Result<RoomList, Error> {
    let limit = page.limit.unwrap_or(caller.chat().limits().page);
    let rooms = caller.rooms(RoomFilter::Joined, page.after.as_ref(), limit).await?;
    // A page that is not full is the last one.
    let next = rooms.last().filter(|_| rooms.len() >= limit as usize).map(|r| r.room.clone());
    let blocked = if page.after.is_none() { caller.all_blocks().await? } else { Vec::new() };
    Ok(RoomList { rooms, blocked, next })
}
