//! What the server, or what lies before it, may do in the middle of something.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::*;
use crate::id::{RoomId, Seq};
use crate::log::Draft;
use crate::room::{Command, Outcome};
use crate::store::{LogStore as _, SessionStore as _};
use crate::testing::scene::Scene;

/// Polls `future` until it has waited `times`, and drops it then.
async fn abandon<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if waited == times => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

fn three(scene: &Scene, room: &RoomId, round: usize) -> Vec<Command> {
    let message = |index: usize| {
        let once = format!("{round}-{index}");
        scene.message("ann", room, &once, Draft::text(once.as_str()))
    };
    (0..3).map(message).collect()
}

/// Transactions that are open and do nothing, in the whole server.
async fn idle_in_transaction(pool: &PgPool) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("a row")
}

/// Drops commits after ever more polls, believed ones and such that lock first, over connections of all
/// kinds, until one gets through: whoever comes next finds a clean connection (sqlx#4393).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_commit_is_there_as_a_whole_or_not_at_all() {
    let Some(url) = url() else { return };
    let (server, schema) = url.split_once("&schema=").expect("a schema");
    let pool = PgPool::connect(server).await.expect("a connection");
    let stores = [
        PostgresStore::open(&url).await,
        PostgresStore::from_pool(pool.clone(), &format!("{schema}_hosts")).await,
    ];
    for store in stores {
        let scene = Scene::of(store.expect("it opens"));
        let room = scene.public("general", "ann", &[]).await;
        let mut whole = 0;
        for round in 0..60 {
            let batch = three(&scene, &room, round);
            let commit = scene.store.commit(&batch, &scene.limits);
            let done = abandon(commit, round % 10).await.is_some();
            whole += usize::from(done);
            // The retry settles it.
            let again = scene.commit(&batch).await;
            assert!(again.outcomes.iter().all(Result::is_ok), "{:?}", again.outcomes);
            let new = again.entries.len();
            assert!(new == 0 || (new == 3 && !done), "{new} of 3 written again");
            assert_eq!(scene.see(&room).await.head_n, 3 * (round as u64 + 1));
        }
        assert!(whole < 60, "some were dropped");
        assert!(scene.log(&room).await.iter().map(|e| e.seq.0).eq(1..=182));
    }
    for _ in 0..200 {
        if idle_in_transaction(&pool).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a transaction was left open");
}

/// The trap itself: the host drops a `begin` of its own, and its pool hands the connection on.
#[tokio::test]
async fn transaction_that_the_host_left_open_takes_nothing_of_ours_with_it() {
    let Some(url) = url() else { return };
    let (server, schema) = url.split_once("&schema=").expect("a schema");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(server).await.expect("a connection");
    let scene = Scene::of(PostgresStore::from_pool(pool.clone(), schema).await.expect("it opens"));
    let room = scene.public("general", "ann", &[]).await;
    let mut dirty = 0;
    for round in 0..12 {
        let _ = abandon(pool.begin(), round % 4).await;
        let begun = "SELECT (now() <> statement_timestamp())::int::bigint";
        // As sqlx may hand it on: in a transaction that nobody will end.
        let mut connection = pool.acquire().await.expect("a connection");
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await.expect("it begins");
        dirty +=
            sqlx::query_scalar::<_, i64>(begun).fetch_one(&mut *connection).await.expect("a row");
        drop(connection);
        let sent = scene.send("ann", &room, &round.to_string(), "hi").await.expect("she may");
        let mut connection = pool.acquire().await.expect("a connection");
        sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.expect("it ends");
        drop(connection);
        assert_eq!(scene.see(&room).await.head_seq, sent.seq, "what was acknowledged stays");
    }
    assert!(dirty > 0, "the connection was in a transaction");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_server_that_is_killed() {
    let Some(server) = Postgres::start() else { return };
    let options = PostgresOptions::from_url(&server.url()).expect("a sound URL");
    let options = options.timeout(Duration::from_secs(3));
    let scene = Scene::of(options.open().await.expect("it opens"));
    let room = scene.public("general", "ann", &[]).await;
    let (mut acked, mut round) = (Vec::new(), 0);
    for _ in 0..5 {
        let killed = Instant::now();
        let mut unsure = Vec::new();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                std::thread::sleep(Duration::from_millis(150));
                server.kill();
            });
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    while killed.elapsed() < Duration::from_millis(400) {
                        let batch = three(&scene, &room, round);
                        match scene.store.commit(&batch, &scene.limits).await {
                            Ok(committed) => acked.extend(committed.entries),
                            Err(StoreError::Unavailable(_)) => unsure.push(round),
                            Err(other) => panic!("{other:?}"),
                        }
                        round += 1;
                    }
                });
            });
        });
        assert!(!unsure.is_empty(), "it was killed in between");
        server.restart();
        let log = scene.log(&room).await;
        for entry in &acked {
            assert_eq!(log.get(entry.seq.0 as usize - 1), Some(entry), "acknowledged, and lost");
        }
        // What is in doubt is there as a whole or not at all, and the retry settles it.
        for round in unsure {
            let committed = scene.commit(&three(&scene, &room, round)).await;
            let old = committed
                .outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Ok(Outcome::Sent { duplicate: true, .. })))
                .count();
            assert!(old == 0 || old == 3, "{old} of 3 were there");
            acked.extend(committed.entries);
        }
    }
    let log = scene.log(&room).await;
    assert!(log.iter().map(|e| e.seq.0).eq(1..=log.len() as u64));
    assert_eq!(log.len(), 2 + 3 * round);
}

