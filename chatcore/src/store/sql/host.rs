//! Writing in transactions of the host's.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::{Database, Transaction};
use tokio::sync::Notify;

use crate::clock::{Clock as _, SystemClock, SystemRandom};
use crate::error::Error;
use crate::id::{ClientMsgId, MessageId, RoomId, Seq};
use crate::limits::Limits;
use crate::log::Draft;
use crate::room::{Action, Actor, Command, NewRoom, SendAction};

/// Writes to rooms in a transaction of the host's own: what the host writes and what it says in a room
/// are committed together, or not at all.
///
/// Each call checks what it can (bounds, and whether the room is there and the caller may, as things
/// stand in that transaction) and leaves a row in the transaction. Nothing of a room is locked: however
/// long the transaction stays open, others go on writing. Once it is committed, a task of the
/// [`Chat`](crate::Chat) on this store, or on any node if there are several, gives what was handed in its
/// place in the room's log, and tells everyone who listens. So these return no `seq`. To wait for it, see
/// [`Chat::settled`](crate::Chat::settled); to send the same draft under the same `client_msg_id` in the
/// ordinary way also ends with the message being there once.
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # async fn order(pool: sqlx::PgPool, ann: chatcore::id::UserId, room: chatcore::id::RoomId)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use chatcore::{Chat, log::Draft, store::{HostWrites as _, postgres::PostgresStore}};
///
/// let store = Arc::new(PostgresStore::from_pool(pool.clone(), "chatcore").await?);
/// let chat = Chat::builder(store.clone()).build().await?;
///
/// let mut tx = pool.begin().await?;
/// sqlx::query("UPDATE orders SET state = 'paid' WHERE id = 4711").execute(&mut *tx).await?;
/// let draft = Draft::text("order 4711 is paid").once("order-4711-paid")?;
/// let message = store.send_in(&mut tx, &ann, &room, draft).await?;
/// tx.commit().await?; // everyone in the room sees it within a moment; rolled back, nobody does
///
/// let settled = chat.settled(&room, &message, std::time::Duration::from_secs(5)).await?;
/// # let _ = settled;
/// # Ok(())
/// # }
/// ```
///
/// # Order
/// - What one transaction hands in to a room takes effect in the order of the calls.
/// - If a transaction was committed before another call hands something in, what it handed in comes
///   first.
/// - Of transactions that are open at the same time, either may come first, and what they hand in may
///   be mixed.
/// - An ordinary call ([`Caller::send`](crate::Caller::send)) made after the commit may be overtaken by none,
///   but may itself overtake what was handed in and has not had its turn yet, by some milliseconds.
///
/// # Refusals
/// The rules are asked again when the turn comes: someone may have been sent out of the room meanwhile. What
/// is then refused has no effect, and is kept with the reason: see [`Chat::refused`](crate::Chat::refused).
///
/// # Errors
/// Of every method: [`Error::Invalid`] and [`Error::Rejected`], as the ordinary call of the same name, in
/// which case nothing was left in the transaction and it can go on; [`Error::Store`] if the database
/// refuses, after which PostgreSQL lets the transaction only be rolled back.
pub trait HostWrites: Sync {
    /// Which database the transaction is of.
    type Database: Database;

    /// Leaves a command in the transaction. The methods below say what can be handed in.
    fn hand_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: Actor,
        room: &RoomId,
        action: Action,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sends a message. Under the same `client_msg_id` it takes effect once, for ever.
    fn send_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        room: &RoomId,
        draft: Draft,
    ) -> impl Future<Output = Result<MessageId, Error>> + Send {
        let by = by.into();
        let send = SendAction::new(room, &by, draft, &SystemRandom);
        async move {
            let send = send?;
            let id = send.message_id.clone();
            self.hand_in(tx, by, room, Action::Send(send)).await?;
            Ok(id)
        }
    }

    /// Changes the text of one's own message.
    fn edit_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        room: &RoomId,
        message: &MessageId,
        client_msg_id: ClientMsgId,
        text: String,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.hand_in(
            tx,
            by.into(),
            room,
            Action::Edit { message: message.clone(), client_msg_id, text },
        )
    }

    /// Deletes one's own message, or, as moderator, another's.
    fn delete_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        room: &RoomId,
        message: &MessageId,
        client_msg_id: ClientMsgId,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.hand_in(
            tx,
            by.into(),
            room,
            Action::Delete { message: message.clone(), client_msg_id },
        )
    }

    /// Makes a room and enters it; what follows in the same transaction may use it already.
    fn create_room_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        new: NewRoom,
    ) -> impl Future<Output = Result<RoomId, Error>> + Send {
        let by = by.into();
        let room = new.id_for(&by, &SystemRandom);
        async move {
            let room = room?;
            self.hand_in(tx, by, &room, Action::Create(new)).await?;
            Ok(room)
        }
    }

    /// Enters a room; to one already in it this is no news.
    fn enter_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        room: &RoomId,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.hand_in(tx, by.into(), room, Action::Enter)
    }

    /// Leaves a room, or turns an invitation down.
    fn leave_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        room: &RoomId,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.hand_in(tx, by.into(), room, Action::Leave)
    }

    /// Marks all up to `seq` as read. A mark only moves forward.
    fn mark_read_in(
        &self,
        tx: &mut Transaction<'_, Self::Database>,
        by: impl Into<Actor>,
        room: &RoomId,
        seq: Seq,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.hand_in(tx, by.into(), room, Action::Mark { read: Some(seq), delivered: None })
    }
}

/// What a store knows of the chat that takes in what is handed to it.
#[derive(Debug, Default)]
pub(in crate::store) struct Desk {
    limits: RwLock<Arc<Limits>>,
    pub(in crate::store) bell: Arc<Notify>,
}

impl Desk {
    pub(in crate::store) fn bind(&self, limits: Arc<Limits>) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    pub(in crate::store) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A command that is being handed in, if it is within bounds.
    pub(in crate::store) fn command(
        &self,
        actor: Actor,
        room: &RoomId,
        action: Action,
    ) -> Result<Command, Error> {
        let at = SystemClock.now();
        actor.check()?;
        action.check(at, &self.limits())?;
        Ok(Command { room: room.clone(), actor, at, action, inbox: None })
    }
}
