//! What happens in rooms.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_one_node_commits_the_others_deliver_at_once() {
    let nodes = Nodes::start(3, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let readers = [
        Reader::open(&nodes.chats[0], "ben", &room, 0).await,
        Reader::open(&nodes.chats[1], "ben", &room, 0).await,
        Reader::open(&nodes.chats[2], "ben", &room, 0).await,
    ];
    settle().await;
    for turn in 0..30 {
        nodes.send(turn % 3, "ann", &room, &turn.to_string()).await;
        let head = turn as u64 + 4;
        let all: Vec<_> = (1..=head).collect();
        within(AT_ONCE, || readers.iter().all(|reader| reader.seqs() == all)).await;
    }
    let reads: u64 = nodes.chats.iter().map(|chat| chat.bus().expect("a bus").read).sum();
    assert!(reads <= 3, "hints brought it all, and the log was read {reads} times");
}

#[tokio::test(start_paused = true)]
async fn what_all_nodes_write_at_once_is_in_one_order_everywhere() {
    let nodes = Nodes::start(3, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let mut readers = Vec::new();
    for chat in &nodes.chats {
        readers.push(Reader::open(chat, "ben", &room, 0).await);
    }
    let sends = (0..300).map(|turn| nodes.send(turn % 3, "ann", &room, "x"));
    futures_util::future::join_all(sends).await;
    let all: Vec<_> = (1..=303).collect();
    within(POLL, || readers.iter().all(|reader| reader.seqs() == all)).await;
}

#[tokio::test(start_paused = true)]
async fn with_the_bus_dead_everything_arrives_within_a_poll() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let reader = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    settle().await;
    nodes.bus.set_down(true);
    for turn in 0..700 {
        nodes.send(0, "ann", &room, &turn.to_string()).await;
    }
    let all: Vec<_> = (1..=703).collect();
    within(POLL, || reader.seqs() == all).await;
    assert!(nodes.chats[0].bus().expect("a bus").unsaid >= 700);
    nodes.bus.set_down(false);
    nodes.send(0, "ann", &room, "back").await;
    within(AT_ONCE, || reader.seqs().len() == 704).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_kicked_on_one_node_is_out_on_the_others() {
    for down in [false, true] {
        let nodes = Nodes::start(2, MemoryBus::default()).await;
        let room = nodes.room(&["ann", "ben", "cat"]).await;
        let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
        let cat = Reader::open(&nodes.chats[1], "cat", &room, 0).await;
        settle().await;
        nodes.bus.set_down(down);
        let ann = nodes.chats[0].as_user(&user("ann"));
        let kick = MemberAction::Kick { reason: None };
        let kicked = ann.member(&room, &user("ben"), kick).await.expect("kicked");
        nodes.send(0, "ann", &room, "not for ben").await;
        let most = if down { POLL } else { AT_ONCE };
        within(most, || ben.has_ended()).await;
        within(most, || cat.seqs().len() == 6).await;
        assert!(ben.seqs().iter().all(|seq| *seq < kicked.0), "{:?}", ben.seqs());
        assert!(!cat.has_ended());
    }
}

/// The node that puts somebody out has not heard yet of what came before on another one.
#[tokio::test(start_paused = true)]
async fn who_is_kicked_behind_a_gap_is_out_at_once() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    within(AT_ONCE, || ben.seqs().len() == 3).await;
    nodes.bus.set_down(true);
    nodes.send(0, "ann", &room, "unheard of on the other node").await;
    let ann = nodes.chats[1].as_user(&user("ann"));
    let kick = MemberAction::Kick { reason: None };
    let kicked = ann.member(&room, &user("ben"), kick).await.expect("kicked");
    nodes.send(1, "ann", &room, "not for ben").await;
    within(POLL, || ben.has_ended()).await;
    assert!(ben.seqs().iter().all(|seq| *seq < kicked.0), "{:?}", ben.seqs());
}

