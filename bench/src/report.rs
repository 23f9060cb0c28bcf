//! What was measured: legs, the rows that sum them up, and the ratios between rows.
//!
//! Pure arithmetic. [`table`] and [`json`] write it down; [`crate::budget`] judges it.

pub mod json;
pub mod table;

use std::time::Duration;

use crate::disk::Probe;
use crate::ingest::Plan;
use crate::latency::Histogram;
use crate::payload::Mix;
use crate::server::Kind;
use crate::turns;

/// A run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file system under the servers' folders: `ext4`.
    pub file_system: String,
    /// Cores that servers and generator share.
    pub cores: usize,
    /// Load per leg.
    pub duration: Duration,
    /// Legs per row.
    pub rounds: usize,
    /// Whether Becket had a route.
    pub route: bool,
    /// In the order in which they ran.
    pub legs: Vec<Leg>,
}

/// One server under one load, once.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Who was measured.
    pub server: Kind,
    /// What was sent.
    pub payload: Mix,
    /// Mean size of a body.
    pub body_bytes: usize,
    /// Requests in flight at once.
    pub connections: usize,
    /// Answered 2xx.
    pub requests: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Of each request.
    pub latencies: Histogram,
    /// The server's CPU time, also for what it put off until after the last answer.
    pub cpu: Duration,
    /// The load generator's.
    pub generator_cpu: Duration,
    /// The server's memory before the load.
    pub rss_idle_bytes: u64,
    /// The most that it had.
    pub rss_peak_bytes: u64,
    /// And after the load, when it was quiet again.
    pub rss_end_bytes: u64,
    /// What the server made the kernel send to the disk.
    pub written_bytes: u64,
    /// How long the server went on working after the last answer.
    pub settle: Duration,
    /// The disk, just before.
    pub disk: Probe,
}

/// All legs of one server under one load.
#[derive(Debug, Clone)]
pub struct Row {
    /// The sums of counts and times, the highest memory and settling time, the median disk.
    pub total: Leg,
    /// Requests per second of each leg, in the order of the rounds.
    pub round_rates: Vec<f64>,
}

impl Report {
    pub(crate) fn new(file_system: String, plan: &Plan) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let Plan { duration, rounds, route, .. } = *plan;
        Self { file_system, cores, duration, rounds, route, legs: Vec::new() }
    }

    /// One row for each load and server, in the order in which they were first measured.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        turns::of_each(&self.legs, Leg::is_like).iter().filter_map(|legs| Row::of(legs)).collect()
    }
}

impl Leg {
    fn is_like(&self, other: &Self) -> bool {
        (self.payload, self.connections, self.server) == (other.payload, other.connections, other.server)
    }

    /// Requests per second, over the time of the load.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// The server's CPU time per request, in microseconds.
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        self.per_request(self.cpu.as_secs_f64() * 1e6)
    }

    /// The generator's CPU time per request, in microseconds.
    #[must_use]
    pub fn generator_cpu_micros(&self) -> f64 {
        self.per_request(self.generator_cpu.as_secs_f64() * 1e6)
    }

    /// Kilobytes to the disk per request.
    #[must_use]
    pub fn written_kilobytes(&self) -> f64 {
        self.per_request(self.written_bytes as f64 / 1e3)
    }

    /// The latency that the share `quantile` of requests does not exceed, in milliseconds.
    #[must_use]
    pub fn percentile_millis(&self, quantile: f64) -> f64 {
        self.latencies.percentile(quantile).as_secs_f64() * 1e3
    }

    fn per_request(&self, total: f64) -> f64 {
        total / self.requests as f64
    }
}

impl Row {
    fn of(legs: &[&Leg]) -> Option<Self> {
        let (first, others) = legs.split_first()?;
        let mut total = (*first).clone();
        for leg in others {
            total.requests += leg.requests;
            total.elapsed += leg.elapsed;
            total.latencies.merge(&leg.latencies);
            total.cpu += leg.cpu;
            total.generator_cpu += leg.generator_cpu;
            total.written_bytes += leg.written_bytes;
            total.rss_idle_bytes = total.rss_idle_bytes.max(leg.rss_idle_bytes);
            total.rss_peak_bytes = total.rss_peak_bytes.max(leg.rss_peak_bytes);
            total.rss_end_bytes = total.rss_end_bytes.max(leg.rss_end_bytes);
            total.settle = total.settle.max(leg.settle);
        }
        total.disk = Probe::median(&legs.iter().map(|leg| leg.disk).collect::<Vec<_>>());
        Some(Self { total, round_rates: legs.iter().map(|leg| leg.rate()).collect() })
    }

