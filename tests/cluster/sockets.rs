//! A client over WebSocket that moves from node to node, as a good one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chatcore_tests::checker::{History, Reader, Room};
use chatcore_tests::http::seq;
use chatcore_tests::ws::Options;
use chatcore_tests::{Encoding, Person, WsClient};
use serde_json::{Value, json};

use crate::site::{Map, NODES};

/// Connections of one person, one after another.
pub(crate) struct Mover {
    map: Map,
    person: Person,
    encoding: Encoding,
    node: usize,
    dice: fastrand::Rng,
    /// Raised by each connection.
    arrivals: Arc<AtomicUsize>,
}

impl Mover {
    pub(crate) fn new(map: &Map, person: &Person, number: usize) -> Self {
        let encoding = if number.is_multiple_of(2) { Encoding::Json } else { Encoding::Msgpack };
        Self {
            map: map.clone(),
            person: person.clone(),
            encoding,
            node: number % NODES,
            dice: fastrand::Rng::with_seed(number as u64),
            arrivals: Arc::default(),
        }
    }

    /// Counts its connections together with those of others.
    pub(crate) fn counted(self, arrivals: &Arc<AtomicUsize>) -> Self {
        Self { arrivals: Arc::clone(arrivals), ..self }
    }

    /// The next connection that is welcomed, by the first node that does so.
    pub(crate) async fn connect(&mut self) -> WsClient {
        loop {
            if let Some(client) = self.try_connect().await {
                self.arrivals.fetch_add(1, Ordering::Relaxed);
                return client;
            }
            self.away().await;
        }
    }

    /// Waits a little, and goes elsewhere.
    pub(crate) async fn away(&mut self) {
        self.node = (self.node + 1) % NODES;
        tokio::time::sleep(Duration::from_millis(self.dice.u64(20..300))).await;
    }

    async fn try_connect(&self) -> Option<WsClient> {
        let opening =
            WsClient::open_with(self.map.http[self.node], self.encoding, Options::default());
        let opened = tokio::time::timeout(Duration::from_secs(3), opening).await;
        let mut client = opened.ok()?.ok()?;
        let hello = json!({ "versions": [1], "token": self.person.token, "device": "mover" });
        client.handle().post("hello", hello);
        let welcomed = async {
            loop {
                let frame = client.frame().await?;
                if frame["op"] == "welcome" {
                    return Some(());
                }
            }
        };
        let welcomed = tokio::time::timeout(Duration::from_secs(3), welcomed).await;
        welcomed.ok().flatten().map(|()| client)
    }

    /// Reads `room` from behind `after`, until this future is dropped, or nobody is let in any more.
    pub(crate) async fn read(mut self, history: History, reader: Reader, room: Room, after: Value) {
        let mut since = after;
        loop {
            let mut client = self.connect().await;
            match self.follow(&mut client, &history, reader, &room, &mut since).await {
                Going::On => {}
                Going::Out => return,
            }
            drop(client);
            self.away().await;
        }
    }

    /// Reads on one connection, to its end.
    async fn follow(
        &self,
        client: &mut WsClient,
        history: &History,
        reader: Reader,
        room: &Room,
        since: &mut Value,
    ) -> Going {
        loop {
            let fields = json!({ "room": &**room, "since": *since });
            let Some(answer) = client.handle().ask("subscribe", fields).await else {
                return Going::On;
            };
            if answer["op"] == "error" {
                match answer["code"].as_str() {
                    Some("unavailable") => {}
                    Some("not_found" | "forbidden") => return Going::Out,
                    _ => panic!("{answer}"),
                }
                return Going::On;
            }
            assert_eq!(answer["recovered"], true, "{answer}");
            loop {
                let Some(frame) = client.frame().await else { return Going::On };
                match frame["op"].as_str() {
                    Some("event") if frame["room"] == **room => {
                        history.delivered(reader, room, seq(&frame), name(&frame));
                        since["seq"] = frame["seq"].clone();
                    }
                    // Those who are slow read on from where they were.
                    Some("gap") => break,
                    Some("goaway") => return Going::On,
                    _ => {}
                }
            }
        }
    }
}

enum Going {
    On,
    Out,
}

/// The name of a message; none of anything else.
pub(crate) fn name(entry: &Value) -> Option<&str> {
    let message = entry["kind"] == "message";
    entry["client_msg_id"].as_str().filter(|_| message)
}