/// The kick was on one node, and they came back through the other, which hears of the kick late.
#[tokio::test(start_paused = true)]
async fn who_came_back_is_not_put_out_by_an_old_kick() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben", "cat"]).await;
    let cat = Reader::open(&nodes.chats[1], "cat", &room, 0).await;
    settle().await;
    nodes.bus.set_down(true);
    let kick = MemberAction::Kick { reason: None };
    nodes.chats[0].as_user(&user("ann")).member(&room, &user("ben"), kick).await.expect("kicked");
    nodes.chats[1].as_user(&user("ben")).enter(&room).await.expect("entered");
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    nodes.send(0, "ann", &room, "welcome back").await;
    within(POLL, || cat.seqs() == [1, 2, 3, 4, 5, 6, 7]).await;
    within(POLL, || ben.seqs() == [1, 2, 3, 4, 5, 6, 7]).await;
    assert!(!ben.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_room_that_ends_on_one_node_ends_on_the_others() {
    for down in [false, true] {
        let nodes = Nodes::start(2, MemoryBus::default()).await;
        let room = nodes.room(&["ann"]).await;
        let eve = Reader::open(&nodes.chats[1], "eve", &room, 0).await;
        settle().await;
        nodes.bus.set_down(down);
        assert!(nodes.chats[0].as_user(&user("ann")).leave(&room).await.expect("left").deleted);
        within(POLL, || eve.has_ended()).await;
        assert!(eve.seqs().iter().all(|seq| *seq <= 3), "{:?}", eve.seqs());
    }
}

/// What is at hand on a node is what somebody gets who comes a moment later.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_on_one_node_is_told_to_nobody_on_another() {
    for down in [false, true] {
        let nodes = Nodes::start(2, MemoryBus::default()).await;
        let room = nodes.room(&["ann", "ben"]).await;
        let ben = Reader::open(&nodes.chats[1], "ben", &room, 3).await;
        settle().await;
        let ann = nodes.chats[0].as_user(&user("ann"));
        let sent = ann.send(&room, Draft::text("secret")).await.expect("sent");
        let edited = ann.send(&room, Draft::text("frist")).await.expect("sent");
        within(POLL, || ben.texts() == ["secret", "frist"]).await;
        nodes.bus.set_down(down);
        let once = |name: &str| ClientMsgId::parse(name).expect("a sound id");
        ann.delete(&room, &sent.message_id, once("d")).await.expect("deleted");
        ann.edit(&room, &edited.message_id, once("e"), "first".into()).await.expect("edited");
        within(POLL, || ben.seqs() == [4, 5, 6, 7]).await;
        let late = Reader::open(&nodes.chats[1], "ben", &room, 3).await;
        within(AT_ONCE, || late.seqs() == [4, 5, 6, 7]).await;
        assert_eq!(late.texts(), ["", "first"]);
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_are_followed_while_someone_listens_and_a_little_longer() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let topic = Topic::Room(room.clone());
    settle().await;
    assert!(!nodes.bus.followed().contains(&topic), "nobody listens");
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    settle().await;
    assert!(nodes.bus.followed().contains(&topic));
    drop(ben);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(nodes.bus.followed().contains(&topic), "people come back");
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(nodes.bus.followed().contains(&topic), "they did");
    nodes.send(0, "ann", &room, "hello").await;
    within(AT_ONCE, || ben.seqs() == [1, 2, 3, 4]).await;
    drop(ben);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(!nodes.bus.followed().contains(&topic));
}

/// And one that cannot be believed.
#[tokio::test(start_paused = true)]
async fn a_hint_that_says_nothing_here_does_no_harm() {
    let nodes = Nodes::start(1, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let ben = Reader::open(&nodes.chats[0], "ben", &room, 0).await;
    within(AT_ONCE, || ben.seqs() == [1, 2, 3]).await;
    let epoch = nodes.chats[0].epoch();
    let (topic, before) = (Topic::Room(room.clone()), nodes.chats[0].bus().expect("a bus"));
    let hints = [
        "".to_owned(),
        "{".to_owned(),
        "[1]".to_owned(),
        format!(
            r#"{{"v":2,"node":"n","epoch":"{epoch}","op":"entries","room":"{room}","last":9}}"#
        ),
        format!(r#"{{"v":1,"node":"n","epoch":"other","op":"deleted","room":"{room}"}}"#),
        format!(r#"{{"v":1,"node":"n","epoch":"{epoch}","op":"dance","room":"{room}"}}"#),
        format!(r#"{{"v":1,"node":"n","epoch":"{epoch}","op":"deleted","room":"elsewhere"}}"#),
        format!(
            r#"{{"v":1,"node":"n","epoch":"{epoch}","op":"ended","user":"ben","session":"s"}}"#
        ),
        format!(r#"{{"v":1,"node":"n","epoch":"{epoch}","op":"entries","room":"{room}"}}"#),
    ];
    let count = hints.len() as u64;
    for hint in hints {
        nodes.bus.tell(&topic, hint.into()).await.expect("it is up");
    }
    settle().await;
    let after = nodes.chats[0].bus().expect("a bus");
    assert_eq!(after.unreadable - before.unreadable, count);
    // Of the right version, and with more than this one knows: a kind of entry, a field.
    let newer = format!(
        r#"{{"v":1,"node":"n","epoch":"{epoch}","op":"entries","room":"{room}","last":4,"new":{{}},
           "entries":[{{"room":"{room}","epoch":"{epoch}","seq":4,"user":"ann","ts":1,"kind":"dance"}}]}}"#
    );
    nodes.bus.tell(&topic, newer.into()).await.expect("it is up");
    settle().await;
    assert_eq!(ben.seqs(), [1, 2, 3], "there is no such entry in the log");
    nodes.send(0, "ann", &room, "hello").await;
    within(AT_ONCE, || ben.seqs() == [1, 2, 3, 4]).await;
    assert!(!ben.has_ended());
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_long_are_read_from_the_log() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    settle().await;
    let before = nodes.chats[1].bus().expect("a bus").read;
    nodes.send(0, "ann", &room, &"x".repeat(60_000)).await;
    within(AT_ONCE, || ben.seqs() == [1, 2, 3, 4]).await;
    assert_eq!(nodes.chats[1].bus().expect("a bus").read, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dropped_holds_nothing_any_more() {
    let mut nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    settle().await;
    drop(ben);
    nodes.chats.clear();
    settle().await;
    assert_eq!(Arc::strong_count(&nodes.store), 1);
    assert_eq!(nodes.bus.followed(), []);
}

#[tokio::test(start_paused = true)]
async fn the_last_hints_are_told_before_a_node_stops() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let ben = Reader::open(&nodes.chats[1], "ben", &room, 0).await;
    settle().await;
    nodes.send(0, "ann", &room, "goodbye").await;
    nodes.chats[0].shutdown().await;
    within(AT_ONCE, || ben.seqs() == [1, 2, 3, 4]).await;
}
