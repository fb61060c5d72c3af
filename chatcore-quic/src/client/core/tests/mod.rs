//! The core against a model of the server, with time and the network made up.

mod model;

use std::time::Duration;

use chatcore::id::Epoch;
use chatcore::protocol::CloseCode;
use chatcore::protocol::frame::Answer;
use model::{World, room};
use proptest::prelude::*;

use super::*;

const ROOMS: usize = 2;

#[derive(Clone, Debug)]
enum Op {
    Send(usize),
    OthersSay(usize, usize),
    ToServer(usize),
    ToClient(usize, usize),
    Read(usize, usize),
    Advance(u64),
    Cut,
    Close(usize),
    Goaway,
    Gap(usize),
    Refuse,
    Handshake(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..ROOMS).prop_map(Op::Send),
        3 => (0..ROOMS, 1..12_usize).prop_map(|(room, n)| Op::OthersSay(room, n)),
        6 => (1..6_usize).prop_map(Op::ToServer),
        8 => (0..=ROOMS, 1..8_usize).prop_map(|(stream, n)| Op::ToClient(stream, n)),
        5 => (0..ROOMS, 1..10_usize).prop_map(|(room, n)| Op::Read(room, n)),
        5 => prop_oneof![1..300_u64, 500..40_000_u64].prop_map(Op::Advance),
        3 => Just(Op::Cut),
        1 => (0..4_usize).prop_map(Op::Close),
        1 => Just(Op::Goaway),
        1 => (0..ROOMS).prop_map(Op::Gap),
        1 => Just(Op::Refuse),
        4 => any::<bool>().prop_map(Op::Handshake),
    ]
}

fn run(world: &mut World, ops: Vec<Op>) {
    for op in ops {
        match op {
            Op::Send(room) => world.send(room),
            Op::OthersSay(room, n) => (0..n).for_each(|_| world.others_say(room)),
            Op::ToServer(n) => world.upstream(n),
            Op::ToClient(stream, n) => world.downstream(stream, n),
            Op::Read(room, n) => world.read(room, n),
            Op::Advance(ms) => world.advance(Duration::from_millis(ms)),
            Op::Cut => world.cut(None),
            Op::Close(n) => {
                let again = CloseCode::ALL.into_iter().filter(|code| code.reconnect_unchanged());
                world.cut(again.into_iter().nth(n));
            }
            Op::Goaway => world.goaway(),
            Op::Gap(room) => world.gap(room),
            Op::Refuse => world.refuse = true,
            Op::Handshake(taken) => world.handshake(taken),
        }
    }
    world.settle(ROOMS);
}

