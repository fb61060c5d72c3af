//! What an application holds.

use std::sync::Arc;

use chatcore::chat::{Created, Left, Readers, RoomSummary, SearchResult, Sent};
use chatcore::clock::Random;
use chatcore::id::{ClientMsgId, MessageId, RoomId, Seq};
use chatcore::log::{Cursor, Draft, HistoryPage};
use chatcore::protocol::Encoding;
use chatcore::protocol::frame::{
    Answer, ClientFrame, CreateRoom, Delete, Edit, History, MarkRead, MemberList, Members, PinList,
    Pins, Request, RequestId, Rooms, Search, Send, SetNotify, Signal, Token,
};
use chatcore::protocol::limits::Announced;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::builder::ClientBuilder;
use super::core::{Unsent, Write};
use super::driver::Command;
use super::error::Error;
use super::state::{Notice, State};
use super::subscription::Subscription;

/// One user's way to a chat server, over as many connections as it takes.
///
/// A handle: clones share one client, whose task ends when the last of them, and the last
/// [`Subscription`], is dropped. What is unsent is lost then; [`shut_down`](Self::shut_down) hands it
/// back instead.
///
/// All methods may be called in any state: what cannot be done now waits for the connection. Dropping
/// a future of [`send`](Self::send), [`edit`](Self::edit) or [`delete`](Self::delete) that was polled
/// does not take the write back; dropping any other only gives up the answer.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) state: watch::Receiver<State>,
    /// Never read; others are made of it.
    pub(super) notices: Arc<broadcast::Receiver<Notice>>,
    pub(super) random: Arc<dyn Random>,
}

/// A write in the outbox.
#[derive(Debug)]
#[must_use = "the write goes on without it, but nobody hears what came of it"]
pub struct Sending {
    client_msg_id: ClientMsgId,
    answer: oneshot::Receiver<Result<Answer, Error>>,
}

impl Sending {
    /// The name under which it takes effect once; its entry will carry it.
    pub fn client_msg_id(&self) -> &ClientMsgId {
        &self.client_msg_id
    }

    /// Waits until it is done. It is repeated over reconnects until it is.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server will not have it; [`Error::Withdrawn`] if it is taken out of
    /// the outbox first, which shutting down does too.
    pub async fn sent(self) -> Result<Sent, Error> {
        match self.answer.await.unwrap_or(Err(Error::ShutDown))? {
            Answer::Sent(sent) => Ok(sent),
            _ => Err(Error::Unreadable),
        }
    }
}

/// Writing.
impl Client {
    /// A client to be set up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Sends a message, and waits until it is durable. As [`enqueue`](Self::enqueue), then
    /// [`Sending::sent`].
    ///
    /// # Errors
    /// As those.
    pub async fn send(&self, room: &RoomId, draft: Draft) -> Result<Sent, Error> {
        self.enqueue(room, draft).await?.sent().await
    }

    /// Puts a message into the outbox. Messages to one room are sent in the order in which they come
    /// there.
    ///
    /// A draft without a `client_msg_id` gets a random one, once.
    ///
    /// # Errors
    /// [`Error::Full`] if too much waits there; [`Error::Refused`] if no server could take it.
    pub async fn enqueue(&self, room: &RoomId, draft: Draft) -> Result<Sending, Error> {
        let Draft { text, client_msg_id, reply_to, attachments, mentions, meta } = draft;
        let client_msg_id = client_msg_id.unwrap_or_else(|| self.fresh());
        let body = Send { client_msg_id, text, reply_to, attachments, mentions, meta };
        self.write(Unsent { room: room.clone(), write: Write::Send(body) }).await
    }

