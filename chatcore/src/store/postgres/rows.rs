//! Rows of PostgreSQL.

use sqlx::postgres::{PgRow, Postgres};

use super::error::{corrupt, failed};
use crate::clock::Timestamp;
use crate::id::{Epoch, RoomId, Seq, UserId};
use crate::log::Entry;
use crate::room::{InviteLink, Member, Room};
use crate::store::StoreError;
use crate::store::sql::fields::fields;
use crate::store::sql::rows::{entry_from, invite_link_from, member_from, room_from, unsigned};

fields!(Postgres, PgRow);

/// A number for PostgreSQL, whose numbers end at half of ours.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
