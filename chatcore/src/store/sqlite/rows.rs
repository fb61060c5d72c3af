//! Rows of SQLite.

use sqlx::sqlite::{Sqlite, SqliteRow};

use super::error::{corrupt, failed};
use crate::clock::Timestamp;
use crate::id::{Epoch, RoomId, Seq, UserId};
use crate::log::Entry;
use crate::room::{InviteLink, Member, Room};
use crate::store::StoreError;
use crate::store::sql::fields::fields;
use crate::store::sql::rows::{entry_from, invite_link_from, member_from, room_from, unsigned};

fields!(Sqlite, SqliteRow);