    /// Changes the text of the user's own message, as durably as a send, and in order with sends.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn edit(
        &self,
        room: &RoomId,
        message_id: &MessageId,
        text: impl Into<String>,
    ) -> Result<Sent, Error> {
        let body = Edit { client_msg_id: self.fresh(), text: text.into() };
        let write = Write::Edit { message_id: message_id.clone(), body };
        self.write(Unsent { room: room.clone(), write }).await?.sent().await
    }

    /// Deletes a message, as durably as a send, and in order with sends.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn delete(&self, room: &RoomId, message_id: &MessageId) -> Result<Sent, Error> {
        let body = Delete { client_msg_id: self.fresh() };
        let write = Write::Delete { message_id: message_id.clone(), body };
        self.write(Unsent { room: room.clone(), write }).await?.sent().await
    }

    /// What is in the outbox: not known to have taken effect. For each room in order.
    ///
    /// # Errors
    /// [`Error::ShutDown`].
    pub async fn outbox(&self) -> Result<Vec<Unsent>, Error> {
        self.command(Command::Unsent).await
    }

    /// Takes everything out of the outbox, to be [put back](Self::put_back) later, by another client
    /// of the same user if need be. Those who wait for it get [`Error::Withdrawn`].
    ///
    /// # Errors
    /// [`Error::ShutDown`].
    pub async fn take_outbox(&self) -> Result<Vec<Unsent>, Error> {
        self.command(Command::TakeUnsent).await
    }

    /// Puts what was taken out of an outbox into this one, behind what is there.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), at the first that does not go in.
    pub async fn put_back(
        &self,
        unsent: impl IntoIterator<Item = Unsent>,
    ) -> Result<Vec<Sending>, Error> {
        let mut all = Vec::new();
        for unsent in unsent {
            all.push(self.write(unsent).await?);
        }
        Ok(all)
    }

    async fn write(&self, unsent: Unsent) -> Result<Sending, Error> {
        check(unsent.request())?;
        let client_msg_id = match &unsent.write {
            Write::Send(send) => &send.client_msg_id,
            Write::Edit { body, .. } => &body.client_msg_id,
            Write::Delete { body, .. } => &body.client_msg_id,
        }
        .clone();
        let (reply, answer) = oneshot::channel();
        if self.command(|taken| Command::Write(unsent, taken, reply)).await? {
            Ok(Sending { client_msg_id, answer })
        } else {
            Err(Error::Full { what: "unsent messages" })
        }
    }

    fn fresh(&self) -> ClientMsgId {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        ClientMsgId::parse(&text).expect("32 hexadecimal digits are a sound id")
    }
}

/// Rooms.
impl Client {
    /// All rooms that the user is in.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, Error> {
        let mut rooms = Vec::new();
        let mut after = None;
        loop {
            match self.request(Request::Rooms(Rooms { after, limit: None })).await? {
                Answer::Rooms(page) => {
                    rooms.extend(page.rooms);
                    after = page.next;
                }
                _ => return Err(Error::Unreadable),
            }
            if after.is_none() {
                return Ok(rooms);
            }
        }
    }

    /// Makes a room and enters it. Not repeated after a cut, unless it is a direct room: there is one
    /// for each pair.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn create_room(&self, room: CreateRoom) -> Result<Created, Error> {
        match self.request(Request::CreateRoom(room)).await? {
            Answer::Room(created) => Ok(created),
            _ => Err(Error::Unreadable),
        }
    }

    /// Enters a room; no effect for one who is in.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn enter(&self, room: &RoomId) -> Result<Created, Error> {
        match self.request(Request::Enter { room: room.clone() }).await? {
            Answer::Room(entered) => Ok(entered),
            _ => Err(Error::Unreadable),
        }
    }

    /// Leaves a room. Not repeated after a cut.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn leave(&self, room: &RoomId) -> Result<Left, Error> {
        match self.request(Request::Leave { room: room.clone() }).await? {
            Answer::Left(left) => Ok(left),
            _ => Err(Error::Unreadable),
        }
    }

    /// Follows a room: every entry after `since`, once and in order; without it, from now on.
    ///
    /// # Errors
    /// [`Error::Subscribed`] while another subscription of this client to the room is there. What the
    /// server refuses comes out of the stream.
    pub async fn subscribe(
        &self,
        room: &RoomId,
        since: Option<Cursor>,
    ) -> Result<Subscription, Error> {
        let room = room.clone();
        let stream = self.command(|reply| Command::Subscribe(room, since, reply)).await?;
        let (updates, reader) = stream?;
        Ok(Subscription { updates, reader, _client: self.clone() })
    }

    /// A page of messages as they stand now.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn history(&self, room: &RoomId, page: History) -> Result<HistoryPage, Error> {
        match self.request(Request::History { room: room.clone(), body: page }).await? {
            Answer::History(page) => Ok(page),
            _ => Err(Error::Unreadable),
        }
    }

    /// Who is in a room, and how far each has read.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn members(&self, room: &RoomId, page: Members) -> Result<MemberList, Error> {
        match self.request(Request::Members { room: room.clone(), body: page }).await? {
            Answer::Members(members) => Ok(members),
            _ => Err(Error::Unreadable),
        }
    }

    /// A page of the pinned messages of a room.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn pins(&self, room: &RoomId, page: Pins) -> Result<PinList, Error> {
        match self.request(Request::Pins { room: room.clone(), body: page }).await? {
            Answer::Pins(pins) => Ok(pins),
            _ => Err(Error::Unreadable),
        }
    }

    /// A page of those who have read a message.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn readers(
        &self,
        room: &RoomId,
        message: &MessageId,
        page: Members,
    ) -> Result<Readers, Error> {
        let (room, message_id) = (room.clone(), message.clone());
        match self.request(Request::Readers { room, message_id, body: page }).await? {
            Answer::Readers(readers) => Ok(readers),
            _ => Err(Error::Unreadable),
        }
    }

    /// Searches messages that the user may read.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn search(&self, search: Search) -> Result<SearchResult, Error> {
        match self.request(Request::Search(search)).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(Error::Unreadable),
        }
    }

    /// Moves the user's read mark forward.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn mark_read(&self, room: &RoomId, seq: Seq) -> Result<(), Error> {
        let request = Request::MarkRead { room: room.clone(), body: MarkRead { seq } };
        self.request(request).await.map(|_| ())
    }

    /// Says what of a room the user wants to be told of.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn notify(&self, room: &RoomId, notify: SetNotify) -> Result<(), Error> {
        let request = Request::Notify { room: room.clone(), body: notify };
        self.request(request).await.map(|_| ())
    }

    /// Adds a reaction to a message, or takes it back.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn react(
        &self,
        room: &RoomId,
        message_id: &MessageId,
        emoji: &str,
        on: bool,
    ) -> Result<(), Error> {
        let (room, message_id, emoji) = (room.clone(), message_id.clone(), emoji.to_owned());
        let request = if on {
            Request::React { room, message_id, emoji }
        } else {
            Request::Unreact { room, message_id, emoji }
        };
        self.request(request).await.map(|_| ())
    }

    /// Tells the others in a room something that is not stored, such as `typing`; for `ttl_ms`, if it
    /// is not told again. Lost where there is no connection.
    pub async fn signal(&self, room: &RoomId, kind: &str, on: bool, ttl_ms: u32) {
        let signal = Signal { room: room.clone(), kind: kind.to_owned(), on, ttl_ms };
        // A client that was shut down tells nobody anything.
        let _ = self.commands.send(Command::Signal(signal)).await;
    }

    /// Asks the server for anything that the protocol has, `auth` and subscriptions apart, which the
    /// client sees to itself.
    ///
    /// Asked again after a cut where that does no harm: reads, `enter`, marks, reactions, pins.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's reason; [`Error::Interrupted`] for one that was under way
    /// in a cut and is not repeated; [`Error::Full`]; [`Error::Closed`] and [`Error::ShutDown`] where
    /// there will be no connection.
    pub async fn request(&self, request: Request) -> Result<Answer, Error> {
        check(request.clone())?;
        self.command(|reply| Command::Call(request, reply)).await?
    }
}

