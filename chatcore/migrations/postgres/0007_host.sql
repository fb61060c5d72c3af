-- What a host does in transactions of its own, and what is done for it after commits.

-- Commands that a host has handed in within a transaction of its own. The `id` is drawn when one is handed
-- in: of two of which one was committed before the other was handed in, that one's is lower. Once it is
-- in a log, a row is gone; one that was refused stays, with the reason.
CREATE TABLE inbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room       text   COLLATE "C" NOT NULL,
    key        text   COLLATE "C",          -- a message's id; empty for marks; none for what changes a room
    command    text   NOT NULL,             -- JSON
    code       text,                        -- refused: why
    why        text,
    refused_at bigint
);

-- Those that wait, and those that were refused.
CREATE INDEX inbox_waiting ON inbox (id) WHERE code IS NULL;
CREATE INDEX inbox_refused ON inbox (id) WHERE code IS NOT NULL;

-- A room's, to see what they will have done.
CREATE INDEX inbox_rooms ON inbox (room, key);

-- How far a hook that runs after commits has come: all runs before `pos`, and of that one all up to `seq`.
-- Up to `end_pos` and `end_seq` it is being told, and will be told the same again. One node at a time has it,
-- up to a moment.
CREATE TABLE hooks (
    name    text   COLLATE "C" PRIMARY KEY,
    pos     bigint NOT NULL,
    seq     bigint NOT NULL,
    end_pos bigint,
    end_seq bigint,
    holder  text   NOT NULL,
    until   timestamptz NOT NULL
);
