//! Rows as the library's types, and back: alike in every SQL database.

use super::corrupt;
use crate::account::{NameKind, Purpose};
use crate::clock::Timestamp;
use crate::id::{ClientMsgId, Epoch, InviteLinkId, RoomId, Seq, UserId};
use crate::log::{Body, Entry, Thumbnail};
use crate::room::{
    InviteHash, InviteLink, Marks, Member, NotifyLevel, NotifySetting, Role, Room, RoomKind,
    Standing,
};
use crate::store::{HookCursor, StoreError};

/// The columns of [`Fields::room`], of a table or alias `r`.
macro_rules! room_columns {
    () => {
        "r.id, r.kind, r.name, r.topic, r.created_at, r.created_by, r.keep, r.head_seq, r.head_n, \
         r.floor_seq, r.members, r.owners, r.pins, r.deleted_at, r.slow_mode, \
         r.retention, r.floor_n"
    };
}
/// The columns of [`Fields::member`], of `m`.
macro_rules! member_columns {
    () => {
        "m.user, m.standing, m.banned_until, m.role, m.muted_until, m.entered_seq, m.read_seq, \
         m.read_n, m.delivered_seq, m.mentions, m.spoke_at, m.barred, m.notify, \
         m.snooze_until"
    };
}
/// The columns of [`Fields::entry`], of `l`.
macro_rules! entry_columns {
    () => {
        "l.seq, l.n, l.user, l.ts, l.client_msg_id, l.body"
    };
}
/// The columns of [`Fields::invite_link`], of `i`.
macro_rules! invite_link_columns {
    () => {
        "i.id, i.hash, i.created_by, i.created_at, i.expires_at, i.uses, i.used"
    };
}
pub(in crate::store) use {entry_columns, invite_link_columns, member_columns, room_columns};

/// The values of `room_columns`.
#[derive(Debug, serde::Deserialize)]
pub(in crate::store) struct RoomCells {
    pub(in crate::store) id: String,
    pub(in crate::store) kind: i64,
    pub(in crate::store) name: Option<String>,
    pub(in crate::store) topic: Option<String>,
    pub(in crate::store) created_at: i64,
    pub(in crate::store) created_by: String,
    pub(in crate::store) keep: i64,
    pub(in crate::store) head_seq: i64,
    pub(in crate::store) head_n: i64,
    pub(in crate::store) floor_seq: i64,
    pub(in crate::store) members: i64,
    pub(in crate::store) owners: i64,
    pub(in crate::store) pins: i64,
    pub(in crate::store) deleted_at: Option<i64>,
    pub(in crate::store) slow_mode: i64,
    pub(in crate::store) retention: i64,
    pub(in crate::store) floor_n: i64,
}

pub(in crate::store) fn room_from(cells: RoomCells) -> Result<Room, StoreError> {
    Ok(Room {
        id: RoomId::parse(&cells.id).map_err(corrupt)?,
        kind: kind_from(cells.kind)?,
        name: cells.name,
        topic: cells.topic,
        created_at: Timestamp(cells.created_at),
        created_by: UserId::parse(&cells.created_by).map_err(corrupt)?,
        keep: cells.keep != 0,
        head_seq: Seq(unsigned(cells.head_seq)?),
        head_n: unsigned(cells.head_n)?,
        floor_seq: Seq(unsigned(cells.floor_seq)?),
        floor_n: unsigned(cells.floor_n)?,
        members: unsigned(cells.members)?,
        owners: unsigned(cells.owners)?,
        pins: unsigned(cells.pins)?,
        slow_mode: unsigned(cells.slow_mode)?,
        retention: unsigned(cells.retention)?,
        deleted_at: cells.deleted_at.map(Timestamp),
    })
}

/// The values of `member_columns`.
pub(in crate::store) type MemberCells = (
    String,
    i64,
    Option<i64>,
    i64,
    Option<i64>,
    i64,
    i64,
    i64,
    i64,
    Option<String>,
    Option<i64>,
    i64,
    i64,
    Option<i64>,
);

pub(in crate::store) fn member_from(cells: MemberCells) -> Result<Member, StoreError> {
    let (user, standing, until, role, muted_until, entered_seq, read_seq, read_n, ..) = cells;
    let (.., delivered, mentions, spoke_at, barred, notify, snooze_until) = cells;
    Ok(Member {
        user: UserId::parse(&user).map_err(corrupt)?,
        standing: standing_from(standing, until.map(Timestamp))?,
        role: role_from(role)?,
        muted_until: muted_until.map(Timestamp),
        entered_seq: Seq(unsigned(entered_seq)?),
        marks: Marks {
            read_seq: Seq(unsigned(read_seq)?),
            read_n: unsigned(read_n)?,
            delivered_seq: Seq(unsigned(delivered)?),
        },
        mentions: match mentions {
            Some(mentions) => serde_json::from_str(&mentions).map_err(corrupt)?,
            None => Vec::new(),
        },
        spoke_at: spoke_at.map(Timestamp),
        barred: barred != 0,
        notify: NotifySetting {
            level: level_from(notify)?,
            snooze_until: snooze_until.map(Timestamp),
        },
    })
}

