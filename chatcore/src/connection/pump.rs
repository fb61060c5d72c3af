//! What a connection does, apart from waiting.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Sleep};

use super::entries::Place;
use super::files::{Desk, Standing};
use super::identify::Next;
use super::ways::{Ending, STANDSTILL, Ways};
use super::work::{Client, Done};
use super::{Incoming, Outbox, Transport};
use crate::chat::{Chat, Resume};
use crate::clock::{Random, SystemRandom, Timestamp};
use crate::hub::{self, Closing, Membership, Sink, Subscription};
use crate::id::{RoomId, Seq, UserId};
use crate::protocol::frame::{
    BlockFrame, ClientFrame, MarkFrame, MarkState, NotifyFrame, OnlineFrame, Request, SignalFrame,
    Token,
};
use crate::protocol::session::{
    CallId, Config, Credential, Notice, Output, RoomState, Session, Slot, Tell,
};
use crate::protocol::{CloseCode, DecodeError, Wire};
use crate::room::{Action, Marks, NotifySetting};

/// Bytes that may wait in an outbox before entries and further frames of the client have to.
///
/// One frame or one page may go beyond it; nothing is begun while it is exceeded.
pub(super) const OUTBOX_BYTES: usize = 64 * 1024;

/// How long delivered marks are gathered before they are written.
const MARKS_EVERY: Duration = Duration::from_secs(5);

/// How long the timer is set for when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// How long clients are asked to stay away from a server that stops, at least.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// They are asked to come back at times so far apart, on average, so that they do not all
/// come at once to where they go instead; and all of them within this.
const APART: Duration = Duration::from_millis(1);
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// Everything but the transport, so that both can be borrowed at once.
pub(super) struct Pump {
    pub(super) chat: Chat,
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    /// The hub's way to the peer, until it is known who that is.
    sink: Option<Arc<dyn Sink>>,
    /// What the transport came with: the cookie of an upgrade.
    pub(super) ambient: Option<Token>,
    pub(super) client: Option<Client>,
    /// The hub has rung, and its news were not taken yet.
    rung: bool,
    /// A message that came together with the end of the handshake, and has to wait for what that brings.
    pub(super) kept: Option<Box<Incoming>>,
    pub(super) wants_ticket: bool,
    /// The client has been asked to go.
    pub(super) draining: bool,
    /// By the numbers of [`Slot`].
    pub(super) places: Vec<Option<Place>>,
    /// Places that may have entries due, each once.
    pub(super) due: VecDeque<Slot>,
    /// Places that have caught up: the hub may go on by itself once all is written.
    pub(super) caught_up: Vec<Slot>,
    /// A page of a log is on its way; one at a time.
    pub(super) paging: bool,
    pub(super) work: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) signals: usize,
    /// Requests that read, and wait for their turn.
    pub(super) waiting: VecDeque<(CallId, Request)>,
    /// How many of them are being answered.
    pub(super) reading: usize,
    pub(super) marks: BTreeMap<RoomId, Seq>,
    pub(super) marks_due: Option<Timestamp>,
    /// Where it is told who may have files moved, if anyone asks.
    pub(super) desk: Option<Desk>,
    pub(super) closing: Option<(CloseCode, &'static str)>,
}

impl std::fmt::Debug for Pump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump")
            .field("session", &self.session)
            .field("outbox", &self.outbox)
            .finish_non_exhaustive()
    }
}

/// What a connection wakes up for.
pub(super) enum Event {
    Received(Option<Incoming>),
    Rang,
    Done(Done),
    Written,
    Broken,
    Time,
    /// The transport's handshake is done.
    Proven,
    /// The session knows how many files are on their way.
    Files,
}

impl Pump {
    pub(super) fn new(
        chat: Chat,
        config: Arc<Config>,
        sink: Option<Arc<dyn Sink>>,
        ways: bool,
    ) -> Self {
        Self {
            session: Session::new(config, chat.clock().now()),
            chat,
            outbox: if ways { Outbox::with_ways() } else { Outbox::default() },
            sink,
            ambient: None,
            client: None,
            rung: false,
            kept: None,
            wants_ticket: false,
            draining: false,
            places: Vec::new(),
            due: VecDeque::new(),
            caught_up: Vec::new(),
            paging: false,
            work: FuturesUnordered::new(),
            signals: 0,
            waiting: VecDeque::new(),
            reading: 0,
            marks: BTreeMap::new(),
            marks_due: None,
            desk: None,
            closing: None,
        }
    }

