//! A server in a few lines, and the world between it and a core.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatcore::Code;
use chatcore::chat::Sent;
use chatcore::clock::Timestamp;
use chatcore::id::{ClientMsgId, DeviceId, Epoch, MessageId, RoomId, Seq, UserId};
use chatcore::log::Cursor;
use chatcore::protocol::CloseCode;
use chatcore::protocol::frame::*;
use chatcore::protocol::limits::Announced;
use chatcore::testing::SeededRandom;

use super::super::*;

pub(super) const WINDOW: u32 = 8;

pub(super) fn room(index: usize) -> RoomId {
    RoomId::parse(&format!("room{index}")).expect("valid")
}

fn user() -> UserId {
    UserId::parse("ann").expect("valid")
}

/// One subscription of the model's connection.
struct Sub {
    next: u64,
    acked: u64,
}

/// One link, and the server's end of its connection. What goes to the client travels on a stream for
/// control and on one for each room, which overtake each other.
#[derive(Default)]
pub(super) struct Link {
    to_server: VecDeque<ClientFrame>,
    control: VecDeque<ServerFrame>,
    rooms: BTreeMap<RoomId, VecDeque<Received>>,
    subs: BTreeMap<RoomId, Sub>,
    greeted: bool,
    draining: bool,
    /// Its handshake is not done.
    early: bool,
    /// What it was greeted with before that, to be spent then.
    shown: Option<Token>,
    /// Something has reached the server.
    reached: bool,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Instant,
    pub(super) link: Option<Link>,
    pub(super) epoch: Epoch,
    /// The names of each room's entries; those of others are empty.
    pub(super) logs: BTreeMap<RoomId, Vec<String>>,
    /// The server refuses the next write.
    pub(super) refuse: bool,
    /// What the application has not taken yet.
    pub(super) unread: BTreeMap<RoomId, VecDeque<Update>>,
    pub(super) seen: BTreeMap<RoomId, Vec<u64>>,
    pub(super) resets: usize,
    pub(super) answers: BTreeMap<CallId, Vec<Result<Answer, Error>>>,
    pub(super) states: Vec<State>,
    pub(super) acks: usize,
    pub(super) hellos: Vec<Hello>,
    /// Tickets that are good.
    tickets: Vec<Token>,
    given: u64,
    /// Handshakes that were done after something was said, and those of which that was rejected.
    pub(super) handshakes: (usize, usize),
    pub(super) sent: u64,
}

impl World {
    pub(super) fn new(pipeline: usize, seed: u64) -> Self {
        let mut config = Config::new(DeviceId::parse("d").expect("valid"));
        (config.window, config.pipeline) = (WINDOW, pipeline);
        let now = Instant::now();
        let mut core = Core::new(config, Arc::new(SeededRandom::new(seed)), now);
        core.handle_token(now, Some(Token::new("t")));
        Self {
            core,
            now,
            link: None,
            epoch: Epoch::parse("e1").expect("valid"),
            logs: BTreeMap::new(),
            refuse: false,
            unread: BTreeMap::new(),
            seen: BTreeMap::new(),
            resets: 0,
            answers: BTreeMap::new(),
            states: Vec::new(),
            acks: 0,
            hellos: Vec::new(),
            tickets: Vec::new(),
            given: 0,
            handshakes: (0, 0),
            sent: 0,
        }
    }

    pub(super) fn follow(&mut self, index: usize) {
        self.logs.entry(room(index)).or_default();
        self.core.handle_subscribe(self.now, room(index), Some(Cursor::start()));
        self.work();
    }

    /// Sends a message; its name tells its place in the order of sending.
    pub(super) fn send(&mut self, index: usize) {
        let id = CallId(self.sent);
        let body = Send {
            client_msg_id: ClientMsgId::parse(&format!("{:05}", self.sent)).expect("valid"),
            text: "hi".into(),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            meta: None,
        };
        self.sent += 1;
        let unsent = Unsent { room: room(index), write: Write::Send(body) };
        assert!(self.core.handle_write(self.now, id, unsent));
        self.work();
    }

    pub(super) fn others_say(&mut self, index: usize) {
        self.logs.entry(room(index)).or_default().push(String::new());
        self.stream();
    }

    pub(super) fn cut(&mut self, code: Option<CloseCode>) {
        if self.link.take().is_some() {
            self.core.handle_lost(self.now, code);
            self.work();
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
            self.work();
            assert_ne!(self.core.poll_timeout(), Some(at), "a timeout that does not go away");
        }
        self.now = until;
    }

    pub(super) fn read(&mut self, index: usize, most: usize) {
        let queue = self.unread.entry(room(index)).or_default();
        let count = most.min(queue.len());
        for update in queue.drain(..count) {
            match update {
                Update::Event(event) => {
                    self.seen.entry(room(index)).or_default().push(event.seq().0);
                }
                Update::Began(began) => self.resets += usize::from(!began.recovered),
            }
        }
        self.core.handle_read(self.now, &room(index), count as u64);
        self.work();
    }

