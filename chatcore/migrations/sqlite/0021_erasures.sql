-- People who are to be erased, or were: their ids are never anybody's again.

ALTER TABLE accounts ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;

CREATE TABLE erasures (
    user        TEXT    PRIMARY KEY,
    begun_at    INTEGER NOT NULL,
    finished_at INTEGER,
    room        TEXT,                       -- how far it is: all in this room up to `seq` is erased
    seq         INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX erasures_unfinished ON erasures (begun_at) WHERE finished_at IS NULL;

-- Rooms that someone is not in any more: the other half of `members_rooms`.
CREATE INDEX members_past ON members (user, room) WHERE standing > 2;

-- Files that someone shared; the other uses have indexes of their own.
CREATE INDEX attachments_shared ON attachments (owner) WHERE state = 5;