    /// Carries out what the session asks for, then fills the outbox with what is due.
    pub(super) fn work_off(&mut self, wire: Wire) {
        let now = self.chat.clock().now();
        self.session.handle_timeout(now);
        if self.rung && self.hears() {
            self.rung = false;
            self.news(now);
        }
        loop {
            while let Some(output) = self.session.poll_output() {
                self.carry_out(output, wire, now);
            }
            if self.closing.is_some() || !self.fill(wire, now) {
                break;
            }
        }
        self.read_on();
        if let Some(desk) = &self.desk {
            desk.tell(self.standing());
        }
        if self.marks_due.is_some_and(|due| due <= now) {
            self.submit_marks();
        }
    }

    /// Whether the client may have files moved.
    fn standing(&self) -> Standing {
        match &self.client {
            _ if self.closing.is_some() => Standing::Over,
            _ if self.session.is_early() => Standing::Early,
            Some(_) if self.draining => Standing::Draining,
            Some(client) if self.session.is_settled() => {
                Standing::Known(client.caller.clone(), client.listener.user().clone())
            }
            _ => Standing::Unknown,
        }
    }

    /// Whether news can be taken: while the client does not read, they wait with the listener, which
    /// bounds them. What ends the connection does not wait.
    fn hears(&self) -> bool {
        let closing = self.client.as_ref().and_then(|client| client.listener.closing());
        match closing {
            Some(Closing::Revoked | Closing::Slow) => true,
            Some(Closing::Draining) if !self.draining => true,
            Some(Closing::Draining) | None => self.outbox.len() < OUTBOX_BYTES,
        }
    }

    /// Sets the timer to the next moment at which something is due. One that rings too early does
    /// no harm; so it is only ever set forward, not put off with each sign of life.
    pub(super) fn arm(&self, timer: Pin<&mut Sleep>) {
        let now = self.chat.clock().now();
        let due = [self.session.poll_timeout(), self.marks_due].into_iter().flatten().min();
        let mut wait = due.map_or(IDLE, |due| now.until(due).max(Duration::from_millis(1)));
        if self.outbox.ways().is_some_and(Ways::is_crowded) {
            wait = wait.min(STANDSTILL);
        }
        let at = Instant::now() + wait;
        if timer.is_elapsed() || at < timer.deadline() {
            timer.reset(at);
        }
    }

