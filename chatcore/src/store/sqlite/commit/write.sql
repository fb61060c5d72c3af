-- What a commit writes beside entries of logs: a row of JSON arrays is inserted into a view, and a
-- trigger takes it apart in the same step. Each statement of its own would wake the task that waits for
-- it, which costs more than most of them take; a group that has nothing to write is left out.
--
-- Temporary, so that this belongs to the build that runs and not to the file.

-- Rooms and members as they are now.
CREATE TEMP VIEW rooms_written (rooms, members, user_counts) AS SELECT NULL, NULL, NULL;

CREATE TEMP TRIGGER rooms_written_at_once INSTEAD OF INSERT ON rooms_written BEGIN
    INSERT INTO rooms (pk, id, kind, name, topic, created_at, created_by, keep, head_seq, head_n,
                       floor_seq, members, owners, pins, deleted_at, slow_mode, retention,
                       floor_n)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
           value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
           value ->> 13, value ->> 14, value ->> '$[15][0]', value ->> '$[15][1]',
           value ->> '$[15][2]'
    FROM jsonb_each(NEW.rooms) WHERE true
    ON CONFLICT (pk) DO UPDATE SET
      kind = excluded.kind, name = excluded.name, topic = excluded.topic,
      created_at = excluded.created_at, created_by = excluded.created_by, keep = excluded.keep,
      head_seq = excluded.head_seq, head_n = excluded.head_n, floor_seq = excluded.floor_seq,
      members = excluded.members, owners = excluded.owners, pins = excluded.pins,
      deleted_at = excluded.deleted_at, slow_mode = excluded.slow_mode,
      retention = excluded.retention, floor_n = excluded.floor_n;

    INSERT INTO members (room, user, standing, banned_until, role, muted_until, entered_seq,
                         read_seq, read_n, delivered_seq, mentions, spoke_at, barred,
                         notify, snooze_until)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
           value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
           value ->> 13, value ->> 14
    FROM jsonb_each(NEW.members) WHERE true
    ON CONFLICT (room, user) DO UPDATE SET
      standing = excluded.standing, banned_until = excluded.banned_until, role = excluded.role,
      muted_until = excluded.muted_until, entered_seq = excluded.entered_seq,
      read_seq = excluded.read_seq, read_n = excluded.read_n, delivered_seq = excluded.delivered_seq,
      mentions = excluded.mentions, spoke_at = excluded.spoke_at, barred = excluded.barred,
      notify = excluded.notify, snooze_until = excluded.snooze_until;

    INSERT INTO user_counts (user, joined)
    SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.user_counts) WHERE true
    ON CONFLICT (user) DO UPDATE SET joined = joined + excluded.joined;
END;

-- What happens to messages that are there, and to files.
CREATE TEMP VIEW messages_written (
    rewritten, emptied, reactions, reactions_taken, reaction_counts, reactions_gone, pins, pins_gone,
    bound, released, ended, audit
) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TEMP TRIGGER messages_written_at_once INSTEAD OF INSERT ON messages_written BEGIN
    UPDATE log SET body = j.value ->> 2
    FROM jsonb_each(NEW.rewritten) j WHERE log.room = j.value ->> 0 AND log.seq = j.value ->> 1;

    UPDATE log SET body = json_set(log.body, '$.text', '')
    FROM jsonb_each(NEW.emptied) j
    WHERE log.edits = j.value ->> 1 AND +log.room = j.value ->> 0;

    INSERT INTO reactions (room, seq, emoji, user)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(NEW.reactions) WHERE true
    ON CONFLICT DO NOTHING;

    DELETE FROM reactions WHERE (room, seq, emoji, user) IN (
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(NEW.reactions_taken));

    INSERT INTO reaction_counts (room, seq, emoji, count, first)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM jsonb_each(NEW.reaction_counts) WHERE true
    ON CONFLICT (room, seq, emoji) DO UPDATE SET count = excluded.count, first = excluded.first;

    DELETE FROM reaction_counts WHERE (room, seq, emoji) IN (
      SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(NEW.reactions_gone));

    INSERT INTO pins (room, seq)
    SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.pins) WHERE true
    ON CONFLICT DO NOTHING;

    DELETE FROM pins WHERE (room, seq) IN (
      SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.pins_gone));

    -- Files: 2 waits, 3 is in a message, 6 is released.
    UPDATE attachments SET state = 3, room = j.value ->> 1, seq = j.value ->> 2
    FROM jsonb_each(NEW.bound) j WHERE attachments.id = j.value ->> 0 AND attachments.state = 2;

    UPDATE attachments SET state = 6 WHERE state = 3 AND id IN (
      SELECT value FROM jsonb_each(NEW.released));

    UPDATE attachments SET state = 6 WHERE state = 3 AND room IN (
      SELECT value FROM jsonb_each(NEW.ended));

    INSERT INTO audit (at, room, record)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(NEW.audit);
END;

-- Links by which people come into rooms, the rooms that come to their end, and who blocks whom.
CREATE TEMP VIEW links_written (links, links_gone, ended, blocks, blocks_gone) AS
SELECT NULL, NULL, NULL, NULL, NULL;

CREATE TEMP TRIGGER links_written_at_once INSTEAD OF INSERT ON links_written BEGIN
    INSERT INTO invite_links (room, id, hash, created_by, created_at, expires_at, uses, used)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
           value ->> 7
    FROM jsonb_each(NEW.links) WHERE true
    ON CONFLICT (room, id) DO UPDATE SET used = excluded.used;

    DELETE FROM invite_links WHERE (room, id) IN (
      SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.links_gone));

    DELETE FROM invite_links WHERE room IN (SELECT value FROM jsonb_each(NEW.ended));

    INSERT INTO blocks (user, blocked)
    SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.blocks) WHERE true
    ON CONFLICT DO NOTHING;

    DELETE FROM blocks WHERE (user, blocked) IN (
      SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.blocks_gone));
END;
