//! What was measured: legs, and the rows that sum up their rounds.
//!
//! Pure arithmetic. [`table`](super::table) and [`json`](super::json) write it down; [`budget`](super::budget) judges it.

use std::time::Duration;

use super::Plan;
use super::leg::{CLAIM_LIMIT, Measured};
use super::shape::Shape;
use crate::disk::Probe;
use crate::turns;

/// A run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file system under the stores: `ext4`.
    pub file_system: String,
    /// Cores that engine, callers and handlers share.
    pub cores: usize,
    /// Callers that enqueue one task at a time.
    pub callers: usize,
    /// How long tasks were enqueued in one leg.
    pub duration: Duration,
    /// Legs per row.
    pub rounds: usize,
    /// In the order in which they ran.
    pub legs: Vec<Leg>,
}

/// What a leg measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A backlog was filled.
    Filled,
    /// Many callers enqueued, one task a call.
    Enqueued,
    /// Callers enqueued many tasks a call.
    EnqueuedInSlices,
    /// Many callers enqueued, one task a call, and an engine ran the tasks.
    Both,
    /// An idle engine was given one task at a time.
    Started,
    /// Tasks were claimed and ended directly at the store.
    Claimed,
    /// An engine ran what was queued.
    Drained,
    /// A store was opened that had been closed.
    Reopened,
    /// A store was opened whose process had died.
    Recovered,
}

impl What {
    /// The words for it in tables.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Filled => "fill, 1,000 a call".into(),
            Self::Enqueued => "enqueue, 1 a call".into(),
            Self::EnqueuedInSlices => format!("enqueue, {} a call", super::SLICE),
            Self::Both => "enqueue and drain at once".into(),
            Self::Started => "enqueue to start, idle".into(),
            Self::Claimed => format!("claim {CLAIM_LIMIT} and end them"),
            Self::Drained => "drain".into(),
            Self::Reopened => "open, was closed".into(),
            Self::Recovered => "open, had crashed".into(),
        }
    }
}

/// One leg.
#[derive(Debug, Clone)]
pub struct Leg {
    /// What it measures.
    pub what: What,
    /// With which tasks.
    pub shape: Shape,
    /// Tasks that stay queued behind those that are worked on.
    pub queued: u64,
    /// The disk, just before.
    pub disk: Probe,
    /// What came of it.
    pub measured: Measured,
}

/// All rounds of one leg: rates and times are medians of the rounds; CPU and bytes are means over all tasks, since they
/// are counted too coarsely for one round; memory is the highest.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it measures.
    pub what: What,
    /// With which tasks.
    pub shape: Shape,
    /// Tasks that stay queued behind those that are worked on.
    pub queued: u64,
    /// Tasks acknowledged per second.
    pub enqueued_per_sec: Option<f64>,
    /// Tasks ended per second.
    pub ended_per_sec: Option<f64>,
    /// The lowest and the highest round of the last of those two that there is.
    pub per_sec_range: Option<(f64, f64)>,
    /// Wall time per task: ended, or else enqueued.
    pub micros: Option<f64>,
    /// The same of each round, in their order.
    pub round_micros: Vec<f64>,
    /// CPU time of the whole process per task.
    pub cpu_micros: Option<f64>,
    /// CPU time of the store's writer per task.
    pub writer_micros: Option<f64>,
    /// Kilobytes to the disk per task.
    pub written_kilobytes: Option<f64>,
    /// Median time, in milliseconds.
    pub p50_millis: Option<f64>,
    /// 99 of 100, in milliseconds.
    pub p99_millis: Option<f64>,
    /// Median and 99 of 100, in fdatasyncs.
    pub fdatasyncs: Option<(f64, f64)>,
    /// Resident memory when the clock stopped.
    pub rss_bytes: u64,
    /// The most that there was.
    pub rss_peak_bytes: u64,
    /// The disk, just before.
    pub disk: Probe,
}

impl Report {
    pub(super) fn new(file_system: String, plan: &Plan) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let Plan { callers, duration, rounds, .. } = *plan;
        Self { file_system, cores, callers, duration, rounds, legs: Vec::new() }
    }

    /// One row for each piece of work, shape and backlog, in the order in which they were first measured.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        turns::of_each(&self.legs, Leg::is_like).iter().filter_map(|legs| Row::of(legs)).collect()
    }
}

