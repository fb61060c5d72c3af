//! Several nodes on one schema.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::id::{RoomId, Seq};
use crate::log::Draft;
use crate::room::{Action, MemberAction, Outcome, Rejection};
use crate::testing::scene::{Scene, edit, kick, mark, pin, react, to, user};

/// Nodes on a schema of their own.
async fn nodes(number: usize) -> Option<Vec<Scene>> {
    let url = url()?;
    let mut nodes = Vec::new();
    for _ in 0..number {
        nodes.push(Scene::of(PostgresStore::open(&url).await.expect("the store opens")));
    }
    Some(nodes)
}

/// What stands in the order of commits, the oldest first.
async fn order(node: &Scene) -> Vec<(u64, RoomId, u64)> {
    let mut runs = node.store.runs_before(None, 100_000).await.expect("the store works");
    runs.reverse();
    assert!(runs.iter().map(|run| run.pos).eq(1..=runs.len() as u64), "places have no gap");
    runs.iter()
        .flat_map(|run| (run.first.0..=run.last.0).map(|seq| (run.pos, run.room.clone(), seq)))
        .collect()
}

/// 1,000 messages from three nodes into three rooms, several of them in batches that name all rooms in
/// different orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_from_three_nodes_leave_no_hole_and_do_not_lock_one_another_out() {
    let Some(nodes) = nodes(3).await else { return };
    let mut rooms = Vec::new();
    for id in ["a", "b", "c"] {
        rooms.push(nodes[0].public(id, "ann", &["bob", "cat"]).await);
    }
    let writers = (0..12_usize).map(|writer| {
        let (node, rooms) = (nodes[writer % 3].clone(), rooms.clone());
        tokio::spawn(async move {
            let who = ["ann", "bob", "cat"][writer / 4];
            for turn in 0..28 {
                let batch: Vec<_> = (0..3)
                    .map(|part| {
                        let once = format!("{writer}-{turn}-{part}");
                        let room = &rooms[(writer + turn + part * (1 + writer % 2)) % 3];
                        node.message(who, room, &once, Draft::text(once.as_str()))
                    })
                    .collect();
                let committed = node.commit(&batch).await;
                assert!(committed.outcomes.iter().all(Result::is_ok), "{:?}", committed.outcomes);
                assert_eq!(committed.entries.len(), 3);
            }
        })
    });
    // Somebody reads the order all the while: what was seen once stays as it was.
    let reader = nodes[1].clone();
    let (done, mut stop) = tokio::sync::oneshot::channel::<()>();
    let reading = tokio::spawn(async move {
        let mut seen: Vec<(u64, RoomId, u64)> = Vec::new();
        while stop.try_recv().is_err() {
            let now = order(&reader).await;
            assert!(now.starts_with(&seen), "a place was given below one that was seen");
            seen = now;
        }
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no writer panics");
    }
    done.send(()).expect("the reader listens");
    reading.await.expect("the reader is content");
    let mut all = 0;
    for room in &rooms {
        let log = nodes[2].log(room).await;
        assert!(log.iter().map(|e| e.seq.0).eq(1..=log.len() as u64), "{room}");
        let messages = log.iter().filter_map(|e| e.n);
        assert!(messages.clone().eq(1..=messages.clone().count() as u64), "{room}");
        all += messages.count();
        let head = nodes[0].see(room).await;
        assert_eq!(head.head_seq.0, log.len() as u64);
    }
    assert_eq!(all, 12 * 28 * 3);
    let order = order(&nodes[0]).await;
    for room in &rooms {
        let seqs = order.iter().filter(|(_, of, _)| of == room).map(|(.., seq)| *seq);
        assert!(seqs.clone().eq(1..=seqs.count() as u64), "the order of {room} is its log's");
    }
    let counts = nodes[1].store.counts().await.expect("the store works");
    assert_eq!((counts.rooms, counts.messages), (3, 12 * 28 * 3));
}

