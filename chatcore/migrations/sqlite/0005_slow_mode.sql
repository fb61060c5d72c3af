-- Seconds between one message of a member and the next; 0: no matter. And when a member wrote last while
-- that was so.
ALTER TABLE rooms ADD COLUMN slow_mode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN spoke_at INTEGER;
