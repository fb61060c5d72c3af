//! Many nodes, many transactions, and what they do to those who do not use them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chatcore::Chat;
use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore::store::HostWrites as _;

use crate::host::{Host as _, all_settled, chat, postgres, room, texts, user};

/// Three nodes take in what twelve tasks of the host's commit, three messages a transaction. What one task
/// commits is in order; the second and third of a transaction come behind its first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_over_nodes_that_all_take_in() {
    let Some(host) = postgres().await else { return };
    let host = Arc::new(host);
    let mut chats = Vec::new();
    for _ in 0..3 {
        chats.push(chat(&host.open().await).await);
    }
    let store = host.open().await;
    let room = room(&chats[0], "ann", &[]).await;
    let tasks = (0..12).map(|task| {
        let (host, store, room) = (Arc::clone(&host), Arc::clone(&store), room.clone());
        tokio::spawn(async move {
            for turn in 0..20 {
                let mut tx = host.begin().await;
                for part in 0..3 {
                    let text = format!("{task} {}", turn * 3 + part);
                    let draft = Draft::text(text);
                    store.send_in(&mut tx, &user("ann"), &room, draft).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    all_settled(&store).await;
    let texts = texts(&chats[1], &room).await;
    assert_eq!(texts.len(), 12 * 60, "none lost, none twice");
    let mut next = HashMap::<String, usize>::new();
    for text in texts {
        let (task, number) = text.split_once(' ').unwrap();
        let expected = next.entry(task.to_owned()).or_default();
        assert_eq!(number.parse::<usize>().unwrap(), *expected, "of task {task}");
        *expected += 1;
    }
}

/// What ordinary senders of a room wait for, one after another.
async fn sends(chat: &Chat, room: &RoomId, number: usize, name: &str) -> Vec<Duration> {
    let senders = (0..8).map(|sender| {
        let (chat, room, name) = (chat.clone(), room.clone(), name.to_owned());
        tokio::spawn(async move {
            let ann = chat.as_system();
            let mut took = Vec::new();
            for index in 0..number / 8 {
                let began = Instant::now();
                let draft = Draft::text(format!("{name} {sender} {index}"));
                ann.send(&room, draft).await.unwrap();
                took.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took
        })
    });
    let mut took = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        took.extend(sender.await.unwrap());
    }
    took.sort_unstable();
    took
}

/// `open` transactions of the host's stay open on one room while others write to it.
async fn held_open(open: usize, hold: Duration, number: usize) -> Option<(Duration, Duration)> {
    let host = Arc::new(postgres().await?);
    // The pool that the transactions are of is not the one that the store writes through.
    let store = host.open().await;
    let chat = chat(&store).await;
    let room = room(&chat, "ann", &[]).await;
    sends(&chat, &room, number / 4, "warm").await;
    let before = sends(&chat, &room, number, "before").await;
    let ready = Arc::new(tokio::sync::Barrier::new(open + 1));
    let done = Arc::new(AtomicBool::new(false));
    let holders = (0..open).map(|holder| {
        let (host, store, room) = (Arc::clone(&host), Arc::clone(&store), room.clone());
        let (ready, done) = (Arc::clone(&ready), Arc::clone(&done));
        tokio::spawn(async move {
            let mut tx = host.begin().await;
            let draft = Draft::text(format!("held {holder}"));
            store.send_in(&mut tx, &user("ann"), &room, draft).await.unwrap();
            ready.wait().await;
            let began = Instant::now();
            while began.elapsed() < hold || !done.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tx.commit().await.unwrap();
        })
    });
    let holders: Vec<_> = holders.collect();
    ready.wait().await;
    let during = sends(&chat, &room, number, "during").await;
    done.store(true, Ordering::Relaxed);
    for holder in holders {
        holder.await.unwrap();
    }
    all_settled(&store).await;
    let held = texts(&chat, &room).await.iter().filter(|text| text.starts_with("held")).count();
    assert!(number > 900 || held == open, "{held} of {open}");
    let p99 = |took: &[Duration]| took[took.len() * 99 / 100];
    let (before, during) = (p99(&before), p99(&during));
    println!("{open} transactions open: p99 of a send {before:?} without, {during:?} with them");
    Some((before, during))
}

/// The measurement of 100 transactions for 10 s is below; this is its small sister.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_held_open_on_a_room_do_not_hold_up_its_senders() {
    let took = held_open(20, Duration::from_millis(500), 400).await;
    let Some((before, during)) = took else { return };
    // A lock would cost the 500 ms that they are held.
    assert!(during < before * 3 + Duration::from_millis(50), "{before:?} and then {during:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of half a minute, for a machine that does nothing else"]
async fn measure_100_transactions_held_open_for_10_s() {
    let took = held_open(100, Duration::from_secs(10), 8 * 800).await;
    let Some((before, during)) = took else { return };
    let ratio = during.as_secs_f64() / before.as_secs_f64();
    println!("ratio {ratio:.2}");
    assert!(ratio <= 1.2, "{before:?} and then {during:?}");
}
