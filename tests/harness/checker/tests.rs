//! The checker on histories that are sound, and on the same with one fault in them.

use proptest::prelude::*;

use super::*;

const ROOMS: usize = 3;
const READERS: u32 = 5;
/// The readers' number of the log.
const LOG: Reader = Reader(100);

fn room(index: usize) -> Room {
    format!("room{index}").into()
}

/// A sound history: messages go to rooms, and readers of one or two rooms are told of them later, each
/// at a pace of their own. The last reader is put out of its room in the middle.
fn sound(seed: u64, steps: usize) -> Vec<Record> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut logs: Vec<Vec<Option<Name>>> = vec![Vec::new(); ROOMS];
    let mut readings: Vec<(Reader, usize, u64)> = Vec::new();
    let mut records = Vec::new();
    let mut now = Duration::ZERO;
    let mut note = |now: Duration, seen| records.push(Record { at: now, seen });
    for log in &mut logs {
        // The room was made, and people came in.
        log.extend(vec![None; 1 + READERS as usize]);
    }
    for number in 0..READERS {
        for index in [number as usize % ROOMS, (number as usize + 1) % ROOMS] {
            let after = dice.u64(0..=logs[index].len() as u64);
            readings.push((Reader(number), index, after));
            note(now, Seen::Admitted { reader: Reader(number), room: room(index), after });
        }
    }
    let told = |log: &[Option<Name>], reader, index: usize, seq: u64| Seen::Delivered {
        reader,
        room: room(index),
        seq,
        name: log[usize::try_from(seq).expect("small") - 1].clone(),
    };
    let mut out = None;
    for step in 0..steps {
        now += Duration::from_millis(dice.u64(0..200));
        let index = dice.usize(0..ROOMS);
        let name: Name = format!("message {step}").into();
        note(now, Seen::Sent { room: room(index), name: name.clone() });
        logs[index].push(Some(name.clone()));
        note(now, Seen::Acked { room: room(index), name, seq: logs[index].len() as u64 });
        if step == steps / 2 {
            let (reader, index, _) = *readings.last().expect("some read");
            note(now, Seen::Out { reader, room: room(index) });
            out = readings.pop();
        }
        for _ in 0..dice.usize(0..8) {
            let at = dice.usize(0..readings.len());
            let (reader, index, upto) = &mut readings[at];
            if *upto < logs[*index].len() as u64 {
                *upto += 1;
                note(now, told(&logs[*index], *reader, *index, *upto));
            }
        }
        // What was on its way.
        if let Some((reader, index, upto)) = &mut out
            && step == steps / 2 + 1
            && *upto < logs[*index].len() as u64
        {
            *upto += 1;
            note(now, told(&logs[*index], *reader, *index, *upto));
        }
    }
    for index in 0..ROOMS {
        readings.push((LOG, index, 0));
        note(now, Seen::Admitted { reader: LOG, room: room(index), after: 0 });
    }
    for (reader, index, upto) in readings {
        for seq in upto + 1..=logs[index].len() as u64 {
            note(now, told(&logs[index], reader, index, seq));
        }
    }
    records
}

/// The places in a history of what a reader other than the log was told of, of messages.
fn deliveries(records: &[Record]) -> Vec<usize> {
    let live = |seen: &Seen| matches!(seen, Seen::Delivered { reader, name: Some(_), .. } if *reader != LOG);
    let all = records.iter().enumerate().filter(|(_, record)| live(&record.seen));
    all.map(|(at, _)| at).collect()
}

fn parts(record: &Record) -> (Reader, Room, u64) {
    let Seen::Delivered { reader, room, seq, .. } = &record.seen else { panic!("{record:?}") };
    (*reader, room.clone(), *seq)
}

/// Whether someone is put out of a room at any time.
fn leaves(records: &[Record], who: Reader, of: &Room) -> bool {
    let out =
        |seen: &Seen| matches!(seen, Seen::Out { reader, room } if *reader == who && room == of);
    records.iter().any(|record| out(&record.seen))
}

