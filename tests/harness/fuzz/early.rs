//! What was said in early data, said again by whoever recorded it, in whatever order: it is looked at,
//! and changes nothing that it did not change the first time.

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use chatcore::Code;
use chatcore::clock::Timestamp;
use chatcore::id::UserId;
use chatcore::protocol::codec::Encoding;
use chatcore::protocol::frame::{Failure, Request};
use chatcore::protocol::session::{Authenticated, CallId, Config, Credential, Output, Session};
use serde_json::json;

/// Frames of a first flight, and things that happen.
const MOST: usize = 60;
/// Connections that tell the same flight.
const COPIES: usize = 4;

/// A frame of the flight. Few ids and names, so that they meet again.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Says {
    Send { id: u8, name: u8 },
    History { id: u8 },
    MarkRead { id: u8 },
    Subscribe { id: u8 },
    Enter { id: u8 },
    Kick { id: u8 },
    CreateRoom { id: u8 },
    Delete { id: u8, name: u8 },
    Auth { id: u8 },
    Signal,
    Ack,
    Hello { ticket: bool },
    Garbage,
}

impl Says {
    fn bytes(self) -> Vec<u8> {
        let id = |id: u8| id % 8 + 1;
        let frame = match self {
            Self::Send { id: n, name } => json!({
                "op": "send", "id": id(n), "room": "r", "client_msg_id": (name % 4).to_string(), "text": "hi",
            }),
            Self::History { id: n } => json!({ "op": "history", "id": id(n), "room": "r" }),
            Self::MarkRead { id: n } => {
                json!({ "op": "mark_read", "id": id(n), "room": "r", "seq": 1 })
            }
            Self::Subscribe { id: n } => json!({ "op": "subscribe", "id": id(n), "room": "r" }),
            Self::Enter { id: n } => json!({ "op": "enter", "id": id(n), "room": "r" }),
            Self::Kick { id: n } => {
                json!({ "op": "member", "id": id(n), "room": "r", "user": "u", "action": "kick" })
            }
            Self::CreateRoom { id: n } => {
                json!({ "op": "create_room", "id": id(n), "kind": "public" })
            }
            Self::Delete { id: n, name } => json!({
                "op": "delete", "id": id(n), "room": "r", "message_id": "A".repeat(22),
                "client_msg_id": (name % 4).to_string(),
            }),
            Self::Auth { id: n } => json!({ "op": "auth", "id": id(n), "token": "t" }),
            Self::Signal => {
                json!({ "op": "signal", "room": "r", "kind": "typing", "on": true, "ttl_ms": 9 })
            }
            Self::Ack => json!({ "op": "ack", "rooms": { "r": 1 } }),
            Self::Hello { ticket } => {
                let by = if ticket { "ticket" } else { "token" };
                json!({ "op": "hello", "versions": [1], by: "x", "device": "d", "caps": ["ticket"] })
            }
            Self::Garbage => return b"\xc1".to_vec(),
        };
        let mut bytes = Vec::new();
        Encoding::MessagePack.encode(&frame, &mut bytes);
        bytes
    }
}

#[derive(Arbitrary, Debug)]
enum Happens {
    /// A copy hears the next frame of the flight.
    Hears(u8),
    /// A copy's handshake is done.
    Proven(u8),
    /// The store answers what a copy has asked first.
    Answers(u8),
    Time(u8),
}

/// One connection on which the flight is told.
struct Copy {
    session: Session,
    heard: usize,
    proven: bool,
    asked: Vec<CallId>,
    closed: bool,
}

/// What the sessions work on.
#[derive(Default)]
struct World {
    spent: bool,
    said: BTreeSet<String>,
}

