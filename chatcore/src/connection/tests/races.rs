//! What holds while many things happen at once.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reconnecting_while_ten_write_misses_nothing_and_doubles_nothing() {
    const MESSAGES: u64 = 300;
    let chat = chat().await;
    let names: Vec<String> = (0..10).map(|n| format!("writer{n}")).collect();
    let mut people: Vec<&str> = vec!["reader"];
    people.extend(names.iter().map(String::as_str));
    let room = room_of(&chat, &people).await;
    let writers: Vec<_> = names
        .iter()
        .map(|name| {
            let (chat, room, name) = (chat.clone(), room.clone(), name.clone());
            tokio::spawn(async move {
                for n in 0..MESSAGES {
                    say(&chat, &room, &name, &n.to_string()).await;
                }
            })
        })
        .collect();
    let last = people.len() as u64 + 1 + 10 * MESSAGES;
    let mut seen = 0;
    let mut connections = 0_u64;
    while seen < last {
        let wire = Wire::ALL[usize::try_from(connections).expect("few") % Wire::ALL.len()];
        connections += 1;
        let mut peer = connect_with(&chat, wire, Config::default(), 1 << 16);
        peer.send(&json!({
            "op": "hello", "versions": [1], "token": "reader", "device": "d",
            "rooms": {room.as_str(): {"epoch": chat.epoch(), "seq": seen}}
        }))
        .await;
        let welcome = peer.next().await.expect("a welcome");
        assert_eq!(welcome["rooms"][room.as_str()]["recovered"], true, "{welcome}");
        // Some stay for a moment, some for longer; each hangs up in the middle of things.
        for _ in 0..(connections * 7919) % 61 {
            if seen == last {
                break;
            }
            let frame = peer.next().await.expect("open");
            assert_eq!((&frame["op"], frame["seq"].as_u64()), (&json!("event"), Some(seen + 1)));
            seen += 1;
        }
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert!(connections >= 100, "only {connections} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kick_that_races_with_subscribing_wins() {
    let chat = chat().await;
    let alice = chat.as_user(&user("alice"));
    for round in 0..100 {
        let private = NewRoom::private("secret").invite([user("bob")]);
        let room = alice.create_room(private).await.expect("made").room;
        chat.as_user(&user("bob")).enter(&room).await.expect("invited");
        let mut bob = hello(&chat, "bob").await;
        bob.send(&json!({"op": "subscribe", "id": 1, "room": room, "since": {"seq": 0}})).await;
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let kick = MemberAction::Kick { reason: None };
        alice.member(&room, &user("bob"), kick).await.expect("kicked");
        say(&chat, &room, "alice", "after").await;
        bob.send(&json!({"op": "rooms", "id": 2})).await;
        loop {
            let frame = bob.next().await.expect("open");
            assert_ne!(frame["text"], "after", "round {round}");
            if frame["id"] == 2 {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_revoked_while_it_says_hello_gets_nowhere() {
    let chat = chat().await;
    let session = SessionId::parse("s-alice").expect("valid");
    for _ in 0..100 {
        let peer = connect(&chat);
        peer.send(&json!({"op": "hello", "versions": [1], "token": "alice", "device": "d"})).await;
        // Until it is found: the hub knows it from before its credential was looked at last.
        while chat.hub().connections() == 0 {
            tokio::task::yield_now().await;
        }
        chat.hub().revoke(&user("alice"), &session);
        assert_eq!(peer.ended.await.expect("no panic"), Ended::Closed(CloseCode::Revoked));
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_connection_that_went() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    let mut peer = hello(&chat, "alice").await;
    peer.subscribe(&room).await;
    assert_eq!(chat.hub().connections(), 1);
    drop(peer.io);
    assert_eq!(peer.ended.await.expect("no panic"), Ended::Gone);
    assert_eq!(chat.hub().connections(), 0);
}

#[tokio::test]
async fn reads_wait_their_turn_and_are_all_answered() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    for _ in 0..50 {
        say(&chat, &room, "alice", &"x".repeat(10_000)).await;
    }
    let narrow = connect_with(&chat, Wire::WebSocketJson, Config::default(), 4096);
    let mut peer = welcomed(narrow, "alice").await;
    let mut answered = Vec::new();
    for batch in 0..10 {
        for id in batch * 10..batch * 10 + 10 {
            peer.send(&json!({"op": "history", "id": id, "room": room, "limit": 50})).await;
        }
        for _ in 0..10 {
            let frame = peer.next().await.expect("open");
            assert_eq!(frame["messages"].as_array().map(Vec::len), Some(50), "{frame}");
            answered.push(frame["id"].as_u64().expect("an id"));
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..100).collect::<Vec<_>>());
}

#[test]
fn an_idle_connection_is_small() {
    // The future is nearly all that an idle connection costs, apart from its transport: a task, a
    // few small allocations of the hub. This bound is there to be noticed when it grows.
    let size = |connection: Connection<crate::testing::MemoryTransport>| {
        let run = connection.run();
        std::mem::size_of_val(&run)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let bytes = runtime.expect("a runtime").block_on(async {
        let (transport, _peer) = memory_transport(Wire::WebSocketJson, 1024);
        size(Connection::new(chat().await, transport, Arc::new(Config::default())))
    });
    assert!(bytes <= 1280, "{bytes} bytes");
}
