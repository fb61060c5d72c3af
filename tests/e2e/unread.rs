//! What several devices of one person know of what they have not read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chatcore::id::{RoomId, Seq};
use chatcore::log::{Body, Cursor, Draft, Entry};
use chatcore_quic::client::{Client, Update};
use chatcore_tests::ws::Handle;
use chatcore_tests::{Encoding, Local, PATIENCE, Person, WsClient, count};
use serde_json::{Value, json};

/// The messages of a room that a device has heard, by their places: whom each mentions.
type Heard = Arc<Mutex<BTreeMap<(String, u64), Vec<String>>>>;

/// One device, with its own connection.
struct Device {
    name: String,
    user: String,
    line: Line,
    heard: Heard,
    /// What listens.
    ears: tokio::task::JoinSet<()>,
}

enum Line {
    WebSocket(Handle),
    Quic(Client),
}

fn hear(heard: &Heard, room: &str, seq: u64, mentions: Vec<String>) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.insert((room.to_owned(), seq), mentions);
}

impl Device {
    async fn websocket(
        server: &Local,
        person: &Person,
        encoding: Encoding,
        rooms: &[String],
    ) -> Self {
        let mut client: WsClient = server.connect(person, encoding).await;
        let heard = Heard::default();
        for room in rooms {
            client.request("subscribe", json!({ "room": room, "since": { "seq": 0 } })).await;
        }
        let line = client.handle();
        let (told, acks) = (Arc::clone(&heard), client.handle());
        let mut ears = tokio::task::JoinSet::new();
        ears.spawn(async move {
            loop {
                let Some(frame) = client.frame_within(PATIENCE * 10).await else { return };
                assert_ne!(frame["op"], "gap", "whoever acks falls behind nothing");
                if frame["op"] != "event" {
                    continue;
                }
                let (room, seq) = (frame["room"].as_str().unwrap(), frame["seq"].as_u64().unwrap());
                acks.post("ack", json!({ "rooms": { room: seq } }));
                if frame["kind"] == "message" {
                    let mentions = frame["mentions"].as_array().into_iter().flatten();
                    let mentions = mentions.map(|user| user.as_str().unwrap().to_owned());
                    hear(&told, room, seq, mentions.collect());
                }
            }
        });
        let (name, user) = (format!("{} over {encoding:?}", person.handle), person.user.clone());
        Self { name, user, line: Line::WebSocket(line), heard, ears }
    }

    async fn quic(server: &Local, person: &Person, rooms: &[String]) -> Self {
        let client = Client::builder().token(person.token.clone()).device("phone");
        let client = client.connect(server.link()).unwrap();
        let heard = Heard::default();
        let mut ears = tokio::task::JoinSet::new();
        for room in rooms {
            let id = RoomId::parse(room).unwrap();
            let mut entries = client.subscribe(&id, Some(Cursor::start())).await.unwrap();
            let (told, room) = (Arc::clone(&heard), room.clone());
            ears.spawn(async move {
                while let Some(update) = entries.next().await {
                    let Update::Event(event) = update.unwrap() else { continue };
                    if let Some(Body::Message { mentions, .. }) = event.entry().map(|e| &e.body) {
                        let mentions = mentions.iter().map(ToString::to_string).collect();
                        hear(&told, &room, event.seq().0, mentions);
                    }
                }
            });
        }
        let (name, user) = (format!("{} over QUIC", person.handle), person.user.clone());
        Self { name, user, line: Line::Quic(client), heard, ears }
    }

    async fn send(&self, room: &str, once: &str, text: &str) {
        match &self.line {
            Line::WebSocket(line) => {
                let send = json!({ "room": room, "client_msg_id": once, "text": text });
                line.request("send", send).await;
            }
            Line::Quic(client) => {
                let draft = Draft::text(text).once(once).unwrap();
                client.send(&RoomId::parse(room).unwrap(), draft).await.unwrap();
            }
        }
    }

    async fn mark_read(&self, room: &str, seq: u64) {
        match &self.line {
            Line::WebSocket(line) => {
                line.request("mark_read", json!({ "room": room, "seq": seq })).await;
            }
            Line::Quic(client) => {
                client.mark_read(&RoomId::parse(room).unwrap(), Seq(seq)).await.unwrap();
            }
        }
    }

    /// What the server says to this device of the room.
    async fn room(&self, room: &str) -> Value {
        let rooms = match &self.line {
            Line::WebSocket(line) => line.request("rooms", json!({})).await["rooms"].clone(),
            Line::Quic(client) => {
                json!(client.rooms().await.unwrap())
            }
        };
        let rooms = rooms.as_array().unwrap();
        rooms.iter().find(|one| one["room"] == room).expect("they are in it").clone()
    }

