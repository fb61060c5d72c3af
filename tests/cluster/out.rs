//! Out means out, on every node, with the bus dead.

use std::time::{Duration, Instant};

use chatcore::id::{RoomId, Seq};
use chatcore::log::Cursor;
use chatcore_quic::client::{Offline, State, Subscription, Update};
use chatcore_tests::checker::OUT_WITHIN;
use chatcore_tests::ws::Ended;
use chatcore_tests::{Encoding, PATIENCE, Person, WsClient};
use serde_json::{Value, json};

use crate::site::Site;

/// A room of both, and how ben reads it on the last node, over both transports.
struct Scene {
    site: Site,
    ann: Person,
    ben: Person,
    room: String,
    socket: WsClient,
    quic: Subscription,
    client: chatcore_quic::Client,
}

impl Scene {
    async fn start() -> Option<Self> {
        let site = Site::start().await?;
        let ann = site.http(0).register("ann").await;
        let ben = site.http(1).register("ben").await;
        let room = ann.create_room("public", "general").await;
        ben.enter(&room).await;
        let socket = site.nodes[2].connect(&ben, Encoding::Json).await;
        socket.request("subscribe", json!({ "room": room })).await;
        let client = site.map.quic_at(2, &ben, "phone");
        let id = RoomId::parse(&room).expect("a room");
        let cursor = Cursor { epoch: None, seq: Seq(3) };
        let quic = client.subscribe(&id, Some(cursor)).await.expect("the client lives");
        let mut scene = Self { site, ann, ben, room, socket, quic, client };
        scene.say("hello").await;
        let event = scene.socket.next_event(&scene.room, "message").await;
        assert_eq!(event["text"], "hello");
        scene.hears_over_quic().await;
        Some(scene)
    }

    async fn say(&self, text: &str) -> Value {
        self.ann.send(&self.room, text, text).await.expect(201).json()
    }

    async fn hears_over_quic(&mut self) {
        let heard = async {
            while let Some(update) = self.quic.next().await {
                if let Update::Event(event) = update.expect("he may read")
                    && event.seq() == Seq(4)
                {
                    return;
                }
            }
            panic!("nothing comes over QUIC");
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it arrives");
    }

    /// Talks on, and asserts that ben is told of nothing that was said later than he was out, and a bit.
    async fn nothing_more(&mut self, out: Instant) {
        let mut last = out;
        for number in 0..30 {
            let name = format!("later {number}");
            self.say(&name).await;
            let hearing = async {
                loop {
                    tokio::select! {
                        Some(frame) = self.socket.frame() => {
                            if frame["op"] == "event" && frame["kind"] == "message" {
                                last = Instant::now();
                            }
                        }
                        Some(update) = self.quic.next() => {
                            if matches!(update, Ok(Update::Event(event)) if event.seq() > Seq(5)) {
                                last = Instant::now();
                            }
                        }
                        // Both have ended.
                        else => std::future::pending().await,
                    }
                }
            };
            // It only ends by the time.
            let _: Result<(), _> = tokio::time::timeout(Duration::from_millis(100), hearing).await;
        }
        println!("the last that he was told of came {:?} after he was out", last - out);
        assert!(last <= out + OUT_WITHIN, "{:?}", last - out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_on_one_node_ends_delivery_on_another_within_two_seconds_with_nats_dead() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.site.nats.kill();
    let path = format!("/api/v1/rooms/{}/members/{}", scene.room, scene.ben.user);
    scene.ann.http.post(&path, json!({ "action": "kick" })).await.expect(200);
    let out = Instant::now();
    scene.nothing_more(out).await;
    let again = scene.socket.try_request("subscribe", json!({ "room": scene.room })).await;
    let refusal = again.expect_err("the connection lives, and he is out");
    assert_eq!(refusal.code, "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_on_one_node_is_cut_off_on_another_within_two_seconds_with_nats_dead() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.site.nats.kill();
    let ben = scene.site.map.at(0, &scene.ben);
    ben.http.json(http::Method::DELETE, "/api/v1/sessions/current", json!({})).await.expect(204);
    let out = Instant::now();
    let mut state = scene.client.state();
    let closed = |state: &State| matches!(state, State::Offline(Offline::Closed(_)));
    let cut = tokio::time::timeout(OUT_WITHIN, state.wait_for(closed)).await;
    cut.expect("in time").expect("the client lives");
    println!("QUIC was cut off after {:?}", out.elapsed());
    scene.nothing_more(out).await;
    let ended = scene.socket.ended().await;
    assert!(matches!(ended, Ended::Closed(4003, _)), "{ended:?}");
    let refused = scene.site.map.at(1, &scene.ben).http.get("/api/v1/rooms").await;
    assert_eq!(refused.status, 401, "nor by another node");
}
