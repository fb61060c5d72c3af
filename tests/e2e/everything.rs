//! All that is heavy, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatcore_tests::checker::{History, Name, Reader, Room};
use chatcore_tests::http::seq;
use chatcore_tests::{Encoding, Http, Person, Server, WsClient, count};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How many send, log in, read and upload at the same time.
const SENDERS: usize = 4;
const LOGINS: usize = 16;
const READERS: usize = 4;
const UPLOADERS: usize = 2;
/// Messages of the history that is read, and bytes of each file.
const LONG: usize = 3_000;
const FILE: usize = 8 << 20;
/// Between two messages of a sender.
const PAUSE: Duration = Duration::from_millis(20);

/// Does `work` again and again until it is over, and says how often.
fn again<F>(
    tasks: &mut JoinSet<()>,
    over: &Arc<AtomicBool>,
    done: &Arc<AtomicUsize>,
    work: impl Fn() -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send,
{
    let (over, done) = (Arc::clone(over), Arc::clone(done));
    tasks.spawn(async move {
        while !over.load(Ordering::SeqCst) {
            work().await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// Sends so many messages, many at a time.
async fn talk(server: &Server, person: &Person, room: &str, number: usize) {
    let client = server.connect(person, Encoding::Json).await;
    for first in (0..number).step_by(100) {
        let sends = (first..first + 100).map(|index| {
            let text = format!("{index} {}", "x".repeat(500));
            let fields =
                json!({ "room": room, "client_msg_id": format!("old-{index}"), "text": text });
            let handle = client.handle();
            async move { handle.request("send", fields).await }
        });
        futures_util::future::join_all(sends).await;
    }
}

/// Pages through a whole room, from its end.
async fn page_through(http: Http, room: String, over: Arc<AtomicBool>) {
    let mut before = String::new();
    while !over.load(Ordering::SeqCst) {
        let path = format!("/api/v1/rooms/{room}/messages?limit=200{before}");
        let page = http.get(&path).await.expect(200).json();
        let Some(first) = page["messages"].as_array().and_then(|all| all.first()) else { return };
        before = format!("&before={}", seq(first));
    }
}

/// Tells the history of all that comes.
async fn follow(mut client: WsClient, history: History, reader: Reader, room: Room) {
    while let Some(frame) = client.frame().await {
        if frame["op"] == "event" && frame["room"] == *room {
            let name = frame["client_msg_id"].as_str().filter(|_| frame["kind"] == "message");
            history.delivered(reader, &room, seq(&frame), name);
            if seq(&frame).is_multiple_of(20) {
                let rooms = json!({ &*room: seq(&frame) });
                client.handle().post("ack", json!({ "rooms": rooms }));
            }
        }
    }
}

/// `CHATCORE_LOAD_SECS` seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_stay_quick_while_passwords_are_hashed_long_histories_read_and_files_uploaded() {
    let seconds = count("CHATCORE_LOAD_SECS", 6);
    let server = Server::start().await;
    let people = server.http().register_many("person", SENDERS).await;
    let room = people[0].create_room("public", "busy").await;
    let long = people[0].create_room("public", "long").await;
    for person in &people[1..] {
        person.enter(&room).await;
        person.enter(&long).await;
    }
    talk(&server, &people[0], &long, LONG).await;
    let busy = Room::from(room.clone());
    let history = History::default();
    let head = people[0].http.get(&format!("/api/v1/rooms/{room}")).await.expect(200).json();
    let head = head["head_seq"].as_u64().expect("a place");
    let mut following = JoinSet::new();
    for (number, person) in people.iter().enumerate() {
        let reader = Reader(u32::try_from(number).expect("few"));
        history.admitted(reader, &busy, head);
        let client = server.connect(person, Encoding::Msgpack).await;
        let began = client.request("subscribe", json!({ "room": room })).await;
        assert_eq!(began["head_seq"], head, "{began}");
        following.spawn(follow(client, history.clone(), reader, busy.clone()));
    }
    let over = Arc::new(AtomicBool::new(false));
    let done: [Arc<AtomicUsize>; 3] = Default::default();
    let mut loads = JoinSet::new();
    for number in 0..LOGINS {
        let http = server.http();
        again(&mut loads, &over, &done[0], move || {
            let (http, login) = (http.clone(), format!("person{}", number % SENDERS));
            async move {
                let body = json!({ "login": login, "password": "not the right horse" });
                let answer = http.post("/api/v1/sessions", body).await;
                assert!([401, 429].contains(&answer.status), "{}", answer.text());
            }
        });
    }
    for person in people.iter().take(READERS) {
        let (http, long, stop) = (person.http.clone(), long.clone(), Arc::clone(&over));
        again(&mut loads, &over, &done[1], move || {
            page_through(http.clone(), long.clone(), Arc::clone(&stop))
        });
    }
    let file = bytes::Bytes::from("all of these bytes, many times over. ".repeat(FILE / 37));
    for person in people.iter().take(UPLOADERS) {
        let (http, file) = (person.http.clone(), file.clone());
        again(&mut loads, &over, &done[2], move || {
            let (http, file) = (http.clone(), file.clone());
            async move {
                let part = Part::stream(file).file_name("large.txt");
                let form = Form::new().part("file", part);
                let request = http.request(Method::POST, "/api/v1/attachments").multipart(form);
                let answer = Http::send(request).await;
                assert!([201, 507].contains(&answer.status), "{}", answer.text());
            }
        });
    }
    let mut senders = JoinSet::new();
    for (number, person) in people.iter().enumerate() {
        let client = server.connect(person, Encoding::Json).await;
        let (history, room, over) = (history.clone(), busy.clone(), Arc::clone(&over));
        senders.spawn(async move {
            let mut took = Vec::new();
            for index in 0.. {
                let name = Name::from(format!("{number}-{index}"));
                history.sent(&room, &name);
                let fields = json!({ "room": &*room, "client_msg_id": &*name, "text": "quick" });
                let began = Instant::now();
                let answer: Value = client.request("send", fields).await;
                took.push(began.elapsed());
                history.acked(&room, &name, seq(&answer));
                if over.load(Ordering::SeqCst) {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            took
        });
    }
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    over.store(true, Ordering::SeqCst);
    let mut took = senders.join_all().await.concat();
    loads.join_all().await;
    let last = people[0].log(&room).await.last().map(seq).expect("entries");
    let began = Instant::now();
    while !history.behind(&busy, last).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "everybody catches up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    following.shutdown().await;
    let report = history.check();
    took.sort_unstable();
    let part = |part: usize| took[took.len() * part / 100];
    let [logins, histories, files] = done.map(|done| done.load(Ordering::Relaxed));
    println!(
        "{} sends: p50 {:?}, p99 {:?}, at most {:?}, beside {logins} logins, {histories} histories of {LONG} \
         and {files} files of {FILE} bytes in {seconds} s; {report}",
        took.len(),
        part(50),
        part(99),
        took[took.len() - 1],
    );
    report.assert_sound();
    assert!(logins > LOGINS && histories > 0 && files > 0, "{logins} {histories} {files}");
    // Two cores, which hash all the time, have everything else to do besides, and in builds that are not optimised.
    assert!(part(99) < Duration::from_secs(1), "{:?}", part(99));
}
