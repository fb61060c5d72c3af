//! How a SQLite store is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;

use super::SqliteStore;
use super::memory::Bounds;
use crate::store::StoreError;

/// Where the file is, and how it is used.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub(super) path: PathBuf,
    pub(super) readers: u32,
    pub(super) busy: Duration,
    pub(super) bounds: Bounds,
    pub(super) host: Option<SqlitePool>,
}

impl SqliteOptions {
    /// The database in the file `path`, which is made if it is not there.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            readers: 4,
            busy: Duration::from_secs(5),
            bounds: Bounds { rows: 32_768, names: 32_768 },
            host: None,
        }
    }

    /// Understands a URL: `sqlite:` and a path, relative to the working directory or absolute.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with a sentence that says how to mend it.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let refuse = |why: &str| Err(StoreError::Unusable(why.to_owned()));
        let Some(path) = url.strip_prefix("sqlite:") else {
            return refuse("a SQLite URL starts with `sqlite:`, as in `sqlite:chat.db`");
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path == ":memory:" {
            return refuse("use `memory:` for a store that keeps nothing, not `sqlite::memory:`");
        }
        if path.is_empty() || path.ends_with('/') {
            return refuse("a SQLite URL names a file, as in `sqlite:chat.db`");
        }
        if path.contains(['?', '#', '\0']) {
            return refuse("a SQLite URL takes no parameters: `sqlite:` and the path of a file");
        }
        Ok(Self::file(path))
    }

    /// How many reads run side by side, each on a connection and a thread of its own. Default 4.
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How many rooms and members are kept in memory, so that a message of one who wrote lately needs
    /// no look at the disk: about 500 bytes each. Default 32 768.
    #[must_use]
    pub fn cached_rows(mut self, rows: usize) -> Self {
        self.bounds.rows = rows;
        self
    }

    /// How many messages may gather before their names (what makes a send take effect once) are put
    /// into the order of their index, many to a page. The more, the less is written for each. Memory
    /// holds up to three times as many, at about 150 bytes each, and reads them when the store is
    /// opened. Default 32 768.
    #[must_use]
    pub fn recent_sends(mut self, sends: usize) -> Self {
        self.bounds.names = sends;
        self
    }

    /// How long a write waits for a lock that something outside holds (a backup, the `sqlite3`
    /// shell) before it fails with [`StoreError::Unavailable`]. Default 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, busy: Duration) -> Self {
        self.busy = busy;
        self
    }

    /// The host's own database, in another file, whose transactions may write to rooms: see
    /// [`HostWrites`](crate::store::HostWrites). One table is made in it, `chatcore_outbox`.
    ///
    /// Another file, because SQLite has one writer for each: in the same file, a transaction that the host
    /// keeps open would hold up everyone who writes in a room. Rows of that table are cleared away
    /// by a connection of the pool now and then, so a transaction that is to write should begin with
    /// `BEGIN IMMEDIATE` (sqlx's `begin_with`), as with any second writer. What is handed in
    /// is as durable as the host's own rows are.
    #[must_use]
    pub fn host(mut self, pool: SqlitePool) -> Self {
        self.host = Some(pool);
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_files() {
        for (url, path) in [
            ("sqlite:chat.db", "chat.db"),
            ("sqlite://chat.db", "chat.db"),
            ("sqlite:data/chat.db", "data/chat.db"),
            ("sqlite:/var/lib/chat.db", "/var/lib/chat.db"),
            ("sqlite:///var/lib/chat.db", "/var/lib/chat.db"),
        ] {
            let options = SqliteOptions::from_url(url).expect("a sound URL");
            assert_eq!(options.path, Path::new(path), "{url}");
        }
    }

    #[test]
    fn urls_that_cannot_be_served_are_refused_with_advice() {
        for (url, advice) in [
            ("sqlite::memory:", "`memory:`"),
            ("sqlite:", "names a file"),
            ("sqlite:data/", "names a file"),
            ("sqlite:chat.db?mode=ro", "no parameters"),
            ("postgres://localhost", "starts with `sqlite:`"),
        ] {
            let error = SqliteOptions::from_url(url).expect_err("an unsound URL").to_string();
            assert!(error.contains(advice), "{url}: {error}");
        }
    }
}
