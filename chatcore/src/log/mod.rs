//! The log of a room: everything durable that happens there, in one dense order.
//!
//! History, live delivery, resume, unread counts and statistics are all positions in this log.

mod draft;
mod entry;
mod page;

pub use draft::Draft;
pub(crate) use draft::{Fingerprint, check_emoji, check_text, fingerprint};
pub(crate) use entry::is_zero;
pub use entry::{AttachmentRef, Body, Entry, Kind, Thumbnail};
pub use page::{Anchor, Cursor, HistoryPage, HistoryQuery, Message, Reaction};
