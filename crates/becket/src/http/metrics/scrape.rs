//! What the store and the engine know at the moment of a scrape.
//!
//! A [`Snapshot`] is plain data. It is turned into a registry of constants, written, and dropped: so a value can never be
//! older than the scrape, and nobody has to keep gauges up to date.

use std::fmt;
use std::time::Duration;

use becket_tasks::measure;
use becket_tasks::query::Counts;
use becket_tasks::{Outcome, Scope, State};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::http::allow_list;
use crate::target::Condition;

/// The states of a breaker, as the API names them.
const BREAKER_STATES: [&str; 3] = ["closed", "open", "half_open"];

/// What the store and the engine know at one moment. What is `None` is left out of the page.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// How many tasks there are; `None` when the store did not answer.
    pub counts: Option<Counts>,
    /// How many tasks were not accepted, because another stood for them.
    pub reused: u64,
    /// How long the task that is due longest has been due.
    pub oldest_due_age: Option<Duration>,
    /// What is paused.
    pub paused: Vec<Scope>,
    /// Which kind of store it is, and what an acknowledgement survives.
    pub store: Option<(&'static str, &'static str)>,
    /// Operations a commit.
    pub commit_size: Option<measure::Snapshot>,
    /// Seconds a commit.
    pub commit_seconds: Option<measure::Snapshot>,
    /// Seconds a handler ran, an attempt each.
    pub processing_seconds: Option<measure::Snapshot>,
    /// Seconds from due to claimed, an attempt each.
    pub waiting_seconds: Option<measure::Snapshot>,
    /// Ended attempts.
    pub attempts: Vec<(Outcome, u64)>,
    /// Attempts that were followed by another.
    pub retries: u64,
    /// Attempts that panicked.
    pub panics: u64,
    /// Attempts that ran out of time.
    pub timeouts: u64,
    /// Handlers that run now in this process.
    pub handlers_running: u64,
    /// How large the pool is, and the most that it may be.
    pub workers: Option<(usize, usize)>,
    /// How many slots would work off what is due within a minute; `None` when the store did not answer.
    pub workers_wanted: Option<u64>,
    /// The targets that have a name, and how they are.
    pub targets: Vec<(String, Condition)>,
    /// The lists of addresses that are fetched.
    pub allow_lists: Vec<allow_list::Status>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
}

impl Snapshot {
    pub(super) fn into_registry(self, prefix: &str) -> Registry {
        let mut registry = Registry::with_prefix(prefix);
        registry.register_collector(Box::new(self));
        registry
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.write_tasks(&mut page)?;
        self.write_attempts(&mut page)?;
        self.write_workers(&mut page)?;
        self.write_targets(&mut page)?;
        self.write_allow_lists(&mut page)?;
        self.write_store(&mut page)?;
        self.write_process(&mut page)
    }
}

impl Snapshot {
    fn write_tasks(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some(counts) = &self.counts {
            let series = State::ALL.map(|state| ([("state", state.as_str())], gauge(counts.of(state))));
            page.family("tasks", "Tasks, by state", None, &series)?;
        }
        let help = "Tasks that were not accepted, because another of their kind and unique key stood for them";
        page.single("tasks_reused", help, None, &ConstCounter::new(self.reused))?;
        let paused = self.paused.iter().map(|scope| ([("scope", scope.word()), ("name", &**scope.name())], gauge(1)));
        let series: Vec<_> = paused.collect();
        page.family("paused", "What is paused", None, &series)?;
        // An empty queue has no oldest task; 0 keeps alerts simple.
        let age = ConstGauge::new(self.oldest_due_age.unwrap_or_default().as_secs_f64());
        page.single(
            "oldest_due_task_age",
            "How long the task that is due longest has been due",
            Some(&Unit::Seconds),
            &age,
        )
    }

