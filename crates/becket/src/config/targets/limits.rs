//! What a target lets in, over all that use it.

use std::time::Duration;

use becket_tasks::Rate;

use super::super::error::Problem;
use super::super::read::Section;
use super::super::{order, values};

/// What a target lets in, over all routes, schedules and tasks that use it, in this process. Default: everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many attempts run at once.
    pub concurrency: Option<u32>,
    /// How many attempts start in a time.
    pub rate: Option<Rate>,
    /// When it is left alone for a while.
    pub breaker: Option<Breaker>,
}

/// When a target is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// After how many failures in a row; at least 1.
    pub failures: u32,
    /// For how long.
    pub pause: Duration,
}

impl Breaker {
    /// One that opens after so many failures in a row, for so long.
    #[must_use]
    pub const fn new(failures: u32, pause: Duration) -> Self {
        Self { failures, pause }
    }
}

pub(super) fn read(section: &mut Section<'_>) -> Option<Limits> {
    let concurrency = section.optional("concurrency", |v| values::integer(v, 1..=100_000));
    let rate = section.optional("rate", order::rate);
    let failures = section.optional("breaker_failures", |v| values::integer(v, 1..=1_000));
    let has_pause = section.has("breaker_pause");
    let pause = section.or("breaker_pause", (Duration::from_secs(30), "30s"), |v| values::duration(v, "1ms", "1h"))?;
    if has_pause && failures.is_none() {
        let mend = "add breaker_failures = 5, or remove it";
        section.problem("breaker_pause", Problem::new("says how long nothing is sent, and nothing says when", mend));
    }
    Some(Limits { concurrency, rate, breaker: failures.map(|failures| Breaker { failures, pause }) })
}
