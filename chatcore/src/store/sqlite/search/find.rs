//! Finding messages.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Open;
use super::file::{file, is_up_to_date};
use crate::id::RoomId;
use crate::log::Entry;
use crate::search::{Scope, Search, Term};
use crate::store::sql::filing::{author_term, room_term};
use crate::store::sql::rows::entry_columns;
use crate::store::sql::steps::Steps;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::error::{corrupt, failed};
use crate::store::sqlite::log::floor;
use crate::store::sqlite::rows::Fields;
use crate::store::{SearchPage, StoreError};

/// Entries that are filed at once when a search finds the index behind.
const SLICE: u32 = 2_048;
/// How long a search files what is missing before it answers without.
const CATCH_UP: Duration = Duration::from_secs(1);
/// The numbers of messages that are looked through in the first step.
const WINDOW: i64 = 16 * 1024;
/// Up to so many rooms are part of what the index is asked; more are looked for in what it answers.
const ROOMS: usize = 16;

macro_rules! proposals {
    ($among:literal) => {
        concat!(
            "SELECT json_group_array(json_array(id, room, seq) ORDER BY id DESC) FROM (\
               SELECT d.id, d.room, d.seq FROM terms CROSS JOIN docs d ON d.id = terms.rowid \
               WHERE terms MATCH ? AND terms.rowid > ? AND terms.rowid <= ? ",
            $among,
            "ORDER BY terms.rowid DESC LIMIT ?)"
        )
    };
}
pub(super) const PROPOSALS: &str = proposals!("");
pub(super) const PROPOSALS_AMONG: &str =
    proposals!("AND +d.room IN (SELECT value FROM json_each(?)) ");

const JOINED: &str = "\
SELECT json_group_array(room) FROM members INDEXED BY members_rooms \
WHERE user = ? AND standing <= 2 AND standing = 1";

const NAMED: &str = "\
SELECT json_group_array(r.pk) FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value \
WHERE r.deleted_at IS NULL";

/// What is proposed, as it is now.
const PRESENT: &str = concat!(
    "SELECT j.value ->> 0, r.id, ",
    entry_columns!(),
    " FROM json_each(?) j CROSS JOIN rooms r ON r.pk = j.value ->> 1 \
     CROSS JOIN log l ON l.room = r.pk AND l.seq = j.value ->> 2 AND l.seq > ",
    floor!(),
    " WHERE l.n IS NOT NULL ORDER BY j.key"
);

#[derive(Clone, Copy, Deserialize, Serialize)]
struct Proposal(i64, i64, i64);

/// One page.
pub(super) async fn find(store: &SqliteStore, search: &Search) -> Result<SearchPage, StoreError> {
    let index = store.index().await?;
    let behind = !catch_up(store, &index).await?;
    let rooms = rooms(store, &search.scope).await?;
    let mut page = SearchPage { behind, ..SearchPage::default() };
    if rooms.is_empty() || search.limit == 0 {
        return Ok(page);
    }
    let asked = asked(search, &rooms);
    let among = match rooms.len() > ROOMS {
        true => Some(serde_json::to_string(&rooms).map_err(corrupt)?),
        false => None,
    };
    let newest = index.filed().1 - 1;
    let after = search.after.as_deref().and_then(|id| id.parse::<i64>().ok());
    // Everything above this is looked through.
    let mut top = after.map_or(newest, |id| (id - 1).clamp(0, newest));
    let mut steps = Steps::new(WINDOW, search.limit);
    while top > 0 {
        let (window, most) = steps.next();
        let from = (top - window).max(0);
        let proposed = proposals(&index, &asked, among.as_deref(), (from, top), most).await?;
        top = match proposed.last() {
            Some(last) if proposed.len() == most => last.0 - 1,
            _ => from,
        };
        for (id, entry) in present(store, &proposed).await? {
            if search.finds(&entry) {
                page.found.push(entry);
                if page.found.len() == search.limit as usize {
                    page.next = (id > 1).then(|| id.to_string());
                    return Ok(page);
                }
            }
        }
        if !steps.go_on() && top > 0 {
            page.next = Some((top + 1).to_string());
            return Ok(page);
        }
    }
    Ok(page)
}

/// Files what was committed before this was called; says whether all of it is filed.
async fn catch_up(store: &SqliteStore, index: &Open) -> Result<bool, StoreError> {
    let begun = Instant::now();
    while !is_up_to_date(store, index) {
        if begun.elapsed() >= CATCH_UP {
            return Ok(false);
        }
        file(store, index, SLICE).await?;
    }
    Ok(true)
}

/// The numbers of the rooms to look into.
async fn rooms(store: &SqliteStore, scope: &Scope) -> Result<Vec<i64>, StoreError> {
    let query = match scope {
        Scope::Joined(user) => sqlx::query(JOINED).bind(user.as_str()),
        Scope::Rooms(rooms) => {
            let rooms: Vec<&str> = rooms.iter().map(RoomId::as_str).collect();
            sqlx::query(NAMED).bind(serde_json::to_string(&rooms).map_err(corrupt)?)
        }
    };
    let row = query.fetch_one(&mut *store.read().await?).await.map_err(failed)?;
    serde_json::from_str(Fields::of(&row).take()?).map_err(corrupt)
}

/// The search in FTS5's words. Terms have neither quotes nor anything else that is special to it.
fn asked(search: &Search, rooms: &[i64]) -> String {
    let mut parts: Vec<String> = search
        .query
        .terms()
        .into_iter()
        .map(|term| match term {
            Term::Whole(term) => format!("\"{term}\""),
            Term::Prefix(term) => format!("\"{term}\" *"),
        })
        .collect();
    parts.extend(search.from.as_ref().map(|user| format!("\"{}\"", author_term(user))));
    if rooms.len() <= ROOMS {
        let mut some = String::from("(");
        for (index, room) in rooms.iter().enumerate() {
            let or = if index > 0 { " OR " } else { "" };
            // Writing to a text does not fail.
            let _ = write!(some, "{or}\"{}\"", room_term(*room));
        }
        parts.push(some + ")");
    }
    parts.join(" AND ")
}

/// Messages that the index holds under all that is asked, with numbers above `from` up to `to`; the
/// newest first.
async fn proposals(
    index: &Open,
    asked: &str,
    among: Option<&str>,
    (from, to): (i64, i64),
    most: usize,
) -> Result<Vec<Proposal>, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let query = sqlx::query(if among.is_some() { PROPOSALS_AMONG } else { PROPOSALS });
    let mut query = query.bind(asked).bind(from).bind(to);
    if let Some(among) = among {
        query = query.bind(among);
    }
    let row =
        query.bind(most).fetch_one(&mut *index.readers.hold().await?).await.map_err(failed)?;
    serde_json::from_str(Fields::of(&row).take()?).map_err(corrupt)
}

/// What is still there of what was proposed, with its number.
async fn present(
    store: &SqliteStore,
    proposed: &[Proposal],
) -> Result<Vec<(i64, Entry)>, StoreError> {
    if proposed.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(PRESENT)
        .bind(serde_json::to_string(proposed).map_err(corrupt)?)
        .fetch_all(&mut *store.read().await?)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let mut row = Fields::of(row);
            let (id, room) = (row.take()?, row.room_id()?);
            Ok((id, row.entry(&room, &store.epoch)?))
        })
        .collect()
}
