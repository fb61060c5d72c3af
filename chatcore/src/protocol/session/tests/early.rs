//! What is said before the handshake is done.

use super::*;

impl Bench {
    fn early() -> Self {
        let mut bench = Self::new(|_| {});
        bench.session = bench.session.early();
        bench
    }

    /// One that was let in by a ticket that was looked at.
    fn let_in(rooms: Value) -> Self {
        let mut bench = Self::early();
        bench.ticket(rooms);
        bench.session.handle_authenticated(bench.now, Ok(alice(None)));
        bench
    }

    fn ticket(&mut self, rooms: Value) {
        self.frame(json!({
            "op": "hello", "versions": [1], "ticket": "t", "device": "d", "caps": ["ticket"],
            "rooms": rooms,
        }));
    }

    fn spent(&mut self, result: Result<Option<&str>, Code>) {
        let result = result.map_err(failure).map(|ticket| Authenticated {
            ticket: ticket.map(Token::new),
            ..alice(Some(START.after(60 * SECOND)))
        });
        self.session.handle_spent(result);
    }
}

#[test]
fn a_ticket_is_looked_at_first_and_spent_with_the_proof() {
    let mut bench = Bench::early();
    bench.ticket(json!({}));
    let outputs = bench.outputs();
    let [Output::Authenticate { credential: Credential::Unspent(_), .. }] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    bench.session.handle_authenticated(bench.now, Ok(alice(None)));
    assert_eq!(bench.ops(), ["welcome"]);
    assert!(bench.session.is_early() && bench.session.wants_frames());

    bench.session.handle_proven(bench.now);
    let outputs = bench.outputs();
    let [Output::Spend { ticket, device, another: true }] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!((ticket, device.as_str()), (&Token::new("t"), "d"));
    assert!(!bench.session.is_early() && !bench.session.wants_frames(), "not before it is spent");
    bench.spent(Ok(Some("next")));
    assert!(bench.session.wants_frames());
    assert_eq!(bench.ops(), ["ticket"]);
    assert_eq!(bench.session.poll_timeout(), Some(START), "it expires as the spent one says");
}

#[test]
fn who_shows_a_ticket_that_was_spent_in_between_is_closed() {
    for (code, close) in [(Code::Unauthenticated, 2), (Code::Unavailable, 8)] {
        let mut bench = Bench::let_in(json!({}));
        bench.session.handle_proven(bench.now);
        bench.ops();
        bench.spent(Err(code));
        assert_eq!(bench.ops(), [format!("error {code}"), format!("close {close}")]);
    }
}

#[test]
fn a_ticket_spent_for_another_user_closes() {
    let mut bench = Bench::let_in(json!({}));
    bench.session.handle_proven(bench.now);
    bench.ops();
    let bob = Authenticated { user: UserId::parse("bob").expect("valid"), ..alice(None) };
    bench.session.handle_spent(Ok(bob));
    assert_eq!(bench.ops(), ["error forbidden", "close 2"]);
}

#[test]
fn the_proof_may_come_at_any_step() {
    // Before the look at the ticket is answered.
    let mut bench = Bench::early();
    bench.ticket(json!({"a": {"seq": 1}}));
    bench.session.handle_proven(bench.now);
    assert_eq!(bench.ops(), ["authenticate"]);
    bench.session.handle_authenticated(bench.now, Ok(alice(None)));
    assert_eq!(bench.ops(), ["resume", "spend"]);
    bench.spent(Ok(Some("next")));
    bench.session.handle_resumed(bench.now, vec![Ok(state(1, 5))]);
    let outputs = bench.outputs();
    let [Output::Send(ServerFrame::Welcome(welcome))] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(welcome.ticket, Some(Token::new("next")), "in time for the welcome");
    assert_eq!(welcome.caps, ["ticket"]);

    // While rooms are taken up, and spent after the welcome.
    let mut bench = Bench::let_in(json!({"a": {"seq": 1}}));
    bench.session.handle_proven(bench.now);
    assert_eq!(bench.ops(), ["authenticate", "resume", "spend"]);
    bench.session.handle_resumed(bench.now, vec![Ok(state(1, 5))]);
    assert!(!bench.session.wants_frames());
    bench.spent(Ok(None));
    assert_eq!(bench.ops(), ["welcome"]);

    // Before anything is said.
    let mut bench = Bench::early();
    bench.session.handle_proven(bench.now);
    bench.hello(json!({}));
    bench.session.handle_authenticated(bench.now, Ok(alice(None)));
    assert_eq!(bench.ops(), ["authenticate", "welcome"]);
}

