//! What happens to links by which people come in.

use super::{Writing, column};
use crate::store::StoreError;
use crate::store::postgres::sql::Script;
use crate::store::sql::rows::hex;

const LINKS: &str = "\
, linked AS (INSERT INTO $.invite_links \
    (room, id, hash, created_by, created_at, expires_at, uses, used) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], \
    ?::bigint[], ?::bigint[]) AS e ON CONFLICT (room, id) DO UPDATE SET used = excluded.used)";

const LINKS_GONE: &str = "\
, unlinked AS (DELETE FROM $.invite_links i \
  USING go, unnest(?::bigint[], ?::text[]) AS e (room, id) \
  WHERE i.room = e.room AND i.id = e.id)";

const LINKS_ENDED: &str = "\
, linkless AS (DELETE FROM $.invite_links i USING go WHERE i.room = ANY (?))";

impl Writing<'_> {
    pub(super) fn links(&self, script: &mut Script) -> Result<(), StoreError> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for ((room, id), link) in &self.changes.invite_links {
            let room = self.number(room)?;
            match link {
                Some(link) => there.push((room, link)),
                None => gone.push((room, id)),
            }
        }
        if !there.is_empty() {
            let args = script.text(LINKS);
            args.bind(column(&there, |(room, _)| *room));
            args.bind(column(&there, |(_, link)| link.id.as_str()));
            args.bind(column(&there, |(_, link)| hex(link.hash.as_bytes())));
            args.bind(column(&there, |(_, link)| link.created_by.as_str()));
            args.bind(column(&there, |(_, link)| link.created_at.0));
            args.bind(column(&there, |(_, link)| link.expires_at.0));
            args.bind(column(&there, |(_, link)| link.uses.map(i64::from)));
            args.bind(column(&there, |(_, link)| i64::from(link.used)));
        }
        if !gone.is_empty() {
            let args = script.text(LINKS_GONE);
            args.bind(column(&gone, |(room, _)| *room));
            args.bind(column(&gone, |(_, id)| id.as_str()));
        }
        let ended = self.changes.rooms.values().filter(|room| room.deleted_at.is_some());
        let ended: Vec<_> =
            ended.map(|room| self.number(&room.id)).collect::<Result<_, StoreError>>()?;
        if !ended.is_empty() {
            script.text(LINKS_ENDED).bind(ended);
        }
        Ok(())
    }
}
