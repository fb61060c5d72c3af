use super::*;

const PREAMBLE: usize = 3;

fn slot(number: u32) -> Slot {
    Slot(number)
}

fn ways(count: u32) -> Ways {
    let mut ways = Ways::default();
    for number in 0..count {
        ways.open(slot(number), Bytes::from_static(&[0; PREAMBLE]));
    }
    ways
}

fn piece(length: usize) -> Bytes {
    vec![0; length].into()
}

/// Takes all that is on the first busy way.
fn take_first(ways: &mut Ways) -> Way {
    let way = ways.next_busy(None).expect("busy");
    ways.advance(way, ways.pieces(way).map_or(0, Pieces::len));
    way
}

#[test]
fn a_way_opens_with_what_is_first_on_it() {
    let mut ways = ways(2);
    assert_eq!((ways.next_busy(None), ways.work()), (None, 0));
    ways.push(slot(1), piece(10));
    let way = ways.next_busy(None).expect("busy");
    assert_eq!(ways.pieces(way).map(Pieces::len), Some(PREAMBLE + 10));
    ways.advance(way, 5);
    assert_eq!(ways.next_busy(None), Some(way));
    ways.advance(way, PREAMBLE + 5);
    assert_eq!((ways.next_busy(None), ways.work()), (None, 0));
}

#[test]
fn one_that_is_full_is_told_when_there_is_room() {
    let mut ways = ways(2);
    ways.push(slot(0), piece(WAY_BYTES));
    assert_eq!(ways.room(slot(0)), 0);
    assert!(ways.room(slot(1)) > 0, "the other has room");
    assert!(ways.roomy().is_empty());
    take_first(&mut ways);
    assert_eq!(ways.roomy(), [slot(0)]);
    assert!(ways.roomy().is_empty(), "once");
}

#[test]
fn where_much_waits_only_ways_at_rest_get_more_and_little() {
    let mut ways = ways(6);
    for number in 0..4 {
        ways.push(slot(number), piece(WAY_BYTES - PREAMBLE));
    }
    ways.push(slot(4), piece(1));
    assert_eq!((ways.room(slot(4)), ways.room(slot(5))), (0, 1));
    ways.push(slot(4), piece(ALL_BYTES));
    assert_eq!(ways.room(slot(5)), 0);
    assert!(ways.is_crowded());
}

#[test]
fn the_one_that_stood_still_for_longest_makes_room() {
    let mut ways = ways(3);
    let at = |seconds| Timestamp(0).after(Duration::from_secs(seconds));
    ways.push(slot(1), piece(ALL_BYTES));
    ways.note(at(10));
    ways.push(slot(0), piece(1));
    ways.note(at(11));
    assert_eq!(ways.make_room(at(10)), None, "not before a while has passed");
    assert_eq!(ways.make_room(at(20)), Some(slot(1)));
    assert_ne!(ways.make_room(at(20)), Some(slot(1)), "it is not named twice");
    // One that has moved has not stood still.
    let way = take_first(&mut ways);
    assert_eq!(ways.pieces(way).map(Pieces::len), Some(0));
    ways.ended(way);
    assert_eq!(ways.make_room(at(30)), Some(slot(1)));
}

#[test]
fn a_way_that_nobody_heard_of_ends_without_a_trace() {
    let mut ways = ways(1);
    let gap = ways.end_with(slot(0), piece(7), Wire::ALL[0]);
    assert_eq!(gap, Some(piece(7)), "it has to go elsewhere");
    assert_eq!((ways.next_busy(None), ways.bytes, ways.ways.len()), (None, 0, 0));
}

#[test]
fn one_that_was_heard_of_ends_with_the_gap_and_without_what_was_not_begun() {
    let mut ways = ways(1);
    ways.push(slot(0), piece(1));
    let way = take_first(&mut ways);
    ways.push(slot(0), piece(1_000));
    assert_eq!(ways.end_with(slot(0), piece(7), Wire::ALL[0]), None);
    assert_eq!(ways.pieces(way).map(Pieces::len), Some(7));
    assert_eq!(ways.ending(way), Some(Ending::Finished));
    ways.push(slot(0), piece(1));
    assert_eq!(ways.bytes, 7, "nothing comes after it");
    ways.ended(way);
    assert_eq!((ways.bytes, ways.next_busy(None)), (0, None));
}

#[test]
fn ways_that_do_not_come_to_their_end_are_few() {
    let mut ways = Ways::default();
    for _ in 0..100 {
        ways.open(slot(0), Bytes::from_static(&[0; PREAMBLE]));
        ways.push(slot(0), piece(1));
        let way = ways.by_slot[&slot(0)];
        ways.advance(way, 1);
        ways.end(slot(0), Ending::Finished);
    }
    let waiting = ways.ways.values().filter(|s| s.ending == Some(Ending::Finished)).count();
    assert_eq!(waiting, LINGERING);
    assert_eq!(ways.bytes, LINGERING * PREAMBLE);
}

#[test]
fn opening_again_cuts_off_what_was() {
    let mut ways = ways(1);
    ways.push(slot(0), piece(100));
    let old = ways.next_busy(None).expect("busy");
    ways.open(slot(0), piece(PREAMBLE));
    assert_eq!(ways.ending(old), Some(Ending::CutOff));
    ways.ended(old);
    ways.push(slot(0), piece(1));
    assert_ne!(ways.next_busy(None), Some(old));
    assert_eq!(ways.bytes, PREAMBLE + 1);
}
