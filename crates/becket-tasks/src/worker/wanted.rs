//! How many slots the work that is due would need, for whoever starts and stops processes by it.

use std::time::Duration;

/// Within which time what is due should be worked off.
pub(crate) const DRAIN_TARGET: Duration = Duration::from_secs(60);

/// How many slots would work off `due` tasks, and those that run, within [`DRAIN_TARGET`], if an attempt takes `mean`.
///
/// By Little's law: work waiting, divided by the time that it may take. Never more than there are tasks, since a task
/// needs one slot; while nobody knows how long an attempt takes, one more than run now.
pub(crate) fn slots_wanted(due: u64, running: u64, mean: Option<Duration>) -> u64 {
    let tasks = due.saturating_add(running);
    let Some(mean) = mean else { return running.saturating_add(due.min(1)) };
    let work_nanos = u128::from(tasks).saturating_mul(mean.as_nanos());
    let slots = work_nanos.div_ceil(DRAIN_TARGET.as_nanos());
    u64::try_from(slots).unwrap_or(u64::MAX).clamp(tasks.min(1), tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_the_work_divided_by_the_time_that_it_may_take() {
        let secs = |secs| Some(Duration::from_secs(secs));
        for (due, running, mean, expected) in [
            (0, 0, None, 0),
            (0, 0, secs(5), 0),
            (1_000_000, 3, None, 4),
            (0, 3, None, 3),
            // 1,200 tasks of 1 s are 20 slots for a minute.
            (1_196, 4, secs(1), 20),
            (1, 0, Some(Duration::from_nanos(1)), 1),
            // Three slow tasks: one slot each, and no more.
            (2, 1, secs(3_600), 3),
            (u64::MAX, u64::MAX, Some(Duration::MAX), u64::MAX),
        ] {
            assert_eq!(slots_wanted(due, running, mean), expected, "{due} due, {running} running, {mean:?}");
        }
    }
}
