-- People who are to be erased, or were: their ids are never anybody's again.

ALTER TABLE accounts ADD COLUMN erased boolean NOT NULL DEFAULT false;

CREATE TABLE erasures (
    "user"      text   COLLATE "C" PRIMARY KEY,
    begun_at    bigint NOT NULL,
    finished_at bigint,
    room        text,                       -- how far it is: all in this room up to `seq` is erased
    seq         bigint
);

CREATE INDEX erasures_unfinished ON erasures (begun_at) WHERE finished_at IS NULL;

-- Rooms that someone is not in any more: the other half of `members_rooms`.
CREATE INDEX members_past ON members ("user", room) WHERE standing > 2;

-- Files that someone shared; the other uses have indexes of their own.
CREATE INDEX attachments_shared ON attachments (owner) WHERE state = 5;
