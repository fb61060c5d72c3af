//! The picture of the terminal client in README.md, which is what one sees.
//!
//! `CHATCORE_WRITE_PICTURES=1 cargo nextest run -p chatcore-tests picture` takes it anew.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chatcore_tests::{Encoding, Server, Terminal, WsClient, example};
use serde_json::{Value, json};

const BEGIN: &str = "<!-- picture: quic_chat -->\n```text\n";
const END: &str = "```\n";

async fn say(client: &WsClient, room: &str, text: &str, reply_to: Option<&Value>) -> Value {
    let mut send = json!({ "room": room, "client_msg_id": text.split_at(12).0, "text": text });
    if let Some(message) = reply_to {
        send["reply_to"] = message.clone();
    }
    client.request("send", send).await
}

/// A zone in which it is between twelve and one, so that no day ends in the picture.
fn zone_of_noon() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let hour = i64::try_from(now / 3600 % 24).expect("small");
    // As POSIX has it: what is to be added to the local time.
    format!("NOON{:+}", hour - 12)
}

/// The same with all times alike.
fn timeless(screen: &str) -> String {
    let mut timeless: Vec<char> = screen.chars().collect();
    for at in 0..timeless.len().saturating_sub(4) {
        let digit = |n: usize| timeless[at + n].is_ascii_digit();
        if digit(0) && digit(1) && timeless[at + 2] == ':' && digit(3) && digit(4) {
            (timeless[at + 3], timeless[at + 4]) = ('0', '0');
        }
    }
    timeless.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_in_the_readme_is_what_one_sees() {
    let mut server = Server::start_with_quic().await;
    let client = tokio::task::spawn_blocking(|| example("quic_chat")).await.expect("it is built");
    let http = server.http();
    let (ann, ben, cleo) =
        (http.register("ann").await, http.register("ben").await, http.register("cleo").await);
    let mut rooms = Vec::new();
    for name in ["general", "release party", "tea"] {
        let room = ben.create_room("public", name).await;
        ann.enter(&room).await;
        cleo.enter(&room).await;
        rooms.push(room);
    }
    let [general, party, tea] = &rooms[..] else { unreachable!("three") };
    let bens = server.connect(&ben, Encoding::Json).await;
    let cleos = server.connect(&cleo, Encoding::Json).await;
    for client in [&bens, &cleos] {
        client.request("subscribe", json!({ "room": general })).await;
    }
    let topic = json!({ "room": general, "topic": "everything and nothing" });
    bens.request("update_room", topic).await;

    let state = tempfile::tempdir().expect("a directory");
    let (quic, fingerprint) = server.quic();
    let script = format!(
        "TZ={} CHATCORE_PASSWORD='{}' {} --user ann --quic {quic} --url {} --fingerprint {fingerprint} \
         --state {}",
        zone_of_noon(),
        ann.password,
        client.display(),
        server.url(""),
        state.path().display(),
    );
    let Some(terminal) = Terminal::open((88, 18), &script) else { return };
    terminal.shows("▸ general").await;
    terminal.shows("● 3 here").await;
    let first =
        say(&bens, general, "Good morning! Does the new client do what you want?", None).await;
    terminal.shows("Good morning!").await;
    terminal.enter("I am writing from it. 日本語 and 👍 come out right.");
    terminal.shows("I am writing from it.").await;
    terminal.shows(" ✓").await;
    let reply = say(
        &cleos,
        general,
        "And when I pulled the cable in the middle of a sentence, nothing was lost and nothing came twice.",
        Some(&first["message_id"]),
    )
    .await;
    terminal.shows("twice.").await;
    let react = json!({ "room": general, "message_id": reply["message_id"], "emoji": "🎉" });
    bens.request("react", react).await;
    terminal.shows("🎉 1").await;
    bens.request("mark_read", json!({ "room": general, "seq": reply["seq"] })).await;
    terminal.shows(" ✓✓").await;
    say(&bens, tea, "the kettle is on", None).await;
    say(&bens, tea, "two cups left", None).await;
    say(&cleos, party, "who brings the cake?", None).await;
    terminal.shows(" 2 │").await;
    terminal.shows(" 1 │").await;
    terminal.write("Then let us ship");
    let typing = json!({ "room": general, "kind": "typing", "on": true, "ttl_ms": 30_000 });
    bens.handle().post("signal", typing);
    terminal.shows("Then let us ship").await;
    let screen = terminal.shows("ben is typing").await;

    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let text = std::fs::read_to_string(&readme).expect("README.md");
    let (before, rest) = text.split_once(BEGIN).expect("README.md has a place for the picture");
    let (picture, after) = rest.split_once(END).expect("it ends");
    if std::env::var_os("CHATCORE_WRITE_PICTURES").is_some_and(|value| value == "1") {
        let taken = format!("{before}{BEGIN}{screen}{END}{after}");
        std::fs::write(&readme, taken).expect("README.md can be written");
        return;
    }
    let (shown, seen) = (timeless(picture), timeless(&screen));
    assert_eq!(shown, seen, "take the picture anew, as above\n{screen}");
}
