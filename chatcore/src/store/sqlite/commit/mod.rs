//! A batch of commands: loaded, decided and written in one transaction.

mod views;
mod write;

pub(super) use write::prepare;

use super::SqliteStore;
use crate::limits::Limits;
use crate::room::{Command, Plan, plan};
use crate::store::{Committed, StoreError};

/// Two calls to SQLite's thread: `BEGIN` and one row with all that is to be known; one row with all
/// that is to be written and `COMMIT`. Dropped at any point in between, the transaction is rolled back.
pub(super) async fn commit(
    store: &SqliteStore,
    batch: &[Command],
    limits: &Limits,
) -> Result<Committed, StoreError> {
    if batch.is_empty() {
        return Ok(Committed::default());
    }
    let mut tx = store.writer.hold().await?;
    tx.opens();
    let (mut views, before) = views::load(&mut tx, &store.epoch, batch).await?;
    let Plan { outcomes, changes } = plan(&mut views, batch, limits);
    write::write(&mut tx, &before, &changes).await?;
    tx.closed();
    Ok(Committed::new(outcomes, changes))
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::views::Part;
    use crate::store::sqlite::SqliteStore;
    use crate::store::sqlite::tests::fresh;

    /// The steps that SQLite plans for a statement.
    async fn steps(store: &SqliteStore, sql: &str) -> Vec<String> {
        let mut tx = store.write().await.expect("a transaction");
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(sql).fetch_all(&mut *tx).await.expect("a plan");
        rows.iter().map(|row| row.get("detail")).collect()
    }

    /// Rows come from the JSON arrays; everything else is looked up, so that a commit costs the same
    /// however much is stored.
    #[tokio::test]
    async fn no_step_of_a_commit_walks_through_a_table() {
        let (store, _folder) = fresh().await;
        let parts: Vec<_> = Part::ALL.iter().map(|part| part.sql()).collect();
        let mut statements = vec![format!("SELECT {}", parts.join(", "))];
        // SQLite does not explain triggers: each statement of it by itself, on no rows.
        for trigger in include_str!("write.sql").split("BEGIN\n").skip(1) {
            let (body, _) = trigger.split_once("END;").expect("its end");
            for statement in body.split(";\n").filter(|s| !s.trim().is_empty()) {
                let pieces =
                    statement.split("NEW.").enumerate().map(|(index, piece)| match index {
                        0 => piece.to_owned(),
                        _ => format!(
                            "NULL{}",
                            piece.trim_start_matches(|c: char| c == '_' || c.is_alphabetic())
                        ),
                    });
                statements.push(pieces.collect());
            }
        }
        assert_eq!(statements.len(), 1 + 6 + 3 + 11);
        for statement in &statements {
            for step in steps(&store, statement).await {
                let walks = step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE");
                let harmless = step.contains("CONSTANT ROW") || step.contains("totals");
                // A room's log is as long as a table.
                let room = step.contains("SEARCH log") && step.ends_with("(room=?)");
                assert!(!walks && !room || harmless, "{step} in {statement}");
            }
        }
    }
}
