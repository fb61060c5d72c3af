//! One pass over a history.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::{Fault, Name, OUT_WITHIN, Reader, Record, Report, Room, Seen};

/// How someone reads a room.
#[derive(Debug, Default)]
struct Reading {
    after: u64,
    told: BTreeSet<u64>,
    out: Option<Duration>,
}

/// What is known of a room.
#[derive(Debug, Default)]
struct Log {
    /// What stands at each place that anybody was told of.
    places: HashMap<u64, Option<Name>>,
    names: HashMap<Name, u64>,
    acked: Vec<u64>,
    told: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Checker {
    sent: HashMap<Name, Room>,
    logs: HashMap<Room, Log>,
    readings: HashMap<(Reader, Room), Reading>,
    report: Report,
}

/// Finds what is wrong with a history, which is in the order in which things happened.
pub fn check(history: &[Record]) -> Report {
    let mut checker = Checker::default();
    for Record { at, seen } in history {
        checker.take(*at, seen);
    }
    checker.finish()
}

impl Checker {
    fn take(&mut self, at: Duration, seen: &Seen) {
        match seen {
            Seen::Sent { room, name } => {
                self.report.sent += 1;
                self.sent.insert(name.clone(), room.clone());
            }
            Seen::Acked { room, name, seq } => {
                self.report.acked += 1;
                self.known(None, room, *seq, name);
                self.agree(room, *seq, Some(name));
                self.logs.entry(room.clone()).or_default().acked.push(*seq);
            }
            Seen::Admitted { reader, room, after } => {
                let reading = Reading { after: *after, ..Reading::default() };
                self.readings.insert((*reader, room.clone()), reading);
            }
            Seen::Out { reader, room } => {
                if let Some(reading) = self.readings.get_mut(&(*reader, room.clone())) {
                    reading.out.get_or_insert(at);
                }
            }
            Seen::Delivered { reader, room, seq, name } => {
                self.report.delivered += 1;
                if let Some(name) = name {
                    self.known(Some(*reader), room, *seq, name);
                }
                self.agree(room, *seq, name.as_ref());
                self.logs.entry(room.clone()).or_default().told.insert(*seq);
                self.told(at, *reader, room, *seq);
            }
        }
    }

    /// A message was sent before anybody is told of it, and to this room.
    fn known(&mut self, reader: Option<Reader>, room: &Room, seq: u64, name: &Name) {
        let fault = match self.sent.get(name) {
            None => Fault::Phantom(room.clone(), name.clone()),
            Some(there) if there != room => Fault::Foreign(reader, room.clone(), seq),
            Some(_) => return,
        };
        self.report.faults.push(fault);
    }

    /// All are told the same of a place, and a message has one.
    fn agree(&mut self, room: &Room, seq: u64, name: Option<&Name>) {
        let log = self.logs.entry(room.clone()).or_default();
        let there = log.places.entry(seq).or_insert_with(|| name.cloned());
        if there.as_ref() != name {
            self.report.faults.push(Fault::Forked(room.clone(), seq));
        } else if let Some(name) = name
            && *log.names.entry(name.clone()).or_insert(seq) != seq
        {
            self.report.faults.push(Fault::Doubled(None, room.clone(), seq));
        }
    }

    /// A reader is told of each place once, in order, while they may read.
    fn told(&mut self, at: Duration, reader: Reader, room: &Room, seq: u64) {
        let faults = &mut self.report.faults;
        let Some(reading) = self.readings.get_mut(&(reader, room.clone())) else {
            return faults.push(Fault::Foreign(Some(reader), room.clone(), seq));
        };
        if let Some(out) = reading.out
            && at > out + OUT_WITHIN
        {
            faults.push(Fault::Stale(reader, room.clone(), seq, at - out));
        }
        let last = reading.told.last().copied().unwrap_or(reading.after);
        if seq <= reading.after || !reading.told.insert(seq) {
            faults.push(Fault::Doubled(Some(reader), room.clone(), seq));
        } else if seq < last {
            faults.push(Fault::Reordered(reader, room.clone(), seq));
        }
    }

    fn finish(self) -> Report {
        let Self { logs, readings, mut report, .. } = self;
        report.readers = readings.values().filter(|reading| !reading.told.is_empty()).count();
        for ((reader, room), reading) in &readings {
            let told = reading.told.last().copied().unwrap_or(reading.after);
            let head = logs.get(room).and_then(|log| log.places.keys().max().copied());
            // One who was put out has a right to nothing more, but to no hole either.
            let upto = if reading.out.is_some() { told } else { head.unwrap_or(told) };
            let holes = (reading.after + 1..=upto).filter(|seq| !reading.told.contains(seq));
            let lost = |seq| Fault::Lost(Some(*reader), room.clone(), seq);
            report.faults.extend(holes.map(lost));
        }
        for (room, log) in &logs {
            let untold = log.acked.iter().filter(|seq| !log.told.contains(seq));
            report.faults.extend(untold.map(|seq| Fault::Lost(None, room.clone(), *seq)));
        }
        report
    }
}
