//! Names of things: parsed once at the edge, known to be sound from there on.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::clock::Random;
use crate::error::Invalid;

/// A string that is not a valid id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

impl From<InvalidId> for Invalid {
    fn from(error: InvalidId) -> Self {
        Self::new(error.what, error.to_string())
    }
}

/// Random bytes as base64url without padding (RFC 4648, section 5).
pub(crate) fn random_string<const BYTES: usize>(random: &dyn Random) -> String {
    let mut bytes = [0; BYTES];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn is_token(s: &str, max: usize) -> bool {
    (1..=max).contains(&s.len())
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_opaque(s: &str, max: usize) -> bool {
    (1..=max).contains(&s.len()) && !s.chars().any(char::is_control)
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr, $rule:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id that came from outside.
            ///
            /// # Errors
            #[doc = concat!("Unless it is ", $rule, ".")]
            pub fn parse(s: &str) -> Result<Self, InvalidId> {
                if $check(s) {
                    Ok(Self(s.into()))
                } else {
                    Err(InvalidId { what: $what, rule: $rule })
                }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                Self::parse(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(s: String) -> Result<Self, InvalidId> {
                Self::parse(&s)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().into()
            }
        }

        impl From<&$name> for Arc<str> {
            /// Shares the text.
            fn from(id: &$name) -> Self {
                Self::clone(&id.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $rule })
            }
        }
    };
}

string_id! {
    /// Who someone is: an opaque name that the host or the account module gives.
    ///
    /// A host's integer, UUID or login name fits.
    UserId, "user", |s| is_opaque(s, 64), "1 to 64 bytes without control characters",
    r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"
}
string_id! {
    /// A room. Made by [`RoomId::random`], or derived from the pair for a direct room.
    RoomId, "room", |s| is_token(s, 64), "1 to 64 of A-Z a-z 0-9 - _",
    r"^[A-Za-z0-9_-]{1,64}$"
}
string_id! {
    /// A message, for ever: derived from `(room, user, client_msg_id)`, so that one lookup answers
    /// both "which message is this?" and "was this sent before?".
    MessageId, "message_id", |s: &str| s.len() == 22 && is_token(s, 22), "22 of A-Z a-z 0-9 - _",
    r"^[A-Za-z0-9_-]{22}$"
}
string_id! {
    /// The sender's own name for a message: what makes a send take effect once.
    ClientMsgId, "client_msg_id", |s| is_opaque(s, 64), "1 to 64 bytes without control characters",
    r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"
}
string_id! {
    /// One login on one device.
    SessionId, "session", |s| is_token(s, 64), "1 to 64 of A-Z a-z 0-9 - _",
    r"^[A-Za-z0-9_-]{1,64}$"
}
string_id! {
    /// What a client calls the device it runs on.
    DeviceId, "device", |s| is_opaque(s, 64), "1 to 64 bytes without control characters",
    r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"
}
string_id! {
    /// An uploaded file. Random, so that it cannot be guessed.
    AttachmentId, "attachment", |s| is_token(s, 64), "1 to 64 of A-Z a-z 0-9 - _",
    r"^[A-Za-z0-9_-]{1,64}$"
}
string_id! {
    /// A link by which people come into a room. No secret: the code that opens the room is another thing.
    InviteLinkId, "link", |s| is_token(s, 64), "1 to 64 of A-Z a-z 0-9 - _",
    r"^[A-Za-z0-9_-]{1,64}$"
}
string_id! {
    /// Which life of the store a cursor belongs to; changes when acked entries may have been lost.
    Epoch, "epoch", |s| is_token(s, 32), "1 to 32 of A-Z a-z 0-9 - _",
    r"^[A-Za-z0-9_-]{1,32}$"
}

macro_rules! random_id {
    ($($name:ident: $bytes:literal),*) => {$(
        impl $name {
            #[doc = concat!("A fresh one, of ", stringify!($bytes), " random bytes.")]
            pub fn random(random: &dyn Random) -> Self {
                Self(random_string::<$bytes>(random).into())
            }
        }
    )*};
}
random_id!(UserId: 12, RoomId: 12, SessionId: 16, AttachmentId: 16, InviteLinkId: 9, Epoch: 6);

impl UserId {
    /// The host itself, as the author of what it does without a user. No account has this name.
    pub fn system() -> Self {
        Self("~system".into())
    }
}

impl RoomId {
    /// The direct room of two people: the same whoever asks, so that there is one per pair.
    pub fn direct(a: &UserId, b: &UserId) -> Self {
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        let hash = hash_parts(&[b"direct", first.as_str().as_bytes(), second.as_str().as_bytes()]);
        Self(format!("d{}", URL_SAFE_NO_PAD.encode(&hash[..16])).into())
    }

    /// The public room that those who name none write to.
    pub fn lobby() -> Self {
        Self("lobby".into())
    }
}

impl MessageId {
    /// The id of what `user` sends to `room` under `client_msg_id`.
    pub fn derive(room: &RoomId, user: &UserId, client_msg_id: &ClientMsgId) -> Self {
        let hash = hash_parts(&[
            b"message",
            room.as_str().as_bytes(),
            user.as_str().as_bytes(),
            client_msg_id.as_str().as_bytes(),
        ]);
        Self(URL_SAFE_NO_PAD.encode(&hash[..16]).into())
    }

    /// The 16 bytes that the text stands for, as stores keep them.
    pub fn to_bytes(&self) -> [u8; 16] {
        // A hand-made id with stray bits in its last character maps to one that nothing has.
        let mut bytes = [0; 16];
        if let Ok(decoded) = URL_SAFE_NO_PAD.decode(self.as_str()) {
            bytes.copy_from_slice(&decoded);
        }
        bytes
    }

    /// The id that `bytes` stand for.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }
}

/// SHA-256 over length-prefixed parts, so that no two lists of parts collide by shifting a border.
pub(crate) fn hash_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A place in a room's log: 1, 2, 3 … with none left out. 0 stands before the first entry.
///
/// At most 2^53 − 1, so that every JSON reader holds it exactly (RFC 8259, section 6).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "u64")]
pub struct Seq(pub u64);

impl TryFrom<u64> for Seq {
    type Error = InvalidId;

    /// Takes a place that came from outside.
    fn try_from(seq: u64) -> Result<Self, InvalidId> {
        if seq <= Self::MAX.0 {
            Ok(Self(seq))
        } else {
            Err(InvalidId { what: "seq", rule: "at most 9007199254740991" })
        }
    }
}

impl Seq {
    /// Before the first entry.
    pub const START: Self = Self(0);
    /// The largest that the wire carries.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The next place. After the last that can be counted, which no log reaches, that one again.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
