-- What of a room a member wants to be told of: 0 everything, 1 what mentions them, 2 nothing; and until when nothing at all.
ALTER TABLE members ADD COLUMN notify bigint NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN snooze_until bigint;