/// The values of `entry_columns`.
pub(in crate::store) type EntryCells = (i64, Option<i64>, String, i64, Option<String>, String);

pub(in crate::store) fn entry_from(
    (seq, n, user, ts, client_msg_id, body): EntryCells,
    room: &RoomId,
    epoch: &Epoch,
) -> Result<Entry, StoreError> {
    let client_msg_id = client_msg_id.as_deref().map(ClientMsgId::parse).transpose();
    Ok(Entry {
        room: room.clone(),
        epoch: epoch.clone(),
        seq: Seq(unsigned(seq)?),
        user: UserId::parse(&user).map_err(corrupt)?,
        ts: Timestamp(ts),
        n: n.map(unsigned).transpose()?,
        client_msg_id: client_msg_id.map_err(corrupt)?,
        body: serde_json::from_str::<Body>(&body).map_err(corrupt)?,
    })
}

/// The values of `invite_link_columns`. What is kept of a code is in hexadecimal.
pub(in crate::store) type InviteLinkCells = (String, String, String, i64, i64, Option<i64>, i64);

pub(in crate::store) fn invite_link_from(
    (id, hash, created_by, created_at, expires_at, uses, used): InviteLinkCells,
) -> Result<InviteLink, StoreError> {
    Ok(InviteLink {
        id: InviteLinkId::parse(&id).map_err(corrupt)?,
        hash: InviteHash::from_bytes(unhex(&hash)?),
        created_by: UserId::parse(&created_by).map_err(corrupt)?,
        created_at: Timestamp(created_at),
        expires_at: Timestamp(expires_at),
        uses: uses.map(unsigned).transpose()?,
        used: unsigned(used)?,
    })
}

impl HookCursor {
    /// Of a row of `hooks`.
    pub(in crate::store) fn from_cells(
        pos: u64,
        seq: Seq,
        end: (Option<i64>, Option<i64>),
    ) -> Result<Self, StoreError> {
        let end = match end {
            (Some(pos), Some(seq)) => Some((unsigned(pos)?, Seq(unsigned(seq)?))),
            _ => None,
        };
        Ok(Self { pos, seq, end })
    }
}

/// A number that is never below zero.
pub(in crate::store) fn unsigned<T: TryFrom<i64>>(number: i64) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_| corrupt("a number is out of range"))
}

pub(in crate::store) fn kind_number(kind: RoomKind) -> i64 {
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

pub(in crate::store) fn role_number(role: Role) -> i64 {
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
pub(in crate::store) fn standing_number(standing: Standing) -> (i64, Option<i64>) {
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

/// A thumbnail as it is kept: JSON.
pub(in crate::store) fn thumbnail_text(
    thumbnail: Option<&Thumbnail>,
) -> Result<Option<String>, StoreError> {
    thumbnail.map(serde_json::to_string).transpose().map_err(corrupt)
}

pub(in crate::store) fn thumbnail_from(
    text: Option<&str>,
) -> Result<Option<Thumbnail>, StoreError> {
    text.map(serde_json::from_str).transpose().map_err(corrupt)
}

pub(in crate::store) fn level_number(level: NotifyLevel) -> i64 {
    match level {
        NotifyLevel::All => 0,
        NotifyLevel::Mentions => 1,
        NotifyLevel::None => 2,
    }
}

fn level_from(number: i64) -> Result<NotifyLevel, StoreError> {
    match number {
        0 => Ok(NotifyLevel::All),
        1 => Ok(NotifyLevel::Mentions),
        2 => Ok(NotifyLevel::None),
        _ => Err(corrupt("an unknown level")),
    }
}

pub(in crate::store) fn name_kind_number(kind: NameKind) -> i64 {
    match kind {
        NameKind::Handle => 1,
        NameKind::Email => 2,
        NameKind::ExternalId => 3,
    }
}

pub(in crate::store) fn name_kind_from(number: i64) -> Result<NameKind, StoreError> {
    match number {
        1 => Ok(NameKind::Handle),
        2 => Ok(NameKind::Email),
        3 => Ok(NameKind::ExternalId),
        _ => Err(corrupt("an unknown kind of name")),
    }
}

/// A generation as a column holds it: what none has is as good as what none can have.
pub(in crate::store) fn generation(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

pub(in crate::store) fn purpose_number(purpose: Purpose) -> i64 {
    match purpose {
        Purpose::Confirm => 1,
        Purpose::Reset => 2,
    }
}

/// A size as a column holds it: what no file has is as good as what no file can have.
pub(in crate::store) fn file_size(bytes: u64) -> i64 {
    // A sum over some hundreds of files is still a number.
    i64::try_from(bytes).unwrap_or(i64::MAX).min(1 << 50)
}

/// What [`hex`] has made, or what a database calls so.
pub(in crate::store) fn unhex<const N: usize>(text: &str) -> Result<[u8; N], StoreError> {
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).map_err(corrupt)?;
        u8::from_str_radix(pair, 16).map_err(corrupt)
    });
    let bytes = pairs.collect::<Result<Vec<u8>, StoreError>>()?;
    bytes.try_into().map_err(|_| corrupt("a number of bytes is wrong"))
}

/// Bytes as JSON carries them into the database.
pub(in crate::store) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
