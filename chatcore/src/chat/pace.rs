//! When a batch is worth waiting for.
//!
//! What a message costs in a large room is not the message but the writes to all who listen, and a
//! write of three messages costs hardly more than that of one. So where many listen and messages
//! come thick, those of a few milliseconds are committed and told together. Everywhere else nothing
//! waits: not in a small room, not in a quiet one, and not for a sender who waits for each answer
//! before the next message, which a hold would only slow down.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::hub::Hub;
use crate::id::RoomId;
use crate::room::{Action, Command};

/// The longest that a message waits for others. The timer counts whole milliseconds and may take
/// one more.
const HOLD: Duration = Duration::from_millis(4);

/// Rooms in which fewer listen are not held: there is little to gain.
const AUDIENCE: usize = 16;

/// A room is busy when its messages come less than this apart: two of three holds then find a second
/// one.
const BUSY: Duration = Duration::from_micros(2_500);

/// What counts as the pause of a room that was quiet, however long it was.
const QUIET: Duration = Duration::from_millis(50);

/// Holds in a row that may find nothing, before they are given up for [`PAUSE`].
const VAIN: u32 = 3;

/// For how long a room is not held where it was in vain.
const PAUSE: Duration = Duration::from_secs(1);

/// Rooms that are kept in mind.
const ROOMS: usize = 1024;

/// How busy the rooms are in which many listen.
#[derive(Debug, Default)]
pub(super) struct Pace {
    rooms: HashMap<RoomId, Room>,
}

#[derive(Debug)]
struct Room {
    /// When its last batch went.
    last: Instant,
    /// How far apart messages come, on average.
    gap: Duration,
    /// Holds in a row that found nothing.
    vain: u32,
    /// It is not held before then.
    not_before: Instant,
}

impl Pace {
    /// Until when `commands` may wait for more: none if one of them is not to wait.
    pub(super) fn hold(&self, commands: &[Command], now: Instant) -> Option<Instant> {
        let held = |command: &Command| {
            matches!(command.action, Action::Send(_))
                && self.rooms.get(&command.room).is_some_and(|room| room.is_busy(now))
        };
        // Those of one room mostly come together.
        let mut checked: Option<&RoomId> = None;
        let all = commands.iter().all(|command| {
            let again = checked == Some(&command.room) && matches!(command.action, Action::Send(_));
            checked = Some(&command.room);
            again || held(command)
        });
        (all && !commands.is_empty()).then(|| now + HOLD)
    }

    /// Notes that a batch goes now, which was `held` or not.
    pub(super) fn goes(&mut self, commands: &[Command], held: bool, hub: &Hub, now: Instant) {
        let mut messages: HashMap<&RoomId, u32> = HashMap::new();
        for run in commands.chunk_by(|a, b| a.room == b.room) {
            *messages.entry(&run[0].room).or_default() += u32::try_from(run.len()).unwrap_or(0);
        }
        for (room, messages) in messages {
            if hub.audience(room) < AUDIENCE {
                self.rooms.remove(room);
            } else if let Some(paced) = self.rooms.get_mut(room) {
                paced.went(messages, held, now);
            } else {
                self.make_space(now);
                self.rooms.insert(room.clone(), Room::new(now));
            }
        }
    }

    fn make_space(&mut self, now: Instant) {
        if self.rooms.len() >= ROOMS {
            self.rooms.retain(|_, room| now - room.last < PAUSE);
        }
        if self.rooms.len() >= ROOMS {
            self.rooms.clear();
        }
    }
}

impl Room {
    fn new(now: Instant) -> Self {
        Self { last: now, gap: QUIET, vain: 0, not_before: now }
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.gap < BUSY && self.not_before <= now
    }

    fn went(&mut self, messages: u32, held: bool, now: Instant) {
        let gap = (now - self.last).min(QUIET) / messages.max(1);
        self.gap = (self.gap * 15 + gap) / 16;
        self.last = now;
        if held {
            self.vain = if messages < 2 { self.vain + 1 } else { 0 };
        }
        if self.vain >= VAIN {
            self.vain = 0;
            self.not_before = now + PAUSE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A room in which `messages` go at a time, `apart` from each other, until it is busy or not.
    fn paced(messages: u32, apart: Duration) -> (Room, Instant) {
        let mut now = Instant::now();
        let mut room = Room::new(now);
        for _ in 0..200 {
            now += apart;
            room.went(messages, false, now);
        }
        (room, now)
    }

    #[test]
    fn a_room_is_held_once_its_messages_come_thick() {
        assert!(!paced(1, 20 * MS).0.is_busy(Instant::now() + PAUSE));
        assert!(!paced(1, 5 * MS).0.is_busy(Instant::now() + PAUSE));
        assert!(paced(1, 2 * MS).0.is_busy(Instant::now() + PAUSE));
        assert!(paced(64, 10 * MS).0.is_busy(Instant::now() + PAUSE));
    }

    #[tokio::test]
    async fn two_busy_rooms_whose_messages_alternate_are_both_held() {
        let hub = std::sync::Arc::new(Hub::new(1));
        let rooms = ["a", "b"].map(|name| RoomId::parse(name).expect("valid"));
        let user = crate::id::UserId::parse("ann").expect("valid");
        let mut listening = Vec::new();
        for room in &rooms {
            for _ in 0..AUDIENCE {
                let listener = hub.connect(user.clone(), None);
                listening.push(hub.subscribe(&listener, room));
            }
        }
        let commands: Vec<_> = (0..6)
            .map(|n| Command {
                room: rooms[n % 2].clone(),
                actor: crate::room::Actor::User(user.clone()),
                at: crate::clock::Timestamp(0),
                action: Action::Leave,
                inbox: None,
            })
            .collect();
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..200 {
            now += 5 * MS;
            pace.goes(&commands, true, &hub, now);
        }
        assert!(pace.rooms.values().all(|room| room.is_busy(now)), "{:?}", pace.rooms);
    }

    #[test]
    fn a_quiet_moment_is_noticed_at_once() {
        let (mut room, now) = paced(1, MS);
        room.went(1, false, now + PAUSE);
        assert!(!room.is_busy(now + PAUSE), "{:?}", room.gap);
    }

    #[test]
    fn one_who_waits_for_each_answer_is_not_held_for_long() {
        let (mut room, mut now) = paced(1, MS / 2);
        let mut held = 0;
        for _ in 0..1_000 {
            let hold = room.is_busy(now);
            held += u32::from(hold);
            now += if hold { 5 * MS } else { MS / 2 };
            room.went(1, hold, now);
        }
        assert!(held <= 2 * VAIN, "{held} of 1,000 messages were held");
    }
}
