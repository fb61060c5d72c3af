//! Reading rooms and members.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};

use super::PostgresStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use super::sql::Args;
use crate::id::{RoomId, UserId};
use crate::room::{InviteHash, InviteLink, Member, Room};
use crate::store::sql::rows::{hex, invite_link_columns, member_columns, room_columns};
use crate::store::{Head, Retained, RoomCounts, RoomFilter, RoomStore, StoreError};

const ROOM: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    member_columns!(),
    " FROM $.rooms r LEFT JOIN $.members m ON m.room = r.pk AND m.user = $1 WHERE r.id = $2"
);

const JOINED: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    member_columns!(),
    " FROM $.members m JOIN $.rooms r ON r.pk = m.room \
     WHERE m.user = $1 AND m.standing <= 2 AND m.standing = 1 AND r.id > $2 \
     AND r.deleted_at IS NULL ORDER BY r.id LIMIT $3"
);

/// A page of the public ones and a page of the user's own hold the first page of both together.
const VISIBLE: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    member_columns!(),
    " FROM (\
       (SELECT p.pk FROM $.rooms p \
        WHERE p.kind = 1 AND p.deleted_at IS NULL AND p.id > $2 ORDER BY p.id LIMIT $3) \
       UNION \
       SELECT o.room FROM $.members o WHERE o.user = $1 AND o.standing <= 2\
     ) v JOIN $.rooms r ON r.pk = v.pk \
     LEFT JOIN $.members m ON m.room = r.pk AND m.user = $1 \
     WHERE r.id > $2 AND r.deleted_at IS NULL ORDER BY r.id LIMIT $3"
);

const MEMBERS: &str = concat!(
    "SELECT ",
    member_columns!(),
    " FROM $.rooms r JOIN $.members m ON m.room = r.pk \
     WHERE r.id = $1 AND r.deleted_at IS NULL AND m.standing = 1 AND m.user > $2 \
     ORDER BY m.user LIMIT $3"
);

const INVITE_LINKS: &str = concat!(
    "SELECT ",
    invite_link_columns!(),
    " FROM $.rooms r JOIN $.invite_links i ON i.room = r.pk WHERE r.id = $1 ORDER BY i.id"
);

const INVITED_TO: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    invite_link_columns!(),
    " FROM $.invite_links i JOIN $.rooms r ON r.pk = i.room WHERE i.hash = $1"
);

const OWN: &str = concat!(
    "SELECT ",
    room_columns!(),
    " FROM $.rooms r WHERE r.retention > 0 AND r.deleted_at IS NULL AND r.id > $1 \
     ORDER BY r.id LIMIT $2"
);

const ALL: &str = concat!(
    "SELECT ",
    room_columns!(),
    " FROM $.rooms r WHERE r.deleted_at IS NULL AND r.id > $1 ORDER BY r.id LIMIT $2"
);

/// By the index of ids, one look for each that is asked for.
pub(super) const HEADS: &str =
    "SELECT id, head_seq, deleted_at IS NOT NULL FROM $.rooms WHERE id = ANY($1::text[])";

const BLOCKED: &str = "\
SELECT b.blocked FROM $.blocks b WHERE b.user = $1 AND b.blocked > $2 ORDER BY b.blocked LIMIT $3";

/// What has its place in the order of commits, and what waits for one: of one moment.
const COUNTS: &str = "\
SELECT t.rooms + p.rooms, t.messages + p.messages FROM $.totals t, (\
  SELECT coalesce(sum(made), 0)::bigint AS rooms, coalesce(sum(messages), 0)::bigint AS messages \
  FROM $.runs_pending) p";

#[async_trait]
impl RoomStore for PostgresStore {
    async fn room(
        &self,
        room: &RoomId,
        user: Option<&UserId>,
    ) -> Result<Option<(Room, Option<Member>)>, StoreError> {
        let mut args = Args::default();
        args.bind(user.map(|user| user.as_str().to_owned())).bind(room.as_str().to_owned());
        let rows = self.client.read(ROOM, args.done()?).await?;
        rows.first().map(room_and_member).transpose()
    }

    async fn rooms(
        &self,
        user: &UserId,
        filter: RoomFilter,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<(Room, Option<Member>)>, StoreError> {
        let mut args = Args::default();
        args.bind(user.as_str().to_owned());
        args.bind(after.map_or("", RoomId::as_str).to_owned()).bind(i64::from(limit));
        let text = match filter {
            RoomFilter::Joined => JOINED,
            RoomFilter::Visible => VISIBLE,
        };
        let rows = self.client.read(text, args.done()?).await?;
        rows.iter().map(room_and_member).collect()
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let mut args = Args::default();
        args.bind(room.as_str().to_owned());
        args.bind(after.map_or("", UserId::as_str).to_owned()).bind(i64::from(limit));
        let rows = self.client.read(MEMBERS, args.done()?).await?;
        rows.iter().map(|row| Fields::of(row).member()).collect()
    }

    async fn invite_links(&self, room: &RoomId) -> Result<Vec<InviteLink>, StoreError> {
        let args = Args::default().bind(room.as_str().to_owned()).done()?;
        let rows = self.client.read(INVITE_LINKS, args).await?;
        rows.iter().map(|row| Fields::of(row).invite_link()).collect()
    }

    async fn invited_to(
        &self,
        hash: &InviteHash,
    ) -> Result<Option<(Room, InviteLink)>, StoreError> {
        let args = Args::default().bind(hex(hash.as_bytes())).done()?;
        let rows = self.client.read(INVITED_TO, args).await?;
        rows.first().map(room_and_link).transpose()
    }

    async fn retained(
        &self,
        which: Retained,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreError> {
        let mut args = Args::default();
        args.bind(after.map_or("", RoomId::as_str).to_owned()).bind(i64::from(limit));
        let text = match which {
            Retained::Own => OWN,
            Retained::All => ALL,
        };
        let rows = self.client.read(text, args.done()?).await?;
        rows.iter().map(|row| Fields::of(row).room()).collect()
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Head>, StoreError> {
        let ids: Vec<_> = rooms.iter().map(|room| room.as_str().to_owned()).collect();
        let ids = Args::default().bind(ids).done()?;
        self.client.read(HEADS, ids).await?.iter().map(head).collect()
    }

    async fn blocked(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError> {
        let mut args = Args::default();
        args.bind(user.as_str().to_owned());
        args.bind(after.map_or("", UserId::as_str).to_owned()).bind(i64::from(limit));
        let rows = self.client.read(BLOCKED, args.done()?).await?;
        rows.iter().map(|row| Fields::of(row).user()).collect()
    }

    async fn counts(&self) -> Result<RoomCounts, StoreError> {
        let rows = self.client.read(COUNTS, PgArguments::default()).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound).map_err(failed)?;
        let mut row = Fields::of(row);
        Ok(RoomCounts { rooms: row.number()?, messages: row.number()? })
    }
}

fn room_and_member(row: &PgRow) -> Result<(Room, Option<Member>), StoreError> {
    let mut row = Fields::of(row);
    Ok((row.room()?, row.maybe_member()?))
}

fn room_and_link(row: &PgRow) -> Result<(Room, InviteLink), StoreError> {
    let mut row = Fields::of(row);
    Ok((row.room()?, row.invite_link()?))
}

fn head(row: &PgRow) -> Result<Head, StoreError> {
    let mut row = Fields::of(row);
    let room = RoomId::parse(row.take()?).map_err(corrupt)?;
    Ok(Head { room, head_seq: row.seq()?, deleted: row.take()? })
}