    fn write_attempts(&self, page: &mut Page<'_>) -> fmt::Result {
        let series: Vec<_> = self
            .attempts
            .iter()
            .map(|(outcome, count)| ([("outcome", outcome.as_str())], ConstCounter::new(*count)))
            .collect();
        page.family("attempts", "Ended attempts, by outcome", None, &series)?;
        for (name, help, count) in [
            ("retries", "Attempts that were followed by another", self.retries),
            ("panics", "Attempts whose handler panicked", self.panics),
            ("timeouts", "Attempts that ran out of time", self.timeouts),
        ] {
            page.single(name, help, None, &ConstCounter::new(count))?;
        }
        page.single("handlers_running", "Handlers that run now in this process", None, &gauge(self.handlers_running))?;
        page.histogram(
            "processing",
            "How long an attempt's handler ran",
            &Unit::Seconds,
            self.processing_seconds.as_ref(),
        )?;
        page.histogram("waiting", "From a task's due time to its claim", &Unit::Seconds, self.waiting_seconds.as_ref())
    }

    fn write_workers(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some((now, max)) = self.workers {
            page.single("workers", "Slots of the pool: tasks that may run at once", None, &gauge(now as u64))?;
            page.single("workers_max", "The most slots that the pool may have", None, &gauge(max as u64))?;
        }
        let help = "Slots that would work off what is due within 60 s";
        self.workers_wanted.map_or(Ok(()), |wanted| page.single("workers_wanted", help, None, &gauge(wanted)))
    }

    fn write_targets(&self, page: &mut Page<'_>) -> fmt::Result {
        let running =
            self.targets.iter().map(|(name, condition)| ([("target", name.as_str())], gauge(condition.running.into())));
        let series: Vec<_> = running.collect();
        page.family("target_running", "Attempts of a target that run now", None, &series)?;
        let breakers = self.targets.iter().filter_map(|(name, condition)| Some((name, condition.breaker?)));
        let series: Vec<_> = breakers
            .flat_map(|(name, breaker)| {
                let one =
                    |state| ([("target", name.as_str()), ("state", state)], gauge((state == breaker.as_str()).into()));
                BREAKER_STATES.map(one)
            })
            .collect();
        page.family("target_breaker", "Whether a target's breaker is in a state: 1 or 0", None, &series)
    }

    fn write_allow_lists(&self, page: &mut Page<'_>) -> fmt::Result {
        let lists = || self.allow_lists.iter().map(|list| ([("source", &*list.source)], list));
        let series: Vec<_> = lists().map(|(labels, list)| (labels, gauge(list.networks.unwrap_or(0) as u64))).collect();
        let help = "Networks in the fetched list of a source's allowed addresses; 0 before there was one";
        page.family("allow_list_networks", help, None, &series)?;
        let series: Vec<_> = lists().map(|(labels, list)| (labels, gauge(list.error.is_some().into()))).collect();
        page.family("allow_list_failing", "Whether that list could not be fetched the last time: 1 or 0", None, &series)
    }

    fn write_store(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some((kind, durability)) = self.store {
            let series = [([("kind", kind), ("durability", durability)], ConstGauge::new(1_i64))];
            page.family("store", "The store, and what an acknowledgement survives", None, &series)?;
        }
        let operations = Unit::Other("operations".to_owned());
        page.histogram("store_commit_size", "Operations in one commit", &operations, self.commit_size.as_ref())?;
        page.histogram("store_commit", "How long a commit took", &Unit::Seconds, self.commit_seconds.as_ref())
    }

    fn write_process(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = [([("version", env!("CARGO_PKG_VERSION"))], ConstGauge::new(1_i64))];
        page.family("build", "The version of this program", None, &version)?;
        match self.resident_bytes {
            Some(bytes) => page.single("resident_memory", "Resident memory", Some(&Unit::Bytes), &gauge(bytes)),
            None => Ok(()),
        }
    }
}

fn gauge(number: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The page being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn single(&mut self, name: &str, help: &str, unit: Option<&Unit>, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, unit, metric.metric_type())?)
    }

    fn family<M: EncodeMetric, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: &[([(&str, &str); N], M)],
    ) -> fmt::Result {
        let Some((_, first)) = series.first() else { return Ok(()) };
        let mut encoder = self.0.encode_descriptor(name, help, unit, first.metric_type())?;
        for (labels, metric) in series {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, unit: &Unit, values: Option<&measure::Snapshot>) -> fmt::Result {
        values.map_or(Ok(()), |values| self.single(name, help, Some(unit), &Buckets(values)))
    }
}

