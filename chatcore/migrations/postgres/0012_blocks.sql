-- Who does not want to hear of whom. In the direct room of both it stands beside the one who is blocked, so
-- that what they write there takes no further look.
CREATE TABLE blocks (
    "user"  text COLLATE "C" NOT NULL,
    blocked text COLLATE "C" NOT NULL,
    PRIMARY KEY ("user", blocked)
);

ALTER TABLE members ADD COLUMN barred bigint NOT NULL DEFAULT 0;
