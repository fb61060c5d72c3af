-- Who does not want to hear of whom. In the direct room of both it stands beside the one who is blocked, so
-- that what they write there takes no further look.
CREATE TABLE blocks (
    user    TEXT NOT NULL,
    blocked TEXT NOT NULL,
    PRIMARY KEY (user, blocked)
) STRICT, WITHOUT ROWID;

ALTER TABLE members ADD COLUMN barred INTEGER NOT NULL DEFAULT 0;
