//! What a server counts, and how Prometheus reads it.
//!
//! Each server owns one [`Metrics`]; there is no global registry, so two servers in one process (or two tests) never mix.
//! What happens on the way in is counted here as it happens. What the store and the engine know themselves (tasks by
//! state, attempts, commits) is read when somebody scrapes; see [`Snapshot`].
//!
//! Label values come from configuration or from this program, never from a sender: their number is bounded.
//!
//! Source: <https://prometheus.io/docs/specs/om/open_metrics_spec/>

mod memory;
mod scrape;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use self::memory::resident_bytes;
pub use self::scrape::Snapshot;

/// The media type of what [`Metrics::render`] writes.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all names begin with.
const PREFIX: &str = "becket";

/// Upper bounds of acknowledgement times, in seconds. Senders give up after 10 s (GitHub) to 30 s.
const ACKNOWLEDGEMENT_BOUNDS: [f64; 13] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0];

/// How a verified request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Background tasks were accepted: 202.
    Accepted,
    /// Each of its tasks was there already, for another delivery: 202.
    Reused,
    /// Inline handlers ran, and their results were sent: 200.
    Hit,
    /// No handler wanted it: 200.
    Miss,
    /// It was known already: 2xx.
    Duplicate,
    /// An inline handler failed: 500.
    Failed,
    /// The store could not commit: 503.
    Unavailable,
    /// It only asked, and became no delivery: 200.
    Asked,
}

impl Answer {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Reused,
        Self::Hit,
        Self::Miss,
        Self::Duplicate,
        Self::Failed,
        Self::Unavailable,
        Self::Asked,
    ];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Reused => "reused",
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Duplicate => "duplicate",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
            Self::Asked => "asked",
        }
    }
}

impl EncodeLabelValue for Answer {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    source: String,
    answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    source: String,
    status: u16,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SecretLabels {
    source: String,
    secret: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FilterLabels {
    route: String,
    said: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

/// What one server counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    deliveries: Family<AnswerLabels, Counter>,
    acknowledgement: Family<SourceLabel, Histogram, fn() -> Histogram>,
    rejections: Family<RejectionLabels, Counter>,
    secrets: Family<SecretLabels, Counter>,
    filters: Family<FilterLabels, Counter>,
    reloads: [Counter; 2],
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in which nothing has been counted.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let deliveries = Family::default();
        let acknowledgement: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(ACKNOWLEDGEMENT_BOUNDS));
        let (rejections, secrets, filters) = (Family::default(), Family::default(), Family::default());
        registry.register("deliveries", "Verified requests, by how they were answered", deliveries.clone());
        registry.register_with_unit(
            "acknowledgement",
            "From the last byte of a verified request to its answer",
            Unit::Seconds,
            acknowledgement.clone(),
        );
        registry.register("rejections", "Refused requests, by status and reason", rejections.clone());
        registry.register(
            "secret_matches",
            "Verified requests, by the place of the secret that matched (0 is the newest)",
            secrets.clone(),
        );
        registry.register("route_filters", "Filters of routes, by what they said of a delivery", filters.clone());
        let reloads = Family::<ReloadLabels, Counter>::default();
        registry.register("config_reloads", "Reloads of the configuration, by how they ended", reloads.clone());
        let reloads = ["refused", "applied"].map(|result| reloads.get_or_create_owned(&ReloadLabels { result }));
        Self { registry, deliveries, acknowledgement, rejections, secrets, filters, reloads }
    }

    /// The counters of one source, named as in the configuration, with as many secrets as it has. Made once, at start: an
    /// answer then costs no lookup, and what has not happened yet is written as 0.
    pub fn source(&self, name: &str, secrets: usize) -> SourceMetrics {
        let label = SourceLabel { source: name.to_owned() };
        let counter = |answer| self.deliveries.get_or_create_owned(&AnswerLabels { source: name.to_owned(), answer });
        let matches =
            |place| self.secrets.get_or_create_owned(&SecretLabels { source: name.to_owned(), secret: place });
        SourceMetrics {
            source: name.to_owned(),
            deliveries: Answer::ALL.map(counter),
            acknowledgement: self.acknowledgement.get_or_create_owned(&label),
            rejections: self.rejections.clone(),
            secrets: (0..secrets).map(matches).collect(),
        }
    }

