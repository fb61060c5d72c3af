-- The index of a search, made from the log after the fact. A migration that changes what terms are
-- empties both tables, and everything is filed again.

-- How far in the order of commits (`runs`) everything is filed, and the number of the next message: one
-- row, whose lock is that of filing.
CREATE TABLE search_filed (
    one  boolean PRIMARY KEY CHECK (one),
    pos  bigint NOT NULL,
    last bigint NOT NULL,
    next bigint NOT NULL
);

INSERT INTO search_filed VALUES (true, 0, 0, 1);

-- The messages that are filed, numbered in the order of commits, and under which terms. Terms are made by
-- chatcore; each begins with the message's block (its `id` by 4,096) and a colon, so that the newest
-- blocks can be asked alone, and what is common costs no more than what is rare. After that, `_r` and
-- `_u` begin those that stand for a room and an author. What is found here is compared with the log.
CREATE TABLE search_docs (
    id    bigint   PRIMARY KEY,
    room  bigint   NOT NULL,
    seq   bigint   NOT NULL,
    terms tsvector NOT NULL
);

CREATE UNIQUE INDEX search_docs_places ON search_docs (room, seq);

-- Without a list of what is still to be put in, which every search would have to go through.
CREATE INDEX search_docs_terms ON search_docs USING gin (terms) WITH (fastupdate = off);