/// A delivery to one who stays, chosen by `choice`.
fn one(records: &[Record], choice: usize) -> usize {
    let stays = |at: &usize| {
        let (reader, room, _) = parts(&records[*at]);
        !leaves(records, reader, &room)
    };
    let all: Vec<usize> = deliveries(records).into_iter().filter(stays).collect();
    all[choice % all.len()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sound_history_is_sound(seed: u64, steps in 10..200_usize) {
        let report = check(&sound(seed, steps));
        prop_assert_eq!(&report.faults, &[]);
        prop_assert_eq!((report.sent, report.acked), (steps, steps));
    }

    #[test]
    fn one_that_did_not_arrive_is_lost(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let (reader, room, seq) = parts(&records.remove(at));
        prop_assert_eq!(check(&records).faults, [Fault::Lost(Some(reader), room, seq)]);
    }

    /// It was acknowledged at the head, and is not in the log: nobody was ever told.
    #[test]
    fn one_that_was_acknowledged_and_is_in_no_log_is_lost(seed: u64, index in 0..ROOMS) {
        let mut records = sound(seed, 60);
        let name: Name = "gone".into();
        let of = |seen: &Seen| match seen {
            Seen::Acked { room: there, seq, .. } if *there == room(index) => Some(*seq),
            _ => None,
        };
        let seq = records.iter().filter_map(|record| of(&record.seen)).max().unwrap_or(6) + 1;
        let at = Duration::from_secs(60);
        records.push(Record { at, seen: Seen::Sent { room: room(index), name: name.clone() } });
        records.push(Record { at, seen: Seen::Acked { room: room(index), name, seq } });
        let faults = check(&records).faults;
        prop_assert!(faults.contains(&Fault::Lost(None, room(index), seq)), "{faults:?}");
        prop_assert!(faults.contains(&Fault::Lost(Some(LOG), room(index), seq)), "{faults:?}");
    }

    #[test]
    fn one_that_arrives_twice_is_doubled(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let again = records[at].clone();
        let (reader, room, seq) = parts(&again);
        records.insert(at + 1, again);
        prop_assert_eq!(check(&records).faults, [Fault::Doubled(Some(reader), room, seq)]);
    }

    /// The retry of a send took effect once more.
    #[test]
    fn a_message_at_two_places_is_doubled(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let Seen::Delivered { room, seq, name: Some(name), .. } = records[at].seen.clone() else {
            panic!("a message");
        };
        let later = seq + 1_000;
        let end = records.last().expect("some").at;
        records.push(Record { at: end, seen: Seen::Acked { room: room.clone(), name, seq: later } });
        let faults = check(&records).faults;
        prop_assert!(faults.contains(&Fault::Doubled(None, room, later)), "{faults:?}");
    }

    #[test]
    fn two_that_change_places_are_out_of_order(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let first = one(&records, choice);
        let (reader, room, seq) = parts(&records[first]);
        let next = |record: &Record| matches!(&record.seen, Seen::Delivered { reader: r, room: m, seq: s, .. }
            if (*r, m, *s) == (reader, &room, seq + 1));
        if let Some(second) = records.iter().position(next) {
            // Both then, so that nobody is told of what was not sent yet.
            let earlier = records.remove(first);
            records.insert(second, earlier);
            prop_assert_eq!(check(&records).faults, [Fault::Reordered(reader, room, seq)]);
        }
    }

    #[test]
    fn one_that_nobody_sent_is_a_phantom(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let (_, room, _) = parts(&records[at]);
        let Seen::Delivered { name, .. } = &mut records[at].seen else { panic!("a message") };
        *name = Some("never sent".into());
        let faults = check(&records).faults;
        prop_assert!(faults.contains(&Fault::Phantom(room, "never sent".into())), "{faults:?}");
    }

    /// Told before its sender let it go.
    #[test]
    fn one_that_comes_before_it_was_sent_is_a_phantom(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let sends: Vec<usize> = (0..records.len())
            .filter(|at| matches!(records[*at].seen, Seen::Sent { .. }))
            .collect();
        let late = records.remove(sends[choice % sends.len()]);
        let Seen::Sent { room, name } = late.seen.clone() else { panic!("a send") };
        records.push(late);
        prop_assert!(check(&records).faults.contains(&Fault::Phantom(room, name)));
    }

    #[test]
    fn one_for_somebody_without_access_is_foreign(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let mut stray = records[at].clone();
        let Seen::Delivered { reader, room, seq, .. } = &mut stray.seen else { panic!("a message") };
        *reader = Reader(77);
        let fault = Fault::Foreign(Some(*reader), room.clone(), *seq);
        records.insert(at + 1, stray);
        prop_assert_eq!(check(&records).faults, [fault]);
    }

    #[test]
    fn one_of_another_room_is_foreign(seed: u64, choice: usize) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let Seen::Delivered { reader, room, seq, name: Some(name) } = records[at].seen.clone() else {
            panic!("a message");
        };
        for record in &mut records {
            match &mut record.seen {
                Seen::Sent { room, name: sent } if *sent == name => *room = "elsewhere".into(),
                _ => {}
            }
        }
        let faults = check(&records).faults;
        prop_assert!(faults.contains(&Fault::Foreign(Some(reader), room, seq)), "{faults:?}");
    }

    #[test]
    fn one_that_comes_long_after_its_reader_was_put_out_is_stale(seed: u64, late in 1..5_000_u64) {
        let mut records = sound(seed, 60);
        let out = records.iter().find_map(|record| match &record.seen {
            Seen::Out { reader, room } => Some((*reader, room.clone(), record.at)),
            _ => None,
        });
        let (reader, room, when) = out.expect("somebody was put out");
        let told = records.iter().filter_map(|record| match &record.seen {
            Seen::Delivered { reader: who, room: of, seq, .. } if *who == reader && *of == room => Some(*seq),
            Seen::Admitted { reader: who, room: of, after } if *who == reader && *of == room => Some(*after),
            _ => None,
        });
        let seq = told.max().expect("they were there") + 1;
        let known = records.iter().find_map(|record| match &record.seen {
            Seen::Delivered { reader: LOG, room: of, seq: at, name } if *of == room && *at == seq => Some(name.clone()),
            _ => None,
        });
        if let Some(name) = known {
            let at = when + OUT_WITHIN + Duration::from_millis(late);
            let seen = Seen::Delivered { reader, room: room.clone(), seq, name };
            records.push(Record { at, seen });
            let fault = Fault::Stale(reader, room, seq, at - when);
            prop_assert_eq!(check(&records).faults, [fault]);
        }
    }

    #[test]
    fn two_who_are_told_of_different_things_at_one_place_live_in_a_forked_room(
        seed: u64, choice: usize,
    ) {
        let mut records = sound(seed, 60);
        let at = one(&records, choice);
        let (_, room, seq) = parts(&records[at]);
        let Seen::Delivered { name, .. } = &mut records[at].seen else { panic!("a message") };
        *name = None;
        prop_assert!(check(&records).faults.contains(&Fault::Forked(room, seq)));
    }
}
