//! Rooms full of people, some of whom talk: sends on time, and checks what everybody hears.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::time::sleep_until;

use crate::check::{Checker, Faults};
use crate::crowd::{Client, Crowd, parsed};
use crate::fault::Fault;
use crate::link::{Frame, Sender};
use crate::machine::{Meter, resident};
use crate::options::Server;
use crate::report::{Window, latencies};
use crate::text::Stamp;

/// Silence after which what is still missing counts as lost.
const SILENCE: Duration = Duration::from_secs(3);
/// The longest that a window is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) rooms: u32,
    pub(crate) members: u32,
    pub(crate) senders: u32,
    pub(crate) payload: usize,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many a second, evenly, whatever the server does.
    Fixed(f64),
    /// A new one whenever one has reached everybody, so many at a time.
    Outstanding(u32),
}

/// All of it.
pub(crate) struct Stage {
    pub(crate) run: u32,
    pub(crate) sizes: Sizes,
    pub(crate) rooms: Vec<String>,
    server: Server,
    senders: Vec<Rc<dyn Sender>>,
    /// By connection: how many events have come since the last ack.
    unacked: Vec<Cell<u32>>,
    /// After how many an ack is due.
    ack_every: u32,
    zero: Instant,
    /// Polls without sleeping.
    poll: bool,
    state: RefCell<State>,
}

struct State {
    checker: Checker,
    faults: Faults,
    latency: Histogram<u64>,
    /// Messages sent so far; which also says whose turn it is.
    next: u64,
    /// The first message of this window.
    first: u64,
    answered: u64,
    delivered: u64,
    /// When the last delivery came.
    last: Duration,
    worked: Duration,
    /// With a bound on what is outstanding: by message of this window, who has still to get it.
    missing: Vec<u32>,
    /// That bound is to be used up again.
    refill: bool,
    /// Messages that may be sent at once.
    due: u32,
    frame: String,
}

impl Stage {
    /// Brings everybody in.
    ///
    /// # Errors
    /// If the server does not let them.
    pub(crate) async fn set(
        crowd: &Crowd,
        server: &Server,
        sizes: Sizes,
        poll: bool,
    ) -> Result<Rc<Self>, Fault> {
        if sizes.payload < Stamp::LENGTH {
            return Err(Fault::new(format!("--payload is at least {}", Stamp::LENGTH)));
        }
        if sizes.senders > sizes.members {
            return Err(Fault::new(
                "--senders are at most --members: those who send are in the room",
            ));
        }
        let rooms = crowd.make_rooms(sizes.rooms, sizes.members).await?;
        let clients = crowd.fill(&rooms, sizes.members).await?;
        let mut checker = Checker::new(crowd.run, sizes.senders);
        for number in 0..clients.len() as u32 {
            checker.join(number / sizes.members, |_| 0);
        }
        let stage = Rc::new(Self {
            run: crowd.run,
            sizes,
            rooms,
            server: server.clone(),
            senders: clients.iter().map(|client| Rc::clone(&client.link.sender)).collect(),
            unacked: clients.iter().map(|_| Cell::new(0)).collect(),
            ack_every: clients.iter().map(|client| client.window / 2).min().unwrap_or(1).max(1),
            zero: Instant::now(),
            poll,
            state: RefCell::new(State {
                checker,
                faults: Faults::default(),
                latency: latencies(),
                next: 0,
                first: 0,
                answered: 0,
                delivered: 0,
                last: Duration::ZERO,
                worked: Duration::ZERO,
                missing: Vec::new(),
                refill: false,
                due: 0,
                frame: String::new(),
            }),
        });
        for (number, client) in clients.into_iter().enumerate() {
            tokio::task::spawn_local(Rc::clone(&stage).listen(number, client));
        }
        if poll {
            tokio::task::spawn_local(async {
                loop {
                    tokio::task::yield_now().await;
                }
            });
        }
        Ok(stage)
    }

    /// How many messages a sender of a room has sent.
    pub(crate) fn sent_by(&self, room: u32, sender: u32) -> u32 {
        let place = u64::from(sender) * u64::from(self.sizes.rooms) + u64::from(room);
        let turn = u64::from(self.sizes.rooms) * u64::from(self.sizes.senders);
        let next = self.state.borrow().next;
        (next.saturating_sub(place).div_ceil(turn)) as u32
    }

