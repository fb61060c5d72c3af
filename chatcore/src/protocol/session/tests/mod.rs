mod early;
mod properties;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::hub::Membership;
use crate::id::{SessionId, UserId};
use crate::protocol::Encoding;
use crate::protocol::frame::{Answer, Request, RoomList, Token};
use crate::protocol::limits::Announced;

const START: Timestamp = Timestamp(1_000_000);

fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("a valid name")
}

fn epoch() -> Epoch {
    Epoch::parse("e1").expect("valid")
}

fn alice(expires_at: Option<Timestamp>) -> Authenticated {
    Authenticated {
        user: UserId::parse("alice").expect("valid"),
        session: SessionId::parse("s1").ok(),
        expires_at,
        ticket: None,
    }
}

/// A room of which all after `from` follows.
fn state(from: u64, head: u64) -> RoomState {
    RoomState {
        recovered: true,
        from: Seq(from),
        epoch: epoch(),
        head_seq: Seq(head),
        floor_seq: Seq(0),
        marks: Vec::new(),
        presence: Vec::new(),
        online: 0,
    }
}

fn failure(code: Code) -> Failure {
    Failure::new(code, "no")
}

/// A session and a hand on its clock.
struct Bench {
    session: Session,
    now: Timestamp,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(Announced { window: 10, ..Announced::default() });
        change(&mut config);
        Self { session: Session::new(Arc::new(config), START), now: START }
    }

    /// One that has been welcomed.
    fn ready() -> Self {
        Self::ready_until(None, |_| {})
    }

    fn ready_until(expires_at: Option<Timestamp>, change: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Self::new(change);
        bench.hello(json!({}));
        bench.session.handle_authenticated(bench.now, Ok(alice(expires_at)));
        assert_eq!(bench.ops(), ["authenticate", "welcome"]);
        bench
    }

    fn frame(&mut self, value: Value) {
        let bytes = serde_json::to_vec(&value).expect("JSON");
        self.session.handle_frame(self.now, Encoding::Json.decode(&bytes, 1 << 20));
    }

    fn hello(&mut self, extra: Value) {
        let mut hello = json!({"op": "hello", "versions": [1], "token": "t", "device": "d"});
        let fields = hello.as_object_mut().expect("a map");
        fields.extend(extra.as_object().expect("a map").clone());
        self.frame(hello);
    }

    fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
        self.session.handle_timeout(self.now);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    /// What came out, in a word each.
    fn ops(&mut self) -> Vec<String> {
        self.outputs().iter().map(word).collect()
    }

    /// Asks, and returns the call that comes of it.
    fn call(&mut self, request: Value) -> CallId {
        self.frame(request);
        match self.outputs().pop() {
            Some(Output::Call { call, .. }) => call,
            other => panic!("no call but {other:?}"),
        }
    }

    fn subscribe(&mut self, name: &str, from: u64, head: u64) -> Slot {
        let call = self.call(json!({"op": "subscribe", "id": 1, "room": name}));
        let slot = self.session.handle_subscribed(self.now, call, Ok(state(from, head)));
        assert_eq!(self.ops(), ["result 1"]);
        slot.expect("a subscription")
    }

    /// Writes as many entries as may be; returns the last.
    fn write_all(&mut self, slot: Slot) -> u64 {
        let allowance = self.session.allowance(slot);
        let next = self.session.next(slot).expect("subscribed").0;
        let last = next + u64::from(allowance) - 1;
        self.session.delivered(slot, Seq(last));
        last
    }

    fn ack(&mut self, name: &str, seq: u64) {
        self.frame(json!({"op": "ack", "rooms": {name: seq}}));
    }
}

