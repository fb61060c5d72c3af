//! Rows as the library's types, and back.

use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row, Type};

use super::error::{corrupt, failed};
use crate::clock::Timestamp;
use crate::id::{ClientMsgId, Epoch, RoomId, Seq, UserId};
use crate::log::{Body, Entry};
use crate::room::{Marks, Member, Role, Room, RoomKind, Standing};
use crate::store::StoreError;

/// The columns of [`Fields::room`], of a table or alias `r`.
macro_rules! room_columns {
    () => {
        "r.id, r.kind, r.name, r.topic, r.created_at, r.created_by, r.keep, r.head_seq, r.head_n, \
         r.floor_seq, r.members, r.owners, r.pins, r.deleted_at"
    };
}
/// The columns of [`Fields::member`], of `m`.
macro_rules! member_columns {
    () => {
        "m.user, m.standing, m.banned_until, m.role, m.muted_until, m.entered_seq, m.read_seq, \
         m.read_n, m.delivered_seq"
    };
}
/// The columns of [`Fields::entry`], of `l`.
macro_rules! entry_columns {
    () => {
        "l.seq, l.n, l.user, l.ts, l.client_msg_id, l.body"
    };
}
pub(super) use {entry_columns, member_columns, room_columns};

/// A row, read from left to right.
pub(super) struct Fields<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Fields<'r> {
    pub(super) fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn take<T>(&mut self) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let column = self.next;
        self.next += 1;
        self.row.try_get(column).map_err(failed)
    }

    /// A number that is never below zero.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        T::try_from(self.take::<i64>()?).map_err(|_| corrupt("a number is out of range"))
    }

    pub(super) fn seq(&mut self) -> Result<Seq, StoreError> {
        self.number().map(Seq)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.take().map(Timestamp)
    }

    pub(super) fn maybe_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp))
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.take::<&[u8]>()?.try_into().map_err(corrupt)
    }

    pub(super) fn user(&mut self) -> Result<UserId, StoreError> {
        UserId::parse(self.take()?).map_err(corrupt)
    }

    pub(super) fn room_id(&mut self) -> Result<RoomId, StoreError> {
        RoomId::parse(self.take()?).map_err(corrupt)
    }

    pub(super) fn room(&mut self) -> Result<Room, StoreError> {
        Ok(Room {
            id: self.room_id()?,
            kind: kind_from(self.take()?)?,
            name: self.take()?,
            topic: self.take()?,
            created_at: self.time()?,
            created_by: self.user()?,
            keep: self.take()?,
            head_seq: self.seq()?,
            head_n: self.number()?,
            floor_seq: self.seq()?,
            members: self.number()?,
            owners: self.number()?,
            pins: self.number()?,
            deleted_at: self.maybe_time()?,
        })
    }

    pub(super) fn member(&mut self) -> Result<Member, StoreError> {
        Ok(Member {
            user: self.user()?,
            standing: standing_from(self.take()?, self.maybe_time()?)?,
            role: role_from(self.take()?)?,
            muted_until: self.maybe_time()?,
            entered_seq: self.seq()?,
            marks: Marks {
                read_seq: self.seq()?,
                read_n: self.number()?,
                delivered_seq: self.seq()?,
            },
        })
    }

    /// A member, where an outer join may have found none.
    pub(super) fn maybe_member(&mut self) -> Result<Option<Member>, StoreError> {
        let absent = self.row.try_get::<Option<&str>, _>(self.next).map_err(failed)?.is_none();
        if absent { Ok(None) } else { self.member().map(Some) }
    }

    pub(super) fn entry(&mut self, room: &RoomId, epoch: &Epoch) -> Result<Entry, StoreError> {
        let seq = self.seq()?;
        let n = self.take::<Option<i64>>()?;
        let user = self.user()?;
        let ts = self.time()?;
        let client_msg_id = self.take::<Option<&str>>()?;
        let body: Body = serde_json::from_str(self.take()?).map_err(corrupt)?;
        Ok(Entry {
            room: room.clone(),
            epoch: epoch.clone(),
            seq,
            user,
            ts,
            n: n.map(u64::try_from).transpose().map_err(corrupt)?,
            client_msg_id: client_msg_id.map(ClientMsgId::parse).transpose().map_err(corrupt)?,
            body,
        })
    }
}

pub(super) fn kind_number(kind: RoomKind) -> i64 {
    match kind {
        RoomKind::Public => 1,
        RoomKind::Private => 2,
        RoomKind::Direct => 3,
    }
}

fn kind_from(number: i64) -> Result<RoomKind, StoreError> {
    match number {
        1 => Ok(RoomKind::Public),
        2 => Ok(RoomKind::Private),
        3 => Ok(RoomKind::Direct),
        _ => Err(corrupt("an unknown kind of room")),
    }
}

pub(super) fn role_number(role: Role) -> i64 {
    match role {
        Role::Member => 1,
        Role::Moderator => 2,
        Role::Owner => 3,
    }
}

fn role_from(number: i64) -> Result<Role, StoreError> {
    match number {
        1 => Ok(Role::Member),
        2 => Ok(Role::Moderator),
        3 => Ok(Role::Owner),
        _ => Err(corrupt("an unknown role")),
    }
}

/// The standing's number, and until when it lasts.
pub(super) fn standing_number(standing: Standing) -> (i64, Option<i64>) {
    match standing {
        Standing::Joined => (1, None),
        Standing::Invited => (2, None),
        Standing::Left => (3, None),
        Standing::Kicked => (4, None),
        Standing::Banned { until } => (5, until.map(|t| t.0)),
    }
}

fn standing_from(number: i64, until: Option<Timestamp>) -> Result<Standing, StoreError> {
    match number {
        1 => Ok(Standing::Joined),
        2 => Ok(Standing::Invited),
        3 => Ok(Standing::Left),
        4 => Ok(Standing::Kicked),
        5 => Ok(Standing::Banned { until }),
        _ => Err(corrupt("an unknown standing")),
    }
}

/// Bytes as JSON carries them to SQLite's `unhex`.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
