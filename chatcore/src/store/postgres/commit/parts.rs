//! How PostgreSQL answers what a batch asks: with one row.

use sqlx::postgres::PgRow;

use crate::room::Views;
use crate::store::StoreError;
use crate::store::postgres::error::corrupt;
use crate::store::postgres::rows::Fields;
use crate::store::postgres::sql::Script;
use crate::store::sql::rows::{entry_columns, invite_link_columns, member_columns, room_columns};
use crate::store::sql::views::{Before, Part, Question, Questions};

/// What is asked of rooms by JSON, each row a value `j.value` at the place `j.key`.
macro_rules! asked {
    () => {
        " FROM json_array_elements(?::json) WITH ORDINALITY AS j (value, key) \
          JOIN $.rooms r ON r.id = j.value ->> 0 "
    };
}

/// The place of a question, from 0.
macro_rules! key {
    () => {
        "(SELECT json_agg(json_build_array(j.key - 1, "
    };
}

/// Where the message stands that is asked for.
macro_rules! place {
    () => {
        "(SELECT s.seq FROM $.sends s \
          WHERE s.room = r.pk AND s.key = (j.value ->> 1)::uuid AND s.n > 0)"
    };
}

/// A subquery that answers with a JSON array of arrays, or with nothing.
const fn sql(part: Part) -> &'static str {
    match part {
        Part::Rooms => concat!(
            "(SELECT json_agg(json_build_array(r.pk, r.version, json_build_array(",
            room_columns!(),
            "))) FROM json_array_elements_text(?::json) j JOIN $.rooms r ON r.id = j)"
        ),
        Part::Members => concat!(
            key!(),
            "json_build_array(",
            member_columns!(),
            ")))",
            asked!(),
            "JOIN $.members m ON m.room = r.pk AND m.user = j.value ->> 1)"
        ),
        Part::Sends => concat!(
            key!(),
            "s.seq, s.n, s.ts, replace(s.fingerprint::text, '-', '')))",
            asked!(),
            "JOIN $.sends s ON s.room = r.pk AND s.key = (j.value ->> 1)::uuid)"
        ),
        Part::Messages => concat!(
            key!(),
            "(EXISTS (SELECT 1 FROM $.pins p WHERE p.room = l.room AND p.seq = l.seq))::int, \
             json_build_array(",
            entry_columns!(),
            ")))",
            asked!(),
            "JOIN $.log l ON l.room = r.pk AND l.seq = ",
            place!(),
            ")"
        ),
        Part::Reactions => concat!(
            key!(),
            "c.emoji, c.count, c.first, (EXISTS (SELECT 1 FROM $.reactions x \
               WHERE x.room = c.room AND x.seq = c.seq AND x.emoji = c.emoji \
               AND x.user = j.value ->> 3))::int))",
            asked!(),
            "JOIN $.reaction_counts c ON c.room = r.pk AND c.seq = ",
            place!(),
            ")"
        ),
        // Below the oldest message that is still there, its own count tells.
        Part::CountsAt => concat!(
            key!(),
            "coalesce(\
               (SELECT l.n FROM $.log l WHERE l.room = r.pk AND l.n IS NOT NULL \
                AND l.seq <= (j.value ->> 1)::bigint ORDER BY l.seq DESC LIMIT 1), \
               (SELECT l.n - 1 FROM $.log l WHERE l.room = r.pk AND l.n IS NOT NULL \
                AND l.seq > (j.value ->> 1)::bigint ORDER BY l.seq LIMIT 1), \
               r.head_n)))",
            asked!(),
            ")"
        ),
        Part::Successors => concat!(
            key!(),
            "json_build_array(",
            member_columns!(),
            "))) FROM json_array_elements_text(?::json) WITH ORDINALITY AS j (value, key) \
             JOIN $.rooms r ON r.id = j.value \
             CROSS JOIN LATERAL (SELECT h.* FROM $.members h WHERE h.room = r.pk \
               AND h.standing = 1 ORDER BY h.role DESC, h.entered_seq LIMIT ?) m)"
        ),
        Part::InviteLinks => concat!(
            key!(),
            "json_build_array(",
            invite_link_columns!(),
            "))) FROM json_array_elements_text(?::json) WITH ORDINALITY AS j (value, key) \
             JOIN $.rooms r ON r.id = j.value JOIN $.invite_links i ON i.room = r.pk)"
        ),
        Part::Blocks => concat!(
            key!(),
            "(EXISTS (SELECT 1 FROM $.blocks b \
               WHERE b.user = j.value ->> 0 AND b.blocked = j.value ->> 1))::int, \
             CASE WHEN (j.value ->> 2)::boolean THEN (\
               SELECT count(*) FROM $.blocks b WHERE b.user = j.value ->> 0) ELSE 0 END)) \
             FROM json_array_elements(?::json) WITH ORDINALITY AS j (value, key))"
        ),
        Part::Joined => concat!(
            key!(),
            "c.joined)) FROM json_array_elements_text(?::json) WITH ORDINALITY AS j (value, key) \
             JOIN $.user_counts c ON c.user = j.value)"
        ),
        Part::Uploads => {
            "(SELECT json_agg(json_build_array(a.id, a.owner, a.name, a.content_type, a.size, \
               json_build_array(a.width, a.height, a.thumbnail::json))) FROM json_array_elements_text(?::json) j \
              JOIN $.attachments a ON a.id = j AND a.state = 2)"
        }
        Part::Inbox => {
            "(SELECT json_agg(i.id) FROM json_array_elements_text(?::json) j \
              JOIN $.inbox i ON i.id = j::bigint AND i.code IS NULL)"
        }
    }
}

/// The statement that asks; none if there is nothing to ask.
pub(super) fn script(asking: &[Question]) -> Option<Script> {
    let mut script = Script::default();
    for (index, question) in asking.iter().enumerate() {
        script.text(if index == 0 { "SELECT " } else { ", " });
        let args = script.text(sql(question.part));
        args.bind(question.rows.clone());
        if let Some(most) = question.most {
            args.bind(most);
        }
        script.text("::text");
    }
    (!asking.is_empty()).then_some(script)
}

/// Takes in what the statement was answered with.
pub(super) fn answer(
    asked: &Questions,
    asking: &[Question],
    row: Option<&PgRow>,
    views: &mut Views,
    before: &mut Before,
) -> Result<(), StoreError> {
    let mut row = Fields::of(row.ok_or_else(|| corrupt("no answer"))?);
    for question in asking {
        let rows = row.take::<Option<&str>>()?.unwrap_or("[]");
        asked.answer(question.part, rows, views, before)?;
    }
    Ok(())
}
