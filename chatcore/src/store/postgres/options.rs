//! How a PostgreSQL store is opened.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use super::PostgresStore;
use crate::store::StoreError;

/// The schema that is used unless another is named.
const SCHEMA: &str = "chatcore";

/// What a URL may say beside its address: this store's own words, and sqlx's.
const OURS: [&str; 3] = ["schema", "connections", "pgbouncer"];
const SQLX: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Where the database is, and how it is used.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(super) source: Source,
    pub(super) schema: String,
    pub(super) connections: u32,
    pub(super) pooler: bool,
    pub(super) timeout: Duration,
    pub(super) cached_rows: usize,
}

#[derive(Clone)]
pub(super) enum Source {
    Server(Box<PgConnectOptions>),
    Pool(PgPool),
}

/// Nothing of how one connects: there is a password in it.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Pool(_) => "Pool",
        })
    }
}

impl PostgresOptions {
    fn of(source: Source) -> Self {
        Self {
            source,
            schema: SCHEMA.to_owned(),
            connections: 10,
            pooler: false,
            timeout: Duration::from_secs(10),
            cached_rows: 32_768,
        }
    }

    /// The database that sqlx connects to with these.
    pub fn server(connect: PgConnectOptions) -> Self {
        Self::of(Source::Server(Box::new(connect)))
    }

    /// The database of a pool that the host has. No connection is left changed in any way. Each call
    /// clears what a dropped future may have left open, and each write is a transaction with its settings, which takes
    /// three to four round trips instead of one.
    ///
    /// The store has no connections beside those of the pool. While the host's own transactions hold all of them,
    /// every call of the store waits, and fails after [`timeout`](Self::timeout): give the pool some more connections than
    /// the host ever holds at once (three for writing, and as many for reading as readers are to be served at a time), or
    /// the store a pool of its own, by [`server`](Self::server), on the same database: transactions of the host's pool can
    /// be handed to it all the same.
    pub fn pool(pool: PgPool) -> Self {
        Self::of(Source::Pool(pool))
    }

    /// Understands a URL: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with what libpq's URLs take
    /// behind a `?`, and `schema=NAME`, `connections=NUMBER`, `pgbouncer=true` (see the
    /// methods of these names).
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with a sentence that says how to mend it and does not hold the URL.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let refuse = |why: &str| Err(StoreError::Unusable(why.to_owned()));
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return refuse(
                "a PostgreSQL URL starts with `postgres://`, as in `postgres://user@host/database`",
            );
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if OURS.contains(&name) {
                ours.push((name, value));
            } else if SQLX.contains(&name) || name.starts_with("options[") {
                others.push(pair);
            } else {
                return Err(StoreError::Unusable(format!(
                    "a PostgreSQL URL takes no `{name}`; it takes `schema`, `connections`, \
                     `pgbouncer`, `sslmode`, `host` and the like"
                )));
            }
        }
        let connect = PgConnectOptions::from_str(&format!("{address}?{}", others.join("&")));
        let connect = connect.map_err(|error| {
            StoreError::Unusable(format!("the PostgreSQL URL cannot be understood: {error}"))
        })?;
        let mut options = Self::server(connect);
        for (name, value) in ours {
            options = match (name, value) {
                ("schema", name) => options.schema(name)?,
                ("connections", number) => match number.parse() {
                    Ok(number) => options.connections(number),
                    Err(_) => return refuse("`connections` in a PostgreSQL URL is a number"),
                },
                (_, "true") => options.pgbouncer(true),
                (_, "false") => options.pgbouncer(false),
                _ => return refuse("`pgbouncer` in a PostgreSQL URL is `true` or `false`"),
            };
        }
        Ok(options)
    }

    /// The schema that holds the tables; made if it is not there. One for each `Chat`, and nothing
    /// else in it. Default `chatcore`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] unless it is of up to 63 small letters, digits and `_`, does not begin with
    /// a digit, nor with `pg_`, which PostgreSQL keeps for itself.
    pub fn schema(mut self, name: &str) -> Result<Self, StoreError> {
        let sound = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.starts_with("pg_");
        if !sound {
            return Err(StoreError::Unusable(
                "the name of a schema is of up to 63 small letters, digits and `_`, and begins \
                 neither with a digit nor with `pg_`"
                    .into(),
            ));
        }
        name.clone_into(&mut self.schema);
        Ok(self)
    }

    /// The most connections that are open at once; of a host's pool the host decides. Default 10.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(2);
        self
    }

    /// Whether a pooler in transaction mode, such as PgBouncer, stands in between. Then settings go with
    /// each transaction instead of each connection, and statements are not kept prepared: it costs round trips.
    /// Default `false`.
    #[must_use]
    pub fn pgbouncer(mut self, pooler: bool) -> Self {
        self.pooler = pooler;
        self
    }

    /// How long a call waits for a connection and for the database, all tries taken together, before it
    /// fails with [`StoreError::Unavailable`]. The database itself gives up a statement after three
    /// quarters of it, and to wait for a lock after half. Default 10 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(10));
        self
    }

    /// How many rooms and members are kept in memory, so that a message of one who wrote lately
    /// needs no look at the database: about 500 bytes each. What is decided on them is written only
    /// if nobody else has changed them since. Default 32 768.
    #[must_use]
    pub fn cached_rows(mut self, rows: usize) -> Self {
        self.cached_rows = rows;
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        PostgresStore::open_with(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_database_and_a_schema() {
        let url = "postgres://ann:secret@db:5433/chat?schema=rooms_2&connections=7&sslmode=disable";
        let options = PostgresOptions::from_url(url).expect("a sound URL");
        let Source::Server(connect) = &options.source else { panic!("a server") };
        assert_eq!((connect.get_host(), connect.get_port()), ("db", 5433));
        assert_eq!(connect.get_database(), Some("chat"));
        assert_eq!((options.schema.as_str(), options.connections), ("rooms_2", 7));
        assert!(!format!("{options:?}").contains("secret"));
    }

    #[test]
    fn urls_that_cannot_be_served_are_refused_with_advice_and_without_their_password() {
        for (url, advice) in [
            ("sqlite:chat.db", "starts with `postgres://`"),
            ("postgres://a:hunter2@db/chat?schema=Rooms", "small letters"),
            ("postgres://a:hunter2@db/chat?schema=", "small letters"),
            ("postgres://a:hunter2@db/chat?schema=a;drop", "small letters"),
            ("postgres://a:hunter2@db/chat?schema=pg_x", "small letters"),
            ("postgres://a:hunter2@db/chat?connections=many", "is a number"),
            ("postgres://a:hunter2@db/chat?pgbouncer=yes", "`true` or `false`"),
            ("postgres://a:hunter2@db/chat?passwort=hunter2", "takes no `passwort`"),
            ("postgres://a:hunter2@db:port/chat", "cannot be understood"),
        ] {
            let error = PostgresOptions::from_url(url).expect_err("an unsound URL").to_string();
            assert!(error.contains(advice) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
