use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::chat::Sent;
use crate::protocol::frame::{Answer, MemberVerb, Request, ServerFrame};

const MAX: usize = 256 * 1024;

/// Every encoding of this build.
const ENCODINGS: &[Encoding] = &[
    Encoding::Json,
    #[cfg(feature = "msgpack")]
    Encoding::MessagePack,
];

fn bytes(encoding: Encoding, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encoding.encode(value, &mut out);
    out
}

fn decode(value: Value) -> Result<ClientFrame, DecodeError> {
    let results: Vec<_> = ENCODINGS.iter().map(|e| e.decode(&bytes(*e, &value), MAX)).collect();
    assert!(results.iter().all(|r| *r == results[0]), "encodings differ: {results:?}");
    results.into_iter().next().expect("JSON is always there")
}

/// The id, code and field of a refusal.
fn refusal(value: Value) -> (Option<u64>, Code, String) {
    match decode(value) {
        Err(DecodeError::Refused { id, failure }) => {
            (id.map(|id| id.0), failure.code, failure.field.unwrap_or_default().into_owned())
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn malformed(text: &[u8]) -> Malformed {
    match Encoding::Json.decode(text, MAX) {
        Err(DecodeError::Malformed(why)) => why,
        other => panic!("not malformed: {other:?}"),
    }
}

#[test]
fn a_send_is_read_in_every_encoding() {
    let frame = decode(json!({
        "op": "send", "id": 7, "room": "lobby", "client_msg_id": "c-1", "text": "hi",
        "meta": {"big": 1e30, "deep": [[{}]]}
    }));
    let Ok(ClientFrame::Request { id: RequestId(7), request: Request::Send { room, body } }) =
        frame
    else {
        panic!("{frame:?}")
    };
    assert_eq!((room.as_str(), body.client_msg_id.as_str(), &*body.text), ("lobby", "c-1", "hi"));
    assert_eq!(body.meta, Some(json!({"big": 1e30, "deep": [[{}]]})));
}

#[test]
fn a_wrong_field_is_named_and_the_id_is_found() {
    let send = |extra: Value| {
        let mut frame =
            json!({"op": "send", "id": 7, "room": "r", "client_msg_id": "c", "text": ""});
        let fields = frame.as_object_mut().expect("a map");
        fields.extend(extra.as_object().expect("a map").clone());
        refusal(frame)
    };
    let bad = |field: &str| (Some(7), Code::BadRequest, field.to_owned());
    assert_eq!(send(json!({"text": 5})), bad("text"));
    assert_eq!(send(json!({"text": ["a"]})), bad("text"));
    assert_eq!(send(json!({"room": "no/such"})), bad("room"));
    assert_eq!(send(json!({"room": null})), bad("room"));
    assert_eq!(send(json!({"attachments": ["ok", {"id": 1}]})), bad("attachments[1]"));
    assert_eq!(
        refusal(json!({"op": "send", "id": 7, "room": "r", "text": ""})),
        bad("client_msg_id")
    );
    assert_eq!(refusal(json!({"op": "enter", "id": 7})), bad("room"));
    let deep = json!({"op": "hello", "id": 7, "versions": [1], "device": "d"});
    assert_eq!(refusal(deep), bad("id"), "hello has no id, yet the answer carries it");
    let rooms =
        json!({"op": "subscribe", "id": 7, "room": "r", "since": {"epoch": "e", "seq": -1}});
    assert_eq!(refusal(rooms), bad("since.seq"));
}

#[test]
fn forged_fields_are_refused() {
    for field in ["user", "seq", "ts", "n", "role", "is_admin"] {
        let mut frame =
            json!({"op": "send", "id": 1, "room": "r", "client_msg_id": "c", "text": "x"});
        frame[field] = json!(1);
        assert_eq!(refusal(frame), (Some(1), Code::BadRequest, field.into()));
    }
    let enter = json!({"op": "enter", "id": 1, "room": "r", "as": "admin"});
    assert_eq!(refusal(enter), (Some(1), Code::BadRequest, "as".into()));
}

#[test]
fn op_of_another_type_is_an_error_and_no_panic() {
    for op in [json!(["send"]), json!({"a": 1}), json!(5), json!(null)] {
        assert_eq!(refusal(json!({"op": op, "id": 3})), (Some(3), Code::BadRequest, "op".into()));
    }
    assert_eq!(refusal(json!({"id": 3})), (Some(3), Code::BadRequest, "op".into()));
}

#[test]
fn unknown_op_is_unsupported() {
    assert_eq!(refusal(json!({"op": "dance", "id": 3})), (Some(3), Code::Unsupported, "op".into()));
    assert_eq!(refusal(json!({"op": "dance"})), (None, Code::Unsupported, "op".into()));
}

#[test]
fn ids_that_cannot_be_held_exactly_are_refused() {
    for id in [json!(-1), json!(1_u64 << 53), json!(1.5), json!("7"), json!(null)] {
        let (found, code, field) = refusal(json!({"op": "rooms", "id": id}));
        assert_eq!((found, code, field.as_str()), (None, Code::BadRequest, "id"));
    }
    assert!(decode(json!({"op": "rooms", "id": (1_u64 << 53) - 1})).is_ok());
    assert_eq!(refusal(json!({"op": "rooms"})).2, "id");
}

#[test]
fn problems_never_quote_the_refused_value() {
    let Err(error) = decode(json!({"op": "auth", "id": 1, "token": {"secret": "hunter2"}})) else {
        panic!("accepted")
    };
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let Err(error) =
        decode(json!({"op": "member", "id": 1, "room": "r", "user": "u", "action": "hunter2"}))
    else {
        panic!("accepted")
    };
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(error.to_string().contains("kick"), "it says what would be accepted: {error}");
}

#[test]
fn tokens_are_not_in_debug_output() {
    let hello = decode(json!({"op": "hello", "versions": [1], "device": "d", "token": "s3cret"}));
    let shown = format!("{hello:?}");
    assert!(shown.contains("Token") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn duplicate_keys_are_refused_at_any_depth() {
    let top = br#"{"op":"enter","id":4,"room":"a","room":"b"}"#;
    let Err(DecodeError::Refused { id, failure }) = Encoding::Json.decode(top, MAX) else {
        panic!("accepted")
    };
    assert_eq!((id, failure.field.as_deref()), (Some(RequestId(4)), Some("room")));
    let deep = br#"{"op":"ack","rooms":{"a":1,"a":2}}"#;
    assert!(matches!(Encoding::Json.decode(deep, MAX), Err(DecodeError::Refused { .. })));
    let escaped = br#"{"op":"enter","id":4,"room":"a","r\u006fom":"b"}"#;
    assert!(matches!(Encoding::Json.decode(escaped, MAX), Err(DecodeError::Refused { .. })));
}

#[test]
fn lone_surrogate_is_an_error_of_its_field() {
    for text in [r"\ud83d", r"a\udc00b", r"\ud83d\ud83d\ude00", r"\\\ud800", r"\uD83Dx"] {
        let frame =
            format!(r#"{{"op":"send","id":9,"text":"{text}","room":"r","client_msg_id":"c"}}"#);
        let Err(DecodeError::Refused { id, failure }) =
            Encoding::Json.decode(frame.as_bytes(), MAX)
        else {
            panic!("accepted: {frame}")
        };
        assert_eq!((id, failure.field.as_deref()), (Some(RequestId(9)), Some("text")), "{frame}");
    }
    let whole =
        r#"{"op":"send","id":9,"text":"\ud83d\ude00 \\ud800","room":"r","client_msg_id":"c"}"#;
    assert!(Encoding::Json.decode(whole.as_bytes(), MAX).is_ok());
}

#[test]
fn bytes_that_are_no_frame_are_malformed() {
    assert_eq!(malformed(b""), Malformed::Syntax);
    assert_eq!(malformed(b"{"), Malformed::Syntax);
    assert_eq!(malformed(b"{\"op\":\"ping"), Malformed::Syntax);
    assert_eq!(malformed(b"\"\\"), Malformed::Syntax);
    assert_eq!(malformed(b"\xff\xfe"), Malformed::NotUtf8);
    assert_eq!(malformed(b"[]"), Malformed::NotAMap);
    assert_eq!(malformed(b"null"), Malformed::NotAMap);
    assert_eq!(malformed(b"{\"op\":\"ping\",\"ts\":1} {}"), Malformed::Trailing);
    assert_eq!(malformed(&[b' '; MAX + 1]), Malformed::TooLong { most: MAX });
}

#[test]
fn nesting_is_bounded_before_decoding() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"op":"send","id":1,"room":"r","client_msg_id":"c","meta":{open}{close}}}"#)
    };
    assert!(Encoding::Json.decode(nested(MAX_DEPTH - 1).as_bytes(), MAX).is_ok());
    assert_eq!(malformed(nested(MAX_DEPTH).as_bytes()), Malformed::TooDeep);
    assert_eq!(malformed(nested(100_000).as_bytes()), Malformed::TooDeep);
    assert_eq!(malformed("[".repeat(700).as_bytes()), Malformed::TooDeep);
    let quoted = format!(r#"{{"op":"x{}","id":1}}"#, "[".repeat(700));
    assert!(matches!(
        Encoding::Json.decode(quoted.as_bytes(), MAX),
        Err(DecodeError::Refused { .. })
    ));
}

#[test]
fn number_of_values_is_bounded_before_decoding() {
    let list = vec!["1"; MAX_VALUES].join(",");
    assert_eq!(malformed(format!("[{list}]").as_bytes()), Malformed::TooMany);
}

#[cfg(feature = "msgpack")]
#[test]
fn messagepack_that_lies_is_malformed() {
    let why = |bytes: &[u8]| match Encoding::MessagePack.decode(bytes, MAX) {
        Err(DecodeError::Malformed(why)) => why,
        other => panic!("not malformed: {other:?}"),
    };
    // An array of 2^32 − 1, a map of as many, text of as many, and each cut off.
    assert_eq!(why(b"\xdd\xff\xff\xff\xff"), Malformed::Syntax);
    assert_eq!(why(b"\xdf\xff\xff\xff\xff"), Malformed::Syntax);
    assert_eq!(why(b"\xdb\xff\xff\xff\xff"), Malformed::Syntax);
    assert_eq!(why(b"\xdd\xff"), Malformed::Syntax);
    assert_eq!(why(b""), Malformed::Syntax);
    assert_eq!(why(&[0x91; 700]), Malformed::TooDeep);
    assert_eq!(why(b"\xa2\xff\xff"), Malformed::NotUtf8);
    assert_eq!(why(b"\x80\x80"), Malformed::Trailing);
    assert_eq!(why(b"\x90"), Malformed::NotAMap);
    assert_eq!(why(b"\x81\x01\x01"), Malformed::Syntax, "a key that is no text");
    assert_eq!(why(b"\x81\xa2op\xc4\x01a"), Malformed::Syntax, "binary");
    assert_eq!(why(b"\xc1"), Malformed::Syntax);
    let mut many = vec![0xdd, 0, 1, 0, 0];
    many.resize(5 + (1 << 16), 0xc0);
    assert_eq!(why(&many), Malformed::TooMany);
}

#[cfg(feature = "msgpack")]
#[test]
fn messagepack_infinity_is_refused_with_its_id() {
    let mut bytes = b"\x84\xa2op\xa4ping\xa2id\x07\xa2ts\xcb".to_vec();
    bytes.extend(f64::INFINITY.to_be_bytes());
    bytes.extend(b"\xa1x\xc0");
    let Err(DecodeError::Refused { id, .. }) = Encoding::MessagePack.decode(&bytes, MAX) else {
        panic!("accepted")
    };
    assert_eq!(id, Some(RequestId(7)));
}

#[test]
fn a_rest_body_is_read_with_the_same_care() {
    use crate::protocol::frame::MemberChange;
    let read = |text: &str| Encoding::Json.decode_as::<MemberChange>(text.as_bytes(), MAX);
    let kick = read(r#"{"action":"kick","reason":"spam"}"#).expect("valid");
    assert_eq!((kick.action, kick.reason.as_deref()), (MemberVerb::Kick, Some("spam")));
    let field = |text: &str| read(text).expect_err("invalid").into_failure().field;
    assert_eq!(field(r#"{"action":"kick","until":"tomorrow"}"#).as_deref(), Some("until"));
    assert_eq!(field(r#"{"action":"kick","room":"r"}"#).as_deref(), Some("room"));
    assert_eq!(field(r#"{"action":"kick","action":"ban"}"#).as_deref(), Some("action"));
    assert_eq!(read("[").expect_err("invalid").into_failure().code, Code::BadRequest);
}

#[test]
fn a_result_is_flat() {
    let frame = ServerFrame::Result {
        id: RequestId(4),
        answer: Answer::Sent(Sent {
            seq: crate::id::Seq(9),
            n: 3,
            message_id: crate::id::MessageId::from_bytes([0; 16]),
            ts: crate::clock::Timestamp(1),
            duplicate: false,
        }),
    };
    for encoding in ENCODINGS {
        let mut out = Vec::new();
        encoding.encode(&frame, &mut out);
        let value = encoding.tree(&out, MAX).expect("well-formed").value;
        assert_eq!(
            value,
            json!({"op": "result", "id": 4, "seq": 9, "n": 3, "ts": 1, "duplicate": false,
                   "message_id": "AAAAAAAAAAAAAAAAAAAAAA"})
        );
    }
}

fn any_frame() -> impl Strategy<Value = Value> {
    let id = 0..=RequestId::MAX.0;
    let room = "[A-Za-z0-9_-]{1,20}";
    let message = "[A-Za-z0-9_-]{22}";
    let text = ".{0,40}";
    prop_oneof![
        (id.clone(), room, text, "[a-z0-9-]{1,30}").prop_map(|(id, room, text, name)| json!({
            "op": "send", "id": id, "room": room, "text": text, "client_msg_id": name
        })),
        (id.clone(), room, message, text).prop_map(|(id, room, message, emoji)| json!({
            "op": "react", "id": id, "room": room, "message_id": message, "emoji": emoji
        })),
        (id.clone(), room, 0..=RequestId::MAX.0).prop_map(|(id, room, seq)| json!({
            "op": "subscribe", "id": id, "room": room, "since": {"epoch": "e", "seq": seq}
        })),
        (id.clone(), room, 0..1000_u32).prop_map(|(id, room, limit)| json!({
            "op": "history", "id": id, "room": room, "limit": limit
        })),
        (id, room, 0..=RequestId::MAX.0).prop_map(|(id, room, until)| json!({
            "op": "member", "id": id, "room": room, "user": "u", "action": "ban", "until": until
        })),
        prop::collection::btree_map(room, 0..=RequestId::MAX.0, 0..20)
            .prop_map(|rooms| json!({"op": "ack", "rooms": rooms})),
        (room, any::<bool>(), any::<u32>()).prop_map(|(room, on, ttl)| json!({
            "op": "signal", "room": room, "kind": "typing", "on": on, "ttl_ms": ttl
        })),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(value in any_frame()) {
        let frame = decode(value.clone()).expect("valid");
        for encoding in ENCODINGS {
            let mut out = Vec::new();
            encoding.encode(&frame, &mut out);
            prop_assert_eq!(&encoding.decode(&out, MAX).expect("own bytes"), &frame);
            prop_assert_eq!(&encoding.tree(&out, MAX).expect("own bytes").value, &value);
        }
    }

    #[test]
    fn no_bytes_break_the_decoder(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        for encoding in ENCODINGS {
            let _ = encoding.decode(&noise, MAX);
        }
    }

    #[test]
    fn no_damage_to_a_frame_breaks_the_decoder(
        value in any_frame(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        for encoding in ENCODINGS {
            let mut bytes = bytes(*encoding, &value);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = encoding.decode(&bytes, MAX);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(encoding.decode(&bytes, MAX).is_err(), "a cut frame is no frame");
        }
    }
}