/// Many wait while the server is away, with the default patience, and go on soon after it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_a_server_that_restarts_go_on_within_a_second() {
    let Some(server) = Postgres::start() else { return };
    let store = PostgresStore::open(&server.url()).await.expect("it opens");
    let scene = Arc::new(Scene::of(store));
    let mut rooms = Vec::new();
    for index in 0..8 {
        rooms.push(scene.public(&format!("room-{index}"), "ann", &[]).await);
    }
    let up = Arc::new(std::sync::Mutex::new(None));
    let senders = rooms.into_iter().map(|room| {
        let (scene, up) = (Arc::clone(&scene), Arc::clone(&up));
        tokio::spawn(async move {
            // Until a while after it is back: when the first is written then, and how many by the end.
            let (mut first, mut sent) = (None, 0);
            for index in 0.. {
                let batch = three(&scene, &room, index);
                while let Err(error) = scene.store.commit(&batch, &scene.limits).await {
                    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let since = *up.lock().expect("no panic");
                if let Some(since) = since {
                    first.get_or_insert(Instant::elapsed(&since));
                    sent += 1;
                    if since.elapsed() > Duration::from_secs(2) {
                        break;
                    }
                }
            }
            (first.expect("it goes on"), sent)
        })
    });
    let senders: Vec<_> = senders.collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.kill();
    // As long as a pool takes to wait longest between two tries.
    tokio::time::sleep(Duration::from_secs(4)).await;
    tokio::task::block_in_place(|| server.restart());
    *up.lock().expect("no panic") = Some(Instant::now());
    let mut slowest = Duration::ZERO;
    for sender in senders {
        let (first, sent) = sender.await.expect("no panic");
        slowest = slowest.max(first);
        assert!(sent > 1, "it goes on");
    }
    println!("the last of 8 writes again {slowest:?} after the server is back");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_does_not_answer_is_unavailable_in_time_and_then_goes_on() {
    let Some(server) = Postgres::start() else { return };
    let options = PostgresOptions::from_url(&server.url()).expect("a sound URL");
    let patience = Duration::from_millis(800);
    let scene = Scene::of(options.timeout(patience).open().await.expect("it opens"));
    let room = scene.public("general", "ann", &[]).await;
    let batch = three(&scene, &room, 0);
    server.pause();
    for _ in 0..2 {
        let begun = Instant::now();
        let commit = scene.store.commit(&batch, &scene.limits).await;
        assert!(matches!(commit, Err(StoreError::Unavailable(_))), "{commit:?}");
        let read = scene.store.entries(&room, Seq::START, 10).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        assert!(begun.elapsed() < 3 * patience, "{:?}", begun.elapsed());
    }
    server.resume();
    // It recovers by itself, and nothing is there by halves.
    let end = Instant::now() + Duration::from_secs(20);
    let committed = loop {
        match scene.store.commit(&batch, &scene.limits).await {
            Ok(committed) => break committed,
            Err(StoreError::Unavailable(_)) => assert!(Instant::now() < end, "it stays away"),
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!([0, 3].contains(&committed.entries.len()));
    assert_eq!(scene.log(&room).await.len(), 5);
}

/// The host holds all connections of its pool: the store says so in time, loses nothing, and goes on.
#[tokio::test]
async fn a_host_that_holds_its_whole_pool_is_waited_for_and_then_unavailable() {
    let Some(url) = url() else { return };
    let (server, schema) = url.split_once("&schema=").expect("a schema");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2);
    let pool = pool.connect(server).await.expect("connections");
    let options = PostgresOptions::pool(pool.clone()).schema(schema).expect("a sound name");
    let store = options.timeout(Duration::from_millis(600)).open().await.expect("it opens");
    let own = PostgresOptions::from_url(&url).expect("a sound URL").open().await.expect("it opens");
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let held = [pool.begin().await.expect("one"), pool.begin().await.expect("two")];
    let batch = three(&scene, &room, 0);
    let begun = Instant::now();
    let refused = scene.store.commit(&batch, &scene.limits).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // One with connections of its own is not held up.
    assert_eq!(Scene::of(own).commit(&three(&scene, &room, 1)).await.entries.len(), 3);
    for held in held {
        held.rollback().await.expect("it ends");
    }
    assert_eq!(scene.commit(&batch).await.entries.len(), 3);
}

#[tokio::test]
async fn lock_that_somebody_else_holds_is_waited_for_and_then_unavailable() {
    let Some(url) = url() else { return };
    let options = PostgresOptions::from_url(&url).expect("a sound URL");
    let store = options.timeout(Duration::from_millis(600)).open().await.expect("it opens");
    let schema = store.client.schema.clone();
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let pool = PgPool::connect(&url.replace("&schema", "&application_name")).await.expect("one");
    let mut outside = pool.begin().await.expect("a transaction");
    let lock = sqlx::AssertSqlSafe(format!("UPDATE {schema}.rooms SET topic = topic"));
    sqlx::query(lock).execute(&mut *outside).await.expect("the lock");
    let batch = three(&scene, &room, 0);
    let refused = scene.store.commit(&batch, &scene.limits).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(scene.see(&room).await.head_seq, Seq(2), "reads go on");
    outside.rollback().await.expect("it is released");
    assert_eq!(scene.commit(&batch).await.entries.len(), 3);
}

#[tokio::test]
async fn faults_of_the_server_are_told_apart() {
    let Some((store, ())) = fresh().await else { return };
    for (code, kind) in [
        ("53100", "Full"),
        ("53200", "Unavailable"),
        ("40001", "Unavailable"),
        ("40P01", "Unavailable"),
        ("57P01", "Unavailable"),
        ("25006", "Unavailable"),
        ("55P03", "Unavailable"),
        ("58030", "Unavailable"),
        ("26000", "Unusable"),
        ("XX001", "Corrupt"),
        ("42P01", "Corrupt"),
    ] {
        let raise =
            format!("DO $do$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{code}'; END $do$");
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(raise)).execute(&store.client.pool).await;
        let failed = error::failed(error.expect_err("it is raised"));
        assert!(format!("{failed:?}").starts_with(kind), "{code}: {failed:?}");
    }
}

/// The database asks to try again: it is, and the caller hears nothing of it.
#[tokio::test]
async fn serialization_failures_and_deadlocks_are_tried_again() {
    let Some((store, ())) = fresh().await else { return };
    run(
        &store,
        "CREATE SEQUENCE $.tries; \
         CREATE FUNCTION $.stumble() RETURNS trigger LANGUAGE plpgsql AS $do$ BEGIN \
           CASE nextval('$.tries') WHEN 1 THEN RAISE EXCEPTION 'made' USING ERRCODE = '40001'; \
           WHEN 2 THEN RAISE EXCEPTION 'made' USING ERRCODE = '40P01'; ELSE RETURN NEW; END CASE; \
         END $do$; \
         CREATE TRIGGER stumble BEFORE INSERT ON $.log FOR EACH STATEMENT \
         EXECUTE FUNCTION $.stumble()",
    )
    .await;
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    assert_eq!(scene.says("ann", &room, "hi").await.seq, Seq(3));
}

#[tokio::test]
async fn row_that_cannot_be_read_is_reported() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    let other = PostgresStore::open(&url).await.expect("it opens");
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "hi").await;
    run(&other, "UPDATE $.log SET body = '{' WHERE seq = 3").await;
    let read = scene.store.entries(&room, Seq::START, 10).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    assert_eq!(scene.says("ann", &room, "goes on").await.seq, Seq(4));
}

