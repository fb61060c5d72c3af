//! The bot of the examples, in a room of the example server.

use std::process::Command;

use chatcore_tests::process::Process;
use chatcore_tests::{Encoding, PATIENCE, Person, Server, WsClient, example};
use serde_json::json;

/// Starts the bot, and waits until it listens.
async fn start(server: &mut Server, bot: &Person, room: &str) -> Process {
    let (quic, fingerprint) = server.quic();
    let program = tokio::task::spawn_blocking(|| example("quic_bot")).await.expect("it is built");
    let mut command = Command::new(program);
    command.args([&quic, room]);
    command.env("CHATCORE_TOKEN", &bot.token).env("CHATCORE_FINGERPRINT", fingerprint);
    let mut process = Process::start("quic_bot", command);
    let listens = |line: &str| line.contains("listening in").then_some(());
    process.wait_for_line(PATIENCE, listens).expect("it listens");
    process
}

async fn say(ben: &WsClient, room: &str, id: &str, text: &str) {
    let send = json!({ "room": room, "client_msg_id": id, "text": text });
    assert_eq!(ben.request("send", send).await["op"], "result");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_answers_what_is_said_to_it_and_nothing_else() {
    let mut server = Server::start_with_quic().await;
    let ben = server.http().register("ben").await;
    let bot = server.http().register("bot").await;
    let room = ben.create_room("public", "general").await;
    let mut socket = server.connect(&ben, Encoding::Json).await;
    socket.request("subscribe", json!({ "room": room })).await;
    let first = start(&mut server, &bot, &room).await;
    // Two of them answer once.
    let _second = start(&mut server, &bot, &room).await;
    say(&socket, &room, "1", "nobody asked").await;
    say(&socket, &room, "2", "bot: 日本 and tea").await;
    let mut asked = socket.next_event(&room, "message").await;
    assert_eq!(asked["text"], "nobody asked");
    asked = socket.next_event(&room, "message").await;
    let answer = socket.next_event(&room, "message").await;
    assert_eq!(
        (&answer["user"], &answer["text"]),
        (&json!(bot.user), &json!("You said 10 letters."))
    );
    assert_eq!(answer["reply_to"], asked["message_id"], "{answer}");
    drop(first);
    say(&socket, &room, "3", "bot: again").await;
    socket.next_event(&room, "message").await;
    let answer = socket.next_event(&room, "message").await;
    assert_eq!(answer["text"], "You said 5 letters.", "the one that is left, once");
}