    /// Of what this device itself has heard, how many messages stand after a place, and how many of
    /// those mention its user.
    fn recount(&self, room: &str, read: u64) -> (u64, u64) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = heard.iter().filter(|((of, seq), _)| of == room && *seq > read);
        let mentions = unread.clone().filter(|(_, mentions)| mentions.contains(&self.user));
        (unread.count() as u64, (mentions.count() as u64).min(100))
    }

    fn newest(&self, room: &str) -> u64 {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let places = heard.keys().filter(|(of, _)| of == room).map(|(_, seq)| *seq);
        places.max().unwrap_or(0)
    }
}

/// Does at random what people do, until it is time.
async fn use_it(device: &Device, other: &str, rooms: &[String], number: usize, until: Instant) {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut sent = 0;
    while Instant::now() < until {
        let room = &rooms[random.usize(..rooms.len())];
        match random.u8(..10) {
            0..5 => {
                sent += 1;
                let text = if random.bool() { format!("@{other} look") } else { "well".into() };
                device.send(room, &format!("{number}-{sent}"), &text).await;
            }
            5..9 => {
                let newest = device.newest(room);
                device.mark_read(room, newest.saturating_sub(random.u64(..20))).await;
            }
            _ => drop(device.room(room).await),
        }
        tokio::time::sleep(Duration::from_millis(random.u64(..60))).await;
    }
}

/// Two people with five devices each, over WebSocket and QUIC, for `CHATCORE_E2E_UNREAD_SECONDS`. At the end
/// all devices of one say the same of what is unread, and it is what the log says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unread_is_the_same_on_every_device_and_in_the_log() {
    let seconds = count("CHATCORE_E2E_UNREAD_SECONDS", 4);
    let server = Local::start().await;
    let people = [server.http().register("ann").await, server.http().register("ben").await];
    let mut rooms = Vec::new();
    for name in ["tea", "milk"] {
        let room = people[0].create_room("public", name).await;
        people[1].enter(&room).await;
        rooms.push(room);
    }
    let mut devices = Vec::new();
    for person in &people {
        for encoding in [Encoding::Json, Encoding::Msgpack, Encoding::Json] {
            devices.push(Device::websocket(&server, person, encoding, &rooms).await);
        }
        for _ in 0..2 {
            devices.push(Device::quic(&server, person, &rooms).await);
        }
    }
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    let others = |device: &Device| if device.user == people[0].user { "ben" } else { "ann" };
    let using = devices
        .iter()
        .enumerate()
        .map(|(number, device)| use_it(device, others(device), &rooms, number, until));
    futures_util::future::join_all(using).await;

    let (mut messages, mut unread_at_all) = (0, 0);
    for room in &rooms {
        let log = server.chat.as_system();
        let id = RoomId::parse(room).unwrap();
        let head = log.room(&id).await.unwrap();
        messages += head.head_n;
        let mut entries = Vec::new();
        loop {
            let after = entries.last().map_or(Seq::START, |entry: &Entry| entry.seq);
            let page = log.log(&id, after, 200).await.unwrap();
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        for person in &people {
            let mut said = Vec::new();
            for device in devices.iter().filter(|device| device.user == person.user) {
                let shown = device.room(room).await;
                let read = shown["read_seq"].as_u64().unwrap();
                let counts =
                    (shown["unread"].as_u64().unwrap(), shown["mentions"].as_u64().unwrap());
                // What is on its way to a device that nobody asks any more arrives.
                let heard_all = async {
                    while device.recount(room, 0).0 < head.head_n {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                let heard_all = tokio::time::timeout(PATIENCE, heard_all).await;
                heard_all.unwrap_or_else(|_| panic!("{} has not heard all", device.name));
                assert_eq!(device.recount(room, read), counts, "{} in {room}", device.name);
                said.push((read, counts));
            }
            said.dedup();
            let [(read, (unread, mentions))] = said[..] else { panic!("they differ: {said:?}") };
            let after = entries.iter().filter(|entry| entry.seq.0 > read);
            let texts = after.filter_map(|entry| match &entry.body {
                Body::Message { mentions, .. } => Some(mentions),
                _ => None,
            });
            let user = person.user.as_str();
            let called = texts.clone().filter(|m| m.iter().any(|one| one.as_str() == user));
            let recount = (texts.count() as u64, (called.count() as u64).min(100));
            assert_eq!((unread, mentions), recount, "{user} in {room}, by the log");
            unread_at_all += unread;
        }
    }
    println!("{messages} messages, of which {unread_at_all} were unread at the end");
    assert!(messages > 0 && unread_at_all > 0, "there was something to count");

    // One device reads all of it, and every other one is told.
    for device in &devices {
        for room in &rooms {
            device.mark_read(room, device.newest(room)).await;
        }
    }
    for device in &mut devices {
        for room in &rooms {
            let shown = device.room(room).await;
            let counts = (&shown["unread"], &shown["mentions"]);
            assert_eq!(counts, (&json!(0), &json!(0)), "{}", device.name);
        }
        device.ears.abort_all();
    }
}
