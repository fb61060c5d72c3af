//! Those who send and those who read, over both transports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatcore::Code;
use chatcore::id::{Epoch, RoomId, Seq};
use chatcore::log::{Body, Cursor, Draft};
use chatcore_quic::client::{Client, Error, Update};
use chatcore_tests::checker::{History, Name, Reader, Report, Room};
use chatcore_tests::http::seq;
use chatcore_tests::{Person, WsClient};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::site::{Map, NODES, Site};
use crate::sockets::{Mover, name};

/// Who sends.
pub(crate) const SENDERS: usize = 30;
/// Who reads.
pub(crate) const READERS: usize = 300;
const ROOMS: usize = 6;
/// Who registers at once.
const FEW: usize = 5;
/// Between two messages of one sender, unless it is said otherwise.
const PAUSE: Duration = Duration::from_millis(200);
/// The number under which the log is read at the end.
const LOG: u32 = 1_000_000;

/// A crowd that talks.
pub(crate) struct Crowd {
    pub(crate) history: History,
    pub(crate) rooms: Vec<Room>,
    pub(crate) people: Vec<Person>,
    map: Map,
    stop: Arc<AtomicBool>,
    /// Answers that said no, to be asked again.
    pub(crate) refused: Arc<AtomicUsize>,
    /// Connections over WebSocket of those who send.
    pub(crate) connections: Arc<AtomicUsize>,
    /// The same of those who read, over WebSocket.
    pub(crate) arrivals: Arc<AtomicUsize>,
    pause: Duration,
    senders: JoinSet<()>,
    readers: JoinSet<()>,
}

impl Crowd {
    /// Has everyone come in: a tenth as many accounts as readers, each in half of the rooms.
    pub(crate) async fn gather(site: &Site) -> Self {
        Self::gather_of(site, READERS, PAUSE).await
    }

    /// The same with so many readers, and senders who wait so long after each message.
    pub(crate) async fn gather_of(site: &Site, readers: usize, pause: Duration) -> Self {
        let mut people = Vec::new();
        // Passwords are hashed by few at once, and the others are told to come back.
        for some in 0..SENDERS / FEW {
            people.extend(site.http(0).register_many(&format!("person{some}-"), FEW).await);
        }
        let mut rooms = Vec::new();
        for number in 0..ROOMS {
            let room = people[number].create_room("public", &format!("room{number}")).await;
            for (at, person) in people.iter().enumerate() {
                if at != number && at % 2 == number % 2 {
                    site.map.at(at % NODES, person).enter(&room).await;
                }
            }
            rooms.push(Room::from(room));
        }
        let mut crowd = Self {
            history: History::default(),
            rooms,
            people,
            map: site.map.clone(),
            stop: Arc::default(),
            refused: Arc::default(),
            connections: Arc::default(),
            arrivals: Arc::default(),
            pause,
            senders: JoinSet::new(),
            readers: JoinSet::new(),
        };
        crowd.seat(readers).await;
        crowd
    }

    /// Seats the readers: each at a node, in a room of theirs, every other one over QUIC; of more than
    /// usual the others are over WebSocket.
    async fn seat(&mut self, readers: usize) {
        let mut places = Vec::new();
        for room in &self.rooms {
            places.push(self.place(room).await);
        }
        for number in 0..readers {
            let at = number % ROOMS;
            let person = &self.people[self.member(at, number / ROOMS)];
            let (reader, room) = (Reader(number as u32), self.rooms[at].clone());
            let place = &places[at];
            self.history.admitted(reader, &room, place["seq"].as_u64().expect("a head"));
            let history = self.history.clone();
            if (number / ROOMS).is_multiple_of(2) || number >= READERS {
                let mover = Mover::new(&self.map, person, number);
                let mover = mover.counted(&self.arrivals);
                self.readers.spawn(mover.read(history, reader, room, place.clone()));
            } else {
                let client = self.map.quic(number, person, &format!("reader{number}"));
                let since = Cursor {
                    epoch: Epoch::parse(place["epoch"].as_str().expect("an epoch")).ok(),
                    seq: Seq(place["seq"].as_u64().expect("a head")),
                };
                self.readers.spawn(read_over_quic(client, history, reader, room, since));
            }
        }
    }

    /// Somebody in this room, as many as there are.
    fn member(&self, room: usize, number: usize) -> usize {
        let half = SENDERS / 2;
        2 * (number % half) + room % 2
    }

    async fn place(&self, room: &Room) -> Value {
        let owner = &self.people[self.rooms.iter().position(|other| other == room).expect("ours")];
        let room = owner.http.get(&format!("/api/v1/rooms/{room}")).await.expect(200).json();
        json!({ "epoch": room["epoch"], "seq": room["head_seq"] })
    }

    /// Has everyone talk until [`finish`](Self::finish). `strict`: whatever the client over QUIC does not
    /// see to by itself ends the run; else what is unavailable is sent again.
    pub(crate) fn talk(&mut self, strict: bool) {
        for number in 0..SENDERS {
            let room = self.rooms[number % ROOMS].clone();
            let sender = Sender {
                number,
                room,
                history: self.history.clone(),
                stop: Arc::clone(&self.stop),
                refused: Arc::clone(&self.refused),
                connections: Arc::clone(&self.connections),
                pause: self.pause,
            };
            let person = &self.people[number];
            if (number / 2).is_multiple_of(2) {
                let mover = Mover::new(&self.map, person, number);
                self.senders.spawn(sender.over_websocket(mover));
            } else {
                let client = self.map.quic(number, person, &format!("sender{number}"));
                self.senders.spawn(sender.over_quic(client, strict));
            }
        }
    }

