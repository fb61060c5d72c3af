//! Frames of clients, in both encodings.

use chatcore::protocol::codec::{DecodeError, Encoding};

/// As long as a server would take.
const MAX_BYTES: usize = 256 << 10;

pub(super) fn json(data: &[u8]) {
    check(Encoding::Json, data);
}

pub(super) fn msgpack(data: &[u8]) {
    check(Encoding::MessagePack, data);
}

/// What is accepted means the same after it was written and read again, in either encoding; what is
/// refused is refused in words, of bounded length.
fn check(encoding: Encoding, data: &[u8]) {
    let frame = match encoding.decode(data, MAX_BYTES) {
        Ok(frame) => frame,
        Err(DecodeError::Refused { failure, .. }) => {
            assert!((1..=1_000).contains(&failure.message.len()), "{failure:?}");
            return;
        }
        Err(_) => return,
    };
    for other in [Encoding::Json, Encoding::MessagePack] {
        let mut bytes = Vec::new();
        other.encode(&frame, &mut bytes);
        let again = other.decode(&bytes, usize::MAX);
        assert_eq!(again.as_ref(), Ok(&frame), "{other:?}: {}", bytes.escape_ascii());
    }
    assert!(encoding.decode(data, data.len() - 1).is_err(), "a limit that does not limit");
}