    /// Writes what the transport takes; an event, if that changes what can be done.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut impl Transport,
    ) -> Option<Event> {
        let listener = self.client.as_ref().map(|client| &client.listener);
        // Held first, looked at second: a revocation either waits for this write, or is seen.
        let mut lane = listener.map(|listener| listener.lane().hold());
        if listener.and_then(|listener| listener.closing()) == Some(Closing::Revoked) {
            return Some(Event::Rang);
        }
        if let Some((pieces, begun)) = lane.as_mut().and_then(|lane| lane.reclaim()) {
            self.outbox.put_first(pieces, begun);
        }
        let (before, work) = (self.outbox.len(), self.outbox.work());
        let mut written = Poll::Ready(Ok(()));
        if work > 0 || transport.wants_write() {
            written = transport.poll_write(cx, &mut self.outbox);
        }
        if let Some(lane) = &mut lane {
            lane.settle(self.outbox.is_empty() && !transport.wants_write());
        }
        drop(lane);
        self.lend();
        let progress = self.outbox.len() < before;
        if before > 0 {
            let rest = !self.outbox.is_empty();
            self.session.handle_written(self.chat.clock().now(), progress, rest);
        }
        let lost = self.ways_moved();
        let progress = self.outbox.work() < work;
        match written {
            Poll::Ready(Err(_)) => Some(Event::Broken),
            _ if lost => Some(Event::Written),
            _ if progress && (self.rung || !(self.due.is_empty() && self.waiting.is_empty())) => {
                Some(Event::Written)
            }
            _ => None,
        }
    }

    /// Sees whether the transport's handshake is done, if that is waited for. Whether it is now.
    pub(super) fn look_for_proof(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut impl Transport,
    ) -> bool {
        if !self.session.is_early() || transport.poll_proven(cx).is_pending() {
            return false;
        }
        self.session.handle_proven(self.chat.clock().now());
        self.places.iter().flatten().for_each(Place::show);
        true
    }

    /// Tells the session how many files are on their way. Whether that is news.
    pub(super) fn files_moved(&mut self, cx: &Context<'_>) -> bool {
        if let Some(desk) = &self.desk {
            desk.wake_when_done(cx);
        }
        self.count_files()
    }

    fn count_files(&mut self) -> bool {
        let moving = self.desk.as_ref().map_or(0, Desk::moving);
        self.session.handle_files(moving)
    }

    /// Takes over what the hub has begun to write.
    pub(super) fn reclaim(&mut self) {
        let Some(client) = &self.client else { return };
        let mut lane = client.listener.lane().hold();
        lane.settle(false);
        if let Some((pieces, begun)) = lane.reclaim() {
            self.outbox.put_first(pieces, begun);
        }
    }

    fn carry_out(&mut self, output: Output, wire: Wire, now: Timestamp) {
        match output {
            Output::Send(frame) => self.put(&frame, wire),
            Output::Authenticate { credential, device, ticket } => {
                let credential = match (credential, self.ambient.take()) {
                    (Credential::Ambient, Some(token)) => Credential::Token(token),
                    (other, _) => other,
                };
                self.wants_ticket = ticket;
                self.identify(credential, device, Next::of(ticket));
            }
            Output::Spend { ticket, device, another } => {
                self.spend(ticket, device, Next::of(another))
            }
            Output::Resume(rooms) => self.resume(rooms),
            Output::Call { call, request } => self.ask(call, request),
            Output::Tell(Tell::Signal(signal)) => self.signal(signal),
            Output::Tell(Tell::Delivered { room, seq }) => {
                self.marks.insert(room, seq);
                self.marks_due.get_or_insert(now.after(MARKS_EVERY));
            }
            Output::Wake(slot) => self.mark_due(slot),
            Output::Unsubscribed(slot) => {
                self.leave(slot);
                if let Some(ways) = self.outbox.ways_mut() {
                    ways.end(slot, Ending::Finished);
                }
            }
            Output::Close { code, reason } => self.closing = Some((code, reason)),
        }
    }

    pub(super) fn handle(&mut self, event: Event, wire: Wire) {
        let now = self.chat.clock().now();
        match event {
            Event::Received(Some(Incoming::Message(bytes))) => {
                let most = self.session.config().limits.frame_bytes as usize;
                match wire.encoding().decode(&bytes, most) {
                    Ok(ClientFrame::Ack(ack)) if !self.session.is_early() => self.acked(now, ack),
                    frame => self.session.handle_frame(now, frame),
                }
            }
            Event::Received(Some(Incoming::Alive)) => self.session.handle_alive(now),
            Event::Received(Some(Incoming::Malformed(why))) => {
                self.session.handle_frame(now, Err(DecodeError::Malformed(why)));
            }
            Event::Rang => self.rung = true,
            Event::Done(done) => self.done(done, wire, now),
            Event::Received(None)
            | Event::Broken
            | Event::Written
            | Event::Time
            | Event::Proven
            | Event::Files => {}
        }
    }

    fn done(&mut self, done: Done, wire: Wire, now: Timestamp) {
        match done {
            Done::Authenticated(Ok((who, client))) => {
                client.listener.lane().attach(self.sink.take(), wire);
                self.client = Some(client);
                self.session.handle_authenticated(now, Ok(who));
            }
            Done::Authenticated(Err(failure)) => {
                self.session.handle_authenticated(now, Err(failure));
            }
            Done::Spent(result) => self.session.handle_spent(result),
            Done::Resumed(results) => {
                let states = results.iter().map(|r| match r {
                    Ok(begun) => Ok(self.room_state(begun)),
                    Err(failure) => Err(failure.clone()),
                });
                let slots = self.session.handle_resumed(now, states.collect());
                for (slot, result) in slots.into_iter().zip(results) {
                    if let Ok(begun) = result {
                        self.follow(wire, now, slot, begun);
                    }
                }
            }
            Done::Subscribed(call, Ok(begun)) => {
                self.reading -= 1;
                let state = self.room_state(&begun);
                let slot = self.session.handle_subscribed(now, call, Ok(state));
                self.follow(wire, now, slot, begun);
            }
            Done::Subscribed(call, Err(failure)) => {
                self.reading -= 1;
                self.session.handle_subscribed(now, call, Err(failure));
            }
            Done::Read(call, result) => {
                self.reading -= 1;
                self.session.handle_answer(now, call, result);
            }
            Done::Answered(call, result) => self.session.handle_answer(now, call, result),
            Done::Signalled => self.signals -= 1,
            Done::Farewell(ticket) => {
                self.count_files();
                let retry_after = retry_after(self.chat.hub().to_go(), &SystemRandom);
                let notice = Notice::Draining { retry_after, ticket };
                self.session.handle_notice(now, notice);
            }
            Done::Page { slot, room, after, page } => {
                self.paged(wire, now, (slot, room, after), page);
            }
        }
    }

    fn room_state(&self, (subscription, resume): &(Subscription, Resume)) -> RoomState {
        let user = self.client.as_ref().map(|client| client.listener.user().clone());
        let mark = user.zip(resume.marks).map(|(user, marks)| mark_state(user, marks));
        RoomState {
            recovered: resume.recovered,
            from: resume.from(),
            epoch: resume.epoch.clone(),
            head_seq: resume.head_seq,
            floor_seq: resume.floor_seq,
            marks: mark.into_iter().collect(),
            presence: subscription.present(),
            online: subscription.online(),
        }
    }

    /// The hub rang.
    fn news(&mut self, now: Timestamp) {
        let Some(client) = &self.client else { return };
        let news = client.listener.take();
        if news.closing == Some(Closing::Revoked) {
            return self.session.handle_notice(now, Notice::Revoked);
        }
        // Notices come first: a room that one has been put out of is not heard of again.
        for notice in news.notices {
            self.session.handle_notice(now, noticed(notice));
        }
        for room in &news.rooms {
            self.room_has_news(now, room);
        }
        match news.closing {
            Some(Closing::Slow) => self.session.handle_notice(now, Notice::Overrun),
            Some(Closing::Draining) if !self.draining => self.drain(),
            Some(Closing::Draining | Closing::Revoked) | None => {}
        }
    }

    /// Hands in how far this device is, without waiting for it to be written.
    pub(super) fn submit_marks(&mut self) {
        self.marks_due = None;
        let marks = std::mem::take(&mut self.marks);
        let Some(client) = &self.client else { return };
        for (room, seq) in marks {
            let mark = Action::Mark { read: None, delivered: Some(seq) };
            // A mark that is lost is followed by another one.
            let _ = client.caller.submit(&room, mark);
        }
    }
}

