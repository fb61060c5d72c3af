//! Document 004: which rooms there are, entering and leaving.

use chatcore::id::RoomId;
use chatcore::room::NewRoom;
use chatcore_tests::Http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Cookie, Site, WRITTEN, fill};

const A: &str = "a@example.org";
const B: &str = "b@example.org";

async fn two(site: &Site) -> (Cookie, Cookie) {
    site.email(A).await;
    site.email(B).await;
    (site.cookie(A).await, site.cookie(B).await)
}

fn ask(userid: &str, action: &str, roomid: impl Into<Value>) -> Value {
    json!({"userid": userid, "action": action, "roomid": roomid.into()})
}

/// Makes a room; its id.
async fn make(cookie: &Cookie, userid: &str) -> String {
    let body = cookie.post("/v1/room", &ask(userid, "enter", Value::Null)).await.expect(200).json();
    body["roomid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rooms_are_those_to_be_seen_and_those_that_one_is_in() {
    let site = Site::start().await;
    let (a, b) = two(&site).await;
    assert_eq!(
        a.get("/v1/room/a@example.org").await.expect(200).json(),
        json!({"allrooms": [], "join_rooms": []})
    );
    let mut rooms = vec![make(&a, A).await, make(&a, A).await, make(&b, B).await];
    let theirs = rooms[2].clone();
    rooms.sort();
    let hers: Vec<_> = rooms.iter().filter(|room| **room != theirs).cloned().collect();
    let id_b = site.user(B).await;
    let hidden = site.chat.as_user(&id_b).create_room(NewRoom::private("x")).await.unwrap().room;

    let listed = a.get("/v1/room/A@example.org").await.expect(200);
    assert_eq!(listed.json(), json!({"allrooms": rooms, "join_rooms": hers}));
    assert_eq!(listed.header("content-type"), "application/json");
    let id = site.user(A).await;
    let listed = a.get(&format!("/v1/room/{id}")).await.expect(200);
    assert_eq!(listed.json()["join_rooms"], json!(hers));
    let seen = b.get("/v1/room/b@example.org").await.expect(200).json();
    assert!(seen["allrooms"].as_array().unwrap().contains(&json!(hidden.as_str())));
}

#[tokio::test]
async fn rooms_of_someone_else_are_400_and_null() {
    let site = Site::start().await;
    let (a, _) = two(&site).await;
    for other in [B, "nobody", "%00"] {
        let reply = a.get(&format!("/v1/room/{other}")).await.expect(400);
        assert_eq!(reply.text(), "null", "{other}");
    }
}

#[tokio::test]
async fn more_rooms_than_a_page_are_all_listed() {
    let site = Site::start().await;
    let (a, _) = two(&site).await;
    let id = site.user(A).await;
    let mut rooms = Vec::new();
    for _ in 0..450 {
        let new = NewRoom::public("one of many");
        rooms.push(site.chat.as_user(&id).create_room(new).await.unwrap().room.to_string());
    }
    rooms.sort();
    let listed = a.get("/v1/room/a@example.org").await.expect(200).json();
    assert_eq!(listed, json!({"allrooms": rooms, "join_rooms": rooms}));
}

#[tokio::test]
async fn room_is_made_entered_left_and_deleted_by_the_last() {
    let site = Site::start().await;
    let (a, b) = two(&site).await;
    let room = make(&a, A).await;
    for _ in 0..2 {
        let reply = b.post("/v1/room", &ask(B, "enter", room.as_str())).await.expect(200);
        assert_eq!(reply.json(), json!({"roomid": room}));
    }
    let reply = a.post("/v1/room", &ask(A, "leave", room.as_str())).await.expect(200);
    assert_eq!(reply.json(), json!({"roomid": room}));
    let reply = b.post("/v1/room", &ask(B, "leave", room.as_str())).await.expect(200);
    assert_eq!(reply.json(), json!({"roomid": "room deleted"}));
    for action in ["enter", "leave"] {
        let reply = b.post("/v1/room", &ask(B, action, room.as_str())).await.expect(400);
        assert_eq!(reply.json(), json!({"roomid": null}), "{action} a room that is gone");
    }
    let none = json!({"allrooms": [], "join_rooms": []});
    assert_eq!(a.get("/v1/room/a@example.org").await.json(), none);
}

#[tokio::test]
async fn what_cannot_be_done_is_400_without_a_room() {
    let site = Site::start().await;
    let (a, b) = two(&site).await;
    let room = make(&a, A).await;
    let id = site.user(A).await;
    let hidden = site.chat.as_user(&id).create_room(NewRoom::private("x")).await.unwrap().room;
    for refused in [
        ask(B, "enter", "nowhere"),
        ask(B, "enter", "no id at all/.."),
        ask(B, "enter", hidden.as_str()),
        ask(B, "leave", room.as_str()),
        ask(B, "leave", Value::Null),
        ask(A, "enter", room.as_str()),
        ask("", "enter", room.as_str()),
    ] {
        let reply = b.post("/v1/room", &refused).await.expect(400);
        assert_eq!(reply.json(), json!({"roomid": null}), "{refused}");
    }
}

#[tokio::test]
async fn object_of_another_form_is_400_and_a_sentence() {
    let site = Site::start().await;
    let (a, _) = two(&site).await;
    let wrong = json!("wrong request format");
    for body in [
        json!({}),
        json!([]),
        json!("enter"),
        json!({"userid": A, "action": "enter"}),
        json!({"userid": A, "roomid": null}),
        json!({"action": "enter", "roomid": null}),
        ask(A, "dance", Value::Null),
        ask(A, "enter", 7),
        ask(A, "enter", json!({"$ne": 1})),
        json!({"userid": 7, "action": "enter", "roomid": null}),
        json!({"userid": A, "action": ["enter"], "roomid": null}),
        json!({"userid": A, "action": "enter", "roomid": null, "role": "owner"}),
    ] {
        let reply = a.post("/v1/room", &body).await.expect(400);
        assert_eq!(reply.json(), wrong, "{body}");
        assert_eq!(reply.header("content-type"), "application/json");
    }
    let broken = a.request(Method::POST, "/v1/room").header("content-type", "application/json");
    assert_eq!(Http::send(broken.body("{")).await.expect(400).json(), wrong);
    let listed = a.get("/v1/room/a@example.org").await.json();
    assert_eq!(listed, json!({"allrooms": [], "join_rooms": []}), "nothing was made");
}

#[tokio::test]
async fn form_says_null_with_an_empty_text() {
    let site = Site::start().await;
    let (a, _) = two(&site).await;
    for written in WRITTEN {
        for null in ["", "null"] {
            let request = a.request(Method::POST, "/v1/room");
            let reply =
                Http::send(fill(request, &ask(A, "enter", null), written)).await.expect(200);
            let room = reply.json()["roomid"].as_str().unwrap().to_owned();
            let request = a.request(Method::POST, "/v1/room");
            let leave = ask(A, "leave", room.as_str());
            let reply = Http::send(fill(request, &leave, written)).await.expect(200);
            assert_eq!(reply.json(), json!({"roomid": "room deleted"}), "{written:?} {null:?}");
        }
    }
}

#[tokio::test]
async fn entering_against_the_last_leave_never_leaves_a_member_without_a_room() {
    let site = Site::start().await;
    let (a, b) = two(&site).await;
    let (id_a, id_b) = (site.user(A).await, site.user(B).await);
    for round in 0..100 {
        let room = make(&a, A).await;
        let leave = ask(A, "leave", room.as_str());
        let enter = ask(B, "enter", room.as_str());
        let (left, entered) = tokio::join!(a.post("/v1/room", &leave), b.post("/v1/room", &enter));
        let left = left.expect(200).json();
        let id = RoomId::parse(&room).unwrap();
        let (seen_by_a, seen_by_b) =
            (site.chat.as_user(&id_a).room(&id).await, site.chat.as_user(&id_b).room(&id).await);
        if entered.status == 200 {
            assert_eq!(left, json!({"roomid": room}), "round {round}");
            assert_eq!(seen_by_b.unwrap().members, 1, "round {round}");
        } else {
            assert_eq!(entered.expect(400).json(), json!({"roomid": null}));
            assert_eq!(left, json!({"roomid": "room deleted"}), "round {round}");
            assert!(seen_by_a.is_err() && seen_by_b.is_err(), "round {round}");
        }
    }
}
