-- How many messages a room had up to its floor: they are gone, and count as unread no more.
ALTER TABLE rooms ADD COLUMN floor_n bigint NOT NULL DEFAULT 0;

UPDATE rooms SET floor_n = coalesce(
    (SELECT l.n - 1 FROM log l
     WHERE l.room = rooms.pk AND l.n IS NOT NULL AND l.seq > rooms.floor_seq ORDER BY l.seq LIMIT 1),
    head_n)
WHERE floor_seq > 0;
