-- Rooms, members, logs.
--
-- Rooms have a small number of their own (`pk`), given in order and never again, so that the many
-- rows that belong to one stay short. Times are milliseconds since 1970 in UTC.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts over everything that was ever made: one row.
CREATE TABLE totals (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    messages INTEGER NOT NULL
) STRICT;

INSERT INTO totals VALUES (1, 0);

CREATE TABLE rooms (
    pk         INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    kind       INTEGER NOT NULL,            -- 1 public, 2 private, 3 direct
    name       TEXT,
    topic      TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    keep       INTEGER NOT NULL,
    head_seq   INTEGER NOT NULL,
    head_n     INTEGER NOT NULL,
    floor_seq  INTEGER NOT NULL,
    members    INTEGER NOT NULL,
    owners     INTEGER NOT NULL,
    pins       INTEGER NOT NULL,
    deleted_at INTEGER,
    swept_seq  INTEGER NOT NULL DEFAULT 0   -- all up to here is gone from `log`
) STRICT;

-- The public ones, for those who look around.
CREATE INDEX rooms_public ON rooms (id) WHERE kind = 1 AND deleted_at IS NULL;

-- Those with rows that nothing can reach any more.
CREATE INDEX rooms_to_sweep ON rooms (pk)
    WHERE swept_seq < CASE WHEN deleted_at IS NULL THEN floor_seq ELSE head_seq END;

CREATE TABLE members (
    room          INTEGER NOT NULL,
    user          TEXT    NOT NULL,
    standing      INTEGER NOT NULL,         -- 1 joined, 2 invited, 3 left, 4 kicked, 5 banned
    banned_until  INTEGER,
    role          INTEGER NOT NULL,         -- 1 member, 2 moderator, 3 owner
    muted_until   INTEGER,
    entered_seq   INTEGER NOT NULL,
    read_seq      INTEGER NOT NULL,
    read_n        INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;

-- Who is in a room, in the order of ids, whatever the number of those who left.
CREATE INDEX members_joined ON members (room, user) WHERE standing = 1;

-- Who is next in line to own a room.
CREATE INDEX members_succession ON members (room, role DESC, entered_seq) WHERE standing = 1;

-- A user's rooms.
CREATE INDEX members_rooms ON members (user, room) WHERE standing <= 2;

-- How many rooms people are in.
CREATE TABLE user_counts (
    user   TEXT PRIMARY KEY,
    joined INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    room          INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    n             INTEGER,                  -- messages only: their count
    kind          INTEGER NOT NULL,
    user          TEXT    NOT NULL,
    ts            INTEGER NOT NULL,
    client_msg_id TEXT,
    edits         TEXT,                     -- edits only: the id of the message
    body          TEXT    NOT NULL,         -- JSON
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

-- Pages of messages, and the count of messages at any place.
CREATE INDEX log_messages ON log (room, seq) WHERE n IS NOT NULL;

-- The edits of a message, which lose their text when it is deleted.
CREATE INDEX log_edits ON log (edits) WHERE edits IS NOT NULL;

-- What took effect once, for ever. The key is the message's id, or what an edit or a deletion
-- derives in the same way; those have an `n` of 0.
CREATE TABLE sends (
    room        INTEGER NOT NULL,
    key         BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    ts          INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;

-- The newest of them, which are not in `sends` yet: the names of one commit each, packed.
CREATE TABLE sends_recent (
    pos   INTEGER PRIMARY KEY,
    names BLOB    NOT NULL                  -- of 64 bytes: key, room, seq, n, ts, fingerprint
) STRICT;

CREATE TABLE reactions (
    room  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    emoji TEXT    NOT NULL,
    user  TEXT    NOT NULL,
    PRIMARY KEY (room, seq, emoji, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE reaction_counts (
    room  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    emoji TEXT    NOT NULL,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,                 -- where in the log the first of them stands
    PRIMARY KEY (room, seq, emoji)
) STRICT, WITHOUT ROWID;

CREATE TABLE pins (
    room INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

-- The order of commits over all rooms.
CREATE TABLE runs (
    pos   INTEGER PRIMARY KEY,
    room  INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;
