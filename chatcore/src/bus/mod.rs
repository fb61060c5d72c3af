//! How nodes over one store tell each other what happens.
//!
//! ```text
//!  commit ─► hub ─► out ─► Bus::tell ─ ─ ─ hints ─ ─ ─► Bus::follow ─► node ─► hub, in order
//!                                                                       ▲
//!                              store: heads, entries, live sessions ────┘ polled
//! ```
//!
//! The log is the truth, and the bus is a hint. A hint says that a room has got entries, and carries
//! them where they are short; a node that listens to the room takes them if they follow what it has,
//! and reads the log if they do not. Hints may be lost, doubled, late and out of order: each node also asks the
//! store, more often than once a second, how far the rooms go that it serves, and which of the sessions that are
//! connected to it are still there. So with the bus dead everything arrives within a second or so, and
//! who was put out on one node is out on all within two (promises G5 and G7). What is of the moment
//! (signals, presence, marks, word of rooms that nobody here has open) is carried by the bus alone.
//!
//! Whoever can write to the bus can forge hints: entries that are not in the log, until someone
//! reads it, and ends of sessions. Keep it as private as the store.

pub(crate) mod hint;
mod memory;
#[cfg(feature = "nats")]
mod nats;
pub(crate) mod node;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use memory::{Fault, MemoryBus};
#[cfg(feature = "nats")]
pub use nats::NatsBus;
pub use node::Report;

use crate::id::RoomId;

/// What hints are about; a node follows the topics that concern someone who is connected to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Topic {
    /// What happens in a room.
    Room(RoomId),
    /// What concerns one part of the people, wherever they are.
    People(u8),
    /// Sessions that end.
    Sessions,
}

impl fmt::Display for Topic {
    /// Two words of `A-Z a-z 0-9 - _` with a dot between, or one: as a subject of NATS, with nothing in
    /// it that a room's name could turn into another subject, or many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // No other character is in the id of a room.
            Self::Room(room) => write!(f, "room.{room}"),
            Self::People(part) => write!(f, "people.{part}"),
            Self::Sessions => f.write_str("sessions"),
        }
    }
}

/// How a bus fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// It is not connected, or its queue is full. The hint is gone.
    #[error("the bus takes nothing now")]
    Unavailable,
    /// The URL or a setting is not one that can be served.
    #[error("the bus cannot be used: {0}")]
    Unusable(String),
}

/// Hints on one topic. Dropping it ends the following.
pub type Following = BoxStream<'static, Bytes>;

/// Carries hints between nodes.
///
/// # Contract
/// - A hint reaches all others who follow its topic when it is told, or some, or none, once or more
///   often, in any order. Whoever told it may hear it too.
/// - It is unchanged when it arrives, and on no other topic.
/// - Nothing here waits for long, whatever state the bus is in, and everything that waits is bounded:
///   what does not fit is dropped, and counted.
/// - It mends itself: whoever followed before a disturbance follows after it.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Tells those who follow `topic`.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if it is known to reach nobody.
    async fn tell(&self, topic: &Topic, hint: Bytes) -> Result<(), BusError>;

    /// Follows `topic` from now on. When it returns, or soon after, hints arrive; the stream ends if the
    /// bus gives up on it, and then has to be followed anew.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    async fn follow(&self, topic: &Topic) -> Result<Following, BusError>;

    /// The most bytes that a hint may have.
    fn largest(&self) -> usize;

    /// Whether it is connected, as far as is known.
    fn is_up(&self) -> bool;

    /// How many hints came for this node and were dropped because it was slow. May be an estimate.
    fn lost(&self) -> u64;
}

/// Opens the bus that `url` names; none for `local:`, where there is one node.
///
/// | URL | bus | feature |
/// |---|---|---|
/// | `local:` | none: this node is the only one | |
/// | `nats://[USER:PASSWORD@ or TOKEN@]HOST[:PORT][,HOST…][/PREFIX]` | NATS, with subjects under `PREFIX` (`chatcore`); `tls:` for TLS | `nats` |
///
/// The first connection is made in the background, and tried again for ever.
///
/// # Errors
/// [`BusError::Unusable`] with a sentence that says how to mend it, for a URL that is not of this list
/// or that this build cannot serve. It never shows a password.
pub async fn open(url: &str) -> Result<Option<Arc<dyn Bus>>, BusError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("local") if url == "local:" => Ok(None),
        #[cfg(feature = "nats")]
        Some("nats" | "tls") => Ok(Some(Arc::new(NatsBus::open(url).await?))),
        #[cfg(not(feature = "nats"))]
        Some("nats" | "tls") => Err(BusError::Unusable(
            "this build has no NATS: add the feature `nats` of chatcore, or use `local:`".into(),
        )),
        _ => Err(BusError::Unusable("use `local:` or `nats://HOST:PORT`".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_not_served_is_refused_without_showing_it() {
        let error = open("redis://root:hunter2@host").await.map(|_| ()).expect_err("refused");
        assert_eq!(error.to_string(), "the bus cannot be used: use `local:` or `nats://HOST:PORT`");
        assert!(open("local:").await.expect("no bus").is_none());
    }

    proptest::proptest! {
        /// Whatever a room is called, its subject has two parts and no wildcard.
        #[test]
        fn a_topic_is_a_sound_subject(id in "\\PC{0,70}|[a-zA-Z0-9_-]{1,64}|[.*> \\r\\n]{1,8}") {
            if let Ok(room) = RoomId::parse(&id) {
                let subject = Topic::Room(room).to_string();
                let parts: Vec<_> = subject.split('.').collect();
                proptest::prop_assert_eq!(parts.len(), 2);
                proptest::prop_assert!(!parts[1].is_empty());
                proptest::prop_assert!(!subject.contains(['*', '>', ' ', '\r', '\n', '\t']));
            }
        }
    }
}