    /// Waits until all readers have what was there at this moment, and returns how long that took.
    pub(crate) async fn caught_up(&self, patience: Duration) -> Duration {
        let began = Instant::now();
        for room in &self.rooms {
            let head = self.place(room).await["seq"].as_u64().expect("a head");
            loop {
                let behind = self.history.behind(room, head);
                if behind.is_empty() {
                    break;
                }
                let waited = began.elapsed();
                assert!(
                    waited < patience,
                    "{behind:?} are behind {head} of {room} after {waited:?}"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        began.elapsed()
    }

    /// Has everyone end what they say, waits until all of it has arrived, reads the logs on another node, and
    /// looks at the whole.
    pub(crate) async fn finish(mut self) -> Report {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(sender) = self.senders.join_next().await {
            sender.expect("every sender is answered in the end");
        }
        self.caught_up(Duration::from_secs(20)).await;
        // What comes twice may come late.
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Some(ended) = self.readers.try_join_next() {
            panic!("a reader was put out: {ended:?}");
        }
        self.readers.shutdown().await;
        for (at, room) in self.rooms.iter().enumerate() {
            let owner = self.map.at((at + 1) % NODES, &self.people[at]);
            let log = Reader(LOG);
            self.history.admitted(log, room, 0);
            for entry in owner.log(room).await {
                self.history.delivered(log, room, seq(&entry), name(&entry));
            }
        }
        self.history.check()
    }
}

async fn read_over_quic(
    client: Client,
    history: History,
    reader: Reader,
    room: Room,
    since: Cursor,
) {
    let id = RoomId::parse(&room).expect("a room");
    let mut entries = client.subscribe(&id, Some(since)).await.expect("the client lives");
    while let Some(update) = entries.next().await {
        match update.expect("the room can be read") {
            Update::Event(event) => {
                let message = event.entry().filter(|e| matches!(e.body, Body::Message { .. }));
                let name = message.and_then(|entry| entry.client_msg_id.as_ref());
                history.delivered(reader, &room, event.seq().0, name.map(|name| name.as_str()));
            }
            Update::Began(began) => assert!(began.recovered, "{began:?}"),
        }
    }
}

/// One who sends, one message after another, each until it is acknowledged.
struct Sender {
    number: usize,
    room: Room,
    history: History,
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    pause: Duration,
}

impl Sender {
    fn names(&self) -> impl Iterator<Item = Name> + use<> {
        let (number, stop) = (self.number, Arc::clone(&self.stop));
        let names = (0..).map(move |at| Name::from(format!("sender{number}-{at}")));
        names.take_while(move |_| !stop.load(Ordering::SeqCst))
    }

    async fn over_quic(self, client: Client, strict: bool) {
        let room = RoomId::parse(&self.room).expect("a room");
        self.stagger().await;
        for name in self.names() {
            self.history.sent(&self.room, &name);
            loop {
                let draft = Draft::text(format!("this is {name}")).once(&name).expect("a name");
                match client.send(&room, draft).await {
                    Ok(sent) => break self.history.acked(&self.room, &name, sent.seq.0),
                    Err(Error::Refused(failure))
                        if !strict && failure.code == Code::Unavailable =>
                    {
                        self.refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    Err(error) => panic!("the application is told of {error}"),
                }
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn over_websocket(self, mut mover: Mover) {
        let mut client: Option<WsClient> = None;
        self.stagger().await;
        for name in self.names() {
            self.history.sent(&self.room, &name);
            loop {
                if client.as_mut().is_some_and(is_asked_to_go) {
                    client = None;
                    mover.away().await;
                }
                let there = match &mut client {
                    Some(there) => there,
                    None => {
                        self.connections.fetch_add(1, Ordering::Relaxed);
                        client.insert(mover.connect().await)
                    }
                };
                let text = format!("this is {name}");
                let fields = json!({ "room": &*self.room, "client_msg_id": &*name, "text": text });
                match there.handle().ask("send", fields).await {
                    Some(answer) if answer["op"] == "result" => {
                        break self.history.acked(&self.room, &name, seq(&answer));
                    }
                    Some(answer) => {
                        assert_eq!(answer["code"], "unavailable", "{answer}");
                        self.refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    None => {
                        client = None;
                        mover.away().await;
                    }
                }
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    /// Not all at once.
    async fn stagger(&self) {
        tokio::time::sleep(self.pause.mul_f64(self.number as f64 / SENDERS as f64)).await;
    }
}

/// Whether the server has said so, or is gone.
fn is_asked_to_go(client: &mut WsClient) -> bool {
    use futures_util::FutureExt as _;
    loop {
        match client.frame().now_or_never() {
            Some(Some(frame)) if frame["op"] == "goaway" => return true,
            Some(Some(_)) => {}
            Some(None) => return true,
            None => return false,
        }
    }
}
