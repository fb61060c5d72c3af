-- Seconds after which messages of a room are removed; 0: as the server has it.
ALTER TABLE rooms ADD COLUMN retention bigint NOT NULL DEFAULT 0;

-- Those that say so themselves.
CREATE INDEX rooms_retained ON rooms (id) WHERE retention > 0 AND deleted_at IS NULL;

-- The files of a room, and those of its oldest messages.
DROP INDEX attachments_room;
CREATE INDEX attachments_room ON attachments (room, seq) WHERE state = 3;
