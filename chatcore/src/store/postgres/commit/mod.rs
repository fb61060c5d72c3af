//! A batch of commands: decided on what is believed, written if that is so.

mod parts;
mod write;

use std::collections::HashMap;

use sqlx::{Postgres, Transaction};

use self::write::Writing;
use super::PostgresStore;
use super::client::{Fault, Tx, pause};
use super::error::{asks_again, corrupt, is_taken};
use super::inbox;
use super::rows::Fields;
use super::sql::{Args, of_schema};
use crate::error::Error;
use crate::id::RoomId;
use crate::limits::Limits;
use crate::room::{Changes, Command, Plan, Rejection, View, Views, plan};
use crate::store::sql::cache::{Cache, Written};
use crate::store::sql::views::{Before, Questions};
use crate::store::{Committed, StoreError};

/// How often a batch is decided again because others were faster.
const TRIES: u32 = 12;

/// After what was believed turned out to be old, as many batches look first: another node
/// writes to the same rooms, or someone sends old things again.
const WARY: u32 = 64;

/// What is believed without looking.
#[derive(Debug)]
pub(super) struct Memory {
    cache: Cache,
    wary: u32,
}

impl Memory {
    /// At most so many rooms and members.
    pub(super) fn new(rows: usize) -> Self {
        Self { cache: Cache::new(rows), wary: 0 }
    }
}

/// How what a batch is decided on is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// Memory says it, and that a name is new is believed; what it does not know is asked.
    Believed,
    /// The database was asked for all of it.
    Asked,
    /// The rooms were locked before it was asked, and nothing can come between.
    Locked,
}

/// What a try came to.
enum Tried {
    Done(Box<Committed>),
    /// Nothing was written: what it was decided on was not so, or not any more.
    Stale,
    /// Nothing was written, and so nothing of what was believed has been checked.
    Unsure,
}

/// Decides and writes. The first try believes, the second asks, and later ones lock: whoever is overtaken is
/// not so for long.
pub(super) async fn commit(
    store: &PostgresStore,
    batch: &[Command],
    limits: &Limits,
) -> Result<Committed, StoreError> {
    if batch.is_empty() {
        return Ok(Committed::default());
    }
    let wary = {
        let mut memory = store.memory();
        memory.wary = memory.wary.saturating_sub(1);
        memory.wary > 0
    };
    let mut look = if wary { Look::Asked } else { Look::Believed };
    store
        .client
        .within(async {
            for tries in 1..TRIES {
                let stale = match attempt(store, batch, limits, look).await {
                    Ok(Tried::Done(committed)) => return Ok(*committed),
                    Ok(Tried::Stale) => true,
                    Ok(Tried::Unsure) => false,
                    Err(Fault::Sqlx(error)) if asks_again(&error) || is_taken(&error) => true,
                    Err(fault) => return Err(fault.into()),
                };
                look = match look {
                    Look::Believed => {
                        if stale {
                            store.memory().wary = WARY;
                        }
                        Look::Asked
                    }
                    Look::Asked => Look::Locked,
                    Look::Locked => {
                        pause(tries).await;
                        Look::Locked
                    }
                };
            }
            match attempt(store, batch, limits, look).await? {
                Tried::Done(committed) => Ok(*committed),
                _ => Err(StoreError::Unavailable("others were faster every time".into())),
            }
        })
        .await
}

async fn attempt(
    store: &PostgresStore,
    batch: &[Command],
    limits: &Limits,
    look: Look,
) -> Result<Tried, Fault> {
    let (mut asked, mut views) = question(store, batch);
    let mut before = Before::default();
    let mut names = Vec::new();
    if look == Look::Believed {
        store.memory().cache.recall(&mut asked, &mut views, &mut before);
        // If there is something to be asked anyway, names are asked for in the same breath.
        if asked.are_names() {
            names = std::mem::take(&mut asked.sends);
        }
    }
    let mut tx = match look {
        Look::Locked => Some(lock(store, &asked.rooms).await?),
        Look::Believed | Look::Asked => None,
    };
    let asking = asked.asking(batch.len())?;
    if let Some(script) = parts::script(&asking) {
        let (sql, arguments) = script.done(&store.client.schema)?;
        let rows = match &mut tx {
            Some(tx) => tx.fetch(sql, arguments).await.map_err(Fault::Sqlx)?,
            None => store.client.fetch(sql, arguments).await?,
        };
        parts::answer(&asked, &asking, rows.first(), &mut views, &mut before)?;
        store.memory().cache.learn(&asked, &before);
    }
    let Plan { outcomes, changes } = plan(&mut views, batch, limits);
    // What was refused would have been answered otherwise, had it been done before.
    let unseen = names.iter().any(|name| !changes.sends.contains_key(name));
    if look == Look::Believed && (unseen || changes.is_empty()) {
        return Ok(Tried::Unsure);
    }
    if changes.is_empty() {
        if let Some(tx) = tx {
            tx.roll_back().await?;
        }
        return Ok(Tried::Done(Box::new(Committed::new(outcomes, changes))));
    }
    let new = new_rooms(store, &mut tx, &before, &changes).await?;
    let writing = Writing { before: &before, changes: &changes, views: &views, new: &new };
    let (script, told) = writing.script()?;
    let (sql, arguments) = script.done(&store.client.schema)?;
    let rows = match &mut tx {
        Some(tx) => tx.fetch(sql, arguments).await.map_err(Fault::Sqlx),
        None => store.client.try_write(sql, arguments).await,
    };
    let rows = match rows {
        Err(Fault::Sqlx(error)) if write::is_stale(&error) => {
            forget(store, &before);
            return Ok(Tried::Stale);
        }
        rows => rows?,
    };
    let row = rows.first().ok_or_else(|| corrupt("no answer"))?;
    let mut row = Fields::of(row);
    if row.take::<i64>()? == 0 {
        forget(store, &before);
        return Ok(Tried::Stale);
    }
    if let Some(tx) = tx {
        tx.commit().await?;
    }
    let places = row.take::<Option<Vec<String>>>()?.unwrap_or_default();
    let places: HashMap<_, _> = told.into_iter().zip(places).collect();
    store.memory().cache.remember(&changes, |room| {
        let written = writing.written(room)?;
        let place = places.get(room).map(|place| place.as_str().into());
        Some(Written { place: place.or(written.place), ..written })
    });
    Ok(Tried::Done(Box::new(Committed::new(outcomes, changes))))
}