/// PostgreSQL keeps no zero in a text: whoever is looked for by one is nobody.
#[tokio::test]
async fn zero_in_a_name_finds_nobody() {
    use crate::account::{NameKey, NameKind, Purpose};
    use crate::clock::Timestamp;
    use crate::store::{AccountStore as _, VerificationStore as _};

    let Some((store, ())) = fresh().await else { return };
    let key = NameKey { kind: NameKind::Handle, key: "a\0b".into() };
    assert_eq!(store.account_by_name(&key).await.expect("no fault"), None);
    let now = Timestamp(0);
    let found = store.verifications(Purpose::Reset, "a\0b", now).await.expect("no fault");
    assert!(found.is_empty());
    let tried = store.try_verifications(Purpose::Reset, "a\0b", 3, now).await.expect("no fault");
    assert!(tried.is_empty());
    assert!(!store.remove_verification("a\0b").await.expect("no fault"));
    assert_eq!(store.remove_expired_sessions(now).await.expect("no fault"), 0);
    // In a message it is an escape of its JSON, as everywhere else.
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "a\0b").await;
    assert_eq!(scene.history(&room, "ann").await[0].text, "a\0b");
    assert_eq!(scene.store.counts().await.expect("no fault").messages, 1);
}

#[tokio::test]
async fn closed_store_says_so() {
    let Some((store, ())) = fresh().await else { return };
    let room = RoomId::parse("general").expect("a sound id");
    store.close().await;
    let read = store.entries(&room, Seq::START, 1).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
}

#[test]
fn store_may_outlive_the_runtime_that_it_was_used_in() {
    let Some(url) = url() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let scene = runtime.block_on(async {
        let scene = Scene::of(PostgresStore::open(&url).await.expect("it opens"));
        let room = scene.public("general", "ann", &[]).await;
        scene.says("ann", &room, "hi").await;
        scene
    });
    drop(runtime);
    drop(scene);
}
