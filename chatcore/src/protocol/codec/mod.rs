//! From bytes to frames and back.
//!
//! Decoding goes in three steps, so that hostile bytes are met by the plainest code first:
//!
//! ```text
//! bytes ─ scan ─► length, nesting, number of values: no allocation, no recursion
//!       ─ tree ─► a generic value; notes duplicate keys
//!       ─ frame ► the typed frame; says which field is wrong, and how to mend it
//! ```

mod decode;
mod fields;
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
mod tree;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::frame::{ClientFrame, Failure, FileRequest, Received, RequestId};
use crate::error::{Code, Invalid};

/// The deepest nesting of a frame, its own map included.
pub const MAX_DEPTH: usize = 32;

/// The most values (maps, lists, keys and leaves together) in one frame.
///
/// The longest frame that makes sense, an `ack` or a `hello` of a thousand rooms, stays far below.
pub const MAX_VALUES: usize = 16_384;

/// How frames are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// JSON (RFC 8259), UTF-8.
    Json,
    /// MessagePack, maps with field names.
    #[cfg(feature = "msgpack")]
    MessagePack,
}

impl Encoding {
    /// Reads one frame of a client, of at most `max_bytes`.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for bytes that are no frame at all: the connection is to be closed.
    /// [`DecodeError::Refused`] for a frame of which something is wrong: an `error` answers it.
    pub fn decode(self, bytes: &[u8], max_bytes: usize) -> Result<ClientFrame, DecodeError> {
        decode::client_frame(self.tree(bytes, max_bytes)?)
    }

    /// Reads the first frame of a file's stream, of at most [`FileRequest::MAX_BYTES`].
    ///
    /// # Errors
    /// As [`Self::decode`]; malformed bytes end that stream alone.
    pub fn decode_file_request(self, bytes: &[u8]) -> Result<FileRequest, DecodeError> {
        decode::file_request(self.tree(bytes, FileRequest::MAX_BYTES)?)
    }

    /// Reads one frame of a server, of at most `max_bytes`. What is not known here is no error: see
    /// [`Received`].
    ///
    /// # Errors
    /// As [`Self::decode`]: a frame is [refused](DecodeError::Refused) whose `op` is known and whose
    /// fields are not what they should be.
    pub fn decode_server(self, bytes: &[u8], max_bytes: usize) -> Result<Received, DecodeError> {
        let value = match self.tree(bytes, max_bytes)?.flawless() {
            Ok(Value::Object(map)) => map,
            Ok(_) => return Err(Malformed::NotAMap.into()),
            Err(flaw) => return Err(DecodeError::refused(None, flaw)),
        };
        let id = value.get("id").and_then(|id| fields::typed::<RequestId>(id.clone()).ok());
        Received::read(value)
            .map_err(|what| DecodeError::refused(id, Failure::new(Code::BadRequest, what)))
    }

    /// Reads a value of one type, such as the body of a REST request, with the same care.
    ///
    /// # Errors
    /// As [`Self::decode`]; a refusal has no `id`.
    pub fn decode_as<T: DeserializeOwned>(
        self,
        bytes: &[u8],
        max_bytes: usize,
    ) -> Result<T, DecodeError> {
        let tree = self.tree(bytes, max_bytes)?;
        tree.flawless()
            .and_then(|value| fields::typed(value))
            .map_err(|e| DecodeError::refused(None, e))
    }

    /// Appends `frame` to `out`.
    pub fn encode<T: Serialize>(self, frame: &T, out: &mut Vec<u8>) {
        // Frames are made of maps with text keys, numbers and text, which every encoding can hold,
        // and a vector takes any number of bytes.
        match self {
            Self::Json => serde_json::to_writer(out, frame).expect("frames are plain data"),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => frame
                .serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
                .expect("frames are plain data"),
        }
    }

    fn tree(self, bytes: &[u8], max_bytes: usize) -> Result<tree::Tree, Malformed> {
        if bytes.len() > max_bytes {
            return Err(Malformed::TooLong { most: max_bytes });
        }
        match self {
            Self::Json => json::tree(bytes),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => msgpack::tree(bytes),
        }
    }
}

/// Why bytes did not become a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They are no frame at all.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// They are a frame that cannot be accepted.
    #[error("{}", failure.message)]
    Refused {
        /// The request that it was meant to be, as far as that could be read.
        id: Option<RequestId>,
        /// What is wrong, and how to mend it. Never holds the value that was refused.
        failure: Box<Failure>,
    },
}

impl DecodeError {
    fn refused(id: Option<RequestId>, problem: impl Into<Failure>) -> Self {
        Self::Refused { id, failure: Box::new(problem.into()) }
    }

    fn unsupported(id: Option<RequestId>, what: impl Into<Cow<'static, str>>) -> Self {
        let mut failure = Failure::new(Code::Unsupported, what);
        failure.field = Some("op".into());
        Self::Refused { id, failure: Box::new(failure) }
    }

    /// What to tell the sender.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Malformed(e @ Malformed::TooLong { .. }) => {
                Failure::new(Code::TooLarge, e.to_string())
            }
            Self::Malformed(e) => Failure::new(Code::BadRequest, e.to_string()),
            Self::Refused { failure, .. } => *failure,
        }
    }
}

/// Why bytes are no frame at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than a frame may be.
    #[error("a frame is at most {most} bytes")]
    TooLong {
        /// The limit.
        most: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("a frame is nested at most {MAX_DEPTH} deep")]
    TooDeep,
    /// More than [`MAX_VALUES`] values.
    #[error("a frame holds at most {MAX_VALUES} values")]
    TooMany,
    /// Text that is not UTF-8.
    #[error("text must be UTF-8")]
    NotUtf8,
    /// Not of the encoding's grammar, or cut off.
    #[error("this is not a whole frame of the encoding that was agreed on")]
    Syntax,
    /// Something stands after the frame.
    #[error("a message holds one frame and nothing after it")]
    Trailing,
    /// Well-formed, but not a map.
    #[error("a frame is a map")]
    NotAMap,
}

impl From<fields::FieldError> for Failure {
    fn from(error: fields::FieldError) -> Self {
        Invalid::from(error).into()
    }
}
