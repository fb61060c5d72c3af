//! What happens to messages that are there, to reactions, pins and files; and the audit.

use std::collections::HashSet;

use super::{Checks, Writing, column};
use crate::log::Body;
use crate::store::StoreError;
use crate::store::postgres::error::corrupt;
use crate::store::postgres::rows::signed;
use crate::store::postgres::sql::Script;

const REWRITTEN: &str = "\
, rewritten AS (UPDATE $.log l SET body = e.body \
  FROM go, unnest(?::bigint[], ?::bigint[], ?::text[]) AS e (room, seq, body) \
  WHERE l.room = e.room AND l.seq = e.seq)";

const EMPTIED: &str = "\
, emptied AS (UPDATE $.log l SET body = e.body \
  FROM go, unnest(?::bigint[], ?::text[], ?::text[]) AS e (room, edits, body) \
  WHERE l.edits = e.edits AND l.room = e.room)";

const REACTIONS: &str = "\
, reacted AS (INSERT INTO $.reactions (room, seq, emoji, \"user\") \
  SELECT e.* FROM go, unnest(?::bigint[], ?::bigint[], ?::text[], ?::text[]) AS e \
  ON CONFLICT DO NOTHING)";

const REACTIONS_TAKEN: &str = "\
, unreacted AS (DELETE FROM $.reactions x \
  USING go, unnest(?::bigint[], ?::bigint[], ?::text[], ?::text[]) AS e (room, seq, emoji, who) \
  WHERE x.room = e.room AND x.seq = e.seq AND x.emoji = e.emoji AND x.user = e.who)";

const REACTION_COUNTS: &str = "\
, given AS (INSERT INTO $.reaction_counts (room, seq, emoji, count, first) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::bigint[], ?::text[], ?::bigint[], ?::bigint[]) AS e \
  ON CONFLICT (room, seq, emoji) DO UPDATE SET count = excluded.count, first = excluded.first)";

const REACTIONS_GONE: &str = "\
, gone AS (DELETE FROM $.reaction_counts c \
  USING go, unnest(?::bigint[], ?::bigint[], ?::text[]) AS e (room, seq, emoji) \
  WHERE c.room = e.room AND c.seq = e.seq AND c.emoji = e.emoji)";

const PINS: &str = "\
, pinned AS (INSERT INTO $.pins (room, seq) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::bigint[]) AS e ON CONFLICT DO NOTHING)";

const PINS_GONE: &str = "\
, unpinned AS (DELETE FROM $.pins p USING go, unnest(?::bigint[], ?::bigint[]) AS e (room, seq) \
  WHERE p.room = e.room AND p.seq = e.seq)";

/// Files: 2 waits, 3 is in a message, 6 is released. No part sees what another writes: a file that is put into
/// a message and released by the same batch goes where it ends.
const BOUND: &str = "\
, bound AS (UPDATE $.attachments a SET state = e.state, room = e.room, seq = e.seq \
  FROM go, unnest(?::text[], ?::text[], ?::bigint[], ?::bigint[]) AS e (id, room, seq, state) \
  WHERE a.id = e.id AND a.state = 2 RETURNING 1)";

const RELEASED: &str = "\
, released AS (UPDATE $.attachments a SET state = 6 FROM go \
  WHERE a.state = 3 AND (a.id = ANY (?) OR a.room = ANY (?)))";

const AUDITED: &str = "\
, audited AS (INSERT INTO $.audit (at, room, record) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::text[], ?::text[]) AS e)";

