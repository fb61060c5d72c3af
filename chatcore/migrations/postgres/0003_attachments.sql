-- What is known of files; their bytes are in a blob store.

CREATE TABLE attachments (
    id           text   COLLATE "C" PRIMARY KEY,
    owner        text   COLLATE "C" NOT NULL,
    state        bigint NOT NULL,           -- 1 under way, 2 waiting, 3 of a message, 4 avatar, 5 shared, 6 released
    created_at   bigint NOT NULL,
    size         bigint NOT NULL,           -- under way: what it counts for
    -- From here on unknown while it is under way.
    name         text,
    content_type text,
    width        bigint,
    height       bigint,
    hash         bytea,
    -- Of a message: which.
    room         text   COLLATE "C",
    seq          bigint
);

-- What counts against its owner's limit.
CREATE INDEX attachments_waiting ON attachments (owner, size) WHERE state <= 2;

-- What may have waited too long.
CREATE INDEX attachments_age ON attachments (created_at) WHERE state <= 2;

-- The files of a room.
CREATE INDEX attachments_room ON attachments (room) WHERE state = 3;

-- One picture for each.
CREATE UNIQUE INDEX attachments_avatar ON attachments (owner) WHERE state = 4;

-- What is to be removed.
CREATE INDEX attachments_released ON attachments (id) WHERE state = 6;
