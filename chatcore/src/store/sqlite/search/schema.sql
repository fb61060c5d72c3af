-- The index of a search: a file of its own beside the database, made from its log and made anew if it
-- is lost. `version` and the epoch are checked when it is opened.

CREATE TABLE meta (
    version INTEGER NOT NULL,
    epoch   TEXT    NOT NULL
) STRICT;

-- How far in the order of commits (`runs`) everything is filed: one row.
CREATE TABLE filed (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    pos  INTEGER NOT NULL,
    room INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;

INSERT INTO filed VALUES (1, 0, 0, 0);

-- The messages that are filed, numbered in the order of commits.
CREATE TABLE docs (
    id   INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    seq  INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX docs_places ON docs (room, seq);

-- Under which terms. The text is not kept, nor where in it a term stands: what is found here is
-- compared with the log. Terms are made by chatcore, with spaces between; `_r` and `_u` begin those
-- that stand for a room and an author.
CREATE VIRTUAL TABLE terms USING fts5 (
    term, content = '', contentless_delete = 1, detail = 'none',
    prefix = '2 3', tokenize = "ascii tokenchars '_'"
);