    /// One window, from its first message until everybody has its last.
    ///
    /// # Errors
    /// If the server's process cannot be looked at.
    pub(crate) async fn window(
        self: &Rc<Self>,
        pace: Pace,
        length: Duration,
    ) -> Result<Window, Fault> {
        {
            let mut state = self.state.borrow_mut();
            state.latency.reset();
            state.first = state.next;
            (state.answered, state.delivered, state.worked) = (0, 0, Duration::ZERO);
            state.missing.clear();
        }
        let meter = Meter::start(self.server.pid)?;
        let began = self.zero.elapsed();
        match pace {
            Pace::Fixed(rate) => self.send_at(rate, began, length).await,
            Pace::Outstanding(most) => {
                {
                    let mut state = self.state.borrow_mut();
                    state.refill = true;
                    state.due = most;
                }
                self.send_due();
                self.wait_until(began + length).await;
                self.state.borrow_mut().refill = false;
            }
        }
        self.drain().await;
        let usage = meter.read();
        let sent_by: Vec<Vec<u32>> = (0..self.sizes.rooms)
            .map(|room| (0..self.sizes.senders).map(|s| self.sent_by(room, s)).collect())
            .collect();
        let mut state = self.state.borrow_mut();
        let sent = state.next - state.first;
        let lost = state.checker.lost(|room, sender| sent_by[room as usize][sender as usize]);
        let mut faults = std::mem::take(&mut state.faults);
        if lost > 0 {
            faults.lost += lost;
            faults.note(|| format!("{lost} deliveries did not come within {SILENCE:?} of silence"));
        }
        if state.answered != sent && faults.refused == 0 {
            faults.answers += state.answered.abs_diff(sent);
            faults.note(|| format!("{} answers to {sent} sends", state.answered));
        }
        Ok(Window {
            unit: "deliveries",
            sent,
            count: state.delivered,
            took: state.last.saturating_sub(began),
            latency: state.latency.clone(),
            usage,
            worked: self.poll.then_some(state.worked),
            resident: self.server.pid.map(resident).transpose()?,
            faults,
        })
    }

    /// Sends at a fixed rate. Late or not, a message counts from when it was due.
    async fn send_at(self: &Rc<Self>, rate: f64, began: Duration, length: Duration) {
        let count = (rate * length.as_secs_f64()).round().max(1.0) as u64;
        let mut told = began;
        for number in 0..count {
            let due = began + Duration::from_secs_f64(number as f64 / rate);
            let mut now = self.zero.elapsed();
            if now < due {
                self.wait_until(due).await;
                now = self.zero.elapsed();
            }
            self.send_next(due);
            if now.saturating_sub(told) >= TOLD_EVERY {
                told = now;
                eprintln!("       {} of {count} messages sent", number + 1);
            }
        }
    }

    async fn wait_until(&self, moment: Duration) {
        if self.poll {
            while self.zero.elapsed() < moment {
                tokio::task::yield_now().await;
            }
        } else {
            sleep_until((self.zero + moment).into()).await;
        }
    }

    /// Waits until all is delivered, or nothing more comes.
    async fn drain(&self) {
        let began = self.zero.elapsed();
        loop {
            let now = self.zero.elapsed();
            {
                let state = self.state.borrow();
                let sent = state.next - state.first;
                let all = sent * u64::from(self.sizes.members);
                let quiet = now.saturating_sub(state.last.max(began));
                if state.delivered >= all && state.answered >= sent
                    || quiet >= SILENCE
                    || now - began >= PATIENCE
                {
                    return;
                }
            }
            self.wait_until(now + LOOK_EVERY).await;
        }
    }

    fn send_due(&self) {
        loop {
            {
                let mut state = self.state.borrow_mut();
                if state.due == 0 {
                    return;
                }
                state.due -= 1;
                state.missing.push(self.sizes.members);
            }
            self.send_next(self.zero.elapsed());
        }
    }

