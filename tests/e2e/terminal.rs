//! The chat client for the terminal, as a person uses it, against the example server.

use std::path::PathBuf;
use std::time::Duration;

use chatcore_tests::{Encoding, PATIENCE, Person, Server, Terminal, WsClient, example};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse of ann";

/// A server, Ben at a WebSocket, and what Ann needs to come from a terminal.
struct World {
    server: Server,
    ben: Person,
    /// What Ann's client keeps.
    state: TempDir,
    client: PathBuf,
}

impl World {
    async fn new() -> Self {
        let server = Server::start_with_quic().await;
        let ben = server.http().register("ben").await;
        let client = tokio::task::spawn_blocking(|| example("quic_chat"));
        let client = client.await.expect("it is built");
        Self { server, ben, state: tempfile::tempdir().expect("a directory"), client }
    }

    /// The line that starts Ann's client. The shell tells afterwards how it ended, and whether the
    /// terminal shows again what is typed.
    fn script(&mut self, options: &str) -> String {
        let (quic, fingerprint) = self.server.quic();
        let (client, state) = (self.client.display(), self.state.path().display());
        let url = self.server.url("");
        format!(
            "{client} --quic {quic} --url {url} --fingerprint {fingerprint} \
             --state {state}/kept --downloads {state} {options}; \
             echo \"ended with $?\"; stty -a | grep -ow -e '-\\?echo' -e '-\\?icanon'; exec sleep 600"
        )
    }

    fn terminal(&mut self, options: &str) -> Option<Terminal> {
        let script = self.script(options);
        Terminal::open((84, 20), &script)
    }

    async fn as_ben(&self) -> WsClient {
        self.server.connect(&self.ben, Encoding::Json).await
    }
}

async fn say(ben: &WsClient, room: &str, id: &str, text: &str) -> Value {
    let send = json!({ "room": room, "client_msg_id": id, "text": text });
    ben.request("send", send).await
}

/// How often the room's history holds this text.
async fn count(ben: &WsClient, room: &str, text: &str) -> usize {
    let history = ben.request("history", json!({ "room": room, "limit": 100 })).await;
    let messages = history["messages"].as_array().expect("messages");
    messages.iter().filter(|message| message["text"] == text).count()
}

