//! How SQLite answers what a batch asks: with one row.

use sqlx::sqlite::SqliteConnection;

use crate::room::Views;
use crate::store::StoreError;
use crate::store::sql::rows::{entry_columns, invite_link_columns, member_columns, room_columns};
use crate::store::sql::views::{Before, Part, Questions};
use crate::store::sqlite::error::corrupt;
use crate::store::sqlite::rows::Fields;
use crate::store::sqlite::script::Script;

/// A subquery that answers with a JSON array of arrays.
///
/// One row for all, because sqlx wakes the waiting task for each row, which costs more than to
/// find it.
pub(super) const fn sql(part: Part) -> &'static str {
    match part {
        Part::Rooms => concat!(
            "(SELECT json_group_array(json_array(r.pk, 0, json_array(",
            room_columns!(),
            "))) \
             FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value)"
        ),
        Part::Members => concat!(
            "(SELECT json_group_array(json_array(j.key, json_array(",
            member_columns!(),
            "))) \
             FROM json_each(?) j \
             CROSS JOIN rooms r ON r.id = j.value ->> 0 \
             CROSS JOIN members m ON m.room = r.pk AND m.user = j.value ->> 1)"
        ),
        Part::Sends => {
            "(SELECT json_group_array(json_array(j.key, s.seq, s.n, s.ts, hex(s.fingerprint))) \
             FROM json_each(?) j \
             CROSS JOIN rooms r ON r.id = j.value ->> 0 \
             CROSS JOIN sends s ON s.room = r.pk AND s.key = unhex(j.value ->> 1))"
        }
        Part::Messages => concat!(
            "(SELECT json_group_array(json_array(j.key, EXISTS (\
               SELECT 1 FROM pins p WHERE p.room = l.room AND p.seq = l.seq), \
               json_array(",
            entry_columns!(),
            "))) \
             FROM json_each(?) j \
             CROSS JOIN rooms r ON r.id = j.value ->> 0 \
             CROSS JOIN log l ON l.room = r.pk AND l.seq = coalesce(j.value ->> 2, (\
               SELECT s.seq FROM sends s \
               WHERE s.room = r.pk AND s.key = unhex(j.value ->> 1) AND s.n > 0)))"
        ),
        Part::Reactions => {
            "(SELECT json_group_array(json_array(j.key, c.emoji, c.count, c.first, EXISTS (\
               SELECT 1 FROM reactions x WHERE x.room = c.room AND x.seq = c.seq \
               AND x.emoji = c.emoji AND x.user = j.value ->> 3))) \
             FROM json_each(?) j \
             CROSS JOIN rooms r ON r.id = j.value ->> 0 \
             CROSS JOIN reaction_counts c ON c.room = r.pk AND c.seq = coalesce(j.value ->> 2, (\
               SELECT s.seq FROM sends s \
               WHERE s.room = r.pk AND s.key = unhex(j.value ->> 1) AND s.n > 0)))"
        }
        // Below the oldest message that is still there, its own count tells.
        Part::CountsAt => {
            "(SELECT json_group_array(json_array(j.key, coalesce(\
               (SELECT l.n FROM log l INDEXED BY log_messages WHERE l.room = r.pk AND l.n IS NOT NULL \
                AND l.seq <= j.value ->> 1 ORDER BY l.seq DESC LIMIT 1), \
               (SELECT l.n - 1 FROM log l INDEXED BY log_messages WHERE l.room = r.pk AND l.n IS NOT NULL \
                AND l.seq > j.value ->> 1 ORDER BY l.seq LIMIT 1), \
               r.head_n))) \
             FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value ->> 0)"
        }
        Part::Successors => concat!(
            "(SELECT json_group_array(json_array(j.key, json_array(",
            member_columns!(),
            "))) \
             FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value \
             CROSS JOIN members m ON m.room = r.pk AND m.user IN (\
               SELECT h.user FROM members h WHERE h.room = r.pk AND h.standing = 1 \
               ORDER BY h.role DESC, h.entered_seq LIMIT ?))"
        ),
        Part::InviteLinks => concat!(
            "(SELECT json_group_array(json_array(j.key, json_array(",
            invite_link_columns!(),
            "))) \
             FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value \
             CROSS JOIN invite_links i ON i.room = r.pk)"
        ),
        Part::Blocks => {
            "(SELECT json_group_array(json_array(j.key, EXISTS (\
               SELECT 1 FROM blocks b WHERE b.user = j.value ->> 0 AND b.blocked = j.value ->> 1), \
               CASE WHEN j.value ->> 2 THEN (\
                 SELECT count(*) FROM blocks b WHERE b.user = j.value ->> 0) ELSE 0 END)) \
             FROM json_each(?) j)"
        }
        Part::Joined => {
            "(SELECT json_group_array(json_array(j.key, c.joined)) FROM json_each(?) j \
             CROSS JOIN user_counts c ON c.user = j.value)"
        }
        Part::Uploads => {
            "(SELECT json_group_array(json_array(a.id, a.owner, a.name, a.content_type, a.size, \
               json_array(a.width, a.height, json(a.thumbnail)))) \
             FROM json_each(?) j CROSS JOIN attachments a ON a.id = j.value AND a.state = 2)"
        }
        Part::Inbox => {
            "(SELECT json_group_array(i.id) FROM json_each(?) j \
             CROSS JOIN inbox i ON i.id = j.value AND i.state = 0)"
        }
    }
}

/// Asks the disk all that is in `asked`.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    asked: &Questions,
    commands: usize,
    views: &mut Views,
    before: &mut Before,
) -> Result<(), StoreError> {
    let asking = asked.asking(commands)?;
    if asking.is_empty() {
        return Ok(());
    }
    let mut script = Script::default();
    for (index, question) in asking.iter().enumerate() {
        script.text(if index == 0 { "SELECT " } else { ", " });
        script.text(sql(question.part));
        script.bind(question.rows.clone())?;
        if let Some(most) = question.most {
            script.bind(most)?;
        }
    }
    let row = script.run(connection).await?.pop().ok_or_else(|| corrupt("no answer"))?;
    let mut row = Fields::of(&row);
    for question in &asking {
        asked.answer(question.part, row.take()?, views, before)?;
    }
    Ok(())
}