impl Leg {
    fn is_like(&self, other: &Self) -> bool {
        (self.what, self.shape, self.queued) == (other.what, other.shape, other.queued)
    }

    /// Tasks acknowledged per second; `None` where none were to be.
    #[must_use]
    pub fn enqueued_per_sec(&self) -> Option<f64> {
        per_sec(self.measured.enqueued, self.measured.elapsed)
    }

    /// Tasks ended per second; `None` where none were to be.
    #[must_use]
    pub fn ended_per_sec(&self) -> Option<f64> {
        per_sec(self.measured.ended, self.measured.elapsed)
    }

    /// How many tasks the time was spent on: those that ended, or else those enqueued. An idle engine's is spent on none.
    fn tasks(&self) -> u64 {
        match (self.what, self.measured.ended) {
            (What::Started, _) => 0,
            (_, 0) => self.measured.enqueued,
            (_, ended) => ended,
        }
    }

    fn per_task(&self, total: f64) -> Option<f64> {
        (self.tasks() > 0).then(|| total / self.tasks() as f64)
    }

    fn per_sec_where_busy(&self, rate: Option<f64>) -> Option<f64> {
        rate.filter(|_| self.what != What::Started)
    }
}

fn per_sec(tasks: u64, elapsed: Duration) -> Option<f64> {
    (tasks > 0).then(|| tasks as f64 / elapsed.as_secs_f64())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

impl Row {
    fn of(legs: &[&Leg]) -> Option<Self> {
        let &first = legs.first()?;
        let numbers =
            |of: &dyn Fn(&Leg) -> Option<f64>| -> Vec<f64> { legs.iter().filter_map(|leg| of(leg)).collect() };
        let median = |of: &dyn Fn(&Leg) -> Option<f64>| median(numbers(of));
        let mean = |of: &dyn Fn(&Measured) -> f64| {
            let tasks = legs.iter().map(|leg| leg.tasks()).sum::<u64>();
            (tasks > 0).then(|| legs.iter().map(|leg| of(&leg.measured)).sum::<f64>() / tasks as f64)
        };
        let millis = |time: Option<Duration>| time.map(|time| micros(time) / 1e3);
        let in_fdatasyncs = |leg: &Leg, time: Option<Duration>| Some(micros(time?) / micros(leg.measured.fdatasync?));
        let enqueued = |leg: &Leg| leg.per_sec_where_busy(leg.enqueued_per_sec());
        let ended = |leg: &Leg| leg.per_sec_where_busy(leg.ended_per_sec());
        let micros_per_task = |leg: &Leg| leg.per_task(micros(leg.measured.elapsed));
        let rates = Some(numbers(&ended)).filter(|rates| !rates.is_empty()).unwrap_or_else(|| numbers(&enqueued));
        Some(Self {
            what: first.what,
            shape: first.shape,
            queued: first.queued,
            enqueued_per_sec: median(&enqueued),
            ended_per_sec: median(&ended),
            per_sec_range: rates.iter().copied().reduce(f64::min).zip(rates.iter().copied().reduce(f64::max)),
            micros: median(&micros_per_task),
            round_micros: numbers(&micros_per_task),
            cpu_micros: mean(&|measured| micros(measured.cpu)),
            writer_micros: mean(&|measured| micros(measured.writer_cpu)),
            written_kilobytes: mean(&|measured| measured.written_bytes as f64 / 1e3),
            p50_millis: median(&|leg| millis(leg.measured.p50)),
            p99_millis: median(&|leg| millis(leg.measured.p99)),
            fdatasyncs: median(&|leg| in_fdatasyncs(leg, leg.measured.p50))
                .zip(median(&|leg| in_fdatasyncs(leg, leg.measured.p99))),
            rss_bytes: legs.iter().map(|leg| leg.measured.rss_bytes).max().unwrap_or(0),
            rss_peak_bytes: legs.iter().map(|leg| leg.measured.rss_peak_bytes).max().unwrap_or(0),
            disk: Probe::median(&legs.iter().map(|leg| leg.disk).collect::<Vec<_>>()),
        })
    }

    /// Wall time per task, in that of the same work with nothing queued behind: the median over the rounds of both. `None`
    /// where that was not measured.
    #[must_use]
    pub fn cost_over_empty(&self, rows: &[Self]) -> Option<f64> {
        let is_same = |row: &&Self| (row.what, row.shape, row.queued) == (self.what, self.shape, 0);
        let empty = rows.iter().find(is_same)?;
        median(self.round_micros.iter().zip(&empty.round_micros).map(|(mine, empty)| mine / empty).collect())
    }
}

/// The middle one, or the mean of the two in the middle; `None` of nothing.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    let upper = numbers.get(numbers.len() / 2)?;
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const MILLI: Duration = Duration::from_millis(1);

    /// A leg of one second that ended so many tasks.
    pub(crate) fn leg(what: What, queued: u64, ended: u64) -> Leg {
        let disk = Probe { appended: MILLI / 5, overwritten: MILLI / 10 };
        let measured = Measured {
            ended,
            elapsed: MILLI * 1000,
            cpu: MILLI * 1500,
            writer_cpu: MILLI * 900,
            written_bytes: 2_000_000,
            rss_bytes: 40_000_000,
            rss_peak_bytes: 50_000_000,
            ..Measured::default()
        };
        Leg { what, shape: Shape::Plain, queued, disk, measured }
    }

    pub(crate) fn report(legs: Vec<Leg>) -> Report {
        Report { file_system: "ext4".into(), cores: 2, callers: 256, duration: MILLI * 1000, rounds: 1, legs }
    }

    #[test]
    fn a_row_is_the_median_of_its_rounds_and_the_highest_memory() {
        let mut fat = leg(What::Drained, 0, 30_000);
        fat.measured.rss_peak_bytes = 90_000_000;
        let legs = vec![leg(What::Drained, 0, 10_000), fat, leg(What::Drained, 5, 7), leg(What::Drained, 0, 20_000)];
        let rows = report(legs).rows();
        assert_eq!(rows.len(), 2);
        let row = &rows[0];
        assert_eq!((row.ended_per_sec, row.enqueued_per_sec), (Some(20_000.0), None));
        assert_eq!(row.per_sec_range, Some((10_000.0, 30_000.0)));
        assert_eq!((row.micros, row.cpu_micros, row.writer_micros), (Some(50.0), Some(75.0), Some(45.0)));
        assert_eq!((row.written_kilobytes, &row.round_micros), (Some(0.1), &vec![100.0, 1e6 / 30_000.0, 50.0]));
        assert_eq!((row.rss_bytes, row.rss_peak_bytes), (40_000_000, 90_000_000));
        assert_eq!((row.p50_millis, row.fdatasyncs), (None, None));
    }

    #[test]
    fn start_times_are_told_in_fdatasyncs_and_an_idle_engine_has_no_rate() {
        let mut idle = leg(What::Started, 0, 1000);
        idle.measured.p50 = Some(MILLI * 3);
        idle.measured.p99 = Some(MILLI * 8);
        idle.measured.fdatasync = Some(MILLI * 2);
        let row = &report(vec![idle]).rows()[0];
        assert_eq!((row.ended_per_sec, row.micros, row.per_sec_range), (None, None, None));
        assert_eq!((row.p50_millis, row.p99_millis), (Some(3.0), Some(8.0)));
        assert_eq!(row.fdatasyncs, Some((1.5, 4.0)));
    }

    #[test]
    fn cost_is_compared_with_the_same_work_and_round_where_nothing_is_queued() {
        // Twice as slow in the second round, and disturbed in the third.
        let claims = [(60_000, 40_000), (30_000, 20_000), (60_000, 10_000)].map(|(empty, behind)| {
            [leg(What::Claimed, 0, empty), leg(What::Claimed, 1000, behind), leg(What::Recovered, 1000, 7)]
        });
        let legs = [leg(What::Drained, 0, 80_000)].into_iter().chain(claims.into_iter().flatten()).collect();
        let rows = report(legs).rows();
        assert!((rows[2].cost_over_empty(&rows).unwrap() - 1.5).abs() < 1e-9);
        assert_eq!(rows[3].cost_over_empty(&rows), None);
    }

    #[test]
    fn the_median_of_two_is_between_them_and_of_none_is_none() {
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }
}
