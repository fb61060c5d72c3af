-- Links by which people come into a room. Of their codes only a hash is kept, in hexadecimal. How many there
-- are in a room is bounded; those that are over go when another one is made.
CREATE TABLE invite_links (
    room       INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    hash       TEXT    NOT NULL UNIQUE,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses       INTEGER,
    used       INTEGER NOT NULL,
    PRIMARY KEY (room, id)
) STRICT, WITHOUT ROWID;
