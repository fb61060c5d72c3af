-- What a host does in transactions of its own, and what is done for it after commits.

-- Commands that the host has handed in within a transaction of its own, brought over from the table in
-- its file in the order in which they were committed there. One that is done stays until it is gone there.
CREATE TABLE inbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,     -- drawn when it was handed in
    host_id    INTEGER NOT NULL,            -- its place in the host's file
    room       TEXT    NOT NULL,
    key        TEXT,                        -- a message's id; empty for marks; none for what changes a room
    command    TEXT    NOT NULL,            -- JSON
    state      INTEGER NOT NULL DEFAULT 0,  -- 0 waits, 1 is done, 2 was refused
    code       TEXT,                        -- refused: why
    why        TEXT,
    refused_at INTEGER
) STRICT;

-- Those that wait, those that are done, and those that were refused.
CREATE INDEX inbox_states ON inbox (state, id);

-- A room's, to see what they will have done.
CREATE INDEX inbox_rooms ON inbox (room, key);

-- How far a hook that runs after commits has come: all runs before `pos`, and of that one all up to `seq`.
-- Up to `end_pos` and `end_seq` it is being told, and will be told the same again.
CREATE TABLE hooks (
    name    TEXT    PRIMARY KEY,
    pos     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    end_pos INTEGER,
    end_seq INTEGER
) STRICT, WITHOUT ROWID;
