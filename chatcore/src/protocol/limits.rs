//! The bounds of a connection, as its `welcome` announces them.

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// What a client may rely on, and must keep to. A bound that a server does not name is read as it is by
/// default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct Announced {
    /// Unacked events per room; past that, none are sent. A client acks about every half of it.
    pub window: u32,
    /// Bytes of one frame.
    pub frame_bytes: u32,
    /// Requests without an answer yet.
    pub in_flight: u32,
    /// Rooms subscribed to at the same time.
    pub subscriptions: u32,
    /// Bytes of the text of a message, in UTF-8.
    pub text_bytes: u32,
    /// Bytes of a message's `meta`, as JSON.
    pub meta_bytes: u32,
    /// Attachments of one message.
    pub attachments: u32,
    /// People whom one message mentions.
    pub mentions: u32,
    /// Messages of one page.
    pub page: u32,
}

impl Announced {
    /// Bounds of the transport by default, and of the content as `limits` has them.
    pub fn new(limits: &Limits) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            window: 1024,
            frame_bytes: 256 * 1024,
            in_flight: 256,
            subscriptions: 1_000,
            text_bytes: count(limits.text_bytes),
            meta_bytes: count(limits.meta_bytes),
            attachments: count(limits.attachments),
            mentions: count(limits.mentions),
            page: limits.page,
        }
    }
}

impl Default for Announced {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}