fn mark_state(user: UserId, marks: Marks) -> MarkState {
    MarkState { user, read_seq: marks.read_seq, delivered_seq: marks.delivered_seq }
}

/// When one of so many that are asked to go at once is to come again.
fn retry_after(to_go: usize, random: &dyn Random) -> Duration {
    let mut dice = [0; 4];
    random.fill(&mut dice);
    let part = f64::from(u32::from_le_bytes(dice)) / f64::from(u32::MAX);
    let apart = APART.saturating_mul(u32::try_from(to_go).unwrap_or(u32::MAX));
    RETRY_AFTER + apart.min(ALL_WITHIN).mul_f64(part)
}

/// What the hub tells, as the session takes it.
fn noticed(notice: hub::Notice) -> Notice {
    match notice {
        hub::Notice::Membership { room, state } => {
            let readable = matches!(state, Membership::Joined | Membership::Invited);
            Notice::Membership { room, state, readable }
        }
        hub::Notice::Mark { room, user, marks } => {
            Notice::Mark(MarkFrame { room, mark: mark_state(user, marks) })
        }
        hub::Notice::Signal(hub::Signal { room, user, kind, on, ttl_ms }) => {
            Notice::Signal(SignalFrame { room, kind, user, on, ttl_ms })
        }
        hub::Notice::Block { user, on } => Notice::Block(BlockFrame { user, on }),
        hub::Notice::Online { room, count } => Notice::Online(OnlineFrame { room, count }),
        hub::Notice::Notify { room, notify: NotifySetting { level, snooze_until } } => {
            Notice::Notify(NotifyFrame { room, level, snooze_until })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_asked_to_go_come_again_spread_out() {
        for (to_go, most) in [(0, 1_000), (1_000, 2_000), (10_000_000, 31_000)] {
            let times: Vec<_> =
                (0..1_000).map(|_| retry_after(to_go, &SystemRandom).as_millis()).collect();
            let (first, last) = (times.iter().min(), times.iter().max());
            assert!(first >= Some(&1_000) && last <= Some(&most), "{first:?} to {last:?}");
            let late = times.iter().filter(|&&time| time > (1_000 + most) / 2).count();
            assert!(to_go == 0 || (300..700).contains(&late), "{late} of 1,000 in the later half");
        }
    }
}
