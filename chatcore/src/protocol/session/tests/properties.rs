//! What holds whatever happens, in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One thing that can happen to a session.
#[derive(Clone, Debug)]
enum Operation {
    Request(u64, u8),
    Subscribe(u64, usize),
    Unsubscribe(u64, usize),
    Ack(usize, u64),
    Garbage,
    Answer(usize, bool),
    Write(usize, u32),
    Block(usize),
    Lose(usize),
    Kick(usize),
    Wait(u64),
    Drain,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn any_operation() -> impl Strategy<Value = Operation> {
    let at = 0..NAMES.len();
    prop_oneof![
        4 => (0..9_u64, any::<u8>()).prop_map(|(id, kind)| Operation::Request(id, kind)),
        4 => (0..9_u64, at.clone()).prop_map(|(id, at)| Operation::Subscribe(id, at)),
        1 => (0..9_u64, at.clone()).prop_map(|(id, at)| Operation::Unsubscribe(id, at)),
        4 => (at.clone(), 0..60_u64).prop_map(|(at, seq)| Operation::Ack(at, seq)),
        1 => Just(Operation::Garbage),
        8 => (0..8_usize, any::<bool>()).prop_map(|(call, good)| Operation::Answer(call, good)),
        8 => (at.clone(), 0..20_u32).prop_map(|(at, count)| Operation::Write(at, count)),
        2 => at.clone().prop_map(Operation::Block),
        1 => at.clone().prop_map(Operation::Lose),
        1 => at.prop_map(Operation::Kick),
        1 => (0..20_u64).prop_map(Operation::Wait),
        1 => Just(Operation::Drain),
    ]
}

/// What an observer of all frames knows.
#[derive(Default)]
struct Observer {
    asked: BTreeMap<u64, usize>,
    answered: BTreeMap<u64, usize>,
    calls: Vec<(CallId, Request)>,
    closed: bool,
    ended: Vec<Slot>,
}

impl Observer {
    fn see(&mut self, bench: &mut Bench) {
        for output in bench.outputs() {
            assert!(!self.closed, "{output:?} after the end");
            match output {
                Output::Call { call, request } => self.calls.push((call, request)),
                Output::Close { .. } => self.closed = true,
                Output::Unsubscribed(slot) => self.ended.push(slot),
                Output::Send(frame) => {
                    let frame = serde_json::to_value(frame).expect("JSON");
                    if let Some(id) = frame["id"].as_u64() {
                        *self.answered.entry(id).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        assert_eq!(self.closed, bench.session.is_closed());
        assert_eq!(bench.session.poll_timeout().is_none(), self.closed);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_promises(
        operations in prop::collection::vec(any_operation(), 1..120)
    ) {
        let mut bench = Bench::ready_until(None, |c| {
            c.limits.in_flight = 5;
            c.limits.subscriptions = 2;
        });
        let mut seen = Observer::default();
        for operation in operations {
            match operation {
                Operation::Request(id, kind) => {
                    let room = NAMES[usize::from(kind) % NAMES.len()];
                    *seen.asked.entry(id).or_default() += 1;
                    bench.frame(json!({"op": "enter", "id": id, "room": room}));
                }
                Operation::Subscribe(id, at) => {
                    *seen.asked.entry(id).or_default() += 1;
                    bench.frame(json!({"op": "subscribe", "id": id, "room": NAMES[at]}));
                }
                Operation::Unsubscribe(id, at) => {
                    *seen.asked.entry(id).or_default() += 1;
                    bench.frame(json!({"op": "unsubscribe", "id": id, "room": NAMES[at]}));
                }
                Operation::Ack(at, seq) => bench.ack(NAMES[at], seq),
                Operation::Garbage => bench.frame(json!({"op": 5})),
                Operation::Answer(at, good) if !seen.calls.is_empty() => {
                    let (call, request) = seen.calls.remove(at % seen.calls.len());
                    let subscribe = matches!(request, Request::Subscribe { .. });
                    match (subscribe, good) {
                        (true, true) => {
                            bench.session.handle_subscribed(bench.now, call, Ok(state(3, 9)));
                        }
                        (true, false) => {
                            let failure = Err(failure(Code::NotFound));
                            bench.session.handle_subscribed(bench.now, call, failure);
                        }
                        (false, _) => {
                            let reply = Reply::Answer(Answer::Done {});
                            bench.session.handle_answer(bench.now, call, Ok(reply));
                        }
                    }
                }
                Operation::Answer(..) => {}
                Operation::Write(at, count) => {
                    if let Some(slot) = bench.session.slot(&room(NAMES[at])) {
                        let count = count.min(bench.session.allowance(slot));
                        if count > 0 {
                            let next = bench.session.next(slot).expect("subscribed");
                            bench.session.delivered(slot, Seq(next.0 + u64::from(count) - 1));
                        }
                    }
                }
                Operation::Block(at) => {
                    if let Some(slot) = bench.session.slot(&room(NAMES[at])) {
                        bench.session.handle_blocked(bench.now, slot);
                    }
                }
                Operation::Lose(at) => {
                    if let Some(slot) = bench.session.slot(&room(NAMES[at])) {
                        let (epoch, head_seq, reason) = (epoch(), Seq(99), GapReason::Retention);
                        let lost = Notice::Lost { slot, epoch, head_seq, reason };
                        bench.session.handle_notice(bench.now, lost);
                    }
                }
                Operation::Kick(at) => kicked(&mut bench, NAMES[at]),
                Operation::Wait(seconds) => bench.advance(Duration::from_secs(seconds)),
                Operation::Drain => {
                    let notice = Notice::Draining { retry_after: SECOND, ticket: None };
                    bench.session.handle_notice(bench.now, notice);
                }
            }
            seen.see(&mut bench);
            for name in NAMES {
                if let Some(slot) = bench.session.slot(&room(name)) {
                    prop_assert!(bench.session.allowance(slot) <= 10, "never more than a window");
                }
            }
            prop_assert!(bench.session.in_flight() <= 5);
        }
        // Whatever is still open is answered, and then each request has been answered once.
        for (call, request) in std::mem::take(&mut seen.calls) {
            match request {
                Request::Subscribe { .. } => {
                    bench.session.handle_subscribed(bench.now, call, Ok(state(0, 0)));
                }
                _ => {
                    let reply = Reply::Answer(Answer::Done {});
                    bench.session.handle_answer(bench.now, call, Ok(reply));
                }
            }
        }
        let closed_before = seen.closed;
        seen.see(&mut bench);
        if !closed_before {
            prop_assert_eq!(seen.answered, seen.asked);
        }
    }
}
