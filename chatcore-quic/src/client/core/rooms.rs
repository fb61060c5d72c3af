//! Subscriptions, as the application and the server see them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chatcore::Code;
use chatcore::hub::Membership;
use chatcore::id::RoomId;
use chatcore::log::Cursor;
use chatcore::protocol::frame::{
    Ack, Answer, ClientFrame, Event, Failure, MembershipFrame, Request, RequestId, Resumed,
    Subscribed,
};

use super::calls::InFlight;
use super::config::HELLO_ROOMS;
use super::room::{Phase, Room, Step};
use super::{Core, Output};

impl Core {
    /// Follows a room. The caller sees to it that it is not followed already.
    pub(crate) fn handle_subscribe(&mut self, now: Instant, room: RoomId, since: Option<Cursor>) {
        self.rooms.insert(room, Room::new(since, self.window()));
        self.pump(now);
    }

    /// Follows it no more.
    pub(crate) fn handle_unsubscribe(&mut self, now: Instant, room: &RoomId) {
        let Some(gone) = self.rooms.remove(room) else { return };
        if !matches!(gone.phase, Phase::Live | Phase::Asked { .. }) {
            return;
        }
        if self.is_ready() {
            self.unsubscribe(now, room.clone());
        } else if self.early {
            self.leaving.push(room.clone());
        }
    }

    /// Lets go of the rooms of which that had to wait.
    pub(super) fn leave_waiting(&mut self, now: Instant) {
        for room in std::mem::take(&mut self.leaving) {
            if !self.rooms.contains_key(&room) {
                self.unsubscribe(now, room);
            }
        }
    }

