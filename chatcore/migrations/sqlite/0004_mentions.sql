-- Messages that mention a member, who has not read them: a JSON array of places, the oldest first; none
-- in most rows.
ALTER TABLE members ADD COLUMN mentions TEXT;
