//! Chat as a library: accounts, rooms, message logs, and the traits that store them.
//!
//! ```text
//! adapter ─► protocol: frames ─► Chat, as someone ─► store: lock the room, decide, commit
//!   ▲        session, no I/O                           │ an entry of the room's log, durable
//!   └─── connection: the pump ◄─── encoded once ◄─── hub: who listens here
//! ```
//!
//! A [`Chat`] acts [for a user](Chat::as_user) or [for the host](Chat::as_system). Whatever happens in
//! a room becomes an entry of its [`log`], in one dense order; history, live delivery, resuming and
//! unread counts are positions in it. The rules are in [`room`], pure, and the [`store`] runs them
//! under the room's lock.
//!
//! ```
//! use chatcore::id::UserId;
//! use chatcore::log::{Cursor, Draft};
//! use chatcore::{Chat, room::NewRoom};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), chatcore::Error> {
//! let chat = Chat::open("memory:").await?;
//! let ann = chat.as_user(&UserId::parse("4711")?);
//! let room = ann.create_room(NewRoom::public("general")).await?.room;
//!
//! let first = ann.send(&room, Draft::text("hi").once("my-own-name-1")?).await?;
//! let again = ann.send(&room, Draft::text("hi").once("my-own-name-1")?).await?;
//! assert_eq!((again.seq, again.duplicate), (first.seq, true));
//!
//! let mut live = ann.subscribe(&room, Cursor::start()).await?;
//! assert_eq!(live.next().await?.map(|entry| entry.seq.0), Some(1));
//! # Ok(())
//! # }
//! ```
//!
//! | feature | what it adds |
//! |---|---|
//! | `sqlite` | the store of `sqlite:` URLs |
//! | `postgres` | the store of `postgres:` URLs, over TLS too |
//! | `s3` | blobs in S3, or in what speaks its protocol |
//! | `smtp` | mail over SMTP |
//! | `nats` | the bus of `nats:` URLs, between nodes over one store |
//! | `webhook` | [telling another program](hook::webhook) over HTTP of what was committed |
//! | `thumbnails` | small pictures of images that are uploaded |
//! | `msgpack` | MessagePack frames beside JSON |
//! | `schema` | JSON Schema of requests, answers and frames |
//! | `testing` | conformance suites for stores of one's own, a clock to turn by hand |
//!
//! None is on by default, and each only adds.

pub mod account;
pub mod attachment;
pub mod bus;
pub mod chat;
pub mod clock;
pub mod connection;
pub mod error;
pub mod histogram;
pub mod hook;
pub mod hub;
pub mod id;
pub mod limits;
pub mod log;
pub mod mail;
pub mod oversight;
pub mod protocol;
pub mod room;
pub mod search;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod throttle;

pub use chat::{Caller, Chat};
pub use error::{Code, Error, Invalid};

/// The README's program must compile.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