    pub(super) fn goaway(&mut self) {
        if let Some(link) = self.link.as_mut().filter(|link| link.greeted && !link.draining) {
            link.draining = true;
            link.control
                .push_back(ServerFrame::Goaway(Goaway { retry_after_ms: 700, ticket: None }));
        }
    }

    pub(super) fn gap(&mut self, index: usize) {
        let (room, epoch) = (room(index), self.epoch.clone());
        let Some(link) = &mut self.link else { return };
        if link.subs.remove(&room).is_some() {
            let head_seq = Seq(self.logs[&room].len() as u64);
            let gap = Gap { room: room.clone(), epoch, head_seq, reason: GapReason::Slow };
            let frame = Received::Frame(Box::new(ServerFrame::Gap(gap)));
            link.rooms.entry(room).or_default().push_back(frame);
        }
    }

    /// Lets frames of the client arrive.
    pub(super) fn upstream(&mut self, most: usize) {
        for _ in 0..most {
            let Some(frame) = self.link.as_mut().and_then(|link| link.to_server.pop_front()) else {
                return;
            };
            self.serve(frame);
            self.stream();
        }
    }

    /// Lets frames of the server arrive: of one stream, in order.
    pub(super) fn downstream(&mut self, stream: usize, most: usize) {
        for _ in 0..most {
            let Some(link) = &mut self.link else { return };
            let frame = match stream.checked_sub(1) {
                None => link.control.pop_front().map(|frame| Received::Frame(Box::new(frame))),
                Some(index) => link.rooms.get_mut(&room(index)).and_then(VecDeque::pop_front),
            };
            let Some(frame) = frame else { return };
            self.core.handle_received(self.now, frame);
            self.work();
        }
    }

