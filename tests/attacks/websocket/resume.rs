//! Cursors that nobody was given.

use serde_json::json;

use super::Bare;
use crate::site::Site;

/// Rule 43, foreign cursors: never silence, never someone else's log.
#[tokio::test]
async fn a_cursor_of_elsewhere_is_told_so() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    for n in 0..5 {
        ann.send(&room, &n.to_string(), "x").await.expect(201);
    }
    let epoch = ann.http.get(&format!("/api/v1/rooms/{room}")).await.json()["epoch"].clone();
    let mut bare = Bare::welcomed(&site, &ann).await;
    for (since, recovered) in [
        (json!({ "epoch": epoch, "seq": 7 }), true),
        (json!({ "epoch": epoch, "seq": 8 }), false),
        (json!({ "epoch": "another", "seq": 7 }), false),
        (json!({ "epoch": "another", "seq": 0 }), false),
        (json!({ "epoch": epoch, "seq": 9_007_199_254_740_991_u64 }), false),
    ] {
        bare.say(json!({ "op": "subscribe", "id": 1, "room": room, "since": since })).await;
        let answer = bare.answer(1).await;
        assert_eq!(answer["recovered"], recovered, "{since}: {answer}");
        assert_eq!(answer["head_seq"], 7, "{since}: {answer}");
        // Nothing old comes of it: the next event is the next message.
        bare.lives().await;
    }
    ann.send(&room, "after", "after").await.expect(201);
    assert_eq!(bare.hear().await["seq"], 8);
}
