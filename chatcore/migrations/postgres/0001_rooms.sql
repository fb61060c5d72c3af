-- Rooms, members, logs.
--
-- Rooms have a small number of their own (`pk`), so that the many rows that belong to one stay short.
-- Times are milliseconds since 1970 in UTC. Texts that are compared or put in order are so byte by byte
-- (`COLLATE "C"`), whatever the order of the database is. Tables whose rows change often leave room on
-- their pages, and no index of theirs holds what changes, so that a change writes no index.

CREATE TABLE meta (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- Counts over everything that was ever made, as far as it has its place in the order of commits: one
-- row, whose lock is that of giving places.
CREATE TABLE totals (
    one      boolean PRIMARY KEY CHECK (one),
    rooms    bigint NOT NULL,
    messages bigint NOT NULL
);

INSERT INTO totals VALUES (true, 0, 0);

CREATE SEQUENCE room_numbers AS bigint;

CREATE TABLE rooms (
    pk         bigint  PRIMARY KEY,
    version    bigint  NOT NULL,            -- how often it, or how its members stand to it, was changed
    id         text    COLLATE "C" NOT NULL UNIQUE,
    kind       bigint  NOT NULL,            -- 1 public, 2 private, 3 direct
    name       text,
    topic      text,
    created_at bigint  NOT NULL,
    created_by text    NOT NULL,
    keep       bigint  NOT NULL,
    head_seq   bigint  NOT NULL,
    head_n     bigint  NOT NULL,
    floor_seq  bigint  NOT NULL,
    members    bigint  NOT NULL,
    owners     bigint  NOT NULL,
    pins       bigint  NOT NULL,
    deleted_at bigint,
    dead_seq   bigint  NOT NULL,            -- up to here nothing can be read: the floor, or all if deleted
    swept_seq  bigint  NOT NULL DEFAULT 0   -- all up to here is gone from `log`
) WITH (fillfactor = 50);

-- The public ones, for those who look around.
CREATE INDEX rooms_public ON rooms (id) WHERE kind = 1 AND deleted_at IS NULL;

-- Those with rows that nothing can reach any more.
CREATE INDEX rooms_to_sweep ON rooms (pk) WHERE swept_seq < dead_seq;

CREATE TABLE members (
    room          bigint NOT NULL,
    "user"        text   COLLATE "C" NOT NULL,
    standing      bigint NOT NULL,          -- 1 joined, 2 invited, 3 left, 4 kicked, 5 banned
    banned_until  bigint,
    role          bigint NOT NULL,          -- 1 member, 2 moderator, 3 owner
    muted_until   bigint,
    entered_seq   bigint NOT NULL,
    read_seq      bigint NOT NULL,
    read_n        bigint NOT NULL,
    delivered_seq bigint NOT NULL,
    PRIMARY KEY (room, "user")
) WITH (fillfactor = 70);

-- Who is in a room, in the order of ids, whatever the number of those who left.
CREATE INDEX members_joined ON members (room, "user") WHERE standing = 1;

-- Who is next in line to own a room.
CREATE INDEX members_succession ON members (room, role DESC, entered_seq) WHERE standing = 1;

-- A user's rooms.
CREATE INDEX members_rooms ON members ("user", room) WHERE standing <= 2;

-- How many rooms people are in.
CREATE TABLE user_counts (
    "user" text   COLLATE "C" PRIMARY KEY,
    joined bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE log (
    room          bigint   NOT NULL,
    seq           bigint   NOT NULL,
    n             bigint,                   -- messages only: their count
    ts            bigint   NOT NULL,
    kind          smallint NOT NULL,
    "user"        text     NOT NULL,
    client_msg_id text,
    edits         text     COLLATE "C",     -- edits only: the id of the message
    body          text     NOT NULL,        -- JSON
    PRIMARY KEY (room, seq)
);

-- Pages of messages, and the count of messages at any place.
CREATE INDEX log_messages ON log (room, seq) WHERE n IS NOT NULL;

-- The edits of a message, which lose their text when it is deleted.
CREATE INDEX log_edits ON log (edits) WHERE edits IS NOT NULL;

-- What took effect once, for ever. The key is the message's id, or what an edit or a deletion
-- derives in the same way; those have an `n` of 0. Both it and the fingerprint are 16 bytes of a hash,
-- over the room's id among other things: `uuid` is the type that keeps 16 bytes and nothing else.
CREATE TABLE sends (
    key         uuid   PRIMARY KEY,
    fingerprint uuid   NOT NULL,
    room        bigint NOT NULL,
    seq         bigint NOT NULL,
    n           bigint NOT NULL,
    ts          bigint NOT NULL
);

CREATE TABLE reactions (
    room   bigint NOT NULL,
    seq    bigint NOT NULL,
    emoji  text   COLLATE "C" NOT NULL,
    "user" text   COLLATE "C" NOT NULL,
    PRIMARY KEY (room, seq, emoji, "user")
);

CREATE TABLE reaction_counts (
    room  bigint NOT NULL,
    seq   bigint NOT NULL,
    emoji text   COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    first bigint NOT NULL,                  -- where in the log the first of them stands
    PRIMARY KEY (room, seq, emoji)
) WITH (fillfactor = 70);

CREATE TABLE pins (
    room bigint NOT NULL,
    seq  bigint NOT NULL,
    PRIMARY KEY (room, seq)
);

-- The order of commits over all rooms.
CREATE TABLE runs (
    pos   bigint PRIMARY KEY,
    room  bigint NOT NULL,
    first bigint NOT NULL,
    last  bigint NOT NULL
);

-- Commits that have no place in it yet: each a row, with the stretches that it wrote. The `id` is drawn
-- under the locks of its rooms. Of two of which one was over when the other began, that one's is
-- lower; of two that were under way together either may come first.
CREATE TABLE runs_pending (
    id       bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made     bigint   NOT NULL,             -- rooms
    messages bigint   NOT NULL,
    rooms    bigint[] NOT NULL,
    firsts   bigint[] NOT NULL,
    lasts    bigint[] NOT NULL
);
