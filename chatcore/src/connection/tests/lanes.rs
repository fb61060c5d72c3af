//! What the hub writes by itself to connections that keep up.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A connection whose task can be made to stand still.
struct Frozen {
    peer: Peer,
    frozen: Arc<AtomicBool>,
}

async fn stoppable(chat: &Chat, token: &str, buffer: usize) -> Frozen {
    let (transport, io) = memory_transport(Wire::WebSocketJson, buffer);
    let connection = Connection::new(chat.clone(), transport, Arc::new(Config::default()));
    let frozen = Arc::new(AtomicBool::new(false));
    let stands_still = Arc::clone(&frozen);
    let ended = tokio::spawn(async move {
        let mut run = pin!(connection.run());
        poll_fn(|cx| match stands_still.load(Ordering::SeqCst) {
            true => Poll::Pending,
            false => run.as_mut().poll(cx),
        })
        .await
    });
    Frozen { peer: welcomed(Peer { io, ended }, token).await, frozen }
}

/// Lets everything that can go on go on.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

impl Frozen {
    async fn freeze(&self) {
        settle().await;
        self.frozen.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn one_who_keeps_up_is_written_to_without_the_task() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = stoppable(&chat, "bob", 1 << 20).await;
    bob.peer.subscribe(&room).await;
    bob.freeze().await;
    for n in 0..100 {
        say(&chat, &room, "alice", &n.to_string()).await;
        assert_eq!(bob.peer.next_text().await, n.to_string());
    }
}

#[tokio::test]
async fn rooms_that_are_due_together_are_written_together_and_in_order() {
    let chat = chat().await;
    let rooms = [room_of(&chat, &["alice", "bob"]).await, room_of(&chat, &["alice", "bob"]).await];
    let mut bob = stoppable(&chat, "bob", 1 << 20).await;
    for room in &rooms {
        bob.peer.subscribe(room).await;
    }
    bob.freeze().await;
    let alice = chat.as_user(&user("alice"));
    let sends = (0..50).flat_map(|n| rooms.iter().map(move |room| (n, room)));
    let sends = sends.map(|(n, room)| alice.send(room, Draft::text(n.to_string())));
    futures_util::future::try_join_all(sends).await.expect("sent");
    let mut seen = [0, 0];
    for _ in 0..100 {
        let event = bob.peer.next_op("event").await;
        let at = usize::from(event["room"] != json!(rooms[0]));
        assert_eq!(event["text"], json!(seen[at].to_string()));
        seen[at] += 1;
    }
}

#[tokio::test]
async fn the_window_holds_for_the_hub_too() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = stoppable(&chat, "bob", 1 << 20).await;
    bob.peer.send(&json!({"op": "ping", "ts": 0})).await;
    bob.peer.subscribe(&room).await;
    settle().await;
    let window = Config::default().limits.window;
    for n in 0..window + 10 {
        say(&chat, &room, "alice", &n.to_string()).await;
    }
    let mut last = json!(null);
    for n in 0..window {
        let event = bob.peer.next_op("event").await;
        assert_eq!(event["text"], json!(n.to_string()));
        last = event["seq"].clone();
    }
    let more = tokio::time::timeout(Duration::from_millis(50), bob.peer.next_op("event"));
    assert!(more.await.is_err(), "the window is used up");
    bob.peer.send(&json!({"op": "ack", "rooms": {room.as_str(): last}})).await;
    for n in window..window + 10 {
        assert_eq!(bob.peer.next_text().await, n.to_string());
    }
}

#[tokio::test]
async fn acks_keep_the_hub_going() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = hello(&chat, "bob").await;
    bob.subscribe(&room).await;
    let messages = 3 * Config::default().limits.window;
    for n in 0..messages {
        say(&chat, &room, "alice", &n.to_string()).await;
        let event = bob.next_op("event").await;
        assert_eq!(event["text"], json!(n.to_string()));
        if n % 100 == 0 {
            bob.send(&json!({"op": "ack", "rooms": {room.as_str(): event["seq"]}})).await;
        }
    }
}

