//! Connections that are cut while people write.

use std::collections::BTreeMap;
use std::time::Duration;

use chatcore::id::Seq;
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::Wire;
use chatcore::throttle::Rate;
use chatcore_quic::client::{Subscription, Update};

use crate::memory::{MemoryLink, Scissors, chat, chat_with, quick, room_of};

/// Reads until so many messages have come: all entries, in order.
async fn read_all(mut stream: Subscription, messages: usize) -> (Vec<(String, String)>, usize) {
    let (mut texts, mut last, mut begun) = (Vec::new(), 0, 0);
    while texts.len() < messages {
        match stream.next().await.expect("open").expect("not refused") {
            Update::Event(event) => {
                assert_eq!(event.seq(), Seq(last + 1), "the next one, once");
                last += 1;
                if let Some(Body::Message { text, .. }) = event.entry().map(|e| &e.body) {
                    let user = event.entry().expect("known").user.to_string();
                    texts.push((user, text.clone()));
                }
            }
            Update::Began(began) => {
                assert!(began.recovered);
                begun += 1;
            }
        }
    }
    (texts, begun)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cuts_while_ten_send_lose_nothing_and_double_nothing() {
    const SENDERS: usize = 10;
    const EACH: usize = 60;
    let chat = chat().await;
    let names: Vec<String> = (0..SENDERS).map(|n| format!("writer{n}")).collect();
    let room = room_of(&chat, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (mut scissors, mut writers, mut readers): (Vec<Scissors>, Vec<_>, Vec<_>) =
        Default::default();
    for (n, name) in names.iter().enumerate() {
        let wire = Wire::ALL[n % Wire::ALL.len()];
        let (link, cutter) = MemoryLink::new(&chat, wire);
        scissors.push(cutter);
        let client = quick(name).window(32).connect(link).expect("sound settings");
        let stream = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
        readers.push(tokio::spawn(read_all(stream, SENDERS * EACH)));
        let room = room.clone();
        writers.push(tokio::spawn(async move {
            let mut duplicates = 0;
            for n in 0..EACH {
                let sent = client.send(&room, Draft::text(format!("{n:03}"))).await;
                duplicates += usize::from(sent.expect("sent").duplicate);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            duplicates
        }));
    }
    // Ten rounds of ten, at odd moments.
    for cut in 0..100_u64 {
        tokio::time::sleep(Duration::from_micros(500 + (cut * 7_919) % 4_000)).await;
        scissors[usize::try_from(cut * 7).expect("few") % SENDERS].cut();
    }
    let mut duplicates = 0;
    for writer in writers {
        duplicates += writer.await.expect("no panic");
    }
    let mut begun = 0;
    for reader in readers {
        let (texts, times) = reader.await.expect("no panic");
        begun += times;
        let mut by_user: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (user, text) in texts {
            by_user.entry(user).or_default().push(text);
        }
        let each: Vec<_> = (0..EACH).map(|n| format!("{n:03}")).collect();
        assert_eq!(by_user.len(), SENDERS);
        assert!(by_user.values().all(|texts| *texts == each), "each in its order, once");
    }
    println!("subscriptions were taken up {begun} times; {duplicates} sends found themselves done");
    assert!(begun >= 60, "only {begun} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_too_fast_is_slowed_down_and_keeps_the_order() {
    let chat = chat_with(|limits| {
        limits.turns_per_user = Some(Rate::new(5, Duration::from_millis(300)));
    })
    .await;
    let room = room_of(&chat, &["ann"]).await;
    let (link, cutter) = MemoryLink::new(&chat, Wire::Quic);
    let ann = quick("ann").connect(link).expect("sound settings");
    let stream = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let mut sends = Vec::new();
    for n in 0..10 {
        sends.push(ann.enqueue(&room, Draft::text(format!("{n:02}"))).await.expect("taken"));
    }
    cutter.cut();
    for sending in sends {
        sending.sent().await.expect("sent in the end");
    }
    let (texts, _) = read_all(stream, 10).await;
    assert!(texts.is_sorted(), "{texts:?}");
}
