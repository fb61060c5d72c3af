//! Entries of logs, many in one statement.
//!
//! Rows of bound arguments cost a third of what rows of JSON do. A statement for a number of rows is
//! an insert of one very wide row into a view, whose trigger writes all of them and what else a message
//! brings, so that SQLite's thread wakes its caller once for all.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::write::Numbers;
use crate::log::{Body, Entry};
use crate::room::Changes;
use crate::store::StoreError;
use crate::store::sqlite::error::{corrupt, failed};
use crate::store::sqlite::names::{Key, Name, STEP, Slice};
use crate::store::sqlite::script::Script;

/// The numbers of rows that there is a statement for; what is left of the last one stays empty.
pub(super) const SHAPES: [usize; 5] = [1, 4, 16, 32, 64];

/// Arguments of a row: an entry, and a name to be looked for in `sends`.
const WIDTH: usize = 9 + 2;

/// Arguments before the rows.
const BESIDE: usize = 6;

/// Statements, for each shape.
static INSERTS: LazyLock<[String; SHAPES.len()]> = LazyLock::new(|| {
    SHAPES.map(|rows| {
        let marks = vec!["?"; BESIDE + rows * WIDTH].join(",");
        format!("INSERT INTO log_written_{rows} VALUES ({marks})")
    })
});

/// What files [`STEP`] names. Those that are filed already stay as they are.
static FILE: LazyLock<String> = LazyLock::new(|| {
    let rows = ["(?,?,?,?,?,?)"; STEP].join(",");
    format!(
        "INSERT INTO sends (room, key, seq, n, ts, fingerprint) VALUES {rows} ON CONFLICT DO NOTHING"
    )
});

/// The view and the trigger for a shape.
pub(super) fn shape(rows: usize) -> String {
    let columns: Vec<_> = (0..rows * WIDTH).map(|column| format!("c{column}")).collect();
    let nulls = vec!["NULL"; BESIDE + rows * WIDTH].join(",");
    let values = |from: usize, to: usize| {
        let row = |row: usize| {
            let cells = (from..to).map(|cell| format!("NEW.c{}", row * WIDTH + cell));
            format!("({})", cells.collect::<Vec<_>>().join(","))
        };
        (0..rows).map(row).collect::<Vec<_>>().join(",")
    };
    let (entries, names) = (values(0, 9), values(9, 11));
    let columns = columns.join(",");
    format!(
        "\
CREATE TEMP VIEW log_written_{rows} (longer, marks, runs, messages, pos, names, {columns}) AS
SELECT {nulls};
CREATE TEMP TRIGGER log_written_{rows}_at_once INSTEAD OF INSERT ON log_written_{rows} BEGIN
    SELECT RAISE(ABORT, 'sent before') FROM (
      WITH k (room, key) AS (VALUES {names})
      SELECT 1 FROM k CROSS JOIN sends s ON s.room = k.room AND s.key = k.key);

    INSERT INTO log (room, seq, n, kind, user, ts, client_msg_id, edits, body)
    SELECT * FROM (
      WITH e (room, seq, n, kind, user, ts, client_msg_id, edits, body) AS (VALUES {entries})
      SELECT * FROM e WHERE room IS NOT NULL);

    INSERT INTO sends_recent (pos, names) SELECT NEW.pos, NEW.names WHERE NEW.names IS NOT NULL;

    UPDATE rooms SET head_seq = j.value ->> 1, head_n = j.value ->> 2
    FROM jsonb_each(NEW.longer) j WHERE rooms.pk = j.value ->> 0;

    UPDATE members SET read_seq = j.value ->> 2, read_n = j.value ->> 3, delivered_seq = j.value ->> 4
    FROM jsonb_each(NEW.marks) j WHERE members.room = j.value ->> 0 AND members.user = j.value ->> 1;

    INSERT INTO runs (pos, room, first, last)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(NEW.runs) WHERE true
    ON CONFLICT (pos) DO UPDATE SET last = excluded.last;

    UPDATE totals SET messages = messages + NEW.messages WHERE NEW.messages IS NOT NULL;
END;
"
    )
}

