//! How many sends are acknowledged, and after how long.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::check::Faults;
use crate::crowd::{Client, Crowd};
use crate::fault::Fault;
use crate::link::{Frame, Sender};
use crate::machine::{Meter, resident};
use crate::options::Acks;
use crate::report::{Window, latencies};
use crate::text::Stamp;

/// The longest that the last answers of a window are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a connection may have unanswered.
const IN_FLIGHT: u32 = 256;

struct Desk {
    run: u32,
    rooms: Vec<String>,
    payload: usize,
    zero: Instant,
    /// Answers are followed by further sends.
    open: Cell<bool>,
    state: RefCell<State>,
}

struct State {
    next: u64,
    /// What was not answered yet, by the request's id: when it was sent.
    waiting: HashMap<u64, Duration>,
    answered: u64,
    last: Duration,
    latency: Histogram<u64>,
    /// By room: the places that sends have got.
    places: Vec<Vec<u64>>,
    faults: Faults,
    frame: String,
}

pub(crate) async fn run(options: &Acks) -> Result<(), Fault> {
    if options.payload < Stamp::LENGTH {
        return Err(Fault::new(format!("--payload is at least {}", Stamp::LENGTH)));
    }
    let each = options.outstanding.div_ceil(options.senders);
    if each > IN_FLIGHT {
        let said =
            format!("{each} outstanding per connection: at most {IN_FLIGHT}; raise --senders");
        return Err(Fault::new(said));
    }
    let crowd = Crowd::gather(&options.server).await?;
    let rooms = crowd.make_rooms(options.rooms, 0).await?;
    let desk = Rc::new(Desk {
        run: crowd.run,
        payload: options.payload,
        zero: Instant::now(),
        open: Cell::new(false),
        state: RefCell::new(State {
            next: 0,
            waiting: HashMap::new(),
            answered: 0,
            last: Duration::ZERO,
            latency: latencies(),
            places: vec![Vec::new(); rooms.len()],
            faults: Faults::default(),
            frame: String::new(),
        }),
        rooms,
    });
    let mut senders = Vec::new();
    for number in 0..options.senders {
        let mut client = crowd.connect(number).await?;
        // Not subscribed: what is measured is the way into the log, not the way out.
        client.enter(&desk.rooms[number as usize % desk.rooms.len()]).await?;
        senders.push(Rc::clone(&client.link.sender));
        tokio::task::spawn_local(Rc::clone(&desk).listen(number, client));
    }
    let mut faults = 0;
    if !options.windows.warmup.is_zero() {
        faults += desk.window(&senders, options, options.windows.warmup).await?.warmed_up();
    }
    for number in 0..options.windows.repeat {
        let window = desk.window(&senders, options, options.windows.secs).await?;
        let fields = json!({ "window": number, "rooms": options.rooms, "senders": options.senders,
            "outstanding": options.outstanding, "payload": options.payload });
        window.tell("acks", fields, options.server.print.json);
        faults += window.faults.count();
    }
    match faults {
        0 => Ok(()),
        _ => Err(Fault::new(format!("{faults} faults; see above"))),
    }
}

impl Desk {
    async fn window(
        &self,
        senders: &[Rc<dyn Sender>],
        options: &Acks,
        length: Duration,
    ) -> Result<Window, Fault> {
        {
            let mut state = self.state.borrow_mut();
            state.answered = 0;
            state.latency.reset();
            state.places.iter_mut().for_each(Vec::clear);
        }
        let meter = Meter::start(options.server.pid)?;
        let began = self.zero.elapsed();
        let before = self.state.borrow().next;
        self.open.set(true);
        for turn in 0..options.outstanding {
            let number = turn % options.senders;
            self.send(number, &*senders[number as usize]);
        }
        tokio::time::sleep(length).await;
        self.open.set(false);
        let end = Instant::now() + PATIENCE;
        while !self.state.borrow().waiting.is_empty() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let usage = meter.read();
        let mut state = self.state.borrow_mut();
        let mut faults = std::mem::take(&mut state.faults);
        let unanswered = std::mem::take(&mut state.waiting).len() as u64;
        if unanswered > 0 {
            faults.answers += unanswered;
            faults.note(|| format!("{unanswered} sends were not answered within {PATIENCE:?}"));
        }
        for (room, places) in state.places.iter_mut().enumerate() {
            places.sort_unstable();
            for pair in places.windows(2).filter(|pair| pair[0] + 1 != pair[1]) {
                faults.misplaced += 1;
                faults.note(|| format!("room {room}: after seq {} came {}", pair[0], pair[1]));
            }
        }
        Ok(Window {
            unit: "acks",
            sent: state.next - before,
            count: state.answered,
            took: state.last.saturating_sub(began),
            latency: state.latency.clone(),
            usage,
            worked: None,
            resident: options.server.pid.map(resident).transpose()?,
            faults,
        })
    }

    fn send(&self, number: u32, sender: &dyn Sender) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let id = state.next;
        state.next += 1;
        let now = self.zero.elapsed();
        let room = &self.rooms[number as usize % self.rooms.len()];
        state.frame.clear();
        // Writing to a string does not fail.
        let _ = write!(
            state.frame,
            r#"{{"op":"send","id":{id},"room":"{room}","client_msg_id":"{:x}-{id}","text":""#,
            self.run
        );
        let stamp = Stamp { run: self.run, room: 0, sender: 0, number: id as u32, due: 0 };
        stamp.write(self.payload, &mut state.frame);
        state.frame.push_str("\"}");
        state.waiting.insert(id, now);
        sender.send(&state.frame);
    }

    async fn listen(self: Rc<Self>, number: u32, mut client: Client) {
        let sender = Rc::clone(&client.link.sender);
        loop {
            let heard = client.link.receive(|frame| {
                if self.hear(number, frame) && self.open.get() {
                    self.send(number, &*sender);
                }
            });
            if let Err(ended) = heard.await {
                let faults = &mut self.state.borrow_mut().faults;
                faults.broken += 1;
                return faults.note(|| format!("connection {number}: {ended}"));
            }
        }
    }

    /// Takes an answer; whether it was one.
    fn hear(&self, number: u32, frame: Frame<'_>) -> bool {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        match frame {
            Frame::Done { id, seq, .. } => match state.waiting.remove(&id) {
                Some(sent) => {
                    state.last = self.zero.elapsed();
                    state.latency.saturating_record((state.last - sent).as_micros() as u64);
                    state.answered += 1;
                    let room = number as usize % self.rooms.len();
                    state.places[room].extend(seq);
                    true
                }
                None => {
                    state.faults.answers += 1;
                    state.faults.note(|| format!("a second answer to request {id}"));
                    false
                }
            },
            Frame::Refused { id, whole } => {
                id.and_then(|id| state.waiting.remove(&id));
                state.faults.refused += 1;
                state.faults.note(|| String::from_utf8_lossy(whole).into_owned());
                false
            }
            _ => false,
        }
    }
}
