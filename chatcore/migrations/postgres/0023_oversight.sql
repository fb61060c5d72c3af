-- What people report, and who did what to whom. Neither refers to rows of other tables: both outlive
-- rooms and messages.

CREATE TABLE reports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          bigint NOT NULL,
    reporter    text   COLLATE "C" NOT NULL,
    room        text   NOT NULL,
    message     text   COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,
    author      text   COLLATE "C" NOT NULL,
    reason      text   NOT NULL,
    text        text   NOT NULL,            -- as it was when it was reported
    resolved_at bigint,
    resolved_by text,
    UNIQUE (reporter, message)
);

CREATE INDEX reports_open ON reports (id) WHERE resolved_at IS NULL;
CREATE INDEX reports_author ON reports (author);
CREATE INDEX reports_age ON reports (at);

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     bigint NOT NULL,
    room   text   COLLATE "C",
    record text   NOT NULL                  -- JSON
);

CREATE INDEX audit_room ON audit (room, id) WHERE room IS NOT NULL;
CREATE INDEX audit_age ON audit (at);

CREATE TABLE admins (
    "user" text   COLLATE "C" PRIMARY KEY,
    since  bigint NOT NULL
);

-- How many messages there had ever been at the end of each day, counted from 1970 in UTC.
CREATE TABLE days (
    day      bigint PRIMARY KEY,
    messages bigint NOT NULL
);
