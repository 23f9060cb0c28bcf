//! A deterministic simulation of the task engine: many workers, virtual time, and a way to the store that fails by a
//! seeded schedule. After every commit what the store says is held against a ledger of all commits before (G2 to G5).
//!
//! `BECKET_SEEDS` sets how many seeds are lived through, `BECKET_SEED` lives through one alone. See "Simulation" in
//! `docs/guides/reliability.md`.

mod chaos;
mod disk;
mod engines;
mod faulty;
mod ledger;
mod scenario;
mod senders;
#[cfg(feature = "sqlite")]
#[path = "../sqlite/mod.rs"]
mod sqlite;
mod worker;
mod world;

use becket_tasks::store::conformance::Reopen;

use crate::disk::Memory;
use crate::scenario::{Workers, live};

/// How many seeds there are in all, unless `BECKET_SEEDS` says otherwise.
const SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Lives through share number `share` of `of` of so many seeds in a hundred of all.
fn live_through(workers: Workers, percent: u64, (share, of): (u64, u64), factory: impl Fn() -> Box<dyn Reopen>) {
    let count = number("BECKET_SEEDS").unwrap_or(SEEDS) * percent / 100;
    let seeds = match number("BECKET_SEED") {
        Some(seed) => seed..seed + u64::from(share == 0),
        None => count * share / of..count * (share + 1) / of,
    };
    for seed in seeds {
        let (_, failure) = live(seed, workers, factory());
        if let Some(failure) = failure {
            let test = std::thread::current().name().unwrap_or("simulation").to_owned();
            let first = test.rsplit_once("::").map_or("", |(module, _)| module).to_owned();
            panic!("{failure}\n\nagain: BECKET_SEED={seed} cargo test -p becket-tasks --test simulation {first}\n");
        }
    }
}

fn memory() -> Box<dyn Reopen> {
    Box::new(Memory::default())
}

/// In eighths, so that they run side by side.
mod guarantees_hold_with_simulated_workers {
    use super::{Workers, live_through, memory};

    #[test]
    fn in_the_first_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (0, 8), memory);
    }

    #[test]
    fn in_the_second_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (1, 8), memory);
    }

    #[test]
    fn in_the_third_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (2, 8), memory);
    }

    #[test]
    fn in_the_fourth_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (3, 8), memory);
    }

    #[test]
    fn in_the_fifth_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (4, 8), memory);
    }

    #[test]
    fn in_the_sixth_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (5, 8), memory);
    }

    #[test]
    fn in_the_seventh_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (6, 8), memory);
    }

    #[test]
    fn in_the_last_eighth_of_the_seeds() {
        live_through(Workers::Simulated, 100, (7, 8), memory);
    }
}

mod guarantees_hold_with_real_engines {
    use super::{Workers, live_through, memory};

    #[test]
    fn in_half_of_the_seeds() {
        live_through(Workers::Engines, 20, (0, 2), memory);
    }

    #[test]
    fn in_the_other_half_of_the_seeds() {
        live_through(Workers::Engines, 20, (1, 2), memory);
    }
}

/// Not deterministic: the store has threads of its own, and what they do meanwhile is not part of the seed.
#[cfg(feature = "sqlite")]
mod guarantees_hold_over_sqlite {
    use super::{Workers, live_through, sqlite::SqliteFactory};

    #[test]
    fn in_some_of_the_seeds() {
        live_through(Workers::Simulated, 5, (0, 1), || Box::new(SqliteFactory::quick()));
    }
}

#[test]
fn same_seed_gives_the_same_trace() {
    for workers in [Workers::Simulated, Workers::Engines] {
        for seed in 0..20 {
            let (first, again) = (live(seed, workers, memory()).0, live(seed, workers, memory()).0);
            let differs = first.iter().zip(&again).find(|(one, other)| one != other);
            assert_eq!((first.len(), differs), (again.len(), None), "seed {seed} with {workers:?}");
            assert!(first.len() > 100, "little happens with seed {seed}: {first:#?}");
        }
    }
}

/// Each is a line of the trace.
const MET: [&str; 24] = [
    "is known as",
    "fails",
    "answer of claim is lost",
    "answer of finish is lost",
    "answer of insert is lost",
    "answer of renew is lost",
    "stalls",
    "goes silent",
    "is killed",
    "leaves",
    "gives",
    "leases are over",
    "is over: LeaseLost",
    "Now(Retrying)",
    "Now(Failed)",
    "Now(Queued)",
    "cancelled: [0",
    "requeued: [0",
    "paused: true",
    "the store crashes",
    "out of reach",
    "the clock is set",
    "begins at once",
    "gets Some",
];

#[test]
fn seeds_meet_every_kind_of_trouble() {
    let traces: Vec<String> = (0..40).flat_map(|seed| live(seed, Workers::Simulated, memory()).0).collect();
    let missing: Vec<&str> = MET.into_iter().filter(|what| !traces.iter().any(|line| line.contains(what))).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
}
