//! What decides the order of tasks besides priority and due time: lanes, tenants, limits and pauses. Plain data.
//!
//! A task says what it belongs to (its lane, its tenant, its limit's key); a worker says with each claim what the limits
//! and weights are ([`Rules`]), so that a change of configuration holds for what is queued already.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest name of a lane, tenant or limit's key, in bytes; a longer one is cut at a character.
pub const NAME_BYTES_MAX: usize = 256;

/// A task's place in a lane: of the tasks in a lane at most one runs at a time, in the order in which they were accepted.
///
/// Tasks of different kinds may share a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Which lane, e.g. `octo/repo#12`.
    pub name: Arc<str>,
    /// Whether the tasks behind it wait while it is not ready. Default: they do.
    pub on_retry: OnRetry,
    /// Which older tasks of its kind in the lane it replaces. Default: none.
    pub latest: Option<Latest>,
    /// Wait for quiet: see [`Debounce`]. Implies [`Latest::Waiting`].
    pub debounce: Option<Debounce>,
}

impl Lane {
    /// A place in the lane `name` with all defaults.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), on_retry: OnRetry::Hold, latest: None, debounce: None }
    }
}

/// What a task that is not ready (it waits for a retry, its due time or its parents) means for those behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRetry {
    /// They wait: the order is strict.
    #[default]
    Hold,
    /// They pass; it runs once it is ready and nothing else of the lane runs.
    Pass,
}

/// Which older tasks of its kind a newer one of the lane replaces; they are cancelled as `superseded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latest {
    /// Those that do not run: queued, retrying, or waiting for their parents.
    Waiting,
    /// The running one as well. The newer one begins when it has stopped.
    Running,
}

/// Run once things are quiet: each newer task of the kind in the lane replaces the one before and waits anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debounce {
    /// How long nothing newer must come.
    pub quiet: Duration,
    /// How long after the first of them the latest runs in any case.
    pub max: Duration,
}

/// The reason of a task that a newer one replaced.
pub const SUPERSEDED: &str = "superseded";

/// What a worker knows of limits and weights; part of each claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Limits by kind. A kind that is missing has none.
    pub limits: HashMap<Arc<str>, Limits>,
    /// How many turns a tenant gets where others get one; 1 to [`Rules::WEIGHT_MAX`]. Default: 1.
    pub weights: HashMap<Arc<str>, u32>,
    /// How many tasks of a kind are taken together, and count as one of a claim's limit; 1 to [`Rules::BATCH_MAX`]. A kind
    /// that is missing is taken one by one.
    pub batches: HashMap<Arc<str>, u32>,
}

impl Rules {
    /// The largest batch.
    pub const BATCH_MAX: u32 = 1_000;

    /// How many tasks of a kind are taken together.
    #[must_use]
    pub fn batch(&self, kind: &str) -> u32 {
        self.batches.get(kind).map_or(1, |batch| (*batch).clamp(1, Self::BATCH_MAX))
    }

    /// The largest weight.
    pub const WEIGHT_MAX: u32 = 1_000;

    /// The limits of a kind.
    #[must_use]
    pub fn limits(&self, kind: &str) -> Limits {
        self.limits.get(kind).copied().unwrap_or_default()
    }

    /// The weight of a tenant; tasks without one count as one tenant.
    #[must_use]
    pub fn weight(&self, tenant: Option<&str>) -> u32 {
        tenant.and_then(|tenant| self.weights.get(tenant)).map_or(1, |weight| (*weight).clamp(1, Self::WEIGHT_MAX))
    }
}

/// How much of one kind may run, over all processes that share the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many run at the same time.
    pub concurrency: Option<u32>,
    /// How many start in a time.
    pub rate: Option<Rate>,
    /// How many run at the same time for each [`limit_key`](crate::NewTask::limit_key).
    pub key_concurrency: Option<u32>,
    /// How many start in a time for each [`limit_key`](crate::NewTask::limit_key).
    pub key_rate: Option<Rate>,
}

impl Limits {
    /// Whether there is any limit.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// At most so many starts within any period of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many starts; at least 1, at most [`Rate::STARTS_MAX`].
    pub starts: u32,
    /// Within how long; at most [`Rate::PERIOD_MAX`].
    pub period: Duration,
}

impl Rate {
    /// The largest number of starts: the store remembers the time of each.
    pub const STARTS_MAX: u32 = 10_000;

    /// The longest period.
    pub const PERIOD_MAX: Duration = Duration::from_secs(24 * 3_600);

    /// The period, held to its range.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period.min(Self::PERIOD_MAX)
    }

    /// The number of starts, held to its range.
    #[must_use]
    pub fn starts(&self) -> usize {
        self.starts.clamp(1, Self::STARTS_MAX) as usize
    }
}

/// What can be paused: nothing of it is claimed until it is resumed; what runs goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All tasks of a kind.
    Kind(Arc<str>),
    /// All tasks of a source's submissions.
    Source(Arc<str>),
}

impl Scope {
    /// `kind` or `source`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Kind(_) => "kind",
            Self::Source(_) => "source",
        }
    }

    /// The kind's or source's name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        match self {
            Self::Kind(name) | Self::Source(name) => name,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.word(), self.name())
    }
}

/// A name as it is kept: one that is too long loses its end, an empty one is none.
#[must_use]
pub fn bounded_name(name: &Arc<str>) -> Option<Arc<str>> {
    match name.len() {
        0 => None,
        1..=NAME_BYTES_MAX => Some(Arc::clone(name)),
        _ => Some(name[..name.floor_char_boundary(NAME_BYTES_MAX)].into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_empty_ones_are_none() {
        assert_eq!(bounded_name(&"".into()), None);
        assert_eq!(bounded_name(&"a".into()), Some("a".into()));
        let long: Arc<str> = "é".repeat(200).into();
        assert_eq!(bounded_name(&long).map(|name| name.len()), Some(256));
    }

    #[test]
    fn weights_are_held_to_their_range() {
        let weights = HashMap::from([("big".into(), 4), ("none".into(), 0), ("huge".into(), u32::MAX)]);
        let rules = Rules { weights, ..Rules::default() };
        let weight = |tenant| rules.weight(tenant);
        assert_eq!((weight(Some("big")), weight(Some("none")), weight(Some("huge"))), (4, 1, Rules::WEIGHT_MAX));
        assert_eq!((weight(Some("other")), weight(None)), (1, 1));
    }
}
