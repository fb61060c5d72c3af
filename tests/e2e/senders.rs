//! People who send as fast as they are answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chatcore_tests::http::seq;
use chatcore_tests::{Encoding, Person, Server, WsClient};
use serde_json::json;
use tokio::task::JoinSet;

/// One message, as its sender knows it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) sender: usize,
    pub(crate) client_msg_id: String,
    /// Its place, if the server has answered.
    pub(crate) seq: Option<u64>,
}

/// What all of them have sent so far, answered or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    sent: Arc<Mutex<Vec<Sent>>>,
    acked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Ledger {
    fn begin(&self, sender: usize, client_msg_id: &str) -> usize {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push(Sent { sender, client_msg_id: client_msg_id.to_owned(), seq: None });
        sent.len() - 1
    }

    fn acked(&self, at: usize, seq: u64) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)[at].seq = Some(seq);
        self.acked.fetch_add(1, Ordering::SeqCst);
    }

    /// Everything that was begun.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many were answered.
    pub(crate) fn count(&self) -> usize {
        self.acked.load(Ordering::SeqCst)
    }

    /// Asks the senders to come to an end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Everyone's connection, in both encodings by turns.
pub(crate) async fn connect_all(server: &Server, people: &[Person]) -> Vec<WsClient> {
    let connections = people.iter().enumerate().map(|(at, person)| {
        let encoding = if at % 2 == 0 { Encoding::Json } else { Encoding::Msgpack };
        server.connect(person, encoding)
    });
    futures_util::future::join_all(connections).await
}

/// Each connection sends one message after another until the ledger is stopped or its connection
/// ends. `tag` tells the messages of one start from those of another.
pub(crate) fn send_on(
    clients: Vec<WsClient>,
    room: &str,
    tag: &str,
    ledger: &Ledger,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (sender, client) in clients.into_iter().enumerate() {
        let (room, tag, ledger) = (room.to_owned(), tag.to_owned(), ledger.clone());
        tasks.spawn(async move {
            let handle = client.handle();
            for number in 0.. {
                if ledger.stop.load(Ordering::SeqCst) {
                    break;
                }
                let client_msg_id = format!("{tag}-{sender}-{number}");
                let at = ledger.begin(sender, &client_msg_id);
                let fields = json!({
                    "room": room,
                    "client_msg_id": client_msg_id,
                    "text": format!("message {number} of sender {sender}"),
                });
                let Some(answer) = handle.ask("send", fields).await else { break };
                if answer["code"] == "unavailable" {
                    // The server is on its way out; this one was refused, not lost.
                    break;
                }
                assert_eq!(answer["op"], "result", "{answer}");
                ledger.acked(at, seq(&answer));
            }
            client.close().await;
        });
    }
    tasks
}
