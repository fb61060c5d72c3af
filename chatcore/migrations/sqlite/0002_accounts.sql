-- Accounts, sessions, and the proofs of e-mail addresses that are waited for.
--
-- No secret is in here: passwords are scrypt hashes, and codes, links, tickets and refresh tokens
-- are hashes under a key that is kept elsewhere.

-- `pk` is never given twice: the largest one tells how many accounts were ever made.
CREATE TABLE accounts (
    pk           INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    handle       TEXT,
    email        TEXT,
    display_name TEXT    NOT NULL,
    external_id  TEXT,
    avatar       TEXT,
    created_at   INTEGER NOT NULL,
    disabled     INTEGER NOT NULL,
    password     TEXT    NOT NULL,          -- PHC string
    generation   INTEGER NOT NULL
) STRICT;

-- Who holds a name, in each of the forms in which it is compared.
CREATE TABLE account_names (
    kind    INTEGER NOT NULL,               -- 1 handle, 2 e-mail address, 3 external id
    key     TEXT    NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts (pk) ON DELETE CASCADE,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_names_of ON account_names (account);

CREATE TABLE sessions (
    pk         INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    user       TEXT    NOT NULL,
    device     TEXT    NOT NULL,
    user_agent TEXT,
    addr       TEXT,
    created_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    family     BLOB    NOT NULL,
    refresh    BLOB    NOT NULL
) STRICT;

CREATE INDEX sessions_of ON sessions (user, created_at);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE tickets (
    pk         INTEGER PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    session    TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX tickets_of ON tickets (session);
CREATE INDEX tickets_expiring ON tickets (expires_at);

CREATE TABLE verifications (
    pk         INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    purpose    INTEGER NOT NULL,            -- 1 confirm, 2 reset
    subject    TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    pending    TEXT    NOT NULL,            -- JSON
    code       BLOB,
    link       BLOB    UNIQUE,
    tries      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX verifications_of ON verifications (purpose, subject, created_at);
CREATE INDEX verifications_expiring ON verifications (expires_at);