#[test]
fn a_hello_without_a_ticket_waits_and_what_follows_it_too() {
    let mut bench = Bench::early();
    bench.hello(json!({}));
    assert_eq!(bench.ops(), [""; 0]);
    assert!(!bench.session.wants_frames());
    bench.session.handle_proven(bench.now);
    assert_eq!(bench.ops(), ["authenticate"]);
    let mut silent = Bench::early();
    silent.hello(json!({}));
    silent.advance(10 * SECOND);
    assert_eq!(silent.ops(), ["close 1"], "but not for ever");
}

#[test]
fn what_would_hurt_twice_is_too_early_and_the_rest_is_answered() {
    let mut bench = Bench::let_in(json!({}));
    bench.ops();
    let message_id = crate::id::MessageId::from_bytes([1; 16]);
    for (id, request) in (1..).zip([
        json!({"op": "rooms"}),
        json!({"op": "auth", "token": "t"}),
        json!({"op": "create_room", "kind": "public"}),
        json!({"op": "enter", "room": "a"}),
        json!({"op": "leave", "room": "a"}),
        json!({"op": "unsubscribe", "room": "a"}),
        json!({"op": "member", "room": "a", "user": "bob", "action": "kick"}),
        json!({"op": "pin", "room": "a", "message_id": message_id}),
        json!({"op": "edit", "room": "a", "message_id": message_id, "client_msg_id": "c", "text": "t"}),
        json!({"op": "delete", "room": "a", "message_id": message_id, "client_msg_id": "c"}),
    ]) {
        let mut request = request;
        request["id"] = id.into();
        bench.frame(request.clone());
        assert_eq!(bench.ops(), [format!("error {id} too_early")], "{request}");
    }
    for request in [
        json!({"op": "send", "id": 1, "room": "a", "client_msg_id": "c", "text": "t"}),
        json!({"op": "history", "id": 1, "room": "a"}),
        json!({"op": "mark_read", "id": 1, "room": "a", "seq": 1}),
        json!({"op": "subscribe", "id": 1, "room": "a"}),
    ] {
        bench.frame(request.clone());
        assert_eq!(bench.ops(), ["call"], "{request}");
    }
    bench.session.handle_proven(bench.now);
    bench.spent(Ok(None));
    bench.ops();
    bench.frame(json!({"op": "enter", "id": 1, "room": "a"}));
    assert_eq!(bench.ops(), ["call"]);
}

#[test]
fn acks_and_signals_are_passed_over_and_a_ping_is_answered() {
    let mut bench = Bench::let_in(json!({"a": {"seq": 0}}));
    let slots = bench.session.handle_resumed(bench.now, vec![Ok(state(0, 10))]);
    bench.ops();
    bench.session.delivered(slots[0].expect("subscribed"), Seq(10));
    bench.ack("a", 5);
    bench.frame(json!({"op": "signal", "room": "a", "kind": "typing", "on": true, "ttl_ms": 1}));
    assert_eq!(bench.ops(), [""; 0]);
    bench.frame(json!({"op": "ping", "ts": 1}));
    assert_eq!(bench.ops(), ["pong"]);
    bench.session.handle_proven(bench.now);
    bench.spent(Ok(None));
    bench.ops();
    bench.ack("a", 5);
    assert_eq!(bench.ops(), ["delivered 5"], "said once more it counts");
}
