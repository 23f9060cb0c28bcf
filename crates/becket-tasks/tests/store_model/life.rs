//! What may happen to a store: any verb, with any argument, at any time, and a clock that jumps.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::Timestamp;
use becket_tasks::order::{Debounce, Lane, Latest, Limits, OnRetry, Rate, Rules, Scope};
use becket_tasks::query::Retention;
use becket_tasks::submission::{Due, NewTask, Parent, Start, Submission, Unique};
use becket_tasks::task::{End, WorkerId};
use proptest::prelude::*;
use proptest::sample::select;

/// 2026-01-01T00:00:00Z: when each life begins.
pub(crate) const BIRTH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// One step. Tasks, submissions and leases are named by number: the n-th that the store gave out, counted round.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Insert(Vec<Submission>),
    Append(usize, Vec<NewTask>),
    Claim {
        worker: WorkerId,
        kinds: Vec<&'static str>,
        limit: usize,
        lease: Duration,
        rules: Arc<Rules>,
    },
    SetPaused(Scope, bool),
    Renew(Vec<usize>, Duration),
    Finish(Vec<(usize, End)>),
    Save(usize, &'static str, &'static str),
    Release(WorkerId),
    ReclaimExpired,
    Cancel(Vec<usize>),
    Requeue(Vec<usize>),
    Purge(Vec<usize>),
    Erase(Vec<usize>),
    Prune(Retention),
    Probe,
    /// A schedule comes so many seconds after the birth; whether a tick fired there.
    AdvanceSchedule(&'static str, u64, bool),
    PauseSchedule(&'static str, bool),
    /// Something happened so often, and so many seconds after the birth.
    Mark(&'static str, u64, u64),
    /// The clock jumps by so many seconds.
    Jump(i64),
    /// So much time passes.
    Pass(Duration),
    /// The process is killed, and another goes on.
    Crash,
    /// Everything that can be asked is asked.
    Look,
}

/// A whole life. It begins with something to live on.
pub(crate) fn life() -> impl Strategy<Value = Vec<Step>> {
    let first = prop::collection::vec(submission(), 1..5).prop_map(Step::Insert);
    let rules = prop_oneof![2 => Just(Rules::default()), 1 => rules()];
    (first, prop::collection::vec(step(), 1..60), rules, rules_change()).prop_map(|(first, rest, before, change)| {
        let mut rules = Arc::new(before);
        let rest = rest.into_iter().enumerate().map(|(number, step)| match step {
            Step::Claim { worker, kinds, limit, lease, .. } => {
                if let Some((at, new)) = &change
                    && *at == number / 2
                {
                    rules = Arc::new(new.clone());
                }
                Step::Claim { worker, kinds, limit, lease, rules: Arc::clone(&rules) }
            }
            step => step,
        });
        let mut life: Vec<Step> = std::iter::once(first).chain(rest).collect();
        // When a lane looks who is ready is left to the store, and shows where the clock goes back after that.
        if life.iter().any(has_passing_lane) {
            life.iter_mut().for_each(jump_forwards);
        }
        life
    })
}

fn has_passing_lane(step: &Step) -> bool {
    let passes = |task: &NewTask| task.lane.as_ref().is_some_and(|lane| lane.on_retry == OnRetry::Pass);
    match step {
        Step::Insert(new) => new.iter().flat_map(|one| &one.tasks).any(passes),
        Step::Append(_, tasks) => tasks.iter().any(passes),
        _ => false,
    }
}

const fn jump_forwards(step: &mut Step) {
    if let Step::Jump(secs) = step {
        *secs = secs.abs();
    }
}

/// A restart with another configuration, in some lives.
fn rules_change() -> impl Strategy<Value = Option<(usize, Rules)>> {
    prop::option::weighted(0.2, (0..30_usize, rules()))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(submission(), 0..4).prop_map(Step::Insert),
        1 => (any::<usize>(), prop::collection::vec(task(), 0..3)).prop_map(|(n, tasks)| Step::Append(n, tasks)),
        6 => claim(),
        2 => (numbers(), secs(30)).prop_map(|(leases, lease)| Step::Renew(leases, lease)),
        6 => prop::collection::vec((any::<usize>(), end()), 0..5).prop_map(Step::Finish),
        4 => (any::<usize>(), select(vec!["a", "b", "c"]), select(vec!["", "1", "result"]))
            .prop_map(|(lease, name, body)| Step::Save(lease, name, body)),
        1 => worker().prop_map(Step::Release),
        3 => Just(Step::ReclaimExpired),
        2 => numbers().prop_map(Step::Cancel),
        2 => numbers().prop_map(Step::Requeue),
        2 => numbers().prop_map(Step::Purge),
        1 => numbers().prop_map(Step::Erase),
        2 => retention().prop_map(Step::Prune),
        1 => Just(Step::Probe),
        1 => (scope(), any::<bool>()).prop_map(|(scope, is_paused)| Step::SetPaused(scope, is_paused)),
        1 => (schedule(), 0..100_u64, any::<bool>()).prop_map(|(name, secs, fired)| {
            Step::AdvanceSchedule(name, secs, fired)
        }),
        1 => (schedule(), any::<bool>()).prop_map(|(name, paused)| Step::PauseSchedule(name, paused)),
        1 => (schedule(), 0..3_u64, 0..100_u64).prop_map(|(name, count, secs)| Step::Mark(name, count, secs)),
        1 => (-30..60_i64).prop_map(Step::Jump),
        4 => secs(60).prop_map(Step::Pass),
        1 => Just(Step::Crash),
        1 => Just(Step::Look),
    ]
}

fn submission() -> impl Strategy<Value = Submission> {
    let labels = (select(vec!["a", "b"]), select(vec!["push", "issues"]), select(vec![None, Some("opened")]));
    let key = select(vec![None, Some("1"), Some("2"), Some("3"), Some("4")]);
    let tasks = prop::collection::vec(task(), 0..4);
    (labels, key, 0..300_usize, tasks).prop_map(|((source, event, action), key, size, tasks)| Submission {
        source: source.into(),
        event: event.into(),
        action: action.map(Into::into),
        key: key.map(Into::into),
        meta: vec![b'm'; size % 7].into(),
        payload: vec![b'p'; size].into(),
        tasks,
    })
}

fn task() -> impl Strategy<Value = NewTask> {
    let start = prop::option::weighted(0.2, (worker(), secs(30)).prop_map(|(worker, lease)| Start { worker, lease }));
    let plain = (kind(), -1..=1_i8, 0..6_u32, due(), start);
    (plain, ties()).prop_map(|((kind, priority, max_attempts, due, start), ties)| NewTask {
        kind: kind.into(),
        priority,
        max_attempts,
        due,
        start,
        ..ties
    })
}

/// A task of which only what ties it to others is set: about half have nothing.
fn ties() -> impl Strategy<Value = NewTask> {
    let lane = prop::option::weighted(0.4, lane());
    // Each key is of one tenant: that is the order in which the stores promise to open them.
    let tenant = select(vec![None, None, None, Some(("a", "1")), Some(("a", "2")), Some(("b", "3"))]);
    let after = prop::collection::vec(any::<u16>(), 0..3);
    let after = prop_oneof![3 => Just(Vec::new()), 1 => after];
    let unique = (select(vec!["u", "v"]), secs(30)).prop_map(|(key, fresh)| Unique { key: key.into(), fresh });
    let unique = prop::option::weighted(0.1, unique);
    let all = (lane, tenant, any::<bool>(), after, any::<bool>(), unique);
    all.prop_map(|(lane, tenant, has_key, after, survives_parents, unique)| {
        NewTask {
            lane,
            tenant: tenant.map(|(tenant, _)| tenant.into()),
            limit_key: tenant.filter(|_| has_key).map(|(_, key)| key.into()),
            // Made an id when it is told.
            after: after
                .into_iter()
                .map(|number| Parent::Submitted { submission: usize::MAX, task: number.into() })
                .collect(),
            survives_parents,
            unique,
            ..NewTask::new("")
        }
    })
}

fn lane() -> impl Strategy<Value = Lane> {
    let latest = select(vec![None, None, None, None, Some(Latest::Waiting), Some(Latest::Running)]);
    let debounce = (secs(20), secs(40)).prop_map(|(quiet, max)| Debounce { quiet, max });
    let on_retry = select(vec![OnRetry::Hold, OnRetry::Hold, OnRetry::Pass]);
    (select(vec!["l", "m"]), on_retry, latest, prop::option::weighted(0.1, debounce))
        .prop_map(|(name, on_retry, latest, debounce)| Lane { name: name.into(), on_retry, latest, debounce })
}

/// Few lives know limits, since they keep much from happening.
fn rules() -> impl Strategy<Value = Rules> {
    let rate =
        || prop::option::weighted(0.2, (1..4_u32, secs(30)).prop_map(|(starts, period)| Rate { starts, period }));
    let count = || prop::option::weighted(0.2, 1..3_u32);
    let limits = (count(), rate(), count(), rate()).prop_map(|(concurrency, rate, key_concurrency, key_rate)| Limits {
        concurrency,
        rate,
        key_concurrency,
        key_rate,
    });
    let limits = prop::collection::hash_map(kind().prop_map(Arc::from), limits, 0..3);
    let weights = prop::collection::hash_map(select(vec!["a", "b"]).prop_map(Arc::from), 1..4_u32, 0..2);
    let batches = prop::collection::hash_map(kind().prop_map(Arc::from), 1..4_u32, 0..2);
    (limits, weights, batches).prop_map(|(limits, weights, batches)| Rules { limits, weights, batches })
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![kind().prop_map(|kind| Scope::Kind(kind.into())), Just(Scope::Source("a".into()))]
}

fn claim() -> impl Strategy<Value = Step> {
    (worker(), kinds(), 0..8_usize, secs(30)).prop_map(|(worker, kinds, limit, lease)| Step::Claim {
        worker,
        kinds,
        limit,
        lease,
        // Those of the life.
        rules: Arc::default(),
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        2 => (prop::option::of(Just("result".into())), secs(40))
            .prop_map(|(result, result_ttl)| End::Completed { result, result_ttl }),
        2 => due().prop_map(|due| End::Retry { due, error: "it went wrong".into() }),
        1 => Just(End::GiveUp { error: "it is no use".into() }),
        1 => due().prop_map(|due| End::Park { due, reason: "rate limit".into() }),
        1 => Just(End::Release),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    let age = select(vec![Duration::ZERO, Duration::from_secs(5), Duration::from_secs(40), Duration::MAX]);
    (age, select(vec![0, 1, 4, u64::MAX])).prop_map(|(age, finished_max)| Retention { age, finished_max })
}

fn due() -> impl Strategy<Value = Due> {
    prop_oneof![
        3 => Just(Due::Now),
        2 => secs(30).prop_map(Due::After),
        1 => (-60..60_i64).prop_map(|secs| Due::At(Timestamp::from_millis(BIRTH.as_millis() + secs * 1_000))),
    ]
}

fn schedule() -> impl Strategy<Value = &'static str> {
    select(vec!["hourly", "nightly"])
}

fn secs(below: u64) -> impl Strategy<Value = Duration> {
    (0..below).prop_map(Duration::from_secs)
}

fn kind() -> impl Strategy<Value = &'static str> {
    select(vec!["x", "y", "z"])
}

/// Mostly all of them, as a worker asks for.
fn kinds() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![2 => Just(vec!["x", "y", "z"]), 1 => prop::collection::vec(kind(), 0..3)]
}

fn worker() -> impl Strategy<Value = WorkerId> {
    select(vec!["w1", "w2"]).prop_map(WorkerId::new)
}

fn numbers() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..5)
}
