//! Replays the seeds of the fuzz targets, and feeds each target bytes that no seed holds: what fuzzing
//! found once stays found, on every machine, without a fuzzer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "harness/fuzz/mod.rs"]
mod fuzz;

use std::fs;
use std::panic;
use std::path::Path;

use chatcore::clock::Random as _;
use chatcore::testing::SeededRandom;

/// How many made-up inputs each target gets beside its seeds.
const MADE_UP: u32 = 300;

fn replay(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus_seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        let data = fs::read(&seed).unwrap();
        check(target, &data, &seed.display().to_string());
        // Cut short and with a byte changed, as networks and attackers do.
        for at in (0..data.len()).step_by(data.len() / 8 + 1) {
            check(target, &data[..at], &format!("{} up to {at}", seed.display()));
            let mut changed = data.clone();
            changed[at] ^= 0x5a;
            check(target, &changed, &format!("{} changed at {at}", seed.display()));
        }
    }
}

fn made_up(target: &str) {
    let random = SeededRandom::new(0x00c0_ffee);
    for round in 0..MADE_UP {
        let mut length = [0; 2];
        random.fill(&mut length);
        let mut data = vec![0; usize::from(u16::from_le_bytes(length) % 700)];
        random.fill(&mut data);
        check(target, &data, &format!("round {round}"));
    }
}

/// Says which input it was when the target panics.
fn check(target: &str, data: &[u8], which: &str) {
    let outcome = panic::catch_unwind(|| fuzz::run(target, data));
    assert!(outcome.is_ok(), "{target} panics on {which}: {}", data.escape_ascii());
}

macro_rules! targets {
    ($($target:ident),*) => {
        $(mod $target {
            #[test]
            fn seeds_hold() {
                super::replay(stringify!($target));
            }

            #[test]
            fn made_up_bytes_hold() {
                super::made_up(stringify!($target));
            }
        })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($target)),*];
            assert_eq!(fuzz::TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), replayed);
        }
    };
}

targets!(frame_json, frame_msgpack, body_fields, multipart, cursor, operations, early);
