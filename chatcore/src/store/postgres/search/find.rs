//! Finding messages.

use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;

use super::super::order;
use super::super::rows::Fields;
use super::super::sql::Args;
use super::file::file;
use super::{BLOCK, PostgresStore, State};
use crate::id::RoomId;
use crate::log::Entry;
use crate::search::{Scope, Search, Term};
use crate::store::sql::filing::{author_term, room_term};
use crate::store::sql::rows::entry_columns;
use crate::store::sql::steps::Steps;
use crate::store::{SearchPage, StoreError};

/// Entries that are filed at once when a search finds the index behind.
const SLICE: u32 = 2_048;
/// How long a search files what is missing before it answers without.
const CATCH_UP: Duration = Duration::from_secs(1);
/// The blocks that are looked through in the first step.
const BLOCKS: i64 = 4;
/// Up to so many rooms are part of what the index is asked; more are looked for in what it answers.
const ROOMS: usize = 16;

const JOINED: &str = "\
SELECT coalesce(array_agg(room), '{}') FROM $.members \
WHERE \"user\" = $1 AND standing <= 2 AND standing = 1";

const NAMED: &str = "\
SELECT coalesce(array_agg(pk), '{}') FROM $.rooms WHERE id = ANY ($1) AND deleted_at IS NULL";

/// What the index holds under `$3`, block for block, from the newest on; and what of it is still there, as
/// it is now. `+ 0` and `IS TRUE` leave the planner one way: through the terms.
pub(in crate::store::postgres) const PROPOSED_NOW: &str = concat!(
    "SELECT x.id, r.id, ",
    entry_columns!(),
    " FROM (\
       SELECT p.id, p.room, p.seq FROM generate_series($1::bigint, $2::bigint, -1) AS b (block) \
       CROSS JOIN LATERAL (\
         SELECT d.id, d.room, d.seq FROM $.search_docs d \
         WHERE d.terms @@ replace($3, '#', b.block::text)::tsquery AND d.id + 0 <= $4 \
           AND (d.room IN (SELECT unnest($5::bigint[]))) IS TRUE \
         ORDER BY d.id + 0 DESC LIMIT $6) p \
       LIMIT $6) x \
     LEFT JOIN $.rooms r ON r.pk = x.room \
     LEFT JOIN $.log l ON l.room = x.room AND l.seq = x.seq AND l.n IS NOT NULL \
       AND l.seq > r.dead_seq ORDER BY x.id DESC"
);

/// One page.
pub(super) async fn find(store: &PostgresStore, search: &Search) -> Result<SearchPage, StoreError> {
    let (newest, behind) = catch_up(store).await?;
    let rooms = rooms(store, &search.scope).await?;
    let mut page = SearchPage { behind, ..SearchPage::default() };
    if rooms.is_empty() || search.limit == 0 {
        return Ok(page);
    }
    let asked = asked(search, &rooms);
    let after = search.after.as_deref().and_then(|id| id.parse::<i64>().ok());
    // Everything above this is looked through.
    let mut top = after.map_or(newest, |id| id.saturating_sub(1).clamp(0, newest));
    let mut steps = Steps::new(BLOCKS, search.limit);
    while top > 0 {
        let (blocks, most) = steps.next();
        let (high, low) = (top / BLOCK, (top / BLOCK - blocks + 1).max(0));
        let mut args = Args::default();
        args.bind(high).bind(low).bind(asked.as_str()).bind(top).bind(rooms.as_slice());
        args.bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = store.client.read(PROPOSED_NOW, args.done()?).await?;
        let proposed = rows.iter().map(|row| proposal(store, row));
        let proposed = proposed.collect::<Result<Vec<_>, StoreError>>()?;
        top = match proposed.last() {
            Some((id, _)) if proposed.len() == most => id - 1,
            _ => (low * BLOCK - 1).max(0),
        };
        for (id, entry) in proposed {
            let Some(entry) = entry.filter(|entry| search.finds(entry)) else { continue };
            page.found.push(entry);
            if page.found.len() == search.limit as usize {
                page.next = (id > 1).then(|| id.to_string());
                return Ok(page);
            }
        }
        if !steps.go_on() && top > 0 {
            page.next = Some((top + 1).to_string());
            return Ok(page);
        }
    }
    Ok(page)
}

/// Files what was committed before this was called; the number of the newest message that is filed, and
/// whether something is missing.
async fn catch_up(store: &PostgresStore) -> Result<(i64, bool), StoreError> {
    let begun = Instant::now();
    let mut state = State::of(store).await?;
    if state.waiting {
        order::give_places(store).await?;
        state = State::of(store).await?;
    }
    let end = state.end;
    while state.filed < end {
        if begun.elapsed() >= CATCH_UP {
            return Ok((state.next - 1, true));
        }
        file(store, SLICE).await?;
        state = State::of(store).await?;
    }
    Ok((state.next - 1, false))
}

/// The numbers of the rooms to look into.
async fn rooms(store: &PostgresStore, scope: &Scope) -> Result<Vec<i64>, StoreError> {
    let mut args = Args::default();
    let text = match scope {
        Scope::Joined(user) => {
            args.bind(user.as_str().to_owned());
            JOINED
        }
        Scope::Rooms(rooms) => {
            args.bind(rooms.iter().map(RoomId::as_str).collect::<Vec<_>>());
            NAMED
        }
    };
    let rows = store.client.read(text, args.done()?).await?;
    rows.first().map_or(Ok(Vec::new()), |row| Fields::of(row).take())
}

/// The search as a `tsquery`, with `#` where the number of a block is to stand. Terms have neither quotes
/// nor anything else that is special to it.
fn asked(search: &Search, rooms: &[i64]) -> String {
    let whole = |term: &str| format!("'#:{term}'");
    let mut parts: Vec<String> = search
        .query
        .terms()
        .iter()
        .map(|term| match term {
            Term::Whole(term) => whole(term),
            Term::Prefix(term) => whole(term) + ":*",
        })
        .collect();
    parts.extend(search.from.as_ref().map(|user| whole(&author_term(user))));
    if rooms.len() <= ROOMS {
        let some: Vec<String> = rooms.iter().map(|room| whole(&room_term(*room))).collect();
        parts.push(format!("({})", some.join(" | ")));
    }
    parts.join(" & ")
}

/// A message's number in the index, and the message, if it is still there.
fn proposal(store: &PostgresStore, row: &PgRow) -> Result<(i64, Option<Entry>), StoreError> {
    let there =
        sqlx::Row::try_get::<Option<i64>, _>(row, 2).map_err(super::super::error::failed)?;
    let mut row = Fields::of(row);
    let id = row.take()?;
    if there.is_none() {
        return Ok((id, None));
    }
    let room = row.room_id()?;
    Ok((id, Some(row.entry(&room, &store.epoch)?)))
}