    /// The application has taken so many updates of a room.
    pub(crate) fn handle_read(&mut self, now: Instant, room: &RoomId, count: u64) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.read(now, count);
        }
        self.acks(now);
        self.pump(now);
    }

    /// Unacked entries that the server may let out per room.
    pub(super) fn window(&self) -> u32 {
        self.config.window.min(self.limits.window)
    }

    fn unsubscribe(&mut self, now: Instant, room: RoomId) {
        let id = self.next_request();
        self.in_flight.insert(id, InFlight::Unsubscribe);
        self.request(now, id, Request::Unsubscribe { room });
    }

    /// The rooms that a hello takes up at once.
    pub(super) fn hello_rooms(&mut self) -> BTreeMap<RoomId, Cursor> {
        let wanted = self
            .rooms
            .iter_mut()
            .filter(|(_, room)| matches!(room.phase, Phase::Wanted { at: None }) && room.placed());
        wanted
            .take(HELLO_ROOMS)
            .filter_map(|(name, room)| Some((name.clone(), room.ask(None)?)))
            .collect()
    }

    /// Asks for the rooms that are to be followed and are not.
    pub(super) fn subscribe_wanted(&mut self, now: Instant, most: usize) {
        let mut asked = Vec::new();
        for (name, room) in &mut self.rooms {
            if matches!(room.phase, Phase::Wanted { at: Some(at) } if at <= now) {
                room.phase = Phase::Wanted { at: None };
            }
            if room.phase == (Phase::Wanted { at: None })
                && self.in_flight.len() + asked.len() < most
            {
                self.next_id += 1;
                let id = RequestId(self.next_id);
                asked.push((id, name.clone(), room.ask(Some(id))));
            }
        }
        for (id, room, since) in asked {
            self.in_flight.insert(id, InFlight::Subscribe(room.clone()));
            self.request(now, id, Request::Subscribe { room, since });
        }
    }

    /// A `subscribe` is answered.
    pub(super) fn subscribed(
        &mut self,
        now: Instant,
        id: RequestId,
        name: &RoomId,
        result: Option<Result<Answer, Failure>>,
    ) {
        let asked = Phase::Asked { by: Some(id) };
        // A room that was let go of since, or asked for once more.
        if self.rooms.get(name).is_none_or(|room| room.phase != asked) {
            return;
        }
        match result {
            Some(Ok(Answer::Subscribed(subscribed))) => self.begun(now, name, subscribed),
            Some(Err(failure)) => self.refused(now, name, failure),
            _ => {
                let what = "the answer to a subscription cannot be read";
                self.end(name, Failure::new(Code::Internal, what));
            }
        }
    }

    /// The welcome tells what became of the rooms that the hello named.
    pub(super) fn resumed(&mut self, now: Instant, mut resumed: BTreeMap<RoomId, Resumed>) {
        let asked = |room: &Room| room.phase == Phase::Asked { by: None };
        let named: Vec<_> = self
            .rooms
            .iter()
            .filter(|(_, room)| asked(room))
            .map(|(name, _)| name.clone())
            .collect();
        for name in named {
            match resumed.remove(&name) {
                Some(Resumed::Subscribed(subscribed)) => self.begun(now, &name, subscribed),
                Some(Resumed::Refused(failure)) => self.refused(now, &name, failure),
                None => self.lose(now, &name),
            }
        }
    }

    fn begun(&mut self, now: Instant, name: &RoomId, subscribed: Subscribed) {
        let window = self.window();
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.set_window(window);
        let (update, early) = room.begin(now, subscribed);
        self.outputs.push_back(Output::Update(name.clone(), update));
        for event in early.into_values() {
            self.event(now, event);
        }
    }

    fn refused(&mut self, now: Instant, name: &RoomId, failure: Failure) {
        let for_now = [
            Code::RateLimited,
            Code::Unavailable,
            Code::TooEarly,
            Code::Internal,
            Code::StorageFull,
        ];
        if !for_now.contains(&failure.code) {
            return self.end(name, failure);
        }
        self.lose(now, name);
        let wait = failure.retry_after_ms.map_or(Duration::from_secs(1), Duration::from_millis);
        if let Some(room) = self.rooms.get_mut(name)
            && let Phase::Wanted { at } = &mut room.phase
        {
            *at = Some(at.unwrap_or(now).max(now + wait));
        }
    }

    fn end(&mut self, name: &RoomId, failure: Failure) {
        self.rooms.remove(name);
        self.outputs.push_back(Output::Ended(name.clone(), failure));
    }

    /// A subscription has lost its place, and is to be made anew.
    pub(super) fn lose(&mut self, now: Instant, name: &RoomId) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.lose(now);
        }
    }

    /// An entry has come.
    pub(super) fn event(&mut self, now: Instant, event: Event) {
        let name = event.room().clone();
        let Some(room) = self.rooms.get_mut(&name) else { return };
        match room.step(&event) {
            Step::Next => {
                let update = room.apply(now, event);
                self.outputs.push_back(Output::Update(name, update));
            }
            Step::Drop => room.keep_early(event),
            Step::Lost => {
                room.lose(now);
                // Its entries would go on coming beside those of the next subscription.
                self.pump(now);
            }
        }
    }

    /// The caller's standing in a room has changed.
    pub(super) fn standing(&mut self, now: Instant, membership: &MembershipFrame) {
        let out =
            matches!(membership.state, Membership::Left | Membership::Kicked | Membership::Banned);
        if let Some(room) = self.rooms.get_mut(&membership.room)
            && out
            && room.phase == Phase::Live
        {
            // Whether it can be read from outside, only the server knows.
            room.lose(now);
        }
    }

    /// Sends the acks that are due, and with them those that would be soon.
    pub(super) fn acks(&mut self, now: Instant) {
        if !self.is_ready() || !self.rooms.values().any(|r| r.ack_at.is_some_and(|at| at <= now)) {
            return;
        }
        let acked = self.rooms.iter_mut().filter(|(_, room)| room.ack_at.is_some());
        let rooms: BTreeMap<_, _> =
            acked.filter_map(|(name, room)| Some((name.clone(), room.ack()?))).collect();
        if !rooms.is_empty() {
            self.send(now, ClientFrame::Ack(Ack { rooms }));
        }
    }

    /// Lets go, for now, of rooms whose entries nobody reads.
    pub(super) fn park(&mut self, now: Instant) {
        if !self.is_ready() {
            return;
        }
        let idle: Vec<_> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.park_at.is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in idle {
            if let Some(room) = self.rooms.get_mut(&name) {
                room.unlink();
            }
            self.unsubscribe(now, name);
        }
    }
}