#[tokio::test]
async fn a_narrow_pipe_gets_every_byte_once() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    // Less than two frames: every other write is cut in the middle.
    let (transport, io) = memory_transport(Wire::WebSocketJson, 700);
    let connection = Connection::new(chat.clone(), transport, Arc::new(Config::default()));
    let mut bob = welcomed(Peer { io, ended: tokio::spawn(connection.run()) }, "bob").await;
    bob.subscribe(&room).await;
    let alice = chat.as_user(&user("alice"));
    let sends = async {
        for n in 0..500 {
            alice.send(&room, Draft::text(n.to_string())).await.expect("sent");
        }
    };
    let reads = async {
        for n in 0..500 {
            if n % 50 == 0 {
                bob.send(&json!({"op": "ping", "ts": n})).await;
            }
            assert_eq!(bob.next_text().await, n.to_string());
        }
    };
    tokio::join!(sends, reads);
}

#[tokio::test]
async fn nothing_is_written_after_a_revocation() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = stoppable(&chat, "bob", 1 << 20).await;
    bob.peer.subscribe(&room).await;
    bob.freeze().await;
    say(&chat, &room, "alice", "before").await;
    assert_eq!(bob.peer.next_text().await, "before");
    chat.hub().revoke(&user("bob"), &SessionId::parse("s-bob").expect("valid"));
    say(&chat, &room, "alice", "after").await;
    let more = tokio::time::timeout(Duration::from_millis(50), bob.peer.next());
    assert!(more.await.is_err(), "nothing comes, whatever the task does");
}

#[tokio::test]
async fn one_who_was_kicked_gets_what_was_before_and_nothing_after() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob", "carol"]).await;
    let mut bob = stoppable(&chat, "bob", 1 << 20).await;
    bob.peer.subscribe(&room).await;
    bob.freeze().await;
    say(&chat, &room, "carol", "before").await;
    let kick = MemberAction::Kick { reason: None };
    chat.as_user(&user("alice")).member(&room, &user("bob"), kick).await.expect("kicked");
    say(&chat, &room, "carol", "after").await;
    assert_eq!(bob.peer.next_text().await, "before");
    let more = tokio::time::timeout(Duration::from_millis(50), bob.peer.next());
    assert!(more.await.is_err(), "the kick and what follows are not for them");
}

#[tokio::test]
async fn nothing_comes_of_a_room_after_it_was_left_alone() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = hello(&chat, "bob").await;
    bob.subscribe(&room).await;
    settle().await;
    say(&chat, &room, "alice", "before").await;
    assert_eq!(bob.next_text().await, "before");
    bob.ask(json!({"op": "unsubscribe", "id": 2, "room": room})).await;
    say(&chat, &room, "alice", "after").await;
    assert_eq!(bob.ask(json!({"op": "rooms", "id": 3})).await["op"], "result");
    let more = tokio::time::timeout(Duration::from_millis(50), bob.next());
    assert!(more.await.is_err(), "the subscription has ended");
}

#[tokio::test]
async fn subscribing_anew_while_the_pipe_is_full_doubles_nothing() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let (transport, io) = memory_transport(Wire::WebSocketJson, 500);
    let connection = Connection::new(chat.clone(), transport, Arc::new(Config::default()));
    let mut bob = welcomed(Peer { io, ended: tokio::spawn(connection.run()) }, "bob").await;
    for n in 0..50 {
        bob.send(&json!({"op": "subscribe", "id": 2 * n, "room": room})).await;
        bob.send(&json!({"op": "unsubscribe", "id": 2 * n + 1, "room": room})).await;
        settle().await;
    }
    bob.send(&json!({"op": "subscribe", "id": 999, "room": room})).await;
    while bob.next().await.expect("open")["id"] != 999 {}
    settle().await;
    for n in 0..20 {
        say(&chat, &room, "alice", &n.to_string()).await;
        assert_eq!(bob.next_text().await, n.to_string());
    }
}
