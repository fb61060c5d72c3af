//! Searches among many messages: common words and rare ones, phrases, beginnings, Chinese, and words
//! that are common only where the one who searches may not look.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chatcore::chat::{Pending, SearchQuery};
use chatcore::id::{RoomId, UserId};
use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore::store::RoomFilter;
use chatcore::{Caller, Chat};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::fault::Fault;
use crate::fill::{mebibytes, open, size_on_disk};
use crate::options::Search;

/// Words that messages are made of; the further down, the rarer, as in any language.
const WORDS: u64 = 20_000;
/// Words of a message.
const LENGTH: u64 = 12;
/// Messages on their way into the log.
const WAITING: usize = 4 * 1024;

/// A kind of search: its name, the query for some dice, and whether something must be found.
type Kind = (&'static str, fn(u64) -> String, bool);

const KINDS: [Kind; 8] = [
    ("a common word", |dice| word(dice % 10), true),
    ("a word", |dice| word(10 + dice % 2_000), true),
    ("a rare word", |dice| word(WORDS - 1 - dice % 5_000), false),
    ("two common words", |dice| format!("{} {}", word(dice % 10), word(10 + dice % 10)), true),
    ("a phrase", |dice| format!("\"{} {}\"", word(dice % 10), word((dice / 10) % 40)), true),
    ("a beginning", |dice| format!("{}*", &word(dice % WORDS)[..3]), true),
    ("Chinese", |dice| han(dice % 3_000, 2), false),
    ("a word of hidden rooms", |_| "hidden".to_owned(), false),
];

pub(crate) async fn run(options: &Search) -> Result<(), Fault> {
    let chat = open(&options.store).await?;
    let result = measure(&chat, options).await;
    chat.shutdown().await;
    result
}

async fn measure(chat: &Chat, options: &Search) -> Result<(), Fault> {
    let writer = chat.as_user(&UserId::parse("writer")?);
    let reader = chat.as_user(&UserId::parse("reader")?);
    let rooms = rooms(&writer, &reader, options.rooms).await?;
    fill(&writer, &rooms, options.messages).await?;
    let begun = Instant::now();
    loop {
        let search = SearchQuery { query: word(0), ..SearchQuery::default() };
        if !reader.search(search).await?.behind {
            break;
        }
    }
    let filed = begun.elapsed().as_secs_f64();
    eprintln!("search {} messages; the rest was filed in {filed:.1} s", options.messages);
    if options.store.starts_with("sqlite:") {
        let (log, index) =
            (size_on_disk(&options.store), size_on_disk(&format!("{}-search", options.store)));
        eprintln!("search {} on disk and {} of index", mebibytes(log), mebibytes(index));
    }
    let mut worst = 0.0_f64;
    for (kind, seed) in KINDS.into_iter().zip(0x5eed..) {
        for room in [None, Some(&rooms[0])] {
            worst = worst.max(one_kind(&reader, kind, room, seed, options).await?);
        }
    }
    eprintln!("search the worst p99 is {worst:.1} ms");
    Ok(())
}

/// Measures searches of one kind; their 99th percentile in milliseconds.
async fn one_kind(
    reader: &Caller,
    (name, query, finds): Kind,
    room: Option<&RoomId>,
    seed: u64,
    options: &Search,
) -> Result<f64, Fault> {
    let mut times = Histogram::<u64>::new(3)?;
    let mut dice = Dice(seed);
    let (mut hits, mut short) = (0, 0);
    for turn in 0..options.searches + options.searches / 10 {
        let asked = SearchQuery {
            query: query(dice.roll()),
            room: room.cloned(),
            ..SearchQuery::default()
        };
        let words = asked.query.clone();
        let begun = Instant::now();
        let found = reader.search(asked).await?;
        let took = begun.elapsed();
        if finds && room.is_none() && found.hits.is_empty() {
            return Err(Fault::new(format!("nothing was found for {words}")));
        }
        if found.hits.iter().any(|hit| !hit.excerpt.pieces.iter().any(|piece| piece.found)) {
            return Err(Fault::new(format!("what was found for {words} does not hold it")));
        }
        // The first ones only warm up.
        if turn >= options.searches / 10 {
            times.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))?;
            hits += found.hits.len();
            short += usize::from(found.hits.len() < 20 && found.next.is_some());
        }
    }
    let ms = |at| times.value_at_quantile(at) as f64 / 1e3;
    let (p50, p99, most) = (ms(0.5), ms(0.99), ms(1.0));
    let place = if room.is_some() { "one room" } else { "all" };
    let mean = hits as f64 / f64::from(options.searches);
    eprintln!(
        "search {name:<22} in {place:<8} p50 {p50:>6.2} ms, p99 {p99:>6.2} ms, most {most:>6.2} ms; \
         {mean:>4.1} found, {short} pages cut short"
    );
    if options.print.json {
        let said = json!({ "shape": "search", "kind": name, "in": place, "messages": options.messages,
            "p50_ms": p50, "p99_ms": p99, "max_ms": most, "found": mean, "cut_short": short });
        println!("{said}");
    }
    Ok(p99)
}