/// Each entry seen once and in order, each send in effect once, each answered once.
fn check(world: &World, in_order: bool) {
    assert_eq!(world.resets, 0, "nothing was lost on the server");
    for index in 0..ROOMS {
        let log = &world.logs[&room(index)];
        let all: Vec<u64> = (1..=log.len() as u64).collect();
        assert_eq!(world.seen.get(&room(index)).unwrap_or(&Vec::new()), &all, "room {index}");
        let own: Vec<_> = log.iter().filter(|name| !name.is_empty()).collect();
        if in_order {
            assert!(own.is_sorted(), "sent in this order: {own:?}");
        }
    }
    let mut own: Vec<_> = world.logs.values().flatten().filter(|n| !n.is_empty()).collect();
    own.sort();
    own.dedup();
    assert_eq!(own.len() as u64, world.sent);
    assert_eq!(world.logs.values().flatten().filter(|n| !n.is_empty()).count(), own.len());
    for n in 0..world.sent {
        let answers = world.answers.get(&CallId(n));
        let one = answers.is_some_and(|a| matches!(a.as_slice(), [Ok(Answer::Sent(_))]));
        assert!(one, "send {n} was answered with {answers:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_cut_nothing_is_lost_doubled_or_left_unanswered(
        ops in prop::collection::vec(op(), 1..200), seed: u64,
    ) {
        let mut world = World::new(1, seed);
        (0..ROOMS).for_each(|index| world.follow(index));
        run(&mut world, ops);
        check(&world, true);
    }

    #[test]
    fn with_several_on_their_way_a_refusal_costs_the_order_and_nothing_else(
        ops in prop::collection::vec(op(), 1..200), seed: u64,
    ) {
        let refused = ops.iter().any(|op| matches!(op, Op::Refuse));
        let mut world = World::new(4, seed);
        (0..ROOMS).for_each(|index| world.follow(index));
        run(&mut world, ops);
        check(&world, !refused);
    }
}

fn connected() -> World {
    let mut world = World::new(1, 7);
    world.follow(0);
    world.settle(1);
    assert_eq!(world.core.state, State::Connected);
    world
}

#[test]
fn it_goes_through_connecting_and_resuming_and_back() {
    let mut world = connected();
    world.cut(None);
    let [a, b, c, d] = world.states[..] else { panic!("{:?}", world.states) };
    assert_eq!([a, b, c], [State::Connecting, State::Resuming, State::Connected]);
    assert!(matches!(d, State::Offline(Offline::Waiting { .. })));
    world.settle(1);
    let places = &world.hellos[1].rooms;
    assert_eq!(places[&room(0)].epoch, Some(world.epoch.clone()));
}

#[test]
fn after_codes_that_forbid_it_nobody_comes_back() {
    for code in CloseCode::ALL.into_iter().filter(|code| !code.reconnect_unchanged()) {
        let mut world = connected();
        world.cut(Some(code));
        world.settle(1);
        assert_eq!(world.core.state, State::Offline(Offline::Closed(code)));
        assert_eq!(world.hellos.len(), 1, "{code}");
        world.core.handle_call(world.now, CallId(99), Request::Rooms(Default::default()));
        world.send(0);
        world.settle(1);
        assert_eq!(world.answers[&CallId(99)], [Err(Error::Closed(code))]);
        world.core.handle_token(world.now, Some(Token::new("newer")));
        world.settle(1);
        assert_eq!(world.core.state, State::Connected);
        assert_eq!(world.hellos[1].token, Some(Token::new("newer")));
        check_one_send(&world);
    }
}

fn check_one_send(world: &World) {
    assert!(matches!(world.answers[&CallId(0)].as_slice(), [Ok(Answer::Sent(_))]));
}

#[test]
fn the_wait_is_random_grows_and_honours_what_the_server_asks() {
    let mut world = World::new(1, 3);
    let mut waits = Vec::new();
    for _ in 0..12 {
        while world.link.is_none() {
            world.advance(Duration::from_millis(100));
        }
        let at = world.now;
        world.cut(None);
        waits.push(world.core.poll_timeout().expect("another attempt") - at);
        assert!(waits.iter().all(|w| (500..=30_000).contains(&w.as_millis())), "{waits:?}");
    }
    assert!(waits[..2].iter().all(|wait| wait.as_secs() <= 2), "{waits:?}");
    assert!(waits.iter().any(|wait| wait.as_secs() >= 8), "{waits:?}");
    let mut world = connected();
    world.goaway();
    world.downstream(0, 1);
    let at = world.now;
    world.cut(Some(CloseCode::GoingAway));
    assert!(world.core.poll_timeout().expect("another attempt") >= at + Duration::from_millis(700));
}

#[test]
fn another_life_of_the_log_is_told_and_followed() {
    let mut world = connected();
    (0..5).for_each(|_| world.others_say(0));
    world.settle(1);
    world.cut(None);
    world.epoch = Epoch::parse("e2").expect("valid");
    world.logs.insert(room(0), vec![String::new(); 3]);
    world.settle(1);
    assert_eq!(world.resets, 1);
    world.others_say(0);
    world.settle(1);
    assert_eq!(world.seen[&room(0)], [1, 2, 3, 4, 5, 4]);
}

#[test]
fn a_room_that_nobody_reads_is_let_go_of_and_taken_up_again() {
    let mut world = connected();
    (0..50).for_each(|_| world.others_say(0));
    world.downstream(1, 100);
    world.advance(Duration::from_secs(25));
    world.upstream(10);
    assert!(world.unread[&room(0)].len() <= 9);
    for _ in 0..24 {
        world.advance(Duration::from_secs(5));
        world.upstream(10);
        world.downstream(0, 10);
    }
    world.settle(1);
    assert_eq!(world.seen[&room(0)].len(), 50);
    assert_eq!(world.hellos.len(), 1, "the connection stood");
}

#[test]
fn a_silent_server_is_given_up() {
    let mut world = connected();
    world.advance(Duration::from_secs(36));
    let waits = |state: &State| matches!(state, State::Offline(Offline::Waiting { .. }));
    assert!(world.states.iter().any(waits));
}

#[test]
fn with_a_heartbeat_of_its_own_it_gives_up_a_silent_server_sooner() {
    let mut world = connected();
    world.cut(None);
    world.core.config.heartbeat = Duration::from_secs(2);
    world.settle(1);
    world.states.clear();
    world.advance(Duration::from_millis(4_100));
    let waits = |state: &State| matches!(state, State::Offline(Offline::Waiting { .. }));
    assert!(world.states.iter().any(waits), "{:?}", world.states);
}

#[test]
fn acks_come_about_every_half_window() {
    let mut world = connected();
    let before = world.acks;
    for _ in 0..10 {
        (0..8).for_each(|_| world.others_say(0));
        for _ in 0..8 {
            world.downstream(1, 1);
            world.read(0, 1);
            world.upstream(5);
        }
    }
    assert_eq!(world.acks - before, 20);
}

#[test]
fn what_is_taken_out_and_put_back_takes_effect_once() {
    let mut world = connected();
    world.send(0);
    world.upstream(1);
    let unsent = world.core.take_unsent();
    assert_eq!(unsent.len(), 1);
    let text = serde_json::to_string(&unsent).expect("plain data");
    let back: Vec<Unsent> = serde_json::from_str(&text).expect("as it was");
    assert_eq!(back, unsent);
    assert!(world.core.handle_write(world.now, CallId(50), back[0].clone()));
    world.send(0);
    world.settle(1);
    assert_eq!(world.logs[&room(0)], ["00000", "00001"]);
    let Ok(Answer::Sent(sent)) = &world.answers[&CallId(50)][0] else { panic!("not sent") };
    assert!(sent.duplicate);
}

#[test]
fn the_outbox_is_bounded() {
    let mut config = Config::new(chatcore::id::DeviceId::parse("d").expect("valid"));
    config.outbox = 1;
    let random = Arc::new(chatcore::testing::SeededRandom::new(1));
    let now = Instant::now();
    let mut core = Core::new(config, random, now);
    let body = chatcore::protocol::frame::Delete {
        client_msg_id: chatcore::id::ClientMsgId::parse("c").expect("valid"),
    };
    let message_id = chatcore::id::MessageId::from_bytes([1; 16]);
    let unsent = Unsent { room: room(0), write: Write::Delete { message_id, body } };
    assert!(core.handle_write(now, CallId(1), unsent.clone()));
    assert!(!core.handle_write(now, CallId(2), unsent));
}

/// A client with a link whose handshake is not done, and a message that waits.
fn early() -> World {
    let mut world = connected();
    world.cut(None);
    world.send(0);
    world.others_say(0);
    while world.link.is_none() {
        world.advance(Duration::from_millis(100));
    }
    world
}

#[test]
fn with_a_ticket_it_says_hello_takes_up_its_rooms_and_sends_before_the_handshake_is_done() {
    let mut world = early();
    world.core.handle_call(world.now, CallId(70), Request::Rooms(Default::default()));
    let history = Request::History { room: room(0), body: Default::default() };
    world.core.handle_call(world.now, CallId(71), history);
    assert!(world.core.is_ready_early());
    world.upstream(2);
    let hello = &world.hellos[1];
    assert!(hello.ticket.is_some() && hello.token.is_none() && hello.rooms.len() == 1);
    assert_eq!(world.logs[&room(0)], ["", "00000"]);
    // The history is on its way, and the rooms have to wait.
    assert_eq!(world.core.waiting.len(), 1);
}

#[test]
fn what_was_rejected_is_said_again_under_the_same_names() {
    let mut world = early();
    world.handshake(false);
    assert_eq!(world.handshakes.1, 1);
    world.settle(1);
    assert_eq!(world.hellos.len(), 2, "the first never arrived");
    assert!(world.hellos[1].ticket.is_some(), "it was not spent");
    assert_eq!(world.logs[&room(0)], ["", "00000"]);
    assert_eq!(world.seen[&room(0)], [1, 2]);
    check_one_send(&world);
}

#[test]
fn a_ticket_that_was_spent_meanwhile_gives_way_to_the_token_at_once() {
    let mut world = early();
    world.upstream(1);
    world.forget_tickets();
    let at = world.now;
    world.handshake(true);
    assert_eq!(world.now, at);
    world.settle(1);
    let [.., third] = &world.hellos[..] else { panic!("no hello") };
    assert_eq!((world.hellos.len(), &third.token), (3, &Some(Token::new("t"))));
    check_one_send(&world);
}

#[test]
fn a_ticket_is_shown_until_there_is_another() {
    let mut world = early();
    world.upstream(1);
    // It was welcomed, and cut before it was told of the next ticket.
    world.downstream(0, 1);
    world.cut(None);
    world.settle(1);
    assert_eq!(world.hellos[1].ticket, world.hellos[2].ticket);
    check_one_send(&world);
}

#[test]
fn a_call_that_was_found_too_early_is_made_once_more() {
    let mut world = connected();
    world.core.handle_call(world.now, CallId(70), Request::Rooms(Default::default()));
    let too_early = |world: &mut World| {
        let id = RequestId(world.core.next_id);
        let failure = Failure::new(chatcore::Code::TooEarly, "not yet");
        let frame = chatcore::protocol::frame::ServerFrame::Error { id: Some(id), failure };
        let frame = chatcore::protocol::frame::Received::Frame(Box::new(frame));
        world.core.handle_received(world.now, frame);
    };
    too_early(&mut world);
    assert_eq!((world.core.in_flight.len(), world.answers.get(&CallId(70))), (1, None));
    too_early(&mut world);
    assert_eq!(world.core.in_flight.len(), 0, "not for ever");
}
