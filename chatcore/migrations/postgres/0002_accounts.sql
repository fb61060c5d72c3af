-- Accounts, sessions, and the proofs of e-mail addresses that are waited for.
--
-- No secret is in here: passwords are scrypt hashes, and codes, links, tickets and refresh tokens
-- are hashes under a key that is kept elsewhere.

CREATE TABLE accounts (
    pk           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text    COLLATE "C" NOT NULL UNIQUE,
    handle       text,
    email        text,
    display_name text    NOT NULL,
    external_id  text,
    avatar       text,
    created_at   bigint  NOT NULL,
    disabled     boolean NOT NULL,
    password     text    NOT NULL,          -- PHC string
    generation   bigint  NOT NULL
);

-- Who holds a name, in each of the forms in which it is compared.
CREATE TABLE account_names (
    kind    bigint NOT NULL,                -- 1 handle, 2 e-mail address, 3 external id
    key     text   COLLATE "C" NOT NULL,
    account bigint NOT NULL REFERENCES accounts (pk) ON DELETE CASCADE,
    PRIMARY KEY (kind, key)
);

CREATE INDEX account_names_of ON account_names (account);

CREATE TABLE sessions (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text   COLLATE "C" NOT NULL UNIQUE,
    "user"     text   COLLATE "C" NOT NULL,
    device     text   NOT NULL,
    user_agent text,
    addr       text,
    created_at bigint NOT NULL,
    renewed_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    family     bytea  NOT NULL,
    refresh    bytea  NOT NULL
);

CREATE INDEX sessions_of ON sessions ("user", created_at, pk);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE tickets (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       bytea  NOT NULL UNIQUE,
    session    text   COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at bigint NOT NULL
);

CREATE INDEX tickets_of ON tickets (session, pk);
CREATE INDEX tickets_expiring ON tickets (expires_at);

CREATE TABLE verifications (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text   COLLATE "C" NOT NULL UNIQUE,
    purpose    bigint NOT NULL,             -- 1 confirm, 2 reset
    subject    text   COLLATE "C" NOT NULL,
    email      text   NOT NULL,
    pending    text   NOT NULL,             -- JSON
    code       bytea,
    link       bytea  UNIQUE,
    tries      bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX verifications_of ON verifications (purpose, subject, created_at, pk);
CREATE INDEX verifications_expiring ON verifications (expires_at);

-- How many accounts were ever made: one row.
CREATE TABLE account_total (
    one  boolean PRIMARY KEY CHECK (one),
    made bigint NOT NULL
);

INSERT INTO account_total VALUES (true, 0);