/// The rooms, of which the reader is in every other; those of an earlier run, if there are any.
async fn rooms(writer: &Caller, reader: &Caller, number: u64) -> Result<Vec<RoomId>, Fault> {
    let mut rooms = Vec::new();
    let mut after = None;
    loop {
        let page = writer.rooms(RoomFilter::Joined, after.as_ref(), 200).await?;
        after = page.last().map(|room| room.room.clone());
        rooms.extend(page.into_iter().filter_map(|room| {
            let at: u64 = room.name.as_deref()?.strip_prefix("search-")?.parse().ok()?;
            Some((at, room.room))
        }));
        if after.is_none() {
            break;
        }
    }
    rooms.sort();
    for at in rooms.len() as u64..number {
        let room = writer.create_room(NewRoom::public(format!("search-{at}"))).await?.room;
        if at.is_multiple_of(2) {
            reader.enter(&room).await?;
        }
        rooms.push((at, room));
    }
    Ok(rooms.into_iter().map(|(_, room)| room).collect())
}

async fn fill(writer: &Caller, rooms: &[RoomId], messages: u64) -> Result<(), Fault> {
    let mut held = 0;
    for room in rooms {
        held += writer.room(room).await?.head_n;
    }
    let begun = Instant::now();
    let mut told = begun;
    let mut waiting: VecDeque<Pending> = VecDeque::with_capacity(WAITING);
    for number in held..messages {
        if waiting.len() == WAITING
            && let Some(first) = waiting.pop_front()
        {
            first.outcome().await?;
        }
        let (room, text) = message(number, rooms.len() as u64);
        waiting.push_back(writer.submit_send(&rooms[room as usize], Draft::text(text))?);
        if told.elapsed() > Duration::from_secs(2) {
            told = Instant::now();
            eprintln!("search {number} of {messages} messages are written");
        }
    }
    for pending in waiting {
        pending.outcome().await?;
    }
    if messages > held {
        let rate = (messages - held) as f64 / begun.elapsed().as_secs_f64();
        eprintln!("search wrote {} messages, {rate:.0}/s, while they were filed", messages - held);
    }
    Ok(())
}

/// The room and the text of a message.
fn message(number: u64, rooms: u64) -> (u64, String) {
    let mut dice = Dice(number);
    // Half of what is said is said in a tenth of the rooms.
    let some = if dice.roll().is_multiple_of(2) { rooms.div_ceil(10) } else { rooms };
    let room = dice.roll() % some;
    let mut text = String::new();
    for _ in 0..LENGTH {
        // The product of dice falls far more often on small numbers: few words are most of a text.
        let (one, other) = (dice.roll() % 1_000, dice.roll() % 1_000);
        let rank = one * one / 1_000 * other * other / 1_000 * WORDS / 1_000_000;
        text.push_str(&word(rank));
        text.push(' ');
    }
    if dice.roll().is_multiple_of(10) {
        text.push_str(&han(dice.roll() % 3_000, 8));
    }
    if room % 2 == 1 {
        text.push_str(" hidden");
    }
    (room, text)
}

/// The word of a rank: pronounceable, so that beginnings are shared as words share them.
fn word(rank: u64) -> String {
    let mut word = String::new();
    let mut rest = rank + 1_000;
    while rest > 0 {
        word.push(char::from(b"bcdfghklmnprstvwz"[(rest % 17) as usize]));
        word.push(char::from(b"aeiou"[(rest / 17 % 5) as usize]));
        rest /= 85;
    }
    word
}

/// So many characters from the middle of what Chinese is written with.
fn han(from: u64, length: u64) -> String {
    let character = |at: u64| char::from_u32(0x4e00 + u32::try_from(at % 3_000).unwrap_or(0));
    (from..from + length).filter_map(character).collect()
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
