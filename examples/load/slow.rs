//! A member who does not read, and one who hardly does, in a room full of others.
//!
//! ```text
//!   others alone ──► the two come in ──► others, while the two fall behind ──► the two read on
//!      p99                                  p99, the server's memory             gap, catch up
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::check::{Checker, Faults};
use crate::crowd::{Client, Crowd, parsed};
use crate::fault::Fault;
use crate::link::{Ended, Frame};
use crate::machine::resident;
use crate::options::Slow;
use crate::stage::{Pace, Sizes, Stage};
use crate::text::Stamp;

const SENDERS: u32 = 4;
/// What the one who hardly reads takes in a second.
const TRICKLE: usize = 10;
/// How long the server may take to say what became of someone who reads on.
const PATIENCE: Duration = Duration::from_secs(15);
/// The server closes on one who does not keep up for a minute.
const SLOW_CONSUMER: u16 = 4004;

/// How the two come to what they have missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Subscribe,
    History,
}

/// One who fell behind.
struct Laggard {
    name: &'static str,
    way: Way,
    number: u32,
    client: Client,
    room: String,
    epoch: Value,
    /// All up to here has come.
    seq: u64,
    payload: usize,
    checker: Checker,
    faults: Faults,
    events: u64,
}

/// How the server told it.
#[derive(Debug)]
enum Told {
    Gap(Value),
    /// With a goodbye, or, where that could not be written either, without.
    Closed(&'static str),
}

pub(crate) async fn run(options: &Slow) -> Result<(), Fault> {
    let (members, payload, pid) = (options.members, options.payload, options.server.pid);
    let crowd = Crowd::gather(&options.server).await?;
    let sizes = Sizes { rooms: 1, members, senders: SENDERS.min(members), payload };
    let stage = Stage::set(&crowd, &options.server, sizes, false).await?;
    let (pace, json) = (Pace::Fixed(options.rate), options.server.print.json);
    let fields = json!({ "members": members, "rate": options.rate, "payload": payload });

    let warm = stage.window(pace, options.windows.warmup.max(Duration::from_millis(100))).await?;
    let alone = stage.window(pace, options.windows.secs).await?;
    alone.tell("alone", fields.clone(), json);
    let mut faults = warm.warmed_up() + alone.faults.count();

    let never = Laggard::come("never read", Way::Subscribe, &crowd, &stage, members).await?;
    let trickle = Laggard::come("read 10 B/s", Way::History, &crowd, &stage, members + 1).await?;
    let before = pid.map(resident).transpose()?;
    let over = Rc::new(Cell::new(false));
    let trickling = tokio::task::spawn_local(trickle.trickle(Rc::clone(&over)));
    let peak = Rc::new(Cell::new(0));
    let watching = tokio::task::spawn_local(watch(pid, Rc::clone(&peak)));
    let length = Duration::from_secs_f64(f64::from(options.messages) / options.rate);
    let with = stage.window(pace, length).await?;
    with.tell("slow", fields, json);
    faults += with.faults.count();
    watching.abort();
    over.set(true);
    let trickle = trickling.await?;

    let ratio = with.quantile(0.99) / alone.quantile(0.99).max(1e-3);
    let grown = before.map(|before| peak.get().saturating_sub(before));
    eprintln!(
        "slow   p99 of the others is {ratio:.2} times what it was{}",
        grown.map_or(String::new(), |kib| format!("; the server grew by at most {kib} KiB"))
    );
    let mut ends = Vec::new();
    for laggard in [never, trickle] {
        let (end, wrong) = laggard.catch_up(&crowd, &stage).await?;
        faults += wrong;
        ends.push(end);
    }
    if json {
        println!(
            "{}",
            json!({ "shape": "slow-end", "p99_ratio": ratio, "grown_kib": grown,
            "laggards": ends })
        );
    }
    match faults {
        0 => Ok(()),
        _ => Err(Fault::new(format!("{faults} faults; see above"))),
    }
}

/// Keeps the most memory that the server had.
async fn watch(pid: Option<u32>, peak: Rc<Cell<u64>>) {
    while let Some(Ok(kib)) = pid.map(resident) {
        peak.set(peak.get().max(kib));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Laggard {
    async fn come(
        name: &'static str,
        way: Way,
        crowd: &Crowd,
        stage: &Stage,
        number: u32,
    ) -> Result<Self, Fault> {
        let mut client = crowd.connect(number).await?;
        let room = stage.rooms[0].clone();
        client.enter(&room).await?;
        let subscribed = client.subscribe(&room, None).await?;
        let mut checker = Checker::new(stage.run, stage.sizes.senders);
        checker.join(0, |sender| stage.sent_by(0, sender));
        Ok(Self {
            name,
            way,
            number,
            client,
            room,
            epoch: subscribed["epoch"].clone(),
            seq: subscribed["head_seq"].as_u64().unwrap_or_default(),
            payload: stage.sizes.payload,
            checker,
            faults: Faults::default(),
            events: 0,
        })
    }

    /// Reads a few bytes each second, until the load is over.
    async fn trickle(mut self, over: Rc<Cell<bool>>) -> Self {
        self.client.link.receiver.read_at_most(TRICKLE);
        while !over.get() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // How it ended, `catch_up` meets again.
            let _ = self.read().await;
        }
        self
    }

    /// Reads once. What the server told, if it is the end of the subscription.
    async fn read(&mut self) -> Result<Option<Told>, Fault> {
        let Self { client, checker, faults, seq, events, payload, .. } = self;
        let mut told = None;
        let read = client.link.receive(|frame| match frame {
            Frame::Message { seq: at, text, .. } => {
                take(checker, faults, text, *payload);
                (*seq, *events) = ((*seq).max(at), *events + 1);
            }
            Frame::Gap { whole } => told = parsed(whole).map(Told::Gap),
            _ => {}
        });
        match read.await {
            Ok(()) => Ok(told),
            Err(Ended::Closed(SLOW_CONSUMER, _)) => Ok(Some(Told::Closed("a goodbye (4004)"))),
            Err(Ended::Lost(_)) => Ok(Some(Told::Closed("was cut"))),
            Err(ended) => Err(Fault::new(format!("the one who {}: {ended}", self.name))),
        }
    }

    /// Reads on, hears that it was left behind, and gets what it has missed; how that went, and how
    /// many faults there were.
    async fn catch_up(mut self, crowd: &Crowd, stage: &Stage) -> Result<(Value, u64), Fault> {
        let began = Instant::now();
        self.client.link.receiver.read_at_most(usize::MAX);
        let hearing = async {
            loop {
                if let Some(told) = self.read().await? {
                    return Ok::<_, Fault>(told);
                }
            }
        };
        let told = match tokio::time::timeout(PATIENCE, hearing).await {
            Ok(told) => told?,
            Err(_) => {
                return Err(Fault::new(format!(
                    "the one who {} got {} events and then neither a gap nor a goodbye; if that is \
                     all that was sent, it was not behind: raise --messages",
                    self.name, self.events
                )));
            }
        };
        let behind = self.events;
        let how = match &told {
            Told::Gap(gap) => format!("a gap ({})", gap["reason"].as_str().unwrap_or("?")),
            Told::Closed(how) => {
                self.client = crowd.connect(self.number).await?;
                (*how).to_owned()
            }
        };
        match self.way {
            Way::Subscribe => self.subscribe_again(stage).await?,
            Way::History => self.read_history().await?,
        }
        let lost = self.checker.lost(|room, sender| stage.sent_by(room, sender));
        if lost > 0 {
            self.faults.lost += lost;
            self.faults.note(|| format!("{lost} messages are missing after catching up"));
        }
        let (caught, took) = (self.events - behind, began.elapsed().as_secs_f64());
        let Self { name, way, faults, .. } = self;
        eprintln!(
            "slow   the one who {name} got {behind} events, {how}, and {caught} by {way:?} within \
             {took:.2} s; {faults}"
        );
        let said = json!({ "who": name, "events": behind, "told": how, "caught_up": caught,
            "way": format!("{way:?}"), "seconds": took, "faults": faults.json() });
        Ok((said, faults.count()))
    }

    /// All from the last seq on, as events.
    async fn subscribe_again(&mut self, stage: &Stage) -> Result<(), Fault> {
        let since = json!({ "epoch": self.epoch, "seq": self.seq });
        let (room, window) = (self.room.clone(), u64::from(self.client.window));
        // What follows in the same read as the answer must not be passed over.
        let request = json!({ "op": "subscribe", "id": 1, "room": room, "since": since });
        self.client.link.sender.send(&request.to_string());
        let all: u64 = (0..stage.sizes.senders).map(|s| u64::from(stage.sent_by(0, s))).sum();
        let mut acked = self.events;
        let (mut answered, mut recovered, mut head) = (false, false, u64::MAX);
        let end = Instant::now() + PATIENCE;
        while !answered || self.seq < head {
            let Self { client, checker, faults, seq, events, payload, .. } = self;
            let read = client.link.receive(|frame| match frame {
                Frame::Message { seq: at, text, .. } => {
                    take(checker, faults, text, *payload);
                    (*seq, *events) = ((*seq).max(at), *events + 1);
                }
                Frame::Done { id: 1, whole, .. } => {
                    let answer = parsed(whole).unwrap_or_default();
                    (answered, recovered) = (true, answer["recovered"] == true);
                    head = answer["head_seq"].as_u64().unwrap_or_default();
                }
                Frame::Refused { whole, .. } => {
                    faults.refused += 1;
                    faults.note(|| String::from_utf8_lossy(whole).into_owned());
                }
                _ => {}
            });
            let read = tokio::time::timeout_at(end.into(), read).await;
            let read = read.map_err(|_| {
                let (seq, name) = (self.seq, self.name);
                Fault::new(format!("the one who {name} hangs at seq {seq} of {head}, {all} in all"))
            })?;
            read.map_err(|ended| Fault::new(format!("the one who {}: {ended}", self.name)))?;
            if self.events - acked >= window / 2 {
                acked = self.events;
                let ack = json!({ "op": "ack", "rooms": { room.as_str(): self.seq } });
                self.client.link.sender.send(&ack.to_string());
            }
        }
        if !recovered {
            self.faults.broken += 1;
            self.faults.note(|| "the cursor of one who was left behind was not good".to_owned());
        }
        Ok(())
    }

    /// All from the last seq on, page by page.
    async fn read_history(&mut self) -> Result<(), Fault> {
        loop {
            let fields = json!({ "room": self.room, "after": self.seq, "limit": 200 });
            let page = self.client.ask("history", fields).await?;
            let messages = page["messages"].as_array().cloned().unwrap_or_default();
            for message in &messages {
                let text = message["text"].as_str().unwrap_or_default();
                take(&mut self.checker, &mut self.faults, text.as_bytes(), self.payload);
                self.seq = self.seq.max(message["seq"].as_u64().unwrap_or_default());
                self.events += 1;
            }
            if messages.is_empty() || page["found_newest"] == true {
                return Ok(());
            }
        }
    }
}

fn take(checker: &mut Checker, faults: &mut Faults, text: &[u8], payload: usize) {
    match Stamp::read(text, payload) {
        Some(stamp) => {
            if let Err(wrong) = checker.delivery(0, &stamp) {
                faults.delivery(wrong, 0, &stamp);
            }
        }
        None => {
            faults.damaged += 1;
            faults.note(|| format!("another text: {}", String::from_utf8_lossy(text)));
        }
    }
}
