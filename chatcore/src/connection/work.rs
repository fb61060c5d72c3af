//! What a connection has done for it, while it goes on.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt as _, iter};

use super::answer::Presence;
use super::identify::Next;
use super::pump::{OUTBOX_BYTES, Pump};
use super::{answer, identify};
use crate::chat::{Caller, Resume};
use crate::error::Error;
use crate::hub::{Listener, Subscription};
use crate::id::{DeviceId, RoomId, Seq};
use crate::log::{Cursor, Entry};
use crate::protocol::frame::{Failure, Request, Signal, Token};
use crate::protocol::session::{Authenticated, CallId, Credential, Reply, Slot};

/// Signals of one client on their way; more are dropped.
const SIGNALS: usize = 16;

/// Rooms of one `hello` that are looked up at the same time.
const RESUMING: usize = 16;

/// Requests of one client that read from the store at the same time: each may hold a page of the
/// longest messages.
const READING: usize = 2;

/// Whom a connection serves.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) caller: Caller,
    pub(super) listener: Arc<Listener>,
}

/// What a piece of work came to.
pub(super) enum Done {
    Authenticated(Result<(Authenticated, Client), Failure>),
    Spent(Result<Authenticated, Failure>),
    Resumed(Vec<Result<(Subscription, Resume), Failure>>),
    Subscribed(CallId, Result<(Subscription, Resume), Failure>),
    Answered(CallId, Result<Reply, Failure>),
    Read(CallId, Result<Reply, Failure>),
    Signalled,
    Farewell(Option<Token>),
    Page { slot: Slot, room: RoomId, after: Seq, page: Result<Vec<Entry>, Failure> },
}

impl Pump {
    /// Begins a piece of work. It is polled here and now, so that what a client asks for enters the
    /// log in the order in which it asked.
    fn begin(&mut self, mut work: BoxFuture<'static, Done>) {
        // Whether or not it is done: what joins the others is polled again for its wake-up.
        match (&mut work).now_or_never() {
            Some(done) => self.work.push(std::future::ready(done).boxed()),
            None => self.work.push(work),
        }
    }

    pub(super) fn identify(&mut self, credential: Credential, device: DeviceId, next: Next) {
        let who = identify::identify(self.chat.clone(), credential, device, next);
        self.begin(guarded(who).map(Done::Authenticated).boxed());
    }

    pub(super) fn spend(&mut self, ticket: Token, device: DeviceId, next: Next) {
        let spent = identify::spend(self.chat.clone(), ticket, device, next);
        self.begin(guarded(spent).map(Done::Spent).boxed());
    }

    pub(super) fn resume(&mut self, rooms: Vec<(RoomId, Cursor)>) {
        let Some(client) = self.client.clone() else { return };
        let presence = self.presence();
        let resumed = async move {
            let rooms = rooms.into_iter().map(|(room, since)| {
                let client = client.clone();
                guarded(
                    async move { answer::subscribe(&client, &room, Some(&since), presence).await },
                )
            });
            Done::Resumed(iter(rooms).buffered(RESUMING).collect().await)
        };
        self.begin(resumed.boxed());
    }

    /// Nobody hears of one who is not proven to be there.
    fn presence(&self) -> Presence {
        if self.session.is_early() { Presence::Later } else { Presence::AtOnce }
    }

    /// Has a request answered: at once if it changes something, in turn if it reads.
    pub(super) fn ask(&mut self, call: CallId, request: Request) {
        if let Request::Subscribe { room, .. } = &request
            && let Some(slot) = self.session.slot(room)
        {
            // Nothing of what it had before is sent until it is answered.
            self.take_back(slot);
        }
        if reads(&request) {
            return self.waiting.push_back((call, request));
        }
        let Some(client) = self.client.clone() else { return };
        let result = guarded(async move { Ok(answer::answer(&client.caller, request).await?) });
        self.begin(result.map(move |result| Done::Answered(call, result)).boxed());
    }

    /// Answers requests that read, as far as there is room for their answers.
    pub(super) fn read_on(&mut self) {
        while self.reading < READING && self.outbox.len() < OUTBOX_BYTES {
            let Some((call, request)) = self.waiting.pop_front() else { return };
            if self.waiting.is_empty() {
                self.waiting = VecDeque::new();
            }
            let Some(client) = self.client.clone() else { return };
            self.reading += 1;
            match request {
                Request::Subscribe { room, since } => {
                    let presence = self.presence();
                    let begun = guarded(async move {
                        answer::subscribe(&client, &room, since.as_ref(), presence).await
                    });
                    self.begin(begun.map(move |begun| Done::Subscribed(call, begun)).boxed());
                }
                request => {
                    let result =
                        guarded(async move { Ok(answer::answer(&client.caller, request).await?) });
                    self.begin(result.map(move |result| Done::Read(call, result)).boxed());
                }
            }
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        let Some(client) = self.client.clone().filter(|_| self.signals < SIGNALS) else { return };
        self.signals += 1;
        let signalled = guarded(async move {
            let Signal { room, kind, on, ttl_ms } = signal;
            Ok(client.caller.signal(&room, &kind, on, ttl_ms).await?)
        });
        // Signals may be lost, and nobody waits to hear whether this one was.
        self.begin(signalled.map(|_| Done::Signalled).boxed());
    }

    /// The server is stopping: sees the client off, with a ticket if it can use one.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        let session = self.client.as_ref().and_then(|c| c.listener.session().cloned());
        // A copy of what was said before must not push out tickets that are in use.
        let given = self.wants_ticket && !self.session.is_early();
        let (chat, session) = (self.chat.clone(), session.filter(|_| given));
        let farewell = async move {
            Done::Farewell(match session {
                Some(session) => identify::issue_ticket(&chat, &session).await,
                None => None,
            })
        };
        self.begin(farewell.boxed());
    }
}

/// Whether a request only reads, so that it may wait without anyone seeing the difference.
fn reads(request: &Request) -> bool {
    matches!(
        request,
        Request::Rooms(_)
            | Request::History { .. }
            | Request::Search(_)
            | Request::Members { .. }
            | Request::Pins { .. }
            | Request::InviteLinks { .. }
            | Request::Invitation(_)
            | Request::Blocks(_)
            | Request::Readers { .. }
            | Request::Subscribe { .. }
            | Request::Auth { .. }
    )
}

/// The same, ending with `internal` if the code panics: what goes wrong with one request is no
/// matter to the others.
pub(super) fn guarded<T>(
    work: impl Future<Output = Result<T, Failure>> + Send,
) -> impl Future<Output = Result<T, Failure>> + Send {
    AssertUnwindSafe(work).catch_unwind().map(|result| {
        result.unwrap_or_else(|_| {
            tracing::error!("answering a client panicked");
            Err(Error::Internal.into())
        })
    })
}
