//! Pages of history: what a place deep in a long log costs, beside one in a short log.

use std::time::Instant;

use chatcore::Caller;
use chatcore::chat::RoomSummary;
use chatcore::id::Seq;
use chatcore::log::{Anchor, HistoryQuery};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::fault::Fault;
use crate::fill::{mebibytes, open, reader, room_named, size_on_disk, small_room};
use crate::options::Pages;

/// What the deep room is compared with.
const SMALL: u64 = 1_000;

#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    anchor: fn(&RoomSummary, u64) -> Anchor,
}

/// The kinds of pages, and where in a room each stands. The dice are the caller's.
const KINDS: [Kind; 6] = [
    Kind { name: "newest", anchor: |_, _| Anchor::Newest },
    Kind { name: "middle", anchor: |room, _| Anchor::Before(Seq(room.head_seq.0 / 2)) },
    Kind { name: "oldest", anchor: |_, _| Anchor::After(Seq(0)) },
    Kind { name: "before, anywhere", anchor: |room, dice| Anchor::Before(place(room, dice)) },
    Kind { name: "after, anywhere", anchor: |room, dice| Anchor::After(place(room, dice)) },
    Kind { name: "around, anywhere", anchor: |room, dice| Anchor::Around(place(room, dice)) },
];

/// Some place that has a page on either side of it.
fn place(room: &RoomSummary, dice: u64) -> Seq {
    let margin = 200.min(room.head_seq.0 / 4);
    Seq(margin + dice % (room.head_seq.0 - 2 * margin).max(1))
}

pub(crate) async fn run(options: &Pages) -> Result<(), Fault> {
    let chat = open(&options.store).await?;
    let result = measure(&chat, options).await;
    chat.shutdown().await;
    result
}

async fn measure(chat: &chatcore::Chat, options: &Pages) -> Result<(), Fault> {
    let small = small_room(chat, SMALL).await?;
    let deep = room_named(chat, &options.room).await?;
    if deep.head_n <= SMALL {
        return Err(Fault::new(format!(
            "`{}` holds {} messages: fill it first, with `load fill --store {} --messages 1000000`",
            options.room, deep.head_n, options.store
        )));
    }
    let reader = reader(chat)?;
    let bytes = size_on_disk(&options.store);
    eprintln!(
        "pages  of {}; {} messages, {} on disk; a room of {SMALL} for comparison",
        options.limit,
        deep.head_n,
        mebibytes(bytes)
    );
    // Other places for each kind, so that none finds in memory what the one before has fetched.
    for (kind, seed) in KINDS.into_iter().zip(0x5eed..) {
        let mut times = [Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?];
        let mut dice: u64 = seed;
        // Turn by turn, so that both rooms meet the same weather; the first turns only warm up.
        let warm = options.pages / 10;
        for turn in 0..options.pages + warm {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            for (room, times) in [&deep, &small].into_iter().zip(&mut times) {
                let took =
                    page(&reader, room, (kind.anchor)(room, dice >> 20), options.limit).await?;
                if turn >= warm {
                    times.record(took)?;
                }
            }
        }
        tell(kind.name, &times, &deep, bytes, options);
    }
    Ok(())
}

/// Reads one page, and sees that it is one; in nanoseconds.
async fn page(
    reader: &Caller,
    room: &RoomSummary,
    anchor: Anchor,
    limit: u32,
) -> Result<u64, Fault> {
    let started = Instant::now();
    let page = reader.history(&room.room, HistoryQuery { anchor, limit }).await?;
    let took = started.elapsed();
    let dense = page.messages.windows(2).all(|pair| pair[0].n + 1 == pair[1].n);
    if page.messages.len() != limit as usize || !dense {
        let (got, name) = (page.messages.len(), room.name.as_deref().unwrap_or_default());
        return Err(Fault::new(format!(
            "a page of `{name}` at {anchor:?} has {got} messages, or holes"
        )));
    }
    Ok(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
}

fn tell(
    kind: &str,
    [deep, small]: &[Histogram<u64>; 2],
    room: &RoomSummary,
    bytes: u64,
    options: &Pages,
) {
    let us = |times: &Histogram<u64>, at| times.value_at_quantile(at) as f64 / 1e3;
    let (p50, p99) = (us(deep, 0.5), us(deep, 0.99));
    let (small50, small99) = (us(small, 0.5), us(small, 0.99));
    let ratio = p50 / small50;
    eprintln!(
        "pages  {kind:<17} p50 {p50:>6.0} µs, p99 {p99:>6.0} µs; of {SMALL}: {small50:>6.0}, \
         {small99:>6.0} µs; p50 is {ratio:.2} times that"
    );
    if options.print.json {
        let said = json!({ "shape": "pages", "kind": kind, "messages": room.head_n,
            "limit": options.limit, "p50_us": p50, "p99_us": p99, "small_p50_us": small50,
            "small_p99_us": small99, "ratio": ratio, "bytes_on_disk": bytes });
        println!("{said}");
    }
}