/// Ann makes an account by hand, and enters a room.
async fn register_and_enter(terminal: &Terminal, room: &str) {
    terminal.shows("log in").await;
    terminal.press(&["F2"]);
    terminal.shows("a new account").await;
    terminal.enter("ann");
    terminal.write(PASSWORD);
    let screen = terminal.shows("••••••").await;
    assert!(!screen.contains("correct"), "{screen}");
    terminal.press(&["Enter"]);
    terminal.shows("You are in no room yet.").await;
    terminal.shows("● connected").await;
    terminal.enter("/join");
    terminal.shows("rooms to enter").await;
    terminal.shows(room).await;
    terminal.press(&["Enter"]);
    terminal.shows(&format!("▸ {room}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_talks_from_a_terminal() {
    let mut world = World::new().await;
    let general = world.ben.create_room("public", "general").await;
    let Some(terminal) = world.terminal("") else { return };
    register_and_enter(&terminal, "general").await;

    let mut ben = world.as_ben().await;
    ben.request("subscribe", json!({ "room": general })).await;
    terminal.enter("good morning, 日本");
    let event = ben.next_event(&general, "message").await;
    assert_eq!(event["text"], "good morning, 日本");
    terminal.shows("good morning, 日本 ✓").await;
    ben.request("mark_read", json!({ "room": general, "seq": event["seq"] })).await;
    terminal.shows("good morning, 日本 ✓✓").await;

    let typing = json!({ "room": general, "kind": "typing", "on": true, "ttl_ms": 30_000 });
    ben.handle().post("signal", typing);
    terminal.shows("ben is typing …").await;
    let evil = "clear\u{1b}[2Jtitle\u{1b}]0;evil\u{7}turn\u{202e}back";
    say(&ben, &general, "1", evil).await;
    let screen = terminal.shows("clear␛[2Jtitle␛]0;evil␇turn<U+202E>back").await;
    assert!(screen.contains("good morning, 日本"), "nothing was cleared:\n{screen}");

    terminal.press(&["Up"]);
    terminal.press(&["+"]);
    terminal.enter("👍");
    assert_eq!(ben.next_event(&general, "react").await["emoji"], "👍");
    terminal.shows("👍 1").await;

    let tea = world.ben.create_room("public", "tea").await;
    terminal.enter("/join");
    terminal.shows("rooms to enter").await;
    terminal.press(&["Enter"]);
    terminal.shows("▸ tea").await;
    terminal.press(&["Tab"]);
    terminal.shows("▸ general").await;
    say(&ben, &tea, "2", "the kettle is on").await;
    terminal.shows(" 1 │").await;
    terminal.press(&["Tab"]);
    terminal.shows("the kettle is on").await;
    terminal.hides(" 1 │").await;

    // What Ann has read is told.
    let end = std::time::Instant::now() + PATIENCE;
    let ann = world.server.http();
    let login = json!({ "login": "ann", "password": PASSWORD });
    let token = ann.post("/api/v1/sessions", login).await.expect(201).json();
    let ann = ann.with_token(token["session_token"].as_str().expect("a token"));
    while ann.get("/api/v1/rooms").await.json()["rooms"]
        .as_array()
        .is_none_or(|rooms| rooms.iter().any(|room| room["unread"] != 0))
    {
        assert!(std::time::Instant::now() < end, "they stay unread");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    terminal.resize(44, 12);
    terminal.shows("the kettle is on").await;
    terminal.hides("▸ tea").await;
    terminal.press(&["C-c"]);
    terminal.shows("ended with 0").await;
    terminal.shows("\nicanon\n").await;
    let screen = terminal.shows("\necho\n").await;
    assert!(!screen.contains("kettle"), "the screen is as it was before:\n{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_the_server_is_away_is_sent_once() {
    let mut world = World::new().await;
    let general = world.ben.create_room("public", "general").await;
    let Some(terminal) = world.terminal("") else { return };
    register_and_enter(&terminal, "general").await;

    world.server.kill();
    // QUIC finds out that nobody answers; a server that ends in order says so.
    terminal.enter("written meanwhile");
    terminal.shows("written meanwhile … waiting").await;
    terminal.shows("1 waiting").await;
    world.server.restart().await;
    terminal.press(&["C-r"]);
    terminal.shows("written meanwhile ✓").await;
    terminal.shows("● connected").await;
    let ben = world.as_ben().await;
    assert_eq!(count(&ben, &general, "written meanwhile").await, 1);
    ben.close().await;

    assert!(world.server.stop().await.success());
    terminal.hides("● connected").await;
    terminal.enter("kept on disk");
    terminal.shows("kept on disk … waiting").await;
    let kept = find(world.state.path(), "outbox.json");
    while !std::fs::read_to_string(&kept).expect("the outbox").contains("kept on disk") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mode = std::fs::metadata(&kept).expect("the outbox").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    // The client is killed, and comes back as the same person, without a password.
    let pid = terminal.child();
    let killed = std::process::Command::new("sh").arg("-c").arg(format!("kill -9 {pid}")).status();
    assert!(killed.expect("a shell").success());
    terminal.shows("ended with 137").await;
    drop(terminal);

    world.server.restart().await;
    let Some(terminal) = world.terminal("") else { return };
    terminal.shows("kept on disk ✓").await;
    let ben = world.as_ben().await;
    assert_eq!(count(&ben, &general, "kept on disk").await, 1);
    assert!(!std::fs::read_to_string(&kept).expect("the outbox").contains("kept on disk"));

    let pid = terminal.child();
    let asked =
        std::process::Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status();
    assert!(asked.expect("a shell").success());
    terminal.shows("ended with 0").await;
    terminal.shows("\nicanon\n").await;
    terminal.shows("\necho\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_given_back_when_the_line_hangs_up() {
    let mut world = World::new().await;
    let Some(terminal) = world.terminal("") else { return };
    terminal.shows("log in").await;
    let pid = terminal.child();
    let hung_up =
        std::process::Command::new("sh").arg("-c").arg(format!("kill -HUP {pid}")).status();
    assert!(hung_up.expect("a shell").success());
    terminal.shows("ended with 0").await;
    terminal.shows("\nicanon\n").await;
    terminal.shows("\necho\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_pinned_one_is_told_apart_from_one_that_is_away() {
    let mut world = World::new().await;
    let (_, fingerprint) = world.server.quic();
    let other: String = fingerprint.chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    // The last of two options counts.
    let password = format!("--user ann --fingerprint {other}");
    let script = world.script(&password).replacen(&format!("--fingerprint {fingerprint}"), "", 1);
    let script =
        format!("CHATCORE_PASSWORD='{PASSWORD}' {}", script.replace("--user", "--register --user"));
    let Some(terminal) = Terminal::open((110, 12), &script) else { return };
    terminal.shows("offline (its certificate is not one that is trusted)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_from_terminal_to_browser_and_back() {
    let mut world = World::new().await;
    let general = world.ben.create_room("public", "general").await;
    let Some(terminal) = world.terminal("") else { return };
    register_and_enter(&terminal, "general").await;
    let mut ben = world.as_ben().await;
    ben.request("subscribe", json!({ "room": general })).await;

    let words: String = (0..60_000).map(|n| format!("line {n}\n")).collect();
    let path = world.state.path().join("a long story.txt");
    std::fs::write(&path, &words).expect("a file");
    terminal.enter(&format!("/file {}", path.display()));
    let event = ben.next_event(&general, "message").await;
    let file = &event["attachments"][0];
    assert_eq!((&file["name"], &file["size"]), (&json!("a long story.txt"), &json!(words.len())));
    terminal.shows("▤ a long story.txt").await;
    terminal.shows(" ✓").await;

    terminal.press(&["Up"]);
    terminal.shows("s: save").await;
    terminal.press(&["s"]);
    terminal.shows("saved as").await;
    // The first of that name is the original.
    let saved = world.state.path().join("a long story (1).txt");
    assert_eq!(std::fs::read_to_string(saved).expect("the file"), words);

    terminal.enter("/file /nowhere/at/all");
    terminal.shows("✗ refused").await;
    terminal.shows("No such file").await;
}

/// In a network that lets no UDP through.
#[tokio::test(flavor = "multi_thread")]
async fn where_quic_does_not_get_through_a_person_talks_over_websocket() {
    let mut world = World::new().await;
    let general = world.ben.create_room("public", "general").await;
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let silent = silent.local_addr().expect("it is bound");
    let websocket = world.server.url("/ws").replacen("http", "ws", 1);
    let (quic, _) = world.server.quic();
    let script = world.script(&format!("--websocket {websocket}"));
    let script = script.replacen(&format!("--quic {quic}"), &format!("--quic {silent}"), 1);
    let Some(terminal) = Terminal::open((84, 20), &script) else { return };
    register_and_enter(&terminal, "general").await;
    terminal.shows("● connected (WebSocket)").await;

    let mut ben = world.as_ben().await;
    ben.request("subscribe", json!({ "room": general })).await;
    terminal.enter("no QUIC here");
    assert_eq!(ben.next_event(&general, "message").await["text"], "no QUIC here");
    terminal.shows("no QUIC here ✓").await;
    say(&ben, &general, "1", "but still").await;
    terminal.shows("but still").await;
    let path = world.state.path().join("note.txt");
    std::fs::write(&path, "a note").expect("a file");
    terminal.enter(&format!("/file {}", path.display()));
    terminal.shows("files cannot be sent over this link").await;

    // Another machine is not talked to in the clear.
    let clear = world.script("--websocket ws://chat.example/ws");
    let Some(terminal) = Terminal::open((110, 12), &clear) else { return };
    terminal.shows("all would travel in the clear").await;
    terminal.shows("ended with 1").await;
}

/// The file of this name below a folder.
fn find(dir: &std::path::Path, name: &str) -> PathBuf {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path())
        {
            if entry.is_dir() {
                dirs.push(entry);
            } else if entry.file_name().is_some_and(|found| found == name) {
                return entry;
            }
        }
    }
    panic!("no {name}")
}
