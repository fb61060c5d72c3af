//! Fills a room, through the library: no sockets, so that millions take minutes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chatcore::chat::{Pending, RoomSummary};
use chatcore::id::{RoomId, UserId};
use chatcore::limits::Limits;
use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore::store::RoomFilter;
use chatcore::{Caller, Chat};
use serde_json::json;

use crate::fault::Fault;
use crate::options::Fill;

/// Who writes, in turn.
const WRITERS: u64 = 16;
/// Messages on their way into the log: several of the batches that the library makes.
const WAITING: usize = 4 * 1024;
const TOLD_EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: &Fill) -> Result<(), Fault> {
    let chat = open(&options.store).await?;
    let room = room_named(&chat, &options.room).await?;
    let started = Instant::now();
    let before = room.head_n;
    let after = fill(&chat, &room, options, started).await;
    chat.shutdown().await;
    let after = after?;
    let (took, written) = (started.elapsed().as_secs_f64(), after.saturating_sub(before));
    let rate = written as f64 / took;
    let bytes = size_on_disk(&options.store);
    eprintln!(
        "fill   `{}` holds {after} messages; {written} in {took:.1} s, {rate:.0}/s; {} on disk",
        options.room,
        mebibytes(bytes)
    );
    if options.print.json {
        let said = json!({ "shape": "fill", "messages": after, "written": written, "seconds": took,
            "messages_per_s": rate, "bytes_on_disk": bytes });
        println!("{said}");
    }
    Ok(())
}

/// The chat on a store, without limits per user.
pub(crate) async fn open(url: &str) -> Result<Chat, Fault> {
    let store = chatcore::store::open(url).await?;
    let mut limits = Limits::default();
    limits.turns_per_user = None;
    Ok(Chat::builder(store).limits(limits).build().await?)
}

fn writer(number: u64) -> Result<UserId, Fault> {
    Ok(UserId::parse(&format!("load-{}", number % WRITERS))?)
}

/// Whoever reads and writes first.
pub(crate) fn reader(chat: &Chat) -> Result<Caller, Fault> {
    Ok(chat.as_user(&writer(0)?))
}

/// The room of this name that an earlier run has made, or a new one, with all writers in it.
pub(crate) async fn room_named(chat: &Chat, name: &str) -> Result<RoomSummary, Fault> {
    let first = reader(chat)?;
    let rooms = first.rooms(RoomFilter::Joined, None, chat.limits().page).await?;
    let room = match rooms.into_iter().find(|room| room.name.as_deref() == Some(name)) {
        Some(room) => room.room,
        None => first.create_room(NewRoom::public(name)).await?.room,
    };
    for number in 1..WRITERS {
        chat.as_user(&writer(number)?).enter(&room).await?;
    }
    Ok(first.room(&room).await?)
}

/// Sends until the room holds as many messages as it should; says how many that are.
async fn fill(
    chat: &Chat,
    room: &RoomSummary,
    options: &Fill,
    started: Instant,
) -> Result<u64, Fault> {
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(chat.as_user(&writer(number)?));
    }
    let mut waiting: VecDeque<Pending> = VecDeque::with_capacity(WAITING);
    let mut told = started;
    let mut next = room.head_n;
    let over = |now: Instant| options.secs.is_some_and(|most| now - started >= most);
    while next < options.messages {
        if next.is_multiple_of(256) {
            let now = Instant::now();
            if over(now) {
                break;
            }
            if now - told >= TOLD_EVERY {
                told = now;
                let rate = (next - room.head_n) as f64 / (now - started).as_secs_f64();
                eprintln!("fill   {next} of {}, {rate:.0}/s", options.messages);
            }
        }
        if waiting.len() == WAITING
            && let Some(first) = waiting.pop_front()
        {
            first.outcome().await?;
        }
        let caller = &writers[(next % WRITERS) as usize];
        waiting.push_back(submit(caller, &room.room, next, options.payload)?);
        next += 1;
    }
    for pending in waiting {
        pending.outcome().await?;
    }
    Ok(next)
}

fn submit(caller: &Caller, room: &RoomId, number: u64, payload: usize) -> Result<Pending, Fault> {
    let mut text = format!("message {number} of a room that is filled ");
    while text.len() < payload {
        text.push_str("as people fill them, ");
    }
    text.truncate(payload.max(1));
    Ok(caller.submit_send(room, Draft::text(text).once(&format!("fill-{number}"))?)?)
}

/// Fills a small room to compare with.
pub(crate) async fn small_room(chat: &Chat, messages: u64) -> Result<RoomSummary, Fault> {
    let room = room_named(chat, &format!("small-{messages}")).await?;
    let options = Fill {
        store: String::new(),
        room: String::new(),
        messages,
        payload: 128,
        secs: None,
        print: crate::options::Print { json: false },
    };
    fill(chat, &room, &options, Instant::now()).await?;
    Ok(reader(chat)?.room(&room.room).await?)
}

/// The file, and what SQLite keeps beside it.
pub(crate) fn size_on_disk(url: &str) -> u64 {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let of = |path: String| std::fs::metadata(path).map_or(0, |file| file.len());
    ["", "-wal"].iter().map(|end| of(format!("{path}{end}"))).sum()
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