/// Decides `commands` as things stand in a transaction of the host's, and writes nothing.
///
/// # Errors
/// What the last of them is refused for.
pub(super) async fn foresee(
    store: &PostgresStore,
    tx: &mut Transaction<'_, Postgres>,
    commands: &[Command],
    limits: &Limits,
) -> Result<(), Error> {
    let (asked, mut views) = question(store, commands);
    let asking = asked.asking(commands.len())?;
    if let Some(script) = parts::script(&asking) {
        let (sql, arguments) = script.done(&store.client.schema)?;
        let rows = inbox::run(tx, sql, arguments).await?;
        parts::answer(&asked, &asking, rows.first(), &mut views, &mut Before::default())?;
    }
    let foreseen = plan(&mut views, commands, limits).outcomes.pop();
    foreseen.unwrap_or(Err(Rejection::Settled))?;
    Ok(())
}

/// What a batch needs to be decided, and where the answers go.
fn question(store: &PostgresStore, batch: &[Command]) -> (Questions, Views) {
    let asked = Questions::of(batch);
    let views = Views {
        epoch: store.epoch.clone(),
        rooms: asked.rooms.iter().map(|room| (room.clone(), View::default())).collect(),
        joined_counts: asked.joined.iter().map(|user| (user.clone(), 0)).collect(),
        uploads: Default::default(),
        inbox: Default::default(),
        blocks: Default::default(),
    };
    (asked, views)
}

/// Begins a transaction with the rooms locked, in an order that is the same for everybody. What is read
/// after this is what was committed before.
async fn lock(store: &PostgresStore, rooms: &[RoomId]) -> Result<Tx, Fault> {
    const LOCK: &str = "SELECT 1 FROM $.rooms WHERE id = ANY ($1) ORDER BY pk FOR NO KEY UPDATE";
    let rooms: Vec<_> = rooms.iter().map(RoomId::as_str).collect();
    let arguments = Args::default().bind(rooms).done()?;
    let mut tx = store.client.begin().await?;
    tx.fetch(of_schema(LOCK, &store.client.schema), arguments).await.map_err(Fault::Sqlx)?;
    Ok(tx)
}

/// Numbers for rooms that are new.
async fn new_rooms(
    store: &PostgresStore,
    tx: &mut Option<Tx>,
    before: &Before,
    changes: &Changes,
) -> Result<HashMap<RoomId, i64>, Fault> {
    const DRAW: &str = "SELECT nextval('$.room_numbers') FROM generate_series(1, $1)";
    let new: Vec<_> =
        changes.rooms.keys().filter(|room| !before.rooms.contains_key(*room)).collect();
    if new.is_empty() {
        return Ok(HashMap::new());
    }
    let arguments = Args::default().bind(i64::try_from(new.len()).map_err(corrupt)?).done()?;
    let sql = of_schema(DRAW, &store.client.schema);
    let rows = match tx {
        Some(tx) => tx.fetch(sql, arguments).await.map_err(Fault::Sqlx)?,
        None => store.client.fetch(sql, arguments).await?,
    };
    let numbers = rows.iter().map(|row| Fields::of(row).take());
    let numbers = numbers.collect::<Result<Vec<i64>, StoreError>>()?;
    Ok(new.into_iter().cloned().zip(numbers).collect())
}

/// Forgets what turned out to be old.
fn forget(store: &PostgresStore, before: &Before) {
    let mut memory = store.memory();
    for room in before.rooms.keys() {
        memory.cache.forget(room);
    }
}