impl Writing<'_> {
    pub(super) fn messages(
        &self,
        script: &mut Script,
        checks: &mut Checks,
    ) -> Result<(), StoreError> {
        self.bodies(script)?;
        self.reactions(script)?;
        self.pins(script)?;
        self.files(script, checks);
        self.audit(script)
    }

    fn bodies(&self, script: &mut Script) -> Result<(), StoreError> {
        let json = |body: &Body| serde_json::to_string(body).map_err(corrupt);
        let mut rows = Vec::new();
        for ((room, seq), entry) in &self.changes.rewritten {
            rows.push((self.number(room)?, signed(seq.0), json(&entry.body)?));
        }
        if !rows.is_empty() {
            let args = script.text(REWRITTEN);
            args.bind(column(&rows, |row| row.0)).bind(column(&rows, |row| row.1));
            args.bind(column(&rows, |row| row.2.as_str()));
        }
        let mut rows = Vec::new();
        for (room, message_id) in &self.changes.emptied {
            let message_id = message_id.clone();
            let edits = message_id.as_str().to_owned();
            let body = Body::Edit { message_id, text: String::new() };
            rows.push((self.number(room)?, edits, json(&body)?));
        }
        if !rows.is_empty() {
            let args = script.text(EMPTIED);
            args.bind(column(&rows, |row| row.0)).bind(column(&rows, |row| row.1.as_str()));
            args.bind(column(&rows, |row| row.2.as_str()));
        }
        Ok(())
    }

    fn reactions(&self, script: &mut Script) -> Result<(), StoreError> {
        for (on, text) in [(true, REACTIONS), (false, REACTIONS_TAKEN)] {
            let mut rows = Vec::new();
            for ((room, seq, emoji, user), _) in
                self.changes.reactions.iter().filter(|(_, now)| **now == on)
            {
                rows.push((self.number(room)?, signed(seq.0), emoji.as_str(), user.as_str()));
            }
            if !rows.is_empty() {
                let args = script.text(text);
                args.bind(column(&rows, |row| row.0)).bind(column(&rows, |row| row.1));
                args.bind(column(&rows, |row| row.2)).bind(column(&rows, |row| row.3));
            }
        }
        let (mut given, mut gone) = (Vec::new(), Vec::new());
        for ((room, seq, emoji), now) in &self.changes.reaction_counts {
            let row = (self.number(room)?, signed(seq.0), emoji.as_str(), now);
            if now.count == 0 { gone.push(row) } else { given.push(row) }
        }
        for (rows, text) in [(given, REACTION_COUNTS), (gone, REACTIONS_GONE)] {
            if rows.is_empty() {
                continue;
            }
            let args = script.text(text);
            args.bind(column(&rows, |row| row.0)).bind(column(&rows, |row| row.1));
            args.bind(column(&rows, |row| row.2));
            if text == REACTION_COUNTS {
                args.bind(column(&rows, |row| i64::from(row.3.count)));
                args.bind(column(&rows, |row| signed(row.3.first.0)));
            }
        }
        Ok(())
    }

    fn pins(&self, script: &mut Script) -> Result<(), StoreError> {
        for (on, text) in [(true, PINS), (false, PINS_GONE)] {
            let mut rows = Vec::new();
            for ((room, seq), _) in self.changes.pins.iter().filter(|(_, now)| **now == on) {
                rows.push((self.number(room)?, signed(seq.0)));
            }
            if !rows.is_empty() {
                let args = script.text(text);
                args.bind(column(&rows, |row| row.0)).bind(column(&rows, |row| row.1));
            }
        }
        Ok(())
    }

    fn audit(&self, script: &mut Script) -> Result<(), StoreError> {
        let audit = &self.changes.audit;
        if audit.is_empty() {
            return Ok(());
        }
        let records = audit.iter().map(|record| serde_json::to_string(record).map_err(corrupt));
        let records = records.collect::<Result<Vec<_>, StoreError>>()?;
        let args = script.text(AUDITED);
        args.bind(column(audit, |record| record.at.0));
        args.bind(column(audit, |record| record.room.as_ref().map(|room| room.as_str())));
        args.bind(records);
        Ok(())
    }

    fn files(&self, script: &mut Script, checks: &mut Checks) {
        let released: HashSet<_> = self.changes.released.iter().collect();
        let ended = self.ended();
        let bound: Vec<_> = self.changes.bound.iter().collect();
        if !bound.is_empty() {
            checks.rows("bound", bound.len());
            let args = script.text(BOUND);
            args.bind(column(&bound, |(id, _)| id.as_str()));
            args.bind(column(&bound, |(_, (room, _))| room.as_str()));
            args.bind(column(&bound, |(_, (_, seq))| signed(seq.0)));
            args.bind(column(&bound, |(id, (room, _))| {
                if released.contains(id) || ended.contains(room.as_str()) { 6_i64 } else { 3 }
            }));
        }
        if !released.is_empty() || !ended.is_empty() {
            let args = script.text(RELEASED);
            args.bind(column(&self.changes.released, |id| id.as_str()));
            args.bind(ended.iter().map(|room| (*room).to_owned()).collect::<Vec<_>>());
        }
    }
}
