//! What SQLite or its surroundings may do in the middle of something.

use super::*;

#[tokio::test]
async fn abandoned_transaction_leaves_nothing_behind() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let mut tx = store.write().await.expect("a transaction");
    sqlx::query("UPDATE totals SET messages = 7").execute(&mut *tx).await.expect("a write");
    drop(tx);
    run(&store, "INSERT INTO meta VALUES ('next', 'clean')").await;
    assert_eq!(number(&store, "SELECT messages FROM totals").await, 0);
    assert_eq!(number(&store, "SELECT count(*) FROM meta WHERE name = 'next'").await, 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let mut reader = store.read().await.expect("a connection");
    let wrote = sqlx::query("UPDATE totals SET messages = 7").execute(&mut *reader).await;
    assert!(matches!(wrote.map_err(failed), Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn lock_held_outside_is_waited_for_and_then_unavailable() {
    let (_folder, path) = folder();
    let busy = Duration::from_millis(20);
    let store = SqliteOptions::file(&path).busy_timeout(busy).open().await.expect("it opens");
    // What the `sqlite3` shell or a backup would do: no claim, only SQLite's own lock.
    let outside = connect::options(&path, busy);
    let mut outside = connect::connect(&outside).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut outside).await.expect("the lock");
    let error = store.write().await.expect_err("the lock is taken");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    sqlx::query("ROLLBACK").execute(&mut outside).await.expect("the lock is released");
    run(&store, "UPDATE totals SET messages = 7").await;
}

#[tokio::test]
async fn full_disk_is_told_from_other_faults_and_passes() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    // SQLite's own bound on the file stands in for the disk's.
    let mut tx = store.write().await.expect("a transaction");
    let pages: i64 =
        sqlx::query("PRAGMA page_count").fetch_one(&mut *tx).await.expect("a row").get(0);
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .fetch_one(&mut *tx)
        .await
        .expect("a bound");
    let fill = "INSERT INTO meta SELECT 'big' || value, hex(zeroblob(4096)) \
                FROM json_each('[1,2,3,4,5,6,7,8,9]')";
    let full = sqlx::query(fill).execute(&mut *tx).await.map_err(failed);
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    drop(tx);
    let mut tx = store.write().await.expect("the next one is clean");
    sqlx::query("PRAGMA max_page_count = 1000000").fetch_one(&mut *tx).await.expect("lifted");
    sqlx::query("UPDATE totals SET messages = 7").execute(&mut *tx).await.expect("a write");
    tx.commit().await.expect("a commit");
    assert_eq!(number(&store, "SELECT count(*) FROM meta WHERE name LIKE 'big%'").await, 0);
}

mod committing {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::id::Seq;
    use crate::log::Draft;
    use crate::room::Command;
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

    fn three(scene: &Scene, room: &crate::id::RoomId, round: usize) -> Vec<Command> {
        let message = |index: usize| {
            let once = format!("{round}-{index}");
            scene.message("ann", room, &once, Draft::text(once.as_str()))
        };
        (0..3).map(message).collect()
    }

    /// Drops commits after ever more polls, on one thread and on several, until one gets through.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn dropped_commit_is_there_as_a_whole_or_not_at_all() {
        let (store, _folder) = fresh().await;
        let scene = Scene::of(store);
        let room = scene.public("general", "ann", &[]).await;
        let mut whole = 0;
        for round in 0..200 {
            let batch = three(&scene, &room, round);
            let commit = scene.store.commit(&batch, &scene.limits);
            let done = abandon(commit, round % 8).await.is_some();
            let before = scene.history(&room, "ann").await;
            let found = before.iter().filter(|m| m.text.starts_with(&format!("{round}-"))).count();
            assert!(found == 0 || found == 3, "{found} of 3");
            assert!(found == 3 || !done, "what was acknowledged is there");
            whole += usize::from(done);
            // The retry settles it; whoever comes next finds a clean connection.
            let again = scene.commit(&batch).await;
            assert!(again.outcomes.iter().all(Result::is_ok), "{:?}", again.outcomes);
            let history = scene.history(&room, "ann").await;
            assert_eq!(history.len(), 3 * (round + 1));
        }
        assert!(whole < 200, "some were dropped");
        let log = scene.log(&room).await;
        assert!(log.iter().map(|e| e.seq.0).eq(1..=602));
    }

    #[tokio::test]
    async fn commit_waits_for_a_lock_and_is_refused_whole_when_it_stays() {
        let (_folder, path) = folder();
        let busy = Duration::from_millis(20);
        let store = SqliteOptions::file(&path).busy_timeout(busy).open().await.expect("it opens");
        let mut outside =
            connect::connect(&connect::options(&path, busy)).await.expect("a connection");
        let scene = Scene::of(store);
        let room = scene.public("general", "ann", &[]).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut outside).await.expect("the lock");
        let batch = three(&scene, &room, 0);
        let refused = scene.store.commit(&batch, &scene.limits).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(scene.see(&room).await.head_seq, Seq(2), "reads go on");
        sqlx::query("ROLLBACK").execute(&mut outside).await.expect("it is released");
        assert_eq!(scene.commit(&batch).await.entries.len(), 3);
    }

    #[tokio::test]
    async fn commit_on_a_full_disk_is_refused_whole() {
        let (store, _folder) = fresh().await;
        let bound = "PRAGMA max_page_count";
        let pages = number(&store, "PRAGMA page_count").await;
        let mut tx = store.write().await.expect("a transaction");
        let tight = format!("{bound} = {}", pages + 8);
        sqlx::query(sqlx::AssertSqlSafe(tight)).fetch_one(&mut *tx).await.expect("a bound");
        tx.commit().await.expect("a commit");
        let scene = Scene::of(store);
        let room = scene.public("general", "ann", &[]).await;
        let mut kept = 0;
        let full = loop {
            let batch: Vec<_> = three(&scene, &room, kept)
                .into_iter()
                .chain([scene.message(
                    "ann",
                    &room,
                    &kept.to_string(),
                    Draft::text("x".repeat(9_000)),
                )])
                .collect();
            match scene.store.commit(&batch, &scene.limits).await {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
            assert!(kept < 100, "the disk never fills");
        };
        assert!(matches!(full, StoreError::Full(_)), "{full:?}");
        assert_eq!(scene.history(&room, "ann").await.len(), 4 * kept);
        assert_eq!(scene.see(&room).await.head_n, 4 * kept as u64);
        // A smaller one may still fit; the connection is as good as before.
        let small = [scene.command("ann", &room, crate::room::Action::Enter)];
        assert!(scene.store.commit(&small, &scene.limits).await.is_ok());
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_in_a_copy_taken_at_once() {
        let (_folder, path) = folder();
        let scene = Scene::of(open(&path).await);
        let room = scene.public("general", "ann", &[]).await;
        for round in 0..5 {
            scene.commit(&three(&scene, &room, round)).await;
            // As a crash would leave it: the file and its write-ahead log, nothing closed.
            let (_copies, copy) = folder();
            std::fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
            for end in ["", "-wal"] {
                let of = |path: &PathBuf| PathBuf::from(format!("{}{end}", path.display()));
                std::fs::copy(of(&path), of(&copy)).expect("copied");
            }
            let later = Scene::of(open(&copy).await);
            assert_eq!(later.log(&room).await, scene.log(&room).await);
            assert_eq!(later.commit(&three(&scene, &room, round)).await.entries, []);
        }
    }

    /// A power cut keeps what was flushed, and of what was written after that any part, the last sector torn. What
    /// was flushed is the write-ahead log as it was at the last acknowledgement, since each one waits for a flush.
    #[tokio::test]
    async fn a_power_cut_keeps_what_was_acknowledged_wherever_it_tears_the_log() {
        const SECTOR: usize = 512;
        let (_folder, path) = folder();
        let scene = Scene::of(open(&path).await);
        let room = scene.public("general", "ann", &[]).await;
        let wal = |path: &PathBuf| PathBuf::from(format!("{}-wal", path.display()));
        let end = || std::fs::metadata(wal(&path)).expect("it is there").len() as usize;
        // How long the log of the room is with so much of the write-ahead log.
        let mut acked = vec![(end(), scene.log(&room).await.len())];
        for round in 0..6 {
            scene.commit(&three(&scene, &room, round)).await;
            acked.push((end(), scene.log(&room).await.len()));
        }
        let whole = scene.log(&room).await;
        let (file, log) =
            (std::fs::read(&path).expect("read"), std::fs::read(wal(&path)).expect("read"));
        let torn = |cut: usize| {
            let mut torn = log[..cut].to_vec();
            let sector = cut / SECTOR * SECTOR;
            torn.extend(std::iter::repeat_n(0xa5, sector + SECTOR - cut));
            torn
        };
        let mut cuts = 0;
        let first = acked[0].0;
        // Every place in a sector, one after another.
        for (number, cut) in (first..=log.len()).step_by(SECTOR / 2 + 37).enumerate() {
            let (_copies, copy) = folder();
            std::fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
            std::fs::write(&copy, &file).expect("written");
            let left = if number % 2 == 0 { log[..cut].to_vec() } else { torn(cut) };
            std::fs::write(wal(&copy), left).expect("written");
            let least = acked.iter().rev().find(|(end, _)| *end <= cut).expect("the first").1;
            let later = Scene::of(open(&copy).await);
            let found = later.log(&room).await;
            assert!(found.len() >= least, "{} of {least} with {cut} bytes", found.len());
            assert_eq!(found, whole[..found.len()], "with {cut} bytes");
            assert!(
                acked.iter().any(|(_, len)| *len == found.len()),
                "a commit by halves at {cut}"
            );
            // It goes on where it is.
            assert_eq!(later.says("ann", &room, "on").await.seq, Seq(found.len() as u64 + 1));
            cuts += 1;
        }
        println!("{cuts} cuts of {} bytes", log.len() - first);
        assert!(cuts > 50, "{cuts} cuts");
    }

    #[tokio::test]
    async fn row_that_cannot_be_read_is_reported_and_nothing_is_written() {
        let (_folder, path) = folder();
        let store = open(&path).await;
        let scene = Scene::of(store);
        let room = scene.public("general", "ann", &[]).await;
        let sent = scene.says("ann", &room, "hi").await;
        let options = connect::options(&path, Duration::from_secs(1));
        let mut outside = connect::connect(&options).await.expect("a connection");
        sqlx::query("UPDATE log SET body = '{' WHERE seq = 3")
            .execute(&mut outside)
            .await
            .expect("broken");
        let read = scene.store.entries(&room, Seq::START, 10).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        let edit = scene.command("ann", &room, crate::testing::scene::edit(&sent.id, "e", "x"));
        let commit = scene.store.commit(&[edit], &scene.limits).await;
        assert!(matches!(commit, Err(StoreError::Corrupt(_))), "{commit:?}");
        assert_eq!(scene.says("ann", &room, "goes on").await.seq, Seq(4));
    }
}