fn word(output: &Output) -> String {
    match output {
        Output::Send(frame) => {
            let frame = serde_json::to_value(frame).expect("JSON");
            let op = frame["op"].as_str().expect("an op");
            match (&frame["id"], frame["code"].as_str()) {
                (Value::Null, None) => op.to_owned(),
                (Value::Null, Some(code)) => format!("{op} {code}"),
                (id, None) => format!("{op} {id}"),
                (id, Some(code)) => format!("{op} {id} {code}"),
            }
        }
        Output::Authenticate { .. } => "authenticate".into(),
        Output::Spend { .. } => "spend".into(),
        Output::Resume(_) => "resume".into(),
        Output::Call { .. } => "call".into(),
        Output::Tell(Tell::Signal(_)) => "signal".into(),
        Output::Tell(Tell::Delivered { seq, .. }) => format!("delivered {seq}"),
        Output::Wake(_) => "wake".into(),
        Output::Unsubscribed(_) => "unsubscribed".into(),
        Output::Close { code, .. } => format!("close {}", code.number()),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_frame_before_hello_closes() {
    let mut bench = Bench::new(|_| {});
    bench.frame(json!({"op": "rooms", "id": 1}));
    assert_eq!(bench.ops(), ["close 1"]);
}

#[test]
fn a_wrong_hello_is_explained_and_closes() {
    let mut bench = Bench::new(|_| {});
    bench.hello(json!({"device": 5}));
    assert_eq!(bench.ops(), ["error bad_request", "close 1"]);
}

#[test]
fn a_second_hello_closes() {
    let mut bench = Bench::ready();
    bench.hello(json!({}));
    assert_eq!(bench.ops(), ["close 1"]);
}

#[test]
fn no_version_in_common_closes() {
    let mut bench = Bench::new(|_| {});
    bench.hello(json!({"versions": [2, 3]}));
    assert_eq!(bench.ops(), ["close 7"]);
}

#[test]
fn a_token_and_a_ticket_together_are_refused() {
    let mut bench = Bench::new(|_| {});
    bench.hello(json!({"ticket": "x"}));
    assert_eq!(bench.ops(), ["error bad_request", "close 1"]);
}

#[test]
fn nothing_is_read_while_it_is_not_known_who_is_there() {
    let mut bench = Bench::new(|_| {});
    assert!(bench.session.wants_frames());
    bench.hello(json!({}));
    assert!(!bench.session.wants_frames());
    bench.session.handle_authenticated(START, Ok(alice(None)));
    assert!(bench.session.wants_frames());
}

#[test]
fn a_bad_credential_closes_according_to_its_fault() {
    let faults = [
        (Code::Unauthenticated, "close 2"),
        (Code::Forbidden, "close 2"),
        (Code::RateLimited, "close 6"),
        (Code::Unavailable, "close 8"),
    ];
    for (code, close) in faults {
        let mut bench = Bench::new(|_| {});
        bench.hello(json!({}));
        bench.session.handle_authenticated(START, Err(failure(code)));
        assert_eq!(bench.ops(), ["authenticate", &format!("error {code}"), close]);
    }
    let mut bench = Bench::new(|_| {});
    bench.hello(json!({}));
    bench.session.handle_authenticated(START, Ok(alice(Some(START))));
    assert_eq!(bench.ops(), ["authenticate", "error unauthenticated", "close 2"]);
}

#[test]
fn hello_is_waited_for_and_so_is_its_answer() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.session.poll_timeout(), Some(START.after(10 * SECOND)));
    bench.advance(9 * SECOND);
    bench.hello(json!({}));
    bench.advance(9 * SECOND);
    assert_eq!(bench.ops(), ["authenticate"]);
    bench.advance(SECOND);
    assert_eq!(bench.ops(), ["close 8"], "it is the server that was too slow");
}

#[test]
fn the_window_is_what_the_client_asked_for_up_to_the_cap() {
    for (asked, granted) in [(json!(null), 10), (json!(4), 4), (json!(99), 10), (json!(0), 1)] {
        let mut bench = Bench::new(|_| {});
        bench.hello(json!({"window": asked}));
        bench.session.handle_authenticated(START, Ok(alice(None)));
        let Some(Output::Send(ServerFrame::Welcome(welcome))) = bench.outputs().pop() else {
            panic!("no welcome")
        };
        assert_eq!(welcome.limits.window, granted);
    }
}

