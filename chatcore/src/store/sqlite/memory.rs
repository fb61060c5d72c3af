//! What the store knows without looking.

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::error::{corrupt, failed};
use super::names::Names;
use crate::store::StoreError;
use crate::store::sql::cache::Cache;
use crate::store::sql::runs::Stretch;

/// After a name turned out to have been used before, as many batches have theirs looked up at once:
/// someone may be sending old things again, and to write first and look then is dearer.
const WARY: u32 = 64;

/// What a commit would otherwise have to ask the disk. It changes while the writing connection is
/// held, and by nobody else.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) cache: Cache,
    pub(super) names: Names,
    pub(super) ends: Ends,
    /// A commit is under way, or was dropped or failed on its way: what is on the disk may be more.
    pub(super) doubtful: bool,
    wary: u32,
    bounds: Bounds,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Rooms and members.
    pub(super) rows: usize,
    /// Names that gather before they are filed.
    pub(super) names: usize,
}

/// Where the tables end that are numbered in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    /// The highest number of a room.
    pub(super) room: i64,
    /// The last run.
    pub(super) run: Stretch,
}

impl Memory {
    /// What is to be known of a file from the start.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        bounds: Bounds,
    ) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT coalesce(max(pk), 0) FROM rooms), \
             (SELECT json_array(pos, room, first, last) FROM runs \
              WHERE pos = (SELECT max(pos) FROM runs))",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
        let room = row.try_get(0).map_err(failed)?;
        let run = match row.try_get::<Option<&str>, _>(1).map_err(failed)? {
            Some(run) => serde_json::from_str(run).map_err(corrupt)?,
            None => Default::default(),
        };
        let rows = sqlx::query("SELECT pos, names FROM sends_recent ORDER BY pos")
            .fetch_all(connection)
            .await
            .map_err(failed)?;
        let rows = rows
            .iter()
            .map(|row| Ok((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?)))
            .collect::<Result<Vec<(i64, &[u8])>, StoreError>>()?;
        Ok(Self {
            cache: Cache::new(bounds.rows),
            names: Names::read(rows, bounds.names)?,
            ends: Ends { room, run },
            doubtful: false,
            wary: 0,
            bounds,
        })
    }

    /// How much is kept.
    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Whether names should rather be looked up first.
    pub(super) fn is_wary(&mut self) -> bool {
        self.wary = self.wary.saturating_sub(1);
        self.wary > 0
    }

    pub(super) fn be_wary(&mut self) {
        self.wary = WARY;
    }
}