    /// The row of `server` under the same load.
    #[must_use]
    pub fn beside<'a>(&self, server: Kind, rows: &'a [Self]) -> Option<&'a Self> {
        let same_load =
            |row: &&Self| (row.total.payload, row.total.connections) == (self.total.payload, self.total.connections);
        rows.iter().filter(same_load).find(|row| row.total.server == server)
    }

    /// Requests per second as a share of `other`'s: over all rounds, and the lowest and highest of single rounds.
    #[must_use]
    pub fn rate_over(&self, other: &Self) -> Spread {
        let rounds = self.round_rates.iter().zip(&other.round_rates).map(|(mine, theirs)| mine / theirs);
        let (low, high) = rounds.fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        Spread { all: self.total.rate() / other.total.rate(), low, high }
    }

    /// CPU time per request, in `other`'s.
    #[must_use]
    pub fn cpu_over(&self, other: &Self) -> f64 {
        self.total.cpu_micros() / other.total.cpu_micros()
    }
}

/// A ratio, and how far single rounds strayed from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Over all rounds.
    pub all: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A leg of one second, 100 requests per millisecond of latency given, with CPU and memory to taste.
    pub(crate) fn leg(server: Kind, connections: usize, requests: u64, latency: Duration, cpu: Duration) -> Leg {
        let mut latencies = Histogram::default();
        for _ in 0..requests {
            latencies.record(latency);
        }
        let disk = Probe { appended: Duration::from_micros(200), overwritten: Duration::from_micros(100) };
        Leg {
            server,
            payload: Mix::Issues,
            body_bytes: 11_000,
            connections,
            requests,
            elapsed: Duration::from_secs(1),
            latencies,
            cpu,
            generator_cpu: Duration::from_millis(50),
            rss_idle_bytes: 20_000_000,
            rss_peak_bytes: 60_000_000,
            rss_end_bytes: 50_000_000,
            written_bytes: 5_000_000,
            settle: Duration::ZERO,
            disk,
        }
    }

    pub(crate) fn report(legs: Vec<Leg>) -> Report {
        let duration = Duration::from_secs(1);
        Report { file_system: "ext4".into(), cores: 2, duration, rounds: 2, route: true, legs }
    }

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn a_row_sums_its_rounds_and_keeps_the_highest_memory() {
        let mut second = leg(Kind::Becket, 128, 3000, MILLI * 3, MILLI * 90);
        second.rss_peak_bytes = 90_000_000;
        second.settle = MILLI * 500;
        let first = leg(Kind::Becket, 128, 1000, MILLI, MILLI * 70);
        let rows = report(vec![first, leg(Kind::Hmac, 128, 1, MILLI, MILLI), second]).rows();

        let row = &rows[0];
        assert_eq!(rows.len(), 2);
        assert_eq!(row.total.rate(), 2000.0);
        assert_eq!(row.round_rates, [1000.0, 3000.0]);
        assert_eq!(row.total.cpu_micros(), 40.0);
        assert_eq!(row.total.rss_peak_bytes, 90_000_000);
        assert_eq!(row.total.settle, MILLI * 500);
        assert!((row.total.percentile_millis(0.5) - 3.0).abs() < 0.02);
        assert!((row.total.percentile_millis(0.25) - 1.0).abs() < 0.01);
    }

    #[test]
    fn ratios_are_over_all_rounds_with_the_spread_of_single_rounds() {
        let legs = vec![
            leg(Kind::Hmac, 128, 1000, MILLI, MILLI * 20),
            leg(Kind::Becket, 128, 500, MILLI, MILLI * 40),
            leg(Kind::Hmac, 128, 3000, MILLI, MILLI * 60),
            leg(Kind::Becket, 128, 900, MILLI, MILLI * 72),
        ];
        let rows = report(legs).rows();
        let hmac = rows[1].beside(Kind::Hmac, &rows).unwrap();
        assert_eq!(rows[1].rate_over(hmac), Spread { all: 0.35, low: 0.3, high: 0.5 });
        assert!((rows[1].cpu_over(hmac) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn rows_are_compared_under_the_same_load_only() {
        let rows =
            report(vec![leg(Kind::Hmac, 32, 1000, MILLI, MILLI), leg(Kind::Becket, 128, 500, MILLI, MILLI)]).rows();
        assert!(rows[1].beside(Kind::Hmac, &rows).is_none());
    }
}