    /// The counter of what the filter of a route said, one of few words; written as 0 from now on.
    pub(crate) fn filter(&self, route: &str, said: &'static str) -> Counter {
        self.filters.get_or_create_owned(&FilterLabels { route: route.to_owned(), said })
    }

    /// Counts a reload of the configuration: applied, or refused.
    pub fn reloaded(&self, applied: bool) {
        self.reloads[usize::from(applied)].inc();
    }

    /// Writes everything counted here, and what the store and the engine know, as OpenMetrics text.
    #[must_use]
    pub fn render(&self, snapshot: Snapshot) -> String {
        let mut page = String::with_capacity(16 * 1024);
        let measured = snapshot.into_registry(PREFIX);
        let written = text::encode_registry(&mut page, &self.registry)
            .and_then(|()| text::encode_registry(&mut page, &measured))
            .and_then(|()| text::encode_eof(&mut page));
        // Writing into a string fails only where a metric cannot be written as text, and none here is of that kind.
        debug_assert!(written.is_ok(), "{written:?}");
        page
    }
}

/// The counters of one source. Cloning gives a handle to the same counters.
#[derive(Clone, Debug)]
pub struct SourceMetrics {
    source: String,
    /// In the order of [`Answer::ALL`].
    deliveries: [Counter; Answer::ALL.len()],
    acknowledgement: Histogram,
    rejections: Family<RejectionLabels, Counter>,
    /// By place.
    secrets: Arc<[Counter]>,
}

impl SourceMetrics {
    /// Counts a verified request: how it was answered, and how long that took from the last byte of its body.
    pub fn answered(&self, answer: Answer, took: Duration) {
        self.deliveries[answer as usize].inc();
        self.acknowledgement.observe(took.as_secs_f64());
    }

    /// Counts which secret a request was signed with, 0 being the newest: an old one that no longer counts can go. A
    /// place that the source does not have is ignored.
    pub fn secret_matched(&self, place: usize) {
        if let Some(counter) = self.secrets.get(place) {
            counter.inc();
        }
    }

    /// Counts a refused request. `reason` is one of few words, never something that the sender wrote.
    pub fn rejected(&self, status: http::StatusCode, reason: &'static str) {
        let labels = RejectionLabels { source: self.source.clone(), status: status.as_u16(), reason };
        self.rejections.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_written_under_its_name_and_labels() {
        let metrics = Metrics::new();
        let github = metrics.source("github", 3);
        github.answered(Answer::Accepted, Duration::from_millis(2));
        github.answered(Answer::Duplicate, Duration::from_millis(2));
        github.secret_matched(1);
        github.rejected(http::StatusCode::UNAUTHORIZED, "wrong_secret");
        metrics.reloaded(false);
        let page = metrics.render(Snapshot::default());
        for line in [
            "becket_deliveries_total{source=\"github\",answer=\"accepted\"} 1",
            "becket_deliveries_total{source=\"github\",answer=\"duplicate\"} 1",
            "becket_acknowledgement_seconds_count{source=\"github\"} 2",
            // Those that never matched are there too: they are the ones that can go.
            "becket_secret_matches_total{source=\"github\",secret=\"0\"} 0",
            "becket_secret_matches_total{source=\"github\",secret=\"1\"} 1",
            "becket_secret_matches_total{source=\"github\",secret=\"2\"} 0",
            "becket_config_reloads_total{result=\"applied\"} 0",
            "becket_config_reloads_total{result=\"refused\"} 1",
            "becket_rejections_total{source=\"github\",status=\"401\",reason=\"wrong_secret\"} 1",
        ] {
            assert!(page.lines().any(|written| written == line), "{line} is not in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn two_servers_count_apart() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.source("github", 1).answered(Answer::Hit, Duration::ZERO);
        assert!(!other.render(Snapshot::default()).contains("answer=\"hit\""));
    }

    #[test]
    fn each_answer_has_its_own_counter() {
        let metrics = Metrics::new();
        let github = metrics.source("github", 3);
        for (times, answer) in Answer::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| github.answered(answer, Duration::ZERO));
        }
        let page = metrics.render(Snapshot::default());
        for (times, answer) in Answer::ALL.into_iter().enumerate() {
            let line = format!("becket_deliveries_total{{source=\"github\",answer=\"{}\"}} {times}", answer.as_str());
            assert!(page.contains(&line), "{line} is not in\n{page}");
        }
    }
}
