//! The index of messages, among several nodes.

use super::*;
use crate::id::RoomId;
use crate::room::Action;
use crate::search::{Query, Scope, Search};
use crate::store::{LogStore as _, SearchPage, SearchStore as _};
use crate::testing::scene::{Scene, user};

fn tea() -> Search {
    let query = Query::parse("tea").expect("a sound query");
    Search { query, from: None, scope: Scope::Joined(user("ann")), after: None, limit: 50 }
}

async fn found(scene: &Scene) -> usize {
    let page = scene.store.search(&tea()).await.expect("the store works");
    assert!(!page.behind);
    page.found.len()
}

async fn filed(store: &PostgresStore) -> i64 {
    let sql = sql::of_schema("SELECT count(*) FROM $.search_docs", &store.client.schema);
    sqlx::query(sql).fetch_one(&store.client.pool).await.expect("a row").get(0)
}

/// All file at the same moment, and each message is filed once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_acknowledged_is_found_by_the_others_at_once() {
    let Some(url) = url() else { return };
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Scene::of(PostgresStore::open(&url).await.expect("the store opens")));
    }
    let room = nodes[0].public("general", "ann", &[]).await;
    for round in 0..10 {
        nodes[round % 3].send("ann", &room, &format!("{round}"), "tea").await.expect("she may");
        let searching = nodes.iter().cloned().map(|node| {
            tokio::spawn(async move {
                node.store.file(512).await.expect("the store works");
                found(&node).await
            })
        });
        for search in searching.collect::<Vec<_>>() {
            assert_eq!(search.await.expect("no panic"), round + 1);
        }
    }
    let store = PostgresStore::open(&url).await.expect("it opens");
    assert_eq!(filed(&store).await, 10);
}

/// What a sweep removes leaves no trace in the index.
#[tokio::test]
async fn what_is_swept_is_forgotten_by_the_index() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    let scene = Scene::of(PostgresStore::open(&url).await.expect("it opens"));
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "tea").await;
    assert_eq!((found(&scene).await, filed(&store).await), (1, 1));
    scene.does("ann", &room, Action::Leave).await;
    while store.sweep(10).await.expect("the store works") > 0 {}
    assert_eq!(filed(&store).await, 0, "messages that the index knows of");
    assert_eq!(store.search(&tea()).await.expect("the store works"), SearchPage::default());
}

/// However many blocks lie between, and whatever stands in them.
#[tokio::test]
async fn pages_go_on_over_the_borders_of_blocks() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    let scene = Scene::of(PostgresStore::open(&url).await.expect("it opens"));
    let room = scene.public("general", "ann", &[]).await;
    // Each message begins a block further on than the one before, the first in the middle of one.
    for (number, next) in [4_095, 4_096, 4_097, 8_191, 8_192, 90_000].into_iter().enumerate() {
        let sql = sql::of_schema("UPDATE $.search_filed SET next = $1", &store.client.schema);
        sqlx::query(sql).bind(next).execute(&store.client.pool).await.expect("it is set");
        scene.says("ann", &room, &format!("tea {number}")).await;
        assert_eq!(found(&scene).await, number + 1);
    }
    let mut search = Search { limit: 1, ..tea() };
    let mut seen = Vec::new();
    for _ in 0..100 {
        let page = scene.store.search(&search).await.expect("the store works");
        seen.extend(page.found.into_iter().filter_map(|entry| entry.n));
        let Some(next) = page.next else { break };
        search.after = Some(next);
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1]);
}

/// Longer than what PostgreSQL files under one row.
#[tokio::test]
async fn a_text_of_very_many_words_is_filed_by_its_first() {
    let Some(url) = url() else { return };
    let scene = Scene::of(PostgresStore::open(&url).await.expect("it opens"));
    let scene = scene.bound(|limits| limits.text_bytes = 4 << 20);
    let room = scene.public("general", "ann", &[]).await;
    let words: Vec<String> = (0..200_000).map(|word| format!("w{word:06}")).collect();
    scene.says("ann", &room, &words.join(" ")).await;
    scene.says("ann", &room, "tea").await;
    assert_eq!(found(&scene).await, 1);
    let first = Search { query: Query::parse("w000001").expect("sound"), ..tea() };
    assert_eq!(scene.store.search(&first).await.expect("the store works").found.len(), 1);
}

/// Through the terms alone, whatever the planner thinks of them: not over all that is filed.
#[tokio::test]
async fn a_search_walks_through_what_the_index_proposes() {
    let Some(url) = url() else { return };
    let scene = Scene::of(PostgresStore::open(&url).await.expect("it opens"));
    let room: RoomId = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "tea").await;
    assert_eq!(found(&scene).await, 1);
    let store = PostgresStore::open(&url).await.expect("it opens");
    let text = format!("EXPLAIN {}", super::super::search::PROPOSED_NOW);
    let sql = sql::of_schema(&text, &store.client.schema);
    let rows = sqlx::query(sql)
        .bind(1_i64)
        .bind(0_i64)
        .bind("'#:tea'")
        .bind(1_i64)
        .bind(vec![1_i64])
        .bind(20_i64)
        .fetch_all(&store.client.pool)
        .await
        .expect("a plan");
    let steps: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(
        steps.iter().any(|step| step.contains("Bitmap Index Scan on search_docs_terms")),
        "{steps:#?}"
    );
    for step in &steps {
        assert!(!step.contains("Seq Scan") && !step.contains("search_docs_p"), "{steps:#?}");
    }
}
