//! Rooms, members, roles: what they are, and the rules.
//!
//! The rules are pure: [`plan`] takes what is known of a room (a [`View`]) and a
//! [`Command`], and says what becomes of it. A store runs them under the room's lock, which
//! is held until what they decided is written, so that nothing changes between the check and the deed.
//!
//! ```text
//! Command ─ needs ─► store loads a View under the lock ─► decide ─► Changes ─► store writes, commits
//! ```

mod command;
mod decide;
mod invite_link;
mod model;
mod plan;
mod rejection;
mod view;

pub use command::{Action, Actor, Command, MemberAction, Needs, NewRoom, RoomUpdate, SendAction};
pub(crate) use command::{check_line, check_until, reorders};
pub use decide::Outcome;
pub use invite_link::{InviteCode, InviteHash, InviteLink, NewInviteLink};
pub use model::{
    Access, Marks, Member, NotifyLevel, NotifySetting, Role, Room, RoomKind, Standing,
};
pub use plan::{Changes, Plan, plan};
pub use rejection::Rejection;
pub use view::{
    Blocks, MessageState, PriorSend, ReactionCount, ReactionState, Upload, View, Views,
};
