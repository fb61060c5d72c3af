//! Ready bytes: an encoding and the framing of a transport around it.

use bytes::Bytes;
use serde::Serialize;

use super::codec::Encoding;
use super::frame::{EventFrame, ServerFrame};
use crate::log::Entry;

/// How frames to a client are written, header and all.
///
/// What a server sends carries no mask and no counter, so the same bytes serve every connection of
/// one wire: a room's entry is encoded once and shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wire {
    /// JSON in WebSocket text frames: subprotocol `chatcore.v1.json`.
    WebSocketJson,
    /// MessagePack in WebSocket binary frames: subprotocol `chatcore.v1.msgpack`.
    #[cfg(feature = "msgpack")]
    WebSocketMsgpack,
    /// MessagePack after a big-endian `u32` of its length: QUIC streams.
    #[cfg(feature = "msgpack")]
    Quic,
}

/// The longest header of a frame.
const HEADER: usize = 10;

impl Wire {
    /// Every wire of this build.
    pub const ALL: &'static [Self] = &[
        Self::WebSocketJson,
        #[cfg(feature = "msgpack")]
        Self::WebSocketMsgpack,
        #[cfg(feature = "msgpack")]
        Self::Quic,
    ];

    /// The position in [`Self::ALL`], for tables with a place per wire.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The wire of a WebSocket subprotocol.
    pub fn of_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|wire| wire.subprotocol() == Some(name))
    }

    /// The WebSocket subprotocol that names it.
    pub const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::WebSocketJson => Some("chatcore.v1.json"),
            #[cfg(feature = "msgpack")]
            Self::WebSocketMsgpack => Some("chatcore.v1.msgpack"),
            #[cfg(feature = "msgpack")]
            Self::Quic => None,
        }
    }

    /// The encoding inside the framing, which is also what clients send.
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::WebSocketJson => Encoding::Json,
            #[cfg(feature = "msgpack")]
            Self::WebSocketMsgpack | Self::Quic => Encoding::MessagePack,
        }
    }

    /// A frame, ready to be written.
    pub fn frame(self, frame: &ServerFrame) -> Bytes {
        self.framed(frame)
    }

    /// An entry as an `event` frame, ready to be written and to be shared.
    pub fn event(self, entry: &Entry) -> Bytes {
        self.framed(&EventFrame::new(entry))
    }

    /// How long the frame is, header and all, that `bytes` begin with: bytes of this wire's making.
    pub(crate) fn frame_length(self, bytes: &[u8]) -> usize {
        let number = |at: std::ops::Range<usize>| {
            let bytes = bytes.get(at).unwrap_or_default();
            bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte))
        };
        match self {
            #[cfg(feature = "msgpack")]
            Self::Quic => 4 + number(0..4),
            _ => match number(1..2) {
                126 => 4 + number(2..4),
                127 => 10 + number(2..10),
                short => 2 + short,
            },
        }
    }

    fn framed(self, frame: &impl Serialize) -> Bytes {
        // The header's length depends on the payload's: it is put right before it afterwards.
        let mut bytes = Vec::with_capacity(512);
        bytes.resize(HEADER, 0);
        self.encoding().encode(frame, &mut bytes);
        let (header, length) = self.header(bytes.len() - HEADER);
        let start = HEADER - length;
        bytes[start..HEADER].copy_from_slice(&header[..length]);
        // Rings keep these for long: exactly what is needed, without the buffer's slack.
        Bytes::copy_from_slice(&bytes[start..])
    }

    /// The header of a payload, and how many of its bytes count.
    fn header(self, payload: usize) -> ([u8; HEADER], usize) {
        let mut header = [0; HEADER];
        let opcode = match self {
            Self::WebSocketJson => 0x1,
            #[cfg(feature = "msgpack")]
            Self::WebSocketMsgpack => 0x2,
            #[cfg(feature = "msgpack")]
            Self::Quic => {
                let length = u32::try_from(payload).expect("frames are far below 4 GiB");
                header[..4].copy_from_slice(&length.to_be_bytes());
                return (header, 4);
            }
        };
        // One final frame, unmasked (RFC 6455, section 5.2).
        header[0] = 0x80 | opcode;
        if let Ok(short @ 0..=125) = u8::try_from(payload) {
            header[1] = short;
            (header, 2)
        } else if let Ok(medium) = u16::try_from(payload) {
            header[1] = 126;
            header[2..4].copy_from_slice(&medium.to_be_bytes());
            (header, 4)
        } else {
            header[1] = 127;
            header[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            (header, 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::{Failure, Pong, ServerFrame};
    use crate::{Code, clock::Timestamp};

    fn error_of(length: usize) -> ServerFrame {
        let failure = Failure::new(Code::Internal, "x".repeat(length));
        ServerFrame::Error { id: None, failure }
    }

    #[test]
    fn websocket_header_grows_with_the_payload() {
        let empty = Wire::WebSocketJson.frame(&error_of(0)).len() - 2;
        for (payload, header) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let bytes = Wire::WebSocketJson.frame(&error_of(payload - empty));
            assert_eq!(bytes.len(), payload + header);
            assert_eq!(Wire::WebSocketJson.frame_length(&bytes), bytes.len());
            assert_eq!(bytes[0], 0x81, "one final text frame");
            let told = match bytes[1] {
                126 => u64::from(u16::from_be_bytes([bytes[2], bytes[3]])),
                127 => u64::from_be_bytes(bytes[2..10].try_into().expect("eight bytes")),
                short => u64::from(short),
            };
            assert_eq!(told, payload as u64);
            assert_eq!(bytes[header], b'{');
        }
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn quic_frames_carry_their_length() {
        let bytes = Wire::Quic.frame(&ServerFrame::Pong(Pong { ts: Timestamp(5) }));
        assert_eq!(Wire::Quic.frame_length(&bytes), bytes.len());
        let (length, payload) = bytes.split_at(4);
        assert_eq!(length, u32::try_from(payload.len()).expect("short").to_be_bytes());
        let value: serde_json::Value = rmp_serde::from_slice(payload).expect("MessagePack");
        assert_eq!(value, serde_json::json!({"op": "pong", "ts": 5}));
    }

    #[test]
    fn each_wire_has_its_own_place_and_name() {
        for (index, wire) in Wire::ALL.iter().enumerate() {
            assert_eq!(wire.index(), index);
            if let Some(name) = wire.subprotocol() {
                assert_eq!(Wire::of_subprotocol(name), Some(*wire));
            }
        }
        assert_eq!(Wire::of_subprotocol("chat"), None);
        let pong = ServerFrame::Pong(Pong { ts: Timestamp(1) });
        assert_eq!(&Wire::WebSocketJson.frame(&pong)[2..], br#"{"op":"pong","ts":1}"#);
    }
}
