//! Who blocks whom.

use super::{Writing, column};
use crate::store::postgres::sql::Script;

const BLOCKS: &str = "\
, blocking AS (INSERT INTO $.blocks (\"user\", blocked) \
  SELECT e.* FROM go, unnest(?::text[], ?::text[]) AS e ON CONFLICT DO NOTHING)";

const BLOCKS_GONE: &str = "\
, unblocking AS (DELETE FROM $.blocks b USING go, unnest(?::text[], ?::text[]) AS e (who, whom) \
  WHERE b.user = e.who AND b.blocked = e.whom)";

impl Writing<'_> {
    pub(super) fn blocks(&self, script: &mut Script) {
        for (on, text) in [(true, BLOCKS), (false, BLOCKS_GONE)] {
            let rows = self.changes.blocks.iter().filter(|(_, now)| **now == on);
            let rows: Vec<_> = rows.map(|(pair, _)| pair).collect();
            if !rows.is_empty() {
                let args = script.text(text);
                args.bind(column(&rows, |(user, _)| user.as_str()));
                args.bind(column(&rows, |(_, other)| other.as_str()));
            }
        }
    }
}