#[tokio::test]
async fn retry_through_another_node_takes_effect_once() {
    let Some(nodes) = nodes(2).await else { return };
    let room = nodes[0].public("general", "ann", &[]).await;
    let first = nodes[0].send("ann", &room, "once", "hi").await.expect("she may");
    let again = nodes[1].send("ann", &room, "once", "hi").await.expect("a retry is no fault");
    assert!(again.duplicate && (again.seq, again.n) == (first.seq, first.n));
    let other = nodes[1].send("ann", &room, "once", "other").await;
    assert_eq!(other.map(|_| ()), Err(Rejection::ClientMsgIdReused));
}

/// The same name at the same moment, through every node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_send_through_all_nodes_at_once_is_one() {
    let Some(nodes) = nodes(3).await else { return };
    let room = nodes[0].public("general", "ann", &[]).await;
    for round in 0..20 {
        let sends = nodes.iter().cloned().map(|node| {
            let room = room.clone();
            tokio::spawn(async move { node.send("ann", &room, &round.to_string(), "hi").await })
        });
        let mut seqs = BTreeSet::new();
        let mut new = 0;
        for send in sends.collect::<Vec<_>>() {
            let sent = send.await.expect("no panic").expect("she may");
            new += usize::from(!sent.duplicate);
            seqs.insert(sent.seq);
        }
        assert_eq!((new, seqs.len()), (1, 1));
    }
}

/// What one node remembers of members does not outlive what another does to them.
#[tokio::test]
async fn kick_on_one_node_holds_on_the_other_at_once() {
    let Some(nodes) = nodes(2).await else { return };
    let room = nodes[0].public("general", "ann", &["bob"]).await;
    for round in 0..5 {
        nodes[1].send("bob", &room, &format!("before-{round}"), "hi").await.expect("he may");
        nodes[0].does("ann", &room, kick("bob")).await;
        // She too wrote through the other node, and so it knows the room as it is after the kick.
        nodes[1].send("ann", &room, &format!("ann-{round}"), "hi").await.expect("she may");
        let after = nodes[1].send("bob", &room, &format!("after-{round}"), "hi").await;
        assert_eq!(after.map(|_| ()), Err(Rejection::NotJoined));
        assert_eq!(nodes[1].ask("bob", &room, mark(1)).await, Err(Rejection::NotJoined));
        nodes[0].does("bob", &room, Action::Enter).await;
        nodes[1].send("bob", &room, &format!("again-{round}"), "hi").await.expect("he may again");
    }
    let mute = to("bob", MemberAction::Mute { until: None, reason: None });
    nodes[0].does("ann", &room, mute).await;
    let muted = nodes[1].send("bob", &room, "muted", "hi").await;
    assert_eq!(muted.map(|_| ()), Err(Rejection::Muted));
}

#[tokio::test]
async fn marks_that_moved_on_another_node_do_not_move_back() {
    let Some(nodes) = nodes(2).await else { return };
    let room = nodes[0].public("general", "ann", &["bob"]).await;
    for text in ["4", "5", "6", "7"] {
        nodes[0].says("ann", &room, text).await;
    }
    nodes[1].does("bob", &room, mark(4)).await;
    nodes[0].does("bob", &room, mark(6)).await;
    let told = nodes[1].commit(&[nodes[1].command("bob", &room, mark(5))]).await.marks;
    assert_eq!(told, [], "nothing moved");
    assert_eq!(nodes[1].member(&room, "bob").await.marks.read_seq, Seq(6));
}