#[test]
fn rooms_of_hello_are_answered_in_the_welcome() {
    let mut bench = Bench::new(|c| c.limits.subscriptions = 2);
    let seq = json!({"seq": 3});
    bench.hello(json!({"rooms": {"a": seq, "b": seq, "c": seq}}));
    bench.session.handle_authenticated(START, Ok(alice(None)));
    let Some(Output::Resume(rooms)) = bench.outputs().pop() else { panic!("no rooms") };
    let names: Vec<_> = rooms.iter().map(|(room, _)| room.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let results = vec![Ok(state(3, 5)), Err(failure(Code::NotFound))];
    let slots = bench.session.handle_resumed(START, results);
    let [Some(slot), None] = slots[..] else { panic!("{slots:?}") };
    assert_eq!((bench.session.next(slot), bench.session.allowance(slot)), (Some(Seq(4)), 10));
    let Some(Output::Send(frame)) = bench.outputs().pop() else { panic!("no welcome") };
    let frame = serde_json::to_value(frame).expect("JSON");
    assert_eq!(frame["rooms"]["a"]["recovered"], true);
    assert_eq!(frame["rooms"]["b"]["code"], "not_found");
    assert_eq!(frame["rooms"]["c"]["code"], "limit_reached");
}

#[test]
fn a_room_lost_while_it_is_taken_up_stays_lost() {
    let mut bench = Bench::new(|_| {});
    bench.hello(json!({"rooms": {"a": {"seq": 1}}}));
    bench.session.handle_authenticated(START, Ok(alice(None)));
    bench.outputs();
    kicked(&mut bench, "a");
    assert_eq!(bench.session.handle_resumed(START, vec![Ok(state(1, 1))]), [None]);
    assert_eq!(bench.ops(), ["welcome"]);
}

fn kicked(bench: &mut Bench, name: &str) {
    let state = Membership::Kicked;
    let notice = Notice::Membership { room: room(name), state, readable: false };
    bench.session.handle_notice(bench.now, notice);
}

#[test]
fn answers_may_come_in_any_order_and_once_each() {
    let mut bench = Bench::ready();
    let first = bench.call(json!({"op": "rooms", "id": 1}));
    let second = bench.call(json!({"op": "rooms", "id": 2}));
    let answer = || Ok(Reply::Answer(Answer::Rooms(RoomList::default())));
    bench.session.handle_answer(START, second, answer());
    bench.session.handle_answer(START, first, Err(failure(Code::Unavailable)));
    bench.session.handle_answer(START, first, answer());
    assert_eq!(bench.ops(), ["result 2", "error 1 unavailable"]);
}

#[test]
fn an_id_may_be_used_again_before_its_answer() {
    let mut bench = Bench::ready();
    let first = bench.call(json!({"op": "rooms", "id": 1}));
    let second = bench.call(json!({"op": "rooms", "id": 1}));
    for call in [first, second] {
        bench.session.handle_answer(START, call, Err(failure(Code::Unavailable)));
    }
    assert_eq!(bench.ops(), ["error 1 unavailable", "error 1 unavailable"]);
}

#[test]
fn one_request_too_many_is_refused_and_the_rest_go_on() {
    let mut bench = Bench::ready_until(None, |c| c.limits.in_flight = 2);
    let first = bench.call(json!({"op": "rooms", "id": 1}));
    bench.call(json!({"op": "rooms", "id": 2}));
    bench.frame(json!({"op": "rooms", "id": 3}));
    assert_eq!(bench.ops(), ["error 3 limit_reached"]);
    bench.session.handle_answer(START, first, Err(failure(Code::Unavailable)));
    bench.frame(json!({"op": "rooms", "id": 4}));
    assert_eq!(bench.ops(), ["error 1 unavailable", "call"]);
}

#[test]
fn one_subscription_too_many_is_refused() {
    let mut bench = Bench::ready_until(None, |c| c.limits.subscriptions = 2);
    bench.subscribe("a", 0, 0);
    bench.call(json!({"op": "subscribe", "id": 2, "room": "b"}));
    bench.frame(json!({"op": "subscribe", "id": 3, "room": "c"}));
    assert_eq!(bench.ops(), ["error 3 limit_reached"], "one that is being made counts");
    bench.frame(json!({"op": "subscribe", "id": 4, "room": "a"}));
    assert_eq!(bench.ops(), ["call"], "one that is there is made anew");
}

#[test]
fn nothing_is_sent_before_the_subscription_is_answered() {
    let mut bench = Bench::ready();
    let slot = bench.subscribe("a", 0, 3);
    assert_eq!(bench.session.delivery(slot), Some(DeliveryState::Replay));
    bench.session.delivered(slot, Seq(3));
    assert_eq!(bench.session.delivery(slot), Some(DeliveryState::Live));
    let call = bench.call(json!({"op": "subscribe", "id": 2, "room": "a", "since": {"seq": 1}}));
    assert_eq!(bench.session.allowance(slot), 0);
    let again = bench.session.handle_subscribed(START, call, Ok(state(1, 3)));
    assert_eq!(again, Some(slot));
    assert_eq!((bench.session.next(slot), bench.session.allowance(slot)), (Some(Seq(2)), 10));
}

#[test]
fn a_subscription_that_fails_anew_is_gone() {
    let mut bench = Bench::ready();
    bench.subscribe("a", 0, 0);
    let call = bench.call(json!({"op": "subscribe", "id": 2, "room": "a"}));
    bench.session.handle_subscribed(START, call, Err(failure(Code::NotFound)));
    assert_eq!(bench.ops(), ["unsubscribed", "error 2 not_found"]);
    assert_eq!(bench.session.slot(&room("a")), None);
}

#[test]
fn a_kick_ends_what_is_there_and_what_is_being_made() {
    let mut bench = Bench::ready();
    let slot = bench.subscribe("a", 0, 5);
    let call = bench.call(json!({"op": "subscribe", "id": 2, "room": "a"}));
    kicked(&mut bench, "a");
    assert_eq!(bench.ops(), ["unsubscribed", "membership"]);
    assert_eq!(bench.session.allowance(slot), 0);
    assert_eq!(bench.session.handle_subscribed(START, call, Ok(state(0, 5))), None);
    assert_eq!(bench.ops(), ["error 2 not_found"]);
}

#[test]
fn a_slot_is_not_used_again_before_its_end_is_heard() {
    let mut bench = Bench::ready();
    let first = bench.subscribe("a", 0, 0);
    let call = bench.call(json!({"op": "subscribe", "id": 2, "room": "b"}));
    kicked(&mut bench, "a");
    let second = bench.session.handle_subscribed(START, call, Ok(state(0, 0))).expect("made");
    assert_ne!(first, second);
    bench.outputs();
    assert_eq!(bench.subscribe("c", 0, 0), first);
}

#[test]
fn unsubscribing_is_answered_at_once() {
    let mut bench = Bench::ready();
    let slot = bench.subscribe("a", 0, 5);
    let call = bench.call(json!({"op": "subscribe", "id": 2, "room": "b"}));
    bench.frame(json!({"op": "unsubscribe", "id": 3, "room": "a"}));
    bench.frame(json!({"op": "unsubscribe", "id": 4, "room": "b"}));
    assert_eq!(bench.ops(), ["unsubscribed", "result 3", "result 4"]);
    assert_eq!((bench.session.allowance(slot), bench.session.next(slot)), (0, None));
    assert_eq!(bench.session.handle_subscribed(START, call, Ok(state(0, 5))), None);
    assert_eq!(bench.ops(), ["error 2 conflict"]);
}

#[test]
fn the_window_shuts_and_acks_open_it() {
    let mut bench = Bench::ready();
    let slot = bench.subscribe("a", 0, 100);
    assert_eq!(bench.write_all(slot), 10);
    assert_eq!(bench.session.allowance(slot), 0);
    bench.session.handle_blocked(START, slot);
    bench.ack("a", 4);
    assert_eq!(bench.ops(), ["delivered 4", "wake"]);
    assert_eq!(bench.session.allowance(slot), 4);
    bench.ack("a", 3);
    bench.ack("nowhere", 3);
    assert_eq!(bench.ops(), Vec::<String>::new(), "acks are cumulative, and late ones harmless");
    bench.ack("a", 99);
    assert_eq!(bench.ops(), ["delivered 10"], "no more can have arrived than was sent");
    assert_eq!(bench.session.allowance(slot), 10);
}

#[test]
fn a_lost_place_is_told_once_and_silent_until_made_anew() {
    let mut bench = Bench::ready();
    let slot = bench.subscribe("a", 0, 0);
    bench.write_all(slot);
    bench.session.handle_blocked(START, slot);
    for _ in 0..2 {
        let (epoch, head_seq, reason) = (epoch(), Seq(2000), GapReason::Slow);
        bench.session.handle_notice(START, Notice::Lost { slot, epoch, head_seq, reason });
    }
    assert_eq!(bench.ops(), ["gap"]);
    bench.ack("a", 10);
    assert_eq!(bench.ops(), ["delivered 10", "wake"]);
    assert_eq!(bench.session.allowance(slot), 0);
    assert_eq!(bench.subscribe("a", 10, 2000), slot);
    assert_eq!(bench.session.allowance(slot), 10);
}

#[test]
fn a_minute_with_a_shut_window_closes() {
    let mut bench = Bench::ready();
    let slot = bench.subscribe("a", 0, 100);
    bench.write_all(slot);
    bench.session.handle_blocked(bench.now, slot);
    for _ in 0..5 {
        bench.advance(11 * SECOND);
        bench.frame(json!({"op": "ping", "ts": 1}));
        bench.session.handle_blocked(bench.now, slot);
    }
    assert_eq!(bench.ops(), vec!["pong"; 5]);
    assert_eq!(bench.session.poll_timeout(), Some(START.after(60 * SECOND)));
    bench.advance(5 * SECOND);
    assert_eq!(bench.ops(), ["close 4"]);
}

#[test]
fn a_minute_without_anything_written_closes() {
    let mut bench = Bench::ready();
    bench.session.handle_written(bench.now, false, true);
    bench.advance(50 * SECOND);
    bench.session.handle_written(bench.now, true, true);
    bench.advance(59 * SECOND);
    assert_eq!(bench.ops(), Vec::<String>::new(), "no heartbeat is asked of one who is blocked");
    bench.advance(SECOND);
    assert_eq!(bench.ops(), ["close 4"]);
}

#[test]
fn a_sign_of_life_beneath_the_protocol_counts() {
    let mut bench = Bench::ready();
    for beats in 1..10 {
        bench.session.handle_alive(START.after(40 * SECOND * beats));
        bench.session.handle_timeout(START.after(40 * SECOND * beats));
    }
    assert!(!bench.session.is_closed());
    bench.session.handle_timeout(START.after(40 * SECOND * 9 + 50 * SECOND));
    assert!(bench.session.is_closed());
}

#[test]
fn two_heartbeats_missed_close() {
    let mut bench = Bench::ready();
    bench.advance(49 * SECOND);
    bench.frame(json!({"op": "ping", "ts": 7}));
    assert_eq!(bench.ops(), ["pong"]);
    bench.advance(49 * SECOND);
    assert_eq!(bench.ops(), Vec::<String>::new());
    bench.advance(SECOND);
    assert_eq!(bench.ops(), ["close 5"]);
}

#[test]
fn expiry_is_warned_of_once_and_then_closes() {
    let mut bench = Bench::ready_until(Some(START.after(90 * SECOND)), |_| {});
    assert_eq!(bench.session.poll_timeout(), Some(START.after(30 * SECOND)));
    bench.advance(30 * SECOND);
    bench.advance(SECOND);
    assert_eq!(bench.ops(), ["auth_expiring"]);
    bench.advance(15 * SECOND);
    bench.frame(json!({"op": "ping", "ts": 1}));
    bench.advance(44 * SECOND);
    assert_eq!(bench.ops(), ["pong", "close 2"]);
}

#[test]
fn only_a_token_of_the_same_session_renews() {
    let mut bench = Bench::ready_until(Some(START.after(90 * SECOND)), |_| {});
    bench.advance(40 * SECOND);
    let mut renew = |who: Authenticated| {
        let call = bench.call(json!({"op": "auth", "id": 1, "token": "t2"}));
        bench.session.handle_answer(bench.now, call, Ok(Reply::Authenticated(who)));
        (bench.ops(), bench.session.poll_timeout())
    };
    let later = Some(START.after(300 * SECOND));
    let bob = Authenticated { user: UserId::parse("bob").expect("valid"), ..alice(later) };
    assert_eq!(renew(bob).0, ["error 1 forbidden"]);
    let elsewhere = Authenticated { session: SessionId::parse("s2").ok(), ..alice(later) };
    assert_eq!(renew(elsewhere).0, ["error 1 forbidden"]);
    assert_eq!(renew(alice(Some(START))).0, ["error 1 unauthenticated"]);
    let (ops, timeout) = renew(alice(later));
    assert_eq!(ops, ["result 1"]);
    assert_eq!(timeout, Some(START.after(90 * SECOND)), "the heartbeat is next");
}

#[test]
fn revocation_takes_back_what_waits() {
    let mut bench = Bench::ready();
    bench.frame(json!({"op": "ping", "ts": 1}));
    bench.session.handle_notice(START, Notice::Revoked);
    assert_eq!(bench.ops(), ["close 3"]);
}

#[test]
fn draining_answers_what_was_asked_and_takes_nothing_new() {
    let mut bench = Bench::ready();
    let call = bench.call(json!({"op": "rooms", "id": 1}));
    let ticket = Some(Token::new("t"));
    let notice = Notice::Draining { retry_after: SECOND, ticket };
    bench.session.handle_notice(START, notice.clone());
    bench.session.handle_notice(START, notice);
    bench.frame(json!({"op": "rooms", "id": 2}));
    assert_eq!(bench.ops(), ["goaway", "error 2 unavailable"]);
    bench.session.handle_answer(START, call, Err(failure(Code::NotFound)));
    assert_eq!(bench.ops(), ["error 1 not_found", "close 8"]);
}

#[test]
fn draining_does_not_wait_for_ever() {
    let mut bench = Bench::ready();
    bench.call(json!({"op": "rooms", "id": 1}));
    let notice = Notice::Draining { retry_after: SECOND, ticket: None };
    bench.session.handle_notice(START, notice.clone());
    bench.advance(10 * SECOND);
    assert_eq!(bench.ops(), ["goaway", "close 8"]);
    let mut idle = Bench::ready();
    idle.session.handle_notice(START, notice);
    assert_eq!(idle.ops(), ["goaway", "close 8"]);
}

#[test]
fn a_signal_is_passed_on_within_bounds() {
    let mut bench = Bench::ready();
    let signal = |kind: &str| json!({"op": "signal", "room": "a", "kind": kind, "on": true, "ttl_ms": u32::MAX});
    bench.frame(signal("typing"));
    let Some(Output::Tell(Tell::Signal(signalled))) = bench.outputs().pop() else { panic!() };
    assert_eq!(signalled.ttl_ms, 60_000);
    for kind in ["", "presence", "a b", &"x".repeat(33)] {
        bench.frame(signal(kind));
        assert_eq!(bench.ops(), ["error bad_request"]);
    }
}
