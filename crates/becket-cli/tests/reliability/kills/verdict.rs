//! The verdict: what must hold after any story.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::Story;
use super::story::{CONCURRENCY, Life, refusals};
use crate::receiver::Run;

/// Every acknowledged delivery is there, with the tasks that were named in the acknowledgement.
pub(super) fn none_was_lost(story: &Story) {
    let kept: HashMap<_, _> = story.deliveries.iter().map(|kept| (&kept.delivery_id, &kept.task_ids)).collect();
    for acknowledged in &story.acknowledged {
        let id = &acknowledged.id;
        assert_eq!(kept.get(id), Some(&&acknowledged.tasks), "{id} was acknowledged, and this is kept of it");
        assert_eq!(acknowledged.tasks.len(), 1, "{id}");
    }
    // Each was sent until it was acknowledged, so nothing else may be there.
    assert_eq!(story.deliveries.len(), story.acknowledged.len());
}

/// However often a delivery was sent, one submission and one task came of it.
pub(super) fn none_was_accepted_twice(story: &Story) {
    let mut ids = HashSet::new();
    for delivery in &story.deliveries {
        assert!(ids.insert(&delivery.delivery_id), "{} was accepted twice", delivery.delivery_id);
    }
    let mut tasks: HashMap<&str, &str> = HashMap::new();
    for run in &story.runs {
        let task = tasks.entry(&run.delivery).or_insert(&run.task);
        assert_eq!(*task, run.task, "{} ran as two tasks", run.delivery);
    }
}

/// Every task has ended, and the receiver took each.
pub(super) fn every_task_completed(story: &Story) {
    assert_eq!(story.tasks.len(), story.deliveries.len());
    let is_taken = |run: &&Run| matches!(run.answered, Some((_, 200)));
    let taken: HashSet<_> = story.runs.iter().filter(is_taken).map(|run| &run.task).collect();
    for task in &story.tasks {
        assert_eq!((task.state.as_str(), &task.error), ("completed", &None), "{task:?}");
        assert!(taken.contains(&task.id), "{} is completed, but the receiver never took it", task.id);
    }
}

/// A claim is on record before its handler runs: after a crash the next run has a new number.
pub(super) fn no_attempt_ran_twice(story: &Story) {
    let mut attempts = HashSet::new();
    for run in &story.runs {
        assert!(attempts.insert((&run.task, run.attempt)), "attempt {} of {} ran twice", run.attempt, run.task);
    }
}

/// Runs beyond those that were needed, and how many there might have been.
pub(super) struct Overlap {
    pub(super) extra: usize,
    pub(super) in_flight: usize,
    /// The longest time between an answer and a kill after which the task ran again all the same.
    longest: Duration,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { extra, in_flight, longest } = self;
        write!(f, "{extra} runs beyond those needed, {in_flight} in flight at the kills, ")?;
        write!(f, "a run was repeated up to {longest:?} after its answer")
    }
}

/// No task ran more often than needed, but for runs that were in flight at a kill.
pub(super) fn only_runs_in_flight_were_repeated(story: &Story) -> Overlap {
    let mut by_task: HashMap<&str, Vec<&Run>> = HashMap::new();
    story.runs.iter().for_each(|run| by_task.entry(&run.task).or_default().push(run));
    let mut overlap = Overlap { extra: 0, in_flight: 0, longest: Duration::ZERO };
    for (task, runs) in by_task {
        let extra = runs.len() - (refusals(&runs[0].delivery) + 1);
        let in_flight: Vec<_> = runs.iter().filter(|run| is_in_flight(run, &story.lives)).collect();
        let (lives, many) = (&story.lives, in_flight.len());
        assert!(extra <= many, "{task} ran {extra} times too often, {many} in flight: {:#?}", told(&runs, lives));
        overlap.extra += extra;
        overlap.in_flight += many;
        if extra > 0 {
            let repeated = in_flight.iter().filter(|run| run.nth < runs.len()).map(|run| since_answer(run, lives));
            overlap.longest = overlap.longest.max(repeated.max().unwrap_or_default());
        }
    }
    for life in 0..story.lives.len() {
        let unanswered = story.runs.iter().filter(|run| run.life == life && run.answered.is_none()).count();
        assert!(unanswered <= CONCURRENCY, "process {life} ran {unanswered} tasks at once");
    }
    overlap
}

/// Whether the server had begun this run, and could not have its end on record, when it was killed.
///
/// That is so when the receiver had not answered, or only so shortly before that the end was still on its way into the
/// store. How long this way is, the clients have measured: an end waits for the group commit in progress and its own,
/// exactly as a delivery does before it is acknowledged. Twice the longest such wait on this process leaves room for
/// what either path has and the other has not.
fn is_in_flight(run: &Run, lives: &[Life]) -> bool {
    let Some(life) = lives.get(run.life) else { return false };
    run.answered.is_none() || since_answer(run, lives) <= 2 * life.longest_wait
}

/// How long before the kill the receiver's answer was ready.
fn since_answer(run: &Run, lives: &[Life]) -> Duration {
    let (Some(life), Some((answered, _))) = (lives.get(run.life), run.answered) else { return Duration::ZERO };
    life.killed.saturating_duration_since(answered)
}

fn told(runs: &[&Run], lives: &[Life]) -> Vec<String> {
    let tell = |run: &&Run| {
        let wait = lives.get(run.life).map(|life| life.longest_wait);
        let (attempt, life, status) = (run.attempt, run.life, run.answered.map(|(_, status)| status));
        let before = since_answer(run, lives);
        format!("attempt {attempt} on process {life}: {status:?}, {before:?} before the kill; longest wait {wait:?}")
    };
    runs.iter().map(tell).collect()
}