    /// Sends the next message; rooms take turns, and in each room its senders.
    fn send_next(&self, due: Duration) {
        let Sizes { rooms, members, senders, payload } = self.sizes;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let place = state.next;
        state.next += 1;
        let room = (place % u64::from(rooms)) as u32;
        let turn = place / u64::from(rooms);
        let sender = (turn % u64::from(senders)) as u32;
        let number = (turn / u64::from(senders)) as u32;
        let stamp = Stamp { run: self.run, room, sender, number, due: due.as_micros() as u64 };
        state.frame.clear();
        let id = &self.rooms[room as usize];
        let head = (r#"{"op":"send","id":"#, r#","room":""#, r#"","client_msg_id":""#);
        // Writing to a string does not fail.
        let _ = write!(
            state.frame,
            r#"{}{place}{}{id}{}{:x}-{place}","text":""#,
            head.0, head.1, head.2, self.run
        );
        stamp.write(payload, &mut state.frame);
        state.frame.push_str("\"}");
        self.senders[(room * members + sender) as usize].send(&state.frame);
    }

    async fn listen(self: Rc<Self>, number: usize, mut client: Client) {
        loop {
            let heard = poll_fn(|cx| {
                let began = self.zero.elapsed();
                let mut now = None;
                let mut each = |frame: Frame<'_>| {
                    // One look at the clock for all that came together.
                    let now = *now.get_or_insert_with(|| self.zero.elapsed());
                    self.hear(number, frame, now);
                };
                let polled = client.link.receiver.poll_receive(cx, &mut each);
                if polled.is_ready() {
                    self.send_due();
                    self.state.borrow_mut().worked += self.zero.elapsed() - began;
                }
                polled
            });
            let ended = heard.await.err();
            if let Some(ended) = ended {
                let faults = &mut self.state.borrow_mut().faults;
                faults.broken += 1;
                return faults.note(|| format!("connection {number}: {ended}"));
            }
        }
    }

    fn hear(&self, number: usize, frame: Frame<'_>, now: Duration) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        match frame {
            Frame::Message { room, seq, text } => {
                self.deliver(state, number, (room, text), now);
                let unacked = &self.unacked[number];
                unacked.set(unacked.get() + 1);
                if unacked.get() >= self.ack_every {
                    unacked.set(0);
                    let room = String::from_utf8_lossy(room);
                    let ack = json!({ "op": "ack", "rooms": { room: seq } });
                    self.senders[number].send(&ack.to_string());
                }
            }
            Frame::Done { .. } => state.answered += 1,
            Frame::Refused { whole, .. } => {
                state.answered += 1;
                state.faults.refused += 1;
                state.faults.note(|| String::from_utf8_lossy(whole).into_owned());
            }
            Frame::Gap { whole } => {
                state.faults.broken += 1;
                let said = String::from_utf8_lossy(whole);
                state.faults.note(|| format!("connection {number} was left behind: {said}"));
            }
            Frame::Other { whole } => {
                if parsed(whole).is_some_and(|frame| frame["op"] == "goaway") {
                    state.faults.broken += 1;
                    state.faults.note(|| "the server is stopping".to_owned());
                }
            }
        }
    }

    fn deliver(
        &self,
        state: &mut State,
        number: usize,
        (room, text): (&[u8], &[u8]),
        now: Duration,
    ) {
        let Some(stamp) = Stamp::read(text, self.sizes.payload) else {
            state.faults.damaged += 1;
            let text = String::from_utf8_lossy(text).into_owned();
            return state.faults.note(|| format!("connection {number} got another text: {text}"));
        };
        let here = self.rooms[number / self.sizes.members as usize].as_bytes() == room;
        let checked = match here {
            true => state.checker.delivery(number, &stamp),
            false => Err(crate::check::Wrong::Foreign),
        };
        if let Err(wrong) = checked {
            return state.faults.delivery(wrong, number, &stamp);
        }
        state.delivered += 1;
        state.last = now;
        state.latency.saturating_record((now.as_micros() as u64).saturating_sub(stamp.due));
        if state.missing.is_empty() {
            return;
        }
        let turn =
            u64::from(stamp.number) * u64::from(self.sizes.senders) + u64::from(stamp.sender);
        let place = turn * u64::from(self.sizes.rooms) + u64::from(stamp.room);
        let index = place.checked_sub(state.first).and_then(|index| usize::try_from(index).ok());
        if let Some(missing) = index.and_then(|index| state.missing.get_mut(index)) {
            *missing = missing.saturating_sub(1);
            state.due += u32::from(*missing == 0 && state.refill);
        }
    }
}
