//! A bot that answers in a room, over QUIC.
//!
//! ```sh
//! CHATCORE_TOKEN=… CHATCORE_FINGERPRINT=… cargo run --example quic_bot -- 127.0.0.1:4433 ROOM
//! ```
//!
//! The token is the `session_token` that `POST /api/v1/accounts` or `/api/v1/sessions` answered with; the
//! server prints its fingerprint. Each answer is named after what it answers, so that a bot that is
//! started twice, or again, answers once.

use std::env::{args, var};

use chatcore::log::{Body, Draft};
use chatcore_quic::client::{Client, QuicLink, Update};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (Some(server), Some(room)) = (args().nth(1), args().nth(2)) else {
        return Err("say where, and in which room: HOST:PORT ROOM".into());
    };
    let link = QuicLink::new(&server, var("CHATCORE_FINGERPRINT")?.parse()?)?;
    let client = Client::builder().token(var("CHATCORE_TOKEN")?).device("bot").connect(link)?;
    let room = client.enter(&room.parse()?).await?.room;
    let mut entries = client.subscribe(&room, None).await?;
    println!("listening in {room}");
    while let Some(update) = entries.next().await {
        let Update::Event(event) = update? else { continue };
        let Some(Body::Message { message_id, text, .. }) = event.entry().map(|e| &e.body) else {
            continue;
        };
        if let Some(question) = text.strip_prefix("bot: ") {
            let answer = Draft::text(format!("You said {} letters.", question.chars().count()));
            let answer = answer.reply_to(message_id.clone()).once(&format!("re-{message_id}"))?;
            client.send(&room, answer).await?;
        }
    }
    Ok(())
}