/// A histogram that was kept elsewhere.
#[derive(Debug)]
struct Buckets<'a>(&'a measure::Snapshot);

impl EncodeMetric for Buckets<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.0.buckets.iter().copied()).collect();
        encoder.encode_histogram::<NoLabelSet>(self.0.sum, self.0.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use becket_tasks::measure::{Histogram, SIZE_BOUNDS};

    use super::super::Metrics;
    use super::*;
    use crate::target::BreakerState;

    #[test]
    fn snapshot_is_written_with_names_units_and_labels() {
        let sizes = Histogram::new(&SIZE_BOUNDS);
        sizes.record(3.0);
        let snapshot = Snapshot {
            counts: Some(Counts { by_state: [0, 3, 1, 0, 7, 2, 0], oldest_due: None, due: 3 }),
            reused: 5,
            oldest_due_age: Some(Duration::from_millis(1_500)),
            paused: vec![Scope::Kind("http:example.org#6db756".into()), Scope::Source("a \"b\"".into())],
            store: Some(("sqlite", "power_loss")),
            commit_size: Some(sizes.snapshot()),
            commit_seconds: Some(sizes.snapshot()),
            processing_seconds: Some(sizes.snapshot()),
            waiting_seconds: Some(sizes.snapshot()),
            attempts: vec![(Outcome::Completed, 7), (Outcome::Failed, 4)],
            retries: 2,
            panics: 1,
            timeouts: 1,
            handlers_running: 4,
            workers: Some((8, 64)),
            workers_wanted: Some(20),
            targets: vec![(
                "orders".to_owned(),
                Condition { running: 3, breaker: Some(BreakerState::HalfOpen), failures: 5 },
            )],
            allow_lists: vec![allow_list::Status {
                source: "github".into(),
                networks: Some(6),
                checked_at: None,
                error: Some("the answer was 502".to_owned()),
            }],
            resident_bytes: Some(26_624),
        };
        let page = Metrics::new().render(snapshot);
        for line in [
            "# TYPE becket_tasks gauge",
            "becket_tasks{state=\"queued\"} 3",
            "becket_tasks{state=\"cancelled\"} 0",
            "becket_tasks_reused_total 5",
            "becket_paused{scope=\"kind\",name=\"http:example.org#6db756\"} 1",
            "becket_paused{scope=\"source\",name=\"a \\\"b\\\"\"} 1",
            "becket_oldest_due_task_age_seconds 1.5",
            "becket_attempts_total{outcome=\"failed\"} 4",
            "becket_retries_total 2",
            "becket_panics_total 1",
            "becket_timeouts_total 1",
            "becket_handlers_running 4",
            "becket_workers 8",
            "becket_workers_max 64",
            "becket_workers_wanted 20",
            "becket_target_running{target=\"orders\"} 3",
            "becket_target_breaker{target=\"orders\",state=\"closed\"} 0",
            "becket_target_breaker{target=\"orders\",state=\"half_open\"} 1",
            "# UNIT becket_store_commit_seconds seconds",
            "becket_store_commit_size_operations_bucket{le=\"2.0\"} 0",
            "becket_store_commit_size_operations_bucket{le=\"4.0\"} 1",
            "becket_store_commit_size_operations_bucket{le=\"+Inf\"} 1",
            "becket_processing_seconds_count 1",
            "becket_waiting_seconds_count 1",
            "becket_store{kind=\"sqlite\",durability=\"power_loss\"} 1",
            "becket_allow_list_networks{source=\"github\"} 6",
            "becket_allow_list_failing{source=\"github\"} 1",
            "becket_resident_memory_bytes 26624",
        ] {
            assert!(page.lines().any(|written| written == line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn store_that_does_not_answer_leaves_its_numbers_out() {
        let page = Metrics::new().render(Snapshot::default());
        assert!(!page.contains("becket_tasks{") && page.contains("becket_build{"), "{page}");
    }
}
