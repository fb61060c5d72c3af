-- What people report, and who did what to whom. Neither refers to rows of other tables: both outlive
-- rooms and messages.

CREATE TABLE reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    reporter    TEXT    NOT NULL,
    room        TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    author      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    text        TEXT    NOT NULL,           -- as it was when it was reported
    resolved_at INTEGER,
    resolved_by TEXT,
    UNIQUE (reporter, message)
) STRICT;

CREATE INDEX reports_open ON reports (id) WHERE resolved_at IS NULL;
CREATE INDEX reports_author ON reports (author);
CREATE INDEX reports_age ON reports (at);

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    room   TEXT,
    record TEXT    NOT NULL                 -- JSON
) STRICT;

CREATE INDEX audit_room ON audit (room, id) WHERE room IS NOT NULL;
CREATE INDEX audit_age ON audit (at);

CREATE TABLE admins (
    user  TEXT    PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many messages there had ever been at the end of each day, counted from 1970 in UTC.
CREATE TABLE days (
    day      INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL
) STRICT;