/// The connection.
impl Client {
    /// How it stands, to be watched.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Signals, marks and the user's standing in rooms, from now on. Who does not read for long misses
    /// the oldest, and is told how many.
    pub fn notices(&self) -> Notices {
        Notices(self.notices.resubscribe())
    }

    /// Goes on with a newer token: at once in the connection that there is, and at the next hello.
    pub async fn set_token(&self, token: Token) {
        // A client that was shut down needs none.
        let _ = self.commands.send(Command::Token(token)).await;
    }

    /// The network has changed, or may be back: connects at once if there is no connection, and finds
    /// out within 10 s whether one that is there still lives.
    pub async fn nudge(&self) {
        let _ = self.commands.send(Command::Nudge).await;
    }

    /// Ends the client, and hands back what was not sent.
    pub async fn shut_down(&self) -> Vec<Unsent> {
        self.command(Command::ShutDown).await.unwrap_or_default()
    }

    pub(super) async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Error::ShutDown)?;
        answer.await.map_err(|_| Error::ShutDown)
    }
}

/// Signals, marks and standings, as they come.
#[derive(Debug)]
pub struct Notices(broadcast::Receiver<Notice>);

impl Notices {
    /// The next; none once the client has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.0.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Notice::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Refuses what every server would close the connection for. In the outbox it would do so again and
/// again.
fn check(request: Request) -> Result<(), Error> {
    let frame = ClientFrame::Request { id: RequestId::MAX, request };
    let mut bytes = Vec::new();
    Encoding::MessagePack.encode(&frame, &mut bytes);
    let most = Announced::default().frame_bytes as usize;
    match Encoding::MessagePack.decode(&bytes, most) {
        Ok(_) => Ok(()),
        Err(problem) => Err(problem.into_failure().into()),
    }
}