pub(super) async fn prepare(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut sql = String::new();
    for rows in SHAPES {
        sql.write_str(&shape(rows)).map_err(corrupt)?;
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(failed)?;
    Ok(())
}

/// A row to be written.
#[derive(Default)]
pub(super) struct Line<'a> {
    entry: Option<(i64, &'a Entry, String)>,
    name: Option<(i64, &'a Key)>,
}

/// What is new in logs, and the names to look for: there are never more of them than entries.
pub(super) fn lines<'a>(
    changes: &'a Changes,
    numbers: &Numbers<'_>,
    names: &'a [(Key, Name)],
) -> Result<Vec<Line<'a>>, StoreError> {
    let mut names = names.iter();
    changes
        .entries
        .iter()
        .map(|entry| {
            let body = serde_json::to_string(&entry.body).map_err(corrupt)?;
            let name = names.next().map(|(key, name)| (name.room, key));
            Ok(Line { entry: Some((numbers.get(&entry.room)?, entry, body)), name })
        })
        .collect()
}

/// What goes with the first of the rows.
#[derive(Default)]
pub(super) struct Beside {
    /// JSON arrays: rooms that are longer, members whose marks have moved, runs.
    pub(super) beside: Vec<Option<String>>,
    pub(super) messages: usize,
    /// The row of `sends_recent`.
    pub(super) names: Option<(i64, Vec<u8>)>,
}

/// Adds the statements that write `lines`, and what goes with them.
pub(super) fn insert(
    script: &mut Script,
    mut lines: Vec<Line<'_>>,
    beside: Beside,
) -> Result<(), StoreError> {
    if lines.is_empty() {
        if beside.beside.iter().all(Option::is_none) {
            return Ok(());
        }
        lines.push(Line::default());
    }
    let largest = SHAPES[SHAPES.len() - 1];
    let mut beside = Some(beside);
    let mut lines = lines.into_iter();
    while lines.len() > 0 {
        let rows = lines.len().min(largest);
        let shape = SHAPES.iter().position(|shape| *shape >= rows).unwrap_or(SHAPES.len() - 1);
        script.add(&INSERTS[shape]);
        script.reserve(BESIDE + SHAPES[shape] * WIDTH);
        bind_beside(script, beside.take())?;
        for _ in 0..SHAPES[shape] {
            bind_line(script, lines.next().unwrap_or_default())?;
        }
    }
    Ok(())
}

fn bind_beside(script: &mut Script, beside: Option<Beside>) -> Result<(), StoreError> {
    let Some(Beside { beside, messages, names }) = beside else { return nulls(script, BESIDE) };
    beside.into_iter().try_for_each(|column| script.bind(column))?;
    script.bind((messages > 0).then(|| signed(messages as u64)))?;
    match names {
        Some((row, names)) => {
            script.bind(row)?;
            script.bind(names)
        }
        None => nulls(script, 2),
    }
}

fn bind_line(script: &mut Script, line: Line<'_>) -> Result<(), StoreError> {
    match line.entry {
        Some((room, entry, body)) => {
            let edits = match &entry.body {
                Body::Edit { message_id, .. } => Some(Arc::<str>::from(message_id)),
                _ => None,
            };
            script.bind(room)?;
            script.bind(signed(entry.seq.0))?;
            script.bind(entry.n.map(signed))?;
            script.bind(entry.body.kind() as i64)?;
            script.bind(Arc::<str>::from(&entry.user))?;
            script.bind(entry.ts.0)?;
            script.bind(entry.client_msg_id.as_ref().map(Arc::<str>::from))?;
            script.bind(edits)?;
            script.bind(body)?;
        }
        None => nulls(script, 9)?,
    }
    match line.name {
        Some((room, key)) => {
            script.bind(room)?;
            script.bind(key.to_vec())
        }
        None => nulls(script, 2),
    }
}

fn nulls(script: &mut Script, number: usize) -> Result<(), StoreError> {
    (0..number).try_for_each(|_| script.bind(None::<i64>))
}

/// Adds the statements that file a slice of names.
pub(super) fn file(script: &mut Script, slice: &Slice) -> Result<(), StoreError> {
    for names in slice.names.chunks(STEP) {
        script.add(&FILE);
        script.reserve(STEP * 6);
        // The last one again and again is filed once.
        let last = names.iter().cycle().skip(names.len() - 1);
        for (key, Name { room, send }) in names.iter().chain(last).take(STEP) {
            script.bind(*room)?;
            script.bind(key.to_vec())?;
            script.bind(signed(send.seq.0))?;
            script.bind(signed(send.n))?;
            script.bind(send.ts.0)?;
            script.bind(send.fingerprint.to_vec())?;
        }
    }
    if let Some(done) = slice.done {
        script.add("DELETE FROM sends_recent WHERE pos <= ?");
        script.bind(done)?;
    }
    Ok(())
}

/// A number for SQLite, whose numbers end at half of ours.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