/// Rooms that are made and left by all at once, within limits that everybody is held to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_over_nodes_that_decide_at_the_same_moment() {
    let Some(nodes) = nodes(3).await else { return };
    let nodes: Vec<_> = nodes.into_iter().map(|n| n.bound(|limits| limits.rooms = 3)).collect();
    let mut rooms = Vec::new();
    for index in 0..9 {
        rooms.push(nodes[0].public(&format!("r{index}"), &format!("owner-{index}"), &[]).await);
    }
    let enters = rooms.iter().enumerate().map(|(index, room)| {
        let (node, room) = (nodes[index % 3].clone(), room.clone());
        tokio::spawn(async move { node.ask("bob", &room, Action::Enter).await })
    });
    let mut entered = 0;
    for enter in enters.collect::<Vec<_>>() {
        match enter.await.expect("no panic") {
            Ok(Outcome::Entered { .. }) => entered += 1,
            Err(Rejection::TooMany { most: 3, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(entered, 3);
}

/// The first to come makes the room, and the others enter it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_that_all_make_at_once_is_one() {
    let Some(nodes) = nodes(3).await else { return };
    let room = RoomId::direct(&user("ann"), &user("bob"));
    let makes = (0..6).map(|index| {
        let (node, room) = (nodes[index % 3].clone(), room.clone());
        let (who, other) = if index % 2 == 0 { ("ann", "bob") } else { ("bob", "ann") };
        tokio::spawn(async move {
            let new = crate::room::NewRoom::direct(user(other));
            node.ask(who, &room, Action::Create(new)).await
        })
    });
    let mut made = 0;
    for make in makes.collect::<Vec<_>>() {
        let outcome = make.await.expect("no panic").expect("they may");
        made += usize::from(matches!(outcome, Outcome::Entered { created: true, .. }));
    }
    assert_eq!((made, nodes[0].see(&room).await.members), (1, 2));
    assert_eq!(nodes[0].log(&room).await.len(), 3);
    assert_eq!(nodes[0].store.counts().await.expect("the store works").rooms, 1);
}

/// A node of the next release has come and added what it needs: columns with a default, tables, indexes. Nodes
/// of this one go on until they are replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_this_release_go_on_beside_what_the_next_one_added() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    let other = PostgresStore::open(&url).await.expect("it opens");
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["ben"]).await;
    let before = scene.says("ann", &room, "before").await;
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1";
    let rows = sqlx::query(tables).bind(&other.client.schema).fetch_all(&other.client.pool).await;
    let rows = rows.expect("a catalogue");
    assert!(rows.len() > 20, "{} tables", rows.len());
    for row in rows {
        let table: String = row.get(0);
        if table != "chatcore_migrations" {
            run(
                &other,
                &format!("ALTER TABLE $.{table} ADD COLUMN later bigint NOT NULL DEFAULT 1"),
            )
            .await;
        }
    }
    run(
        &other,
        "CREATE TABLE $.later (room bigint); CREATE INDEX log_later ON $.log (later); \
         INSERT INTO $.chatcore_migrations VALUES (1000, '1000_later')",
    )
    .await;
    let scenes = [scene, Scene::of(other)];
    for (index, scene) in scenes.iter().enumerate() {
        let said = scene.says("ben", &room, &format!("after {index}")).await;
        scene.run(scene.command("ann", &room, react(&said.id, "👍", true))).await.expect("she may");
        scene
            .run(scene.command("ben", &room, edit(&said.id, &format!("e{index}"), "edited")))
            .await
            .expect("his");
        scene.run(scene.command("ann", &room, pin(&before.id, index == 0))).await.expect("hers");
        scene.public(&format!("new-{index}"), "ann", &["ben"]).await;
    }
    let log = scenes[0].log(&room).await;
    assert_eq!(log, scenes[1].log(&room).await);
    assert!(log.iter().map(|entry| entry.seq.0).eq(1..=log.len() as u64));
    let texts: Vec<_> = scenes[1].history(&room, "ann").await.into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["before", "edited", "edited"]);
    // Once it is stopped, it does not start again before it is of the release of the schema.
    let refused = PostgresStore::open(&url).await.expect_err("it is older");
    assert!(refused.to_string().contains("newer chatcore"), "{refused}");
}

/// While somebody's transaction stays open, no version of a room's row is taken away; a commit goes through none of
/// the old ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_reads_no_more_of_a_room_for_all_the_versions_that_a_long_transaction_keeps() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    let pool = store.client.pool.clone();
    let schema = store.client.schema.clone();
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let mut open = pool.begin().await.expect("a transaction");
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *open).await.expect("a number");
    let read = async || {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT coalesce(sum(idx_tup_fetch), 0)::bigint FROM pg_stat_user_tables \
             WHERE schemaname = '{schema}' AND relname = 'rooms'"
        ));
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.expect("a count")
    };
    for index in 0..1_000 {
        scene.says("ann", &room, &format!("m{index}")).await;
    }
    // What a backend has counted is told with a delay.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    scene.says("ann", &room, "it tells what it has counted").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let fetched = read().await;
    open.rollback().await.expect("it ends");
    assert!(fetched < 500, "{fetched} rows of rooms were looked up for 1,000 commits");
}
