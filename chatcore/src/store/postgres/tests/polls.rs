//! What every node asks about once a second costs by what is asked, not by what there is.

use super::*;
use crate::id::{RoomId, SessionId};
use crate::store::postgres::rooms::HEADS;
use crate::store::postgres::session::LIVE;
use crate::store::{RoomStore as _, SessionStore as _};

/// Asked for at once.
const ASKED: usize = 50;

/// A store of 20,000 rooms, one of which has as many entries, and as many sessions, with what the planner
/// is to know of them: to read any of these tables through costs far more than one look for each
/// that is asked for.
async fn grown() -> Option<PostgresStore> {
    let (store, ()) = fresh().await?;
    let fill = "\
        INSERT INTO $.rooms (pk, version, id, kind, created_at, created_by, keep, head_seq, head_n, \
          floor_seq, members, owners, pins, dead_seq) \
        SELECT i, 0, 'room-' || i, 1, 1, 'ann', 0, i, 0, 0, 1, 1, 0, 0 FROM generate_series(1, 20000) i; \
        INSERT INTO $.log (room, seq, n, ts, kind, \"user\", body) \
        SELECT 1, i, i, 1, 1, 'ann', '{}' FROM generate_series(1, 20000) i; \
        INSERT INTO $.sessions (id, \"user\", device, created_at, renewed_at, expires_at, family, refresh) \
        SELECT 'session-' || i, 'ann', 'd', 1, 1, 1, '', '' FROM generate_series(1, 20000) i; \
        ANALYZE $.rooms; ANALYZE $.log; ANALYZE $.sessions";
    run(&store, fill).await;
    Some(store)
}

/// How a statement with one array is carried out, and how many pages that takes.
async fn plan(store: &PostgresStore, text: &str, asked: Vec<String>) -> (String, u64) {
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {text}");
    let sql = sql::of_schema(&text, &store.client.schema);
    let asked = sqlx::query_scalar(sql).bind(asked).fetch_all(&store.client.pool);
    let lines: Vec<String> = asked.await.expect("sound SQL");
    let buffers = lines.iter().find_map(|line| line.split_once("Buffers: ")).expect("told").1;
    let pages = buffers.split([' ', '=']).filter_map(|word| word.parse::<u64>().ok()).sum();
    (lines.join("\n"), pages)
}

fn asked(kind: &str) -> Vec<String> {
    // All over the table.
    (0..ASKED).map(|i| format!("{kind}-{}", i * 408 + 1)).collect()
}

fn assert_cheap(plan: &str, pages: u64, index: &str) {
    assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("log"), "the log is not asked: {plan}");
    assert!(pages <= 5 * ASKED as u64, "{pages} pages: {plan}");
}

#[tokio::test]
async fn heads_are_looked_up_by_id_and_without_the_log() {
    let Some(store) = grown().await else { return };
    let ids = asked("room");
    let (plan, pages) = plan(&store, HEADS, ids.clone()).await;
    assert_cheap(&plan, pages, "rooms_id_key");
    let ids: Vec<_> = ids.iter().map(|id| RoomId::parse(id).expect("a sound id")).collect();
    let heads = store.heads(&ids).await.expect("the store works");
    assert_eq!(heads.len(), ASKED);
    assert!(heads.iter().all(|head| head.room.as_str() == format!("room-{}", head.head_seq)));
}

#[tokio::test]
async fn live_sessions_are_looked_up_by_id() {
    let Some(store) = grown().await else { return };
    let ids = asked("session");
    let (plan, pages) = plan(&store, LIVE, ids.clone()).await;
    assert_cheap(&plan, pages, "sessions_id_key");
    let ids: Vec<_> = ids.iter().map(|id| SessionId::parse(id).expect("a sound id")).collect();
    assert_eq!(store.live_sessions(&ids).await.expect("the store works").len(), ASKED);
}
