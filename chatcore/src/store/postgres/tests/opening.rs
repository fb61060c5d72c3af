//! Whose schema it is, of which version, and on what kind of server.

use super::*;

async fn refusal(url: &str) -> String {
    match PostgresStore::open(url).await {
        Err(StoreError::Unusable(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn epoch_outlives_a_restart_and_is_the_same_for_all() {
    let Some(url) = url() else { return };
    let first = PostgresStore::open(&url).await.expect("it opens");
    let second = PostgresStore::open(&url).await.expect("it opens");
    assert_eq!(first.epoch, second.epoch);
    first.close().await;
    second.close().await;
    assert_eq!(PostgresStore::open(&url).await.expect("it opens").epoch, first.epoch);
}

/// What is done after a backup was restored.
#[tokio::test]
async fn log_whose_epoch_was_taken_away_is_another_one() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    let before = store.epoch.clone();
    run(&store, "DELETE FROM $.meta WHERE name = 'epoch'").await;
    store.close().await;
    let after = PostgresStore::open(&url).await.expect("it opens").epoch;
    assert_ne!(before, after);
    assert_eq!(PostgresStore::open(&url).await.expect("it opens").epoch, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_make_the_schema_once() {
    let Some(url) = url() else { return };
    let opening = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { PostgresStore::open(&url).await.expect("it opens").epoch })
    });
    let mut epochs = std::collections::BTreeSet::new();
    for open in opening.collect::<Vec<_>>() {
        epochs.insert(open.await.expect("no panic").as_str().to_owned());
    }
    assert_eq!(epochs.len(), 1);
}

#[tokio::test]
async fn schema_of_a_newer_build_or_of_another_line_is_refused() {
    let Some(url) = url() else { return };
    let store = PostgresStore::open(&url).await.expect("it opens");
    run(&store, "INSERT INTO $.chatcore_migrations VALUES (1000, '1000_later')").await;
    assert!(refusal(&url).await.contains("newer chatcore"));
    run(&store, "UPDATE $.chatcore_migrations SET name = '0001_other' WHERE version = 1").await;
    assert!(refusal(&url).await.contains("`0001_other`"));
    run(&store, "DROP TABLE $.chatcore_migrations").await;
    assert!(refusal(&url).await.contains("another program"));
}

#[tokio::test]
async fn server_that_would_lose_what_it_acknowledged_is_refused() {
    let Some(server) = Postgres::start() else { return };
    for (setting, value) in [("fsync", "off"), ("full_page_writes", "off")] {
        set(&server, setting, value).await;
        let why = refusal(&server.url()).await;
        assert!(why.contains(&format!("{setting}={value}")), "{why}");
        set(&server, setting, "on").await;
    }
    PostgresStore::open(&server.url()).await.expect("it opens");
}

/// Changes a setting of a whole server.
async fn set(server: &Postgres, setting: &str, value: &str) {
    let pool = PgPool::connect(&server.url()).await.expect("a connection");
    let sql = format!("ALTER SYSTEM SET {setting} = '{value}'");
    for sql in [sql.as_str(), "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await.expect("it is set");
    }
    let now = "SELECT current_setting($1)";
    for _ in 0..500 {
        let fresh = PgPool::connect(&server.url()).await.expect("a connection");
        let now: String =
            sqlx::query_scalar(now).bind(setting).fetch_one(&fresh).await.expect("a row");
        if now == value {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{setting} does not become {value}");
}

#[tokio::test]
async fn what_a_role_or_a_database_would_not_flush_is_flushed() {
    let Some(server) = Postgres::start() else { return };
    let pool = PgPool::connect(&server.url()).await.expect("a connection");
    let lax = "ALTER ROLE postgres SET synchronous_commit = off";
    sqlx::raw_sql(lax).execute(&pool).await.expect("it is set");
    let now = "SELECT current_setting('synchronous_commit')";
    let fresh = PgPool::connect(&server.url()).await.expect("a connection");
    let lax: String = sqlx::query_scalar(now).fetch_one(&fresh).await.expect("a row");
    assert_eq!(lax, "off");
    let url = server.url();
    for store in [
        PostgresStore::open(&format!("{url}&schema=own")).await,
        PostgresStore::open(&format!("{url}&schema=pooled&pgbouncer=true")).await,
        PostgresStore::from_pool(fresh.clone(), "hosts").await,
    ] {
        let store = store.expect("it opens");
        let rows = store.client.write(now, Default::default()).await.expect("it answers");
        assert_eq!(rows[0].get::<String, _>(0), "on", "{:?}", store.client.manner);
    }
    let still: String = sqlx::query_scalar(now).fetch_one(&fresh).await.expect("a row");
    assert_eq!(still, "off", "the host's connections stay as they were");
}

#[tokio::test]
async fn database_in_another_encoding_is_refused() {
    let Some(server) = Postgres::start() else { return };
    let pool = PgPool::connect(&server.url()).await.expect("a connection");
    let latin = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' \
                 LOCALE_PROVIDER 'libc'";
    sqlx::raw_sql(latin).execute(&pool).await.expect("it is made");
    let url = server.url().replace("/postgres?", "/latin?");
    assert!(refusal(&url).await.contains("LATIN1"));
    let url = server.url().replace("/postgres?", "/absent?");
    assert!(refusal(&url).await.contains("absent"));
}

#[tokio::test]
async fn server_that_is_not_there_is_unavailable_and_its_password_is_not_told() {
    let options = PostgresOptions::from_url("postgres://ann:hunter2@127.0.0.1:1/chat");
    let options = options.expect("a sound URL").timeout(std::time::Duration::from_millis(300));
    let error = options.open().await.expect_err("nobody is there");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

/// Suites for the other ways to connect.
mod hosts_pool {
    use super::*;

    async fn fresh() -> Option<(PostgresStore, PgPool)> {
        let url = url()?;
        let (server, schema) = url.split_once("&schema=")?;
        let pool = PgPool::connect(server).await.expect("a connection");
        let store = PostgresStore::from_pool(pool.clone(), schema).await.expect("it opens");
        Some((store, pool))
    }

    crate::log_store_suite!(in one, fresh);
}

mod pooled {
    use super::*;

    async fn fresh() -> Option<(PostgresStore, ())> {
        let url = format!("{}&pgbouncer=true", url()?);
        Some((PostgresStore::open(&url).await.expect("it opens"), ()))
    }

    crate::log_store_suite!(in one, fresh);
}
