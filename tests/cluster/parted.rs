//! One node is parted from what the others have.

use std::time::{Duration, Instant};

use chatcore_tests::http::seq;
use chatcore_tests::proxy::Way;
use chatcore_tests::{Encoding, PATIENCE, Person, WsClient};
use serde_json::json;

use crate::site::{NODES, Site};

/// How soon one hears of what was said on another node, without the bus.
const PROMISED: Duration = Duration::from_secs(2);
const LAST: usize = NODES - 1;

/// Ann's room, which ben has open on the last node, and she on the first.
struct Scene {
    site: Site,
    ann: Person,
    ben: Person,
    room: String,
    anns: WsClient,
    bens: WsClient,
}

impl Scene {
    async fn start() -> Option<Self> {
        let site = Site::start_parted().await?;
        let ann = site.http(0).register("ann").await;
        let ben = site.map.at(LAST, &site.http(LAST).register("ben").await);
        let room = ann.create_room("public", "general").await;
        ben.enter(&room).await;
        let anns = site.nodes[0].connect(&ann, Encoding::Json).await;
        let bens = site.nodes[LAST].connect(&ben, Encoding::Msgpack).await;
        for client in [&anns, &bens] {
            client.request("subscribe", json!({ "room": room })).await;
        }
        Some(Self { site, ann, ben, room, anns, bens })
    }

    /// Ann says something, and ben has it soon; and the other way round.
    async fn talk(&mut self, text: &str) {
        for back in [false, true] {
            let (who, hears) =
                if back { (&self.ben, &mut self.anns) } else { (&self.ann, &mut self.bens) };
            let name = format!("{text} {back}");
            let began = Instant::now();
            let sent = who.send(&self.room, &name, &name).await.expect(201).json();
            loop {
                let event = hears.next_event(&self.room, "message").await;
                if seq(&event) == seq(&sent) {
                    assert_eq!(event["text"], name);
                    break;
                }
            }
            println!("{name}: {:?}", began.elapsed());
            assert!(began.elapsed() <= PROMISED, "{name}: {:?}", began.elapsed());
        }
    }
}

/// Hints get lost one way only: it is heard and does not hear, or hears and is not heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nats_carries_one_way_only_is_heard_and_hears_within_two_seconds() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.talk("whole").await;
    for way in [Way::Up, Way::Down] {
        let between = scene.site.between.as_ref().expect("started so");
        between.nats.stall(way);
        for round in 0..3 {
            scene.talk(&format!("{way:?} stalled {round}")).await;
        }
        scene.site.between.as_ref().expect("started so").nats.pass();
        scene.talk(&format!("{way:?} again")).await;
    }
}

/// It acknowledges nothing that it could not write, the others go on, and afterwards everybody has everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_cut_off_from_postgres_acks_nothing_and_recovers_by_itself() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.talk("whole").await;
    scene.site.between.as_ref().expect("started so").postgres.cut();
    let refused = scene.ben.send(&scene.room, "lost?", "lost?").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let mut last = 0;
    for number in 0..5 {
        let name = format!("meanwhile {number}");
        last = seq(&scene.ann.send(&scene.room, &name, &name).await.expect(201).json());
    }
    scene.site.between.as_ref().expect("started so").postgres.pass();
    // His connection may have been told to come back.
    let arrives = async {
        loop {
            match scene.bens.frame().await {
                Some(frame) if frame["op"] == "event" && seq(&frame) == last => return true,
                Some(_) => {}
                None => return false,
            }
        }
    };
    if !tokio::time::timeout(PATIENCE, arrives).await.expect("it arrives, or he is sent away") {
        scene.bens = scene.site.nodes[LAST].connect(&scene.ben, Encoding::Msgpack).await;
        scene.bens.request("subscribe", json!({ "room": scene.room })).await;
    }
    // A connection that was cut may be found out by the first who uses it.
    let began = Instant::now();
    let again = loop {
        let again = scene.ben.send(&scene.room, "lost?", "lost?").await;
        if again.status == 201 {
            break again.json();
        }
        assert!(again.status == 503 && began.elapsed() < PROMISED, "{again:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(seq(&again), last + 1, "it was not written before: {again}");
    scene.talk("whole again").await;
    let log = scene.ann.log(&scene.room).await;
    let places: Vec<u64> = log.iter().map(seq).collect();
    assert!(places.iter().copied().eq(1..=log.len() as u64), "{places:?}");
}
