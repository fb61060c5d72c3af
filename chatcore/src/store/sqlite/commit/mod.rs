//! A batch of commands: decided on what is known, written in one transaction.

mod entries;
mod parts;
mod recall;
mod write;

pub(super) use write::prepare;

use self::write::{Numbers, Writing};
use super::SqliteStore;
use super::error::{corrupt, failed};
use super::memory::{Ends, Memory};
use super::writer::WriteTx;
use crate::error::Error;
use crate::limits::Limits;
use crate::room::{Changes, Command, Plan, Rejection, plan};
use crate::store::sql::cache::Written;
use crate::store::sql::runs::Runs;
use crate::store::sql::views::{Before, Questions};
use crate::store::{Committed, StoreError};

/// One call to SQLite's thread in the usual case: what the rules need to know is in memory, and the
/// statement that writes looks itself whether a name was used before. If one was, nothing is written,
/// and the batch is decided again on what the disk says.
pub(super) async fn commit(
    store: &SqliteStore,
    batch: &[Command],
    limits: &Limits,
) -> Result<Committed, StoreError> {
    if batch.is_empty() {
        return Ok(Committed::default());
    }
    let mut tx = store.writer.hold().await?;
    let bounds = {
        let memory = store.memory();
        memory.doubtful.then(|| memory.bounds())
    };
    if let Some(bounds) = bounds {
        let known = Memory::read(&mut tx, bounds).await?;
        *store.memory() = known;
    }
    if !store.memory().is_wary()
        && let Some(committed) = attempt(store, &mut tx, batch, limits, Names::Believed).await?
    {
        return Ok(committed);
    }
    let committed = attempt(store, &mut tx, batch, limits, Names::LookedUp).await?;
    committed.ok_or_else(|| corrupt("a name is there that was not found"))
}

/// How it is known that a name was not used before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Memory knows nothing of it, and the statement that writes will look.
    Believed,
    /// The disk was asked.
    LookedUp,
}

/// Decides and writes; none if that needs names to be looked up.
async fn attempt(
    store: &SqliteStore,
    tx: &mut WriteTx,
    batch: &[Command],
    limits: &Limits,
    looked: Names,
) -> Result<Option<Committed>, StoreError> {
    let mut asked = Questions::of(batch);
    let sends = std::mem::take(&mut asked.sends);
    let (mut views, mut before) = recall::recall(&mut store.memory(), &mut asked, &store.epoch)?;
    if looked == Names::LookedUp {
        asked.sends.clone_from(&sends);
    }
    parts::load(tx, &asked, batch.len(), &mut views, &mut before).await?;
    asked.sends = sends;
    {
        let mut memory = store.memory();
        memory.cache.learn(&asked, &before);
        recall::recall_names(&memory, &mut asked, &mut views, &before)?;
    }
    let Plan { outcomes, changes } = plan(&mut views, batch, limits);
    // What was refused would have been answered otherwise, had it been done before.
    let unseen = |key: &_| !changes.sends.contains_key(key);
    if looked == Names::Believed && asked.sends.iter().any(unseen) {
        return Ok(None);
    }
    if changes.is_empty() {
        return Ok(Some(Committed::new(outcomes, changes)));
    }
    let written = write(store, tx, &before, &changes).await?;
    Ok(written.then(|| Committed::new(outcomes, changes)))
}

/// Decides `commands` as things stand, and writes nothing.
///
/// # Errors
/// What the last of them is refused for.
pub(super) async fn foresee(
    store: &SqliteStore,
    commands: &[Command],
    limits: &Limits,
) -> Result<(), Error> {
    let mut asked = Questions::of(commands);
    let (mut views, mut before) = recall::recall(&mut store.memory(), &mut asked, &store.epoch)?;
    let mut reader = store.read().await?;
    parts::load(&mut reader, &asked, commands.len(), &mut views, &mut before).await?;
    drop(reader);
    recall::recall_names(&store.memory(), &mut asked, &mut views, &before)?;
    let foreseen = plan(&mut views, commands, limits).outcomes.pop();
    foreseen.unwrap_or(Err(Rejection::Settled))?;
    Ok(())
}

/// Writes `changes`; says whether it could: not if one of their names was used before.
async fn write(
    store: &SqliteStore,
    tx: &mut WriteTx,
    before: &Before,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let ends = store.memory().ends;
    let numbers = Numbers::of(before, changes, ends.room);
    let runs = Runs::of(ends.run, &changes.entries, |room| numbers.get(room))?;
    let names = recall::names(changes, |room| numbers.get(room))?;
    let (slice, row) = {
        let mut memory = store.memory();
        memory.doubtful = true;
        (memory.names.add(&names), memory.names.next_row)
    };
    let slice = slice.as_ref();
    let (numbers, runs) = (&numbers, &runs);
    let writing = Writing { before, changes, numbers, runs, names: &names, row, slice };
    let script = writing.script()?;
    if script.begins() {
        tx.opens();
    }
    let before = match script.try_run(tx).await {
        Ok(_) => false,
        Err(error) if is_sent_before(&error) => true,
        Err(error) => return Err(failed(error)),
    };
    if before {
        tx.settle().await?;
    } else {
        tx.closed();
    }
    let mut memory = store.memory();
    memory.doubtful = false;
    if before {
        memory.names.remove(&names);
        memory.be_wary();
    } else {
        memory.names.committed(&names, slice);
        memory.ends = Ends { room: numbers.last, run: runs.last };
        memory.cache.remember(changes, |room| {
            Some(Written { pk: numbers.get(room).ok()?, ..Written::default() })
        });
    }
    Ok(!before)
}

/// Whether the statement that writes found a name in `sends`.
fn is_sent_before(error: &sqlx::Error) -> bool {
    // SQLITE_CONSTRAINT_TRIGGER
    matches!(error, sqlx::Error::Database(e) if e.code().as_deref() == Some("1811"))
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::parts::sql;
    use crate::store::sql::views::Part;
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
        let parts: Vec<_> = Part::ALL.into_iter().map(sql).collect();
        let mut statements = vec![format!("SELECT {}", parts.join(", "))];
        // SQLite does not explain triggers: each statement of it by itself, on no rows.
        let triggers = [include_str!("write.sql"), &super::entries::shape(4)].concat();
        for trigger in triggers.split("BEGIN\n").skip(1) {
            let (body, _) = trigger.split_once("END;").expect("its end");
            for statement in body.split(";\n").filter(|s| !s.trim().is_empty()) {
                let pieces =
                    statement.split("NEW.").enumerate().map(|(index, piece)| match index {
                        0 => piece.to_owned(),
                        _ => format!(
                            "NULL{}",
                            piece.trim_start_matches(|c: char| c == '_' || c.is_alphanumeric())
                        ),
                    });
                let statement: String = pieces.collect();
                statements.push(statement.replace("RAISE(ABORT, 'sent before')", "1"));
            }
        }
        assert_eq!(statements.len(), 1 + 3 + 12 + 5 + 7);
        for statement in &statements {
            for step in steps(&store, statement).await {
                let walks = step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE");
                let harmless = ["CONSTANT ROW", "totals", "SCAN k", "SCAN e", "SCAN (subquery"]
                    .iter()
                    .any(|few| step.contains(few));
                // A room's log is as long as a table.
                let room = step.contains("SEARCH log") && step.ends_with("(room=?)");
                assert!(!walks && !room || harmless, "{step} in {statement}");
            }
        }
    }
}
