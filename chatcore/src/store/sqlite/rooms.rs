//! Reading rooms and members.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use crate::id::{RoomId, UserId};
use crate::room::{InviteHash, InviteLink, Member, Room};
use crate::store::sql::rows::{hex, invite_link_columns, member_columns, room_columns};
use crate::store::{Head, Retained, RoomCounts, RoomFilter, RoomStore, StoreError};

const ROOM: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    member_columns!(),
    " FROM rooms r LEFT JOIN members m ON m.room = r.pk AND m.user = ? WHERE r.id = ?"
);

const JOINED: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    member_columns!(),
    " FROM members m INDEXED BY members_rooms CROSS JOIN rooms r ON r.pk = m.room \
     WHERE m.user = ?1 AND m.standing <= 2 AND m.standing = 1 AND r.id > ?2 AND r.deleted_at IS NULL \
     ORDER BY r.id LIMIT ?3"
);

/// A page of the public ones and a page of the user's own hold the first page of both together.
const VISIBLE: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    member_columns!(),
    " FROM (\
       SELECT pk FROM (SELECT p.pk FROM rooms p INDEXED BY rooms_public \
                       WHERE p.kind = 1 AND p.deleted_at IS NULL AND p.id > ?2 \
                       ORDER BY p.id LIMIT ?3) \
       UNION \
       SELECT o.room FROM members o INDEXED BY members_rooms WHERE o.user = ?1 AND o.standing <= 2\
     ) v CROSS JOIN rooms r ON r.pk = v.pk \
     LEFT JOIN members m ON m.room = r.pk AND m.user = ?1 \
     WHERE r.id > ?2 AND r.deleted_at IS NULL ORDER BY r.id LIMIT ?3"
);

const MEMBERS: &str = concat!(
    "SELECT ",
    member_columns!(),
    " FROM rooms r CROSS JOIN members m INDEXED BY members_joined ON m.room = r.pk \
     WHERE r.id = ?1 AND r.deleted_at IS NULL AND m.standing = 1 AND m.user > ?2 \
     ORDER BY m.user LIMIT ?3"
);

const INVITE_LINKS: &str = concat!(
    "SELECT ",
    invite_link_columns!(),
    " FROM rooms r CROSS JOIN invite_links i ON i.room = r.pk WHERE r.id = ? ORDER BY i.id"
);

const INVITED_TO: &str = concat!(
    "SELECT ",
    room_columns!(),
    ", ",
    invite_link_columns!(),
    " FROM invite_links i CROSS JOIN rooms r ON r.pk = i.room WHERE i.hash = ?"
);

const BLOCKED: &str =
    "SELECT blocked FROM blocks WHERE user = ? AND blocked > ? ORDER BY blocked LIMIT ?";

const OWN: &str = concat!(
    "SELECT ",
    room_columns!(),
    " FROM rooms r INDEXED BY rooms_retained \
     WHERE r.retention > 0 AND r.deleted_at IS NULL AND r.id > ?1 ORDER BY r.id LIMIT ?2"
);

const ALL: &str = concat!(
    "SELECT ",
    room_columns!(),
    " FROM rooms r WHERE r.deleted_at IS NULL AND r.id > ?1 ORDER BY r.id LIMIT ?2"
);

#[async_trait]
impl RoomStore for SqliteStore {
    async fn room(
        &self,
        room: &RoomId,
        user: Option<&UserId>,
    ) -> Result<Option<(Room, Option<Member>)>, StoreError> {
        let mut reader = self.read().await?;
        let row = sqlx::query(ROOM)
            .bind(user.map(UserId::as_str))
            .bind(room.as_str())
            .fetch_optional(&mut *reader)
            .await
            .map_err(failed)?;
        row.as_ref().map(room_and_member).transpose()
    }

    async fn rooms(
        &self,
        user: &UserId,
        filter: RoomFilter,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<(Room, Option<Member>)>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(match filter {
            RoomFilter::Joined => JOINED,
            RoomFilter::Visible => VISIBLE,
        })
        .bind(user.as_str())
        .bind(after.map_or("", RoomId::as_str))
        .bind(limit)
        .fetch_all(&mut *reader)
        .await
        .map_err(failed)?;
        rows.iter().map(room_and_member).collect()
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(MEMBERS)
            .bind(room.as_str())
            .bind(after.map_or("", UserId::as_str))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Fields::of(row).member()).collect()
    }

    async fn invite_links(&self, room: &RoomId) -> Result<Vec<InviteLink>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(INVITE_LINKS)
            .bind(room.as_str())
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Fields::of(row).invite_link()).collect()
    }

    async fn invited_to(
        &self,
        hash: &InviteHash,
    ) -> Result<Option<(Room, InviteLink)>, StoreError> {
        let mut reader = self.read().await?;
        let row = sqlx::query(INVITED_TO)
            .bind(hex(hash.as_bytes()))
            .fetch_optional(&mut *reader)
            .await
            .map_err(failed)?;
        row.as_ref().map(room_and_link).transpose()
    }

    async fn retained(
        &self,
        which: Retained,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreError> {
        let rows = sqlx::query(match which {
            Retained::Own => OWN,
            Retained::All => ALL,
        })
        .bind(after.map_or("", RoomId::as_str))
        .bind(limit)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| Fields::of(row).room()).collect()
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Head>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, head_seq, deleted_at IS NOT NULL FROM rooms \
             WHERE id IN (SELECT value FROM json_each(?))",
        )
        .bind(serde_json::to_string(rooms).map_err(corrupt)?)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let head = |row: &SqliteRow| {
            let mut row = Fields::of(row);
            let room = RoomId::parse(row.take()?).map_err(corrupt)?;
            Ok(Head { room, head_seq: row.seq()?, deleted: row.take()? })
        };
        rows.iter().map(head).collect()
    }

    async fn blocked(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(BLOCKED)
            .bind(user.as_str())
            .bind(after.map_or("", UserId::as_str))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Fields::of(row).user()).collect()
    }

    async fn counts(&self) -> Result<RoomCounts, StoreError> {
        let mut reader = self.read().await?;
        // Rooms are numbered without gaps and never removed.
        let row =
            sqlx::query("SELECT (SELECT coalesce(max(pk), 0) FROM rooms), messages FROM totals")
                .fetch_one(&mut *reader)
                .await
                .map_err(failed)?;
        let mut row = Fields::of(&row);
        Ok(RoomCounts { rooms: row.number()?, messages: row.number()? })
    }
}

fn room_and_member(row: &SqliteRow) -> Result<(Room, Option<Member>), StoreError> {
    let mut row = Fields::of(row);
    Ok((row.room()?, row.maybe_member()?))
}

fn room_and_link(row: &SqliteRow) -> Result<(Room, InviteLink), StoreError> {
    let mut row = Fields::of(row);
    Ok((row.room()?, row.invite_link()?))
}
