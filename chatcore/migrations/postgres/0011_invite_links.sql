-- Links by which people come into a room. Of their codes only a hash is kept, in hexadecimal. How many there
-- are in a room is bounded; those that are over go when another one is made.
CREATE TABLE invite_links (
    room       bigint NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    hash       text   COLLATE "C" NOT NULL UNIQUE,
    created_by text   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    uses       bigint,
    used       bigint NOT NULL,
    PRIMARY KEY (room, id)
) WITH (fillfactor = 70);
