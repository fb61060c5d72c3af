//! Frames to bytes and back: what each delivery and each request costs before anything else.
//!
//! `cargo bench -p chatcore --features msgpack,testing --bench protocol`

use std::hint::black_box;

use chatcore::clock::Timestamp;
use chatcore::id::{ClientMsgId, Epoch, MessageId, RoomId, Seq, UserId};
use chatcore::log::{Body, Entry};
use chatcore::protocol::{Encoding, Wire};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

fn message() -> Entry {
    let room = RoomId::parse("r-01hq3v9k2m8w5x7y").expect("a sound id");
    let user = UserId::parse("u-01hq3v9k2m8w5x7z").expect("a sound id");
    let client_msg_id = ClientMsgId::parse("4f9c-1700000000000-17").expect("a sound id");
    Entry {
        epoch: Epoch::parse("e-01hq3v9k2m8w5x7y").expect("a sound epoch"),
        seq: Seq(123_456),
        ts: Timestamp(1_700_000_000_000),
        n: Some(120_000),
        body: Body::Message {
            message_id: MessageId::derive(&room, &user, &client_msg_id),
            text: "x".repeat(128),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            meta: None,
            edited_at: None,
            deleted_at: None,
        },
        room,
        user,
        client_msg_id: Some(client_msg_id),
    }
}

fn encode(c: &mut Criterion) {
    let entry = message();
    let mut group = c.benchmark_group("encode an event of 128 B of text");
    for wire in [Wire::WebSocketJson, Wire::WebSocketMsgpack] {
        group.throughput(Throughput::Bytes(wire.event(&entry).len() as u64));
        group.bench_function(name(wire.encoding()), |b| b.iter(|| wire.event(black_box(&entry))));
    }
}

fn decode(c: &mut Criterion) {
    let send = json!({ "op": "send", "id": 17, "room": "r-01hq3v9k2m8w5x7y",
        "client_msg_id": "4f9c-1700000000000-17", "text": "x".repeat(128) });
    let ack = json!({ "op": "ack", "rooms": { "r-01hq3v9k2m8w5x7y": 123_456 } });
    for (what, frame) in [("decode a send of 128 B", send), ("decode an ack", ack)] {
        let mut group = c.benchmark_group(what);
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let bytes = encoded(encoding, &frame);
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function(name(encoding), |b| {
                b.iter(|| encoding.decode(black_box(&bytes), 1 << 16).expect("a sound frame"));
            });
        }
    }
}

fn encoded(encoding: Encoding, frame: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoding.encode(frame, &mut bytes);
    bytes
}

fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "JSON",
        _ => "MessagePack",
    }
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