    /// Carries out what the core wants.
    fn work(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Connect { early } => {
                    self.link = Some(Link { early, ..Link::default() });
                    if early {
                        self.core.handle_linked_early(self.now);
                    } else {
                        self.core.handle_linked(self.now);
                    }
                }
                Output::Send(frame) => {
                    if let Some(link) = &mut self.link {
                        link.to_server.push_back(*frame);
                    }
                }
                Output::Hangup => self.link = None,
                Output::Answer(id, result) => self.answers.entry(id).or_default().push(result),
                Output::Update(room, update) => {
                    let queue = self.unread.entry(room).or_default();
                    queue.push_back(update);
                    assert!(queue.len() <= 2 * WINDOW as usize + 1, "{} unread", queue.len());
                }
                Output::State(state) => self.states.push(state),
                Output::Ended(room, failure) => panic!("{room} ended: {failure:?}"),
                Output::Notice(_) | Output::WantToken => {}
            }
        }
    }

    fn subscribed(&mut self, room: &RoomId, since: &Cursor) -> Subscribed {
        let head = self.logs[room].len() as u64;
        let known = since.epoch.as_ref().is_none_or(|epoch| *epoch == self.epoch);
        let recovered = known && since.seq.0 <= head;
        let from = if recovered { since.seq.0 } else { head };
        let link = self.link.as_mut().expect("asked over it");
        link.subs.insert(room.clone(), Sub { next: from + 1, acked: from });
        Subscribed {
            recovered,
            epoch: self.epoch.clone(),
            head_seq: Seq(head),
            floor_seq: Seq(0),
            marks: Vec::new(),
            presence: Vec::new(),
            online: 0,
        }
    }

    /// Has the handshake done. What was said before it is `taken`, unless it is rejected before any of it
    /// has reached the server.
    pub(super) fn handshake(&mut self, taken: bool) {
        let Some(link) = self.link.as_mut().filter(|link| link.early) else { return };
        if !taken && !link.reached {
            self.handshakes.1 += 1;
            self.link = Some(Link::default());
            self.core.handle_rejected(self.now);
            return self.work();
        }
        self.handshakes.0 += 1;
        link.early = false;
        let shown = link.shown.take();
        self.core.handle_proven(self.now);
        self.work();
        if let Some(ticket) = shown {
            if !self.spend(&ticket) {
                return self.cut(Some(CloseCode::Unauthenticated));
            }
            let ticket = self.give();
            if let Some(link) = &mut self.link {
                link.control.push_back(ServerFrame::Ticket(TicketFrame { ticket }));
            }
        }
    }

    /// All tickets have been spent, by somebody else.
    pub(super) fn forget_tickets(&mut self) {
        self.tickets.clear();
    }

    fn give(&mut self) -> Token {
        self.given += 1;
        let ticket = Token::new(format!("ticket{}", self.given));
        self.tickets.push(ticket.clone());
        ticket
    }

    fn spend(&mut self, ticket: &Token) -> bool {
        let at = self.tickets.iter().position(|good| good == ticket);
        at.map(|at| self.tickets.remove(at)).is_some()
    }

    /// Lets the client in, or not; the ticket that its welcome brings.
    fn greet(&mut self, hello: &Hello) -> Result<Option<Token>, ()> {
        let link = self.link.as_mut().expect("said over it");
        link.greeted = true;
        match &hello.ticket {
            Some(ticket) if link.early => {
                link.shown = Some(ticket.clone());
                if self.tickets.contains(ticket) { Ok(None) } else { Err(()) }
            }
            Some(ticket) => {
                if self.spend(ticket) {
                    Ok(Some(self.give()))
                } else {
                    Err(())
                }
            }
            None => Ok(Some(self.give())),
        }
    }

    fn serve(&mut self, frame: ClientFrame) {
        let link = self.link.as_mut().expect("said over it");
        link.reached = true;
        if link.early {
            let harmless = match &frame {
                ClientFrame::Hello(hello) => hello.ticket.is_some(),
                ClientFrame::Request { request, .. } => request.may_come_early(),
                ClientFrame::Ping(_) => true,
                _ => false,
            };
            assert!(harmless, "too early: {frame:?}");
        }
        let answer = match frame {
            ClientFrame::Hello(hello) => {
                self.hellos.push(hello.clone());
                let Ok(ticket) = self.greet(&hello) else {
                    return self.cut(Some(CloseCode::Unauthenticated));
                };
                let resumed = |(room, since): (RoomId, Cursor)| {
                    let subscribed = self.subscribed(&room, &since);
                    (room, Resumed::Subscribed(subscribed))
                };
                let rooms = hello.rooms.into_iter().map(resumed).collect();
                let mut limits = Announced::default();
                limits.window = WINDOW;
                ServerFrame::Welcome(Box::new(Welcome {
                    version: 1,
                    session: None,
                    user: user(),
                    heartbeat_ms: 25_000,
                    limits,
                    caps: Vec::new(),
                    token_expires_at: None,
                    ticket,
                    rooms,
                }))
            }
            ClientFrame::Ack(ack) => {
                self.acks += 1;
                for (room, seq) in ack.rooms {
                    if let Some(sub) = self.link.as_mut().and_then(|l| l.subs.get_mut(&room)) {
                        assert!(seq.0 < sub.next, "{seq} of {room} is acked before it is sent");
                        sub.acked = sub.acked.max(seq.0);
                    }
                }
                return;
            }
            ClientFrame::Ping(ping) => ServerFrame::Pong(Pong { ts: ping.ts }),
            ClientFrame::Request { id, request } => self.answer(id, request),
            ClientFrame::Signal(_) => return,
        };
        if let Some(link) = &mut self.link {
            link.control.push_back(answer);
        }
    }

    fn answer(&mut self, id: RequestId, request: Request) -> ServerFrame {
        let refused = |code| {
            let failure = Failure { retry_after_ms: Some(300), ..Failure::new(code, "not now") };
            ServerFrame::Error { id: Some(id), failure }
        };
        if self.link.as_ref().is_some_and(|link| link.draining) {
            return refused(Code::Unavailable);
        }
        let answer = match request {
            Request::Subscribe { room, since } => {
                let since = since.expect("these say from where");
                Answer::Subscribed(self.subscribed(&room, &since))
            }
            Request::Unsubscribe { room } => {
                self.link.as_mut().and_then(|link| link.subs.remove(&room));
                Answer::Done {}
            }
            Request::Send { .. } if std::mem::take(&mut self.refuse) => {
                return refused(Code::RateLimited);
            }
            Request::Send { room, body } => {
                let log = self.logs.entry(room).or_default();
                let name = body.client_msg_id.as_str();
                let known = log.iter().position(|n| n == name);
                let at = known.unwrap_or_else(|| {
                    log.push(name.to_owned());
                    log.len() - 1
                });
                Answer::Sent(Sent {
                    seq: Seq(at as u64 + 1),
                    n: 1,
                    message_id: MessageId::from_bytes([0; 16]),
                    ts: Timestamp(0),
                    duplicate: known.is_some(),
                })
            }
            other => panic!("{other:?}"),
        };
        ServerFrame::Result { id, answer }
    }

    /// Sends the entries that the windows let out.
    fn stream(&mut self) {
        let Some(link) = &mut self.link else { return };
        for (room, sub) in &mut link.subs {
            let head = self.logs[room].len() as u64;
            while sub.next <= head && sub.next <= sub.acked + u64::from(WINDOW) {
                let entry = UnknownEntry {
                    room: room.clone(),
                    epoch: self.epoch.clone(),
                    seq: Seq(sub.next),
                    kind: "message".into(),
                    user: user(),
                    ts: Timestamp(0),
                    fields: serde_json::Map::new(),
                };
                let event = Received::Event(Box::new(Event::Unknown(entry)));
                link.rooms.entry(room.clone()).or_default().push_back(event);
                sub.next += 1;
            }
        }
    }

    /// Lets all go well until nothing more happens.
    pub(super) fn settle(&mut self, rooms: usize) {
        self.refuse = false;
        for _ in 0..400 {
            self.handshake(true);
            self.upstream(100);
            for stream in 0..=rooms {
                self.downstream(stream, 100);
            }
            (0..rooms).for_each(|index| self.read(index, 100));
            self.advance(Duration::from_millis(500));
        }
    }
}