pub(super) fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let ticket = bool::arbitrary(&mut input).unwrap_or(true);
    let mut flight = vec![Says::Hello { ticket }];
    while flight.len() < MOST / 2 && input.ratio(4, 5).unwrap_or(false) {
        let Ok(says) = Says::arbitrary(&mut input) else { break };
        flight.push(says);
    }
    let config = Arc::new(Config::default());
    let mut now = Timestamp(1_700_000_000_000);
    let mut world = World::default();
    let copy = |_| Copy {
        session: Session::new(Arc::clone(&config), now).early(),
        heard: 0,
        proven: false,
        asked: Vec::new(),
        closed: false,
    };
    let mut copies: Vec<_> = (0..COPIES).map(copy).collect();
    for _ in 0..MOST {
        let Ok(happens) = Happens::arbitrary(&mut input) else { break };
        let (Happens::Hears(at) | Happens::Proven(at) | Happens::Answers(at) | Happens::Time(at)) =
            happens;
        let copy = &mut copies[usize::from(at) % COPIES];
        match happens {
            Happens::Hears(_) => {
                let Some(says) = flight.get(copy.heard) else { continue };
                if !copy.session.wants_frames() {
                    continue;
                }
                copy.heard += 1;
                let frame = Encoding::MessagePack.decode(&says.bytes(), 1 << 16);
                copy.session.handle_frame(now, frame);
            }
            Happens::Proven(_) if !copy.proven => {
                copy.proven = true;
                copy.session.handle_proven(now);
            }
            Happens::Answers(_) if !copy.asked.is_empty() => {
                let call = copy.asked.remove(0);
                let failure = Failure::new(Code::NotFound, "there is no such room");
                copy.session.handle_answer(now, call, Err(failure));
            }
            Happens::Time(by) => {
                now = Timestamp(now.0 + i64::from(by) * 10);
                copy.session.handle_timeout(now);
            }
            Happens::Proven(_) | Happens::Answers(_) => {}
        }
        copy.look(now, &mut world, ticket);
    }
}

impl Copy {
    /// Does what the session wants, and holds it to what it may want.
    fn look(&mut self, now: Timestamp, world: &mut World, ticket: bool) {
        while let Some(output) = self.session.poll_output() {
            assert!(!self.closed, "{output:?} after the end");
            match output {
                Output::Authenticate { credential, .. } => {
                    match &credential {
                        Credential::Unspent(_) => assert!(ticket && !self.proven, "only looked at"),
                        Credential::Ticket(_) => assert!(self.proven, "a copy would spend it"),
                        other => assert!(self.proven && !ticket, "{other:?} waits"),
                    }
                    let spends = matches!(credential, Credential::Ticket(_));
                    let who = who(!ticket || !world.spent);
                    world.spent |= spends;
                    self.session.handle_authenticated(now, who);
                }
                Output::Spend { .. } => {
                    assert!(self.proven && ticket, "spent by one that may be a copy");
                    let good = !std::mem::replace(&mut world.spent, true);
                    self.session.handle_spent(who(good));
                    assert!(good || self.session.is_closed(), "one is let in for each ticket");
                }
                Output::Resume(rooms) => {
                    let none = || Err(Failure::new(Code::NotFound, "there is no such room"));
                    let results = rooms.iter().map(|_| none()).collect();
                    self.session.handle_resumed(now, results);
                }
                Output::Call { call, request } => {
                    assert!(self.proven || request.may_come_early(), "too early: {request:?}");
                    if let Request::Send { body, .. } = &request {
                        world.said.insert(body.client_msg_id.to_string());
                        assert!(world.said.len() <= 4, "what was said again is the same");
                    }
                    self.asked.push(call);
                }
                Output::Tell(tell) => {
                    assert!(self.proven, "a copy lets nothing be known: {tell:?}")
                }
                Output::Close { .. } => self.closed = true,
                _ => {}
            }
        }
        assert_eq!(self.closed, self.session.is_closed());
    }
}

fn who(good: bool) -> Result<Authenticated, Failure> {
    if !good {
        return Err(Failure::new(Code::Unauthenticated, "no good credential"));
    }
    let user = UserId::parse("ann").expect("a sound id");
    Ok(Authenticated { user, session: None, expires_at: None, ticket: None })
}
