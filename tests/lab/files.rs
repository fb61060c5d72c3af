//! Files on a line that they fill, while people talk.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chatcore::attachment::UploadRequest;
use chatcore::id::AttachmentId;
use chatcore_quic::client::Client;
use chatcore_tests::lab::{Conditions, Rate};
use tokio::task::JoinHandle;

use crate::flow::{Delays, follow, listen, milliseconds, said_at, tell};
use crate::site::{Site, either, user};

/// 2 Mbit/s, and 80 ms of it in a queue, behind 20 ms each way.
const LINE: Rate = Rate { bytes: 250_000, queue: 20_000 };
const FILE: usize = 12 << 20;
/// Between two messages.
const PACE: Duration = Duration::from_millis(20);

/// A file of alice's.
async fn file(site: &Site) -> AttachmentId {
    let chat = site.local.chat.clone();
    let body = futures_util::stream::iter([Ok(Bytes::from(vec![b'x'; FILE]))]);
    let request = UploadRequest::new(user("alice"), "long.txt", body);
    chat.attachments().upload(request).await.expect("stored").id
}

/// Reads a file at a pace of so much a chunk, for as long as it is let.
fn read(site: &Site, client: &Client, file: &AttachmentId, pause: Duration) -> JoinHandle<()> {
    let (client, file) = (client.clone(), file.clone());
    site.lab.client.spawn(async move {
        let mut download = client.download(&file, ..).await.expect("it is hers");
        while download.chunk().await.expect("not cut").is_some() {
            tokio::time::sleep(pause).await;
        }
    })
}

/// How long messages take beside two files that are read so slowly.
async fn beside_files(pause: Duration) -> Option<Delays> {
    let site = Site::open(8, Duration::from_secs(25)).await?;
    site.lab.set(Conditions::delay(Duration::from_millis(20)).with_rate(LINE));
    let client = site.connect(site.alice().await, site.quic().await).await;
    let room = site.room().await;
    let entries = follow(&client, &room).await;
    let file = file(&site).await;
    let reading = [(); 2].map(|()| read(&site, &client, &file, pause));
    // Until they have all that they are let have.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (messages, begun) = (either(300, 2_000), Instant::now());
    let listening = site.lab.client.spawn(listen(entries, begun, messages));
    let mut next = tokio::time::interval(PACE);
    for _ in 0..messages {
        next.tick().await;
        site.say(&room, &said_at(begun)).await;
    }
    let delays = listening.await.expect("no panic");
    assert!(reading.iter().all(|reading| !reading.is_finished()), "they were there all the time");
    reading.iter().for_each(JoinHandle::abort);
    client.shut_down().await;
    Some(delays)
}

#[tokio::test]
async fn what_is_said_does_not_wait_for_files() {
    for (how, pause) in
        [("as fast as the line lets them", Duration::ZERO), ("slowly", Duration::from_millis(300))]
    {
        let Some(delays) = beside_files(pause).await else { return };
        tell(&format!("beside two files that are read {how}"), &delays);
        // A way there, a full queue, and what a busy machine adds.
        assert!(milliseconds(&delays, 0.99) <= 200.0, "files come after what is said");
    }
}
