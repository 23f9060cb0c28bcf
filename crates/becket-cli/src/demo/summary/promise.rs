//! What the demo promises, and finding what is missing from it.

use std::collections::BTreeMap;

use super::{event_types, recovered};
use crate::api::views::{Task, is_ended};
use crate::demo::facts::Facts;
use crate::demo::handlers::{BROKEN, FLAKY, QUICK, SLOW};
use crate::demo::tally::Tally;

/// How much must have happened.
const DELIVERIES_MIN: usize = 100;
const EVENT_TYPES_MIN: usize = 20;

/// Everything that was promised and did not happen, in words.
pub(super) fn missing(tally: &Tally, facts: &Facts) -> Vec<String> {
    let mut missing = Missing(Vec::new());
    enough_happened(tally, facts, &mut missing);
    both_sides_agree(tally, facts, &mut missing);
    tasks_ended_as_they_should(facts, &mut missing);
    missing.0
}

struct Missing(Vec<String>);

impl Missing {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

fn enough_happened(tally: &Tally, facts: &Facts, missing: &mut Missing) {
    let (acknowledged, events) = (tally.acknowledged.len(), event_types(facts).len());
    missing.unless(acknowledged >= DELIVERIES_MIN, || {
        format!("{acknowledged} deliveries were acknowledged, and {DELIVERIES_MIN} are wanted")
    });
    missing.unless(events >= EVENT_TYPES_MIN, || {
        format!("deliveries of {events} event types were taken, and {EVENT_TYPES_MIN} are wanted")
    });
    missing.unless(acknowledged == tally.posted, || {
        format!("{} deliveries were posted, and {acknowledged} acknowledged", tally.posted)
    });
    missing.unless(tally.duplicates_sent > 0 && tally.duplicates_recognised == tally.duplicates_sent, || {
        format!("{} duplicates were sent, and {} recognised", tally.duplicates_sent, tally.duplicates_recognised)
    });
    if let Some(first) = tally.errors.first() {
        missing.0.push(format!("{} requests went wrong, the first: {first}", tally.errors.len()));
    }
}

/// Each acknowledged delivery is listed once with the tasks that were promised, and nothing else is listed.
fn both_sides_agree(tally: &Tally, facts: &Facts, missing: &mut Missing) {
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let mut listed: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
    for delivery in &facts.deliveries {
        listed.entry(delivery.delivery_id.as_deref().unwrap_or_default()).or_default().push(sorted(&delivery.task_ids));
    }
    let as_promised = tally.acknowledged.iter().filter(|(id, tasks)| {
        listed.get(id.as_str()).is_some_and(|found| found.len() == 1 && found[0] == sorted(tasks))
    });
    let (as_promised, listed) = (as_promised.count(), facts.deliveries.len());
    let acknowledged = tally.acknowledged.len();
    missing.unless(as_promised == acknowledged && listed == acknowledged, || {
        format!("of {acknowledged} acknowledged deliveries the API lists {as_promised} once and with their tasks; it lists {listed} in all")
    });
    let promised: usize = tally.acknowledged.values().map(Vec::len).sum();
    missing.unless(promised == facts.tasks.len(), || {
        format!("{promised} tasks were promised to the senders, and the API lists {}", facts.tasks.len())
    });
}

fn tasks_ended_as_they_should(facts: &Facts, missing: &mut Missing) {
    let unfinished = facts.tasks.iter().filter(|task| !is_ended(&task.state)).count();
    missing.unless(unfinished == 0, || format!("{unfinished} tasks have not ended"));
    let completed = |task: &Task| task.state == "completed";
    let failed = |task: &Task| task.state == "failed";
    let mut expect = |kind, what, holds: fn(&Task) -> bool| {
        let (all, good) = (facts.of_kind(kind).count(), facts.of_kind(kind).filter(|task| holds(task)).count());
        missing.unless(all > 0 && good == all, || format!("of {all} `{kind}` tasks {good} {what}"));
    };
    expect(QUICK, "completed", completed);
    expect(SLOW, "completed", completed);
    expect(FLAKY, "failed twice and then completed", recovered);
    expect(BROKEN, "are among the dead letters", failed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::views::Delivery;
    use crate::demo::tally::Posted;

    fn task(id: String, kind: &str, state: &str, attempt: u32) -> Task {
        let text = str::to_owned;
        Task {
            id,
            kind: text(kind),
            state: text(state),
            source: text("github"),
            event: text("push"),
            action: None,
            delivery_id: None,
            lane: None,
            tenant: None,
            limit_key: None,
            attempt,
            max_attempts: 4,
            created_at: String::new(),
            updated_at: String::new(),
            run_at: String::new(),
            error: None,
            result: None,
            attempts: Vec::new(),
            steps: Vec::new(),
            progress: None,
        }
    }

    /// A demo in which all went well: 100 deliveries of 20 events with four tasks each.
    fn good() -> (Tally, Facts) {
        let (mut tally, mut facts) = (Tally::default(), Facts::default());
        for number in 0..100 {
            let id = format!("delivery-{number}");
            let kinds =
                [(QUICK, "completed", 1), (SLOW, "completed", 1), (FLAKY, "completed", 3), (BROKEN, "failed", 2)];
            let tasks = kinds.map(|(kind, state, attempt)| task(format!("{kind}-{number}"), kind, state, attempt));
            let task_ids: Vec<String> = tasks.iter().map(|task| task.id.clone()).collect();
            for again in [false, true].into_iter().take(if number == 0 { 2 } else { 1 }) {
                tally.begin(again);
                let posted = Posted { tasks: task_ids.clone(), duplicate: again, took: std::time::Duration::ZERO };
                tally.end(&id, again, Ok(posted));
            }
            facts.tasks.extend(tasks);
            facts.deliveries.push(Delivery {
                id: format!("ours-{number}"),
                delivery_id: Some(id),
                source: "github".to_owned(),
                event: format!("event-{}", number % 20),
                action: None,
                repository: None,
                normalised: None,
                received_at: String::new(),
                size: 2,
                task_ids: task_ids.into_iter().rev().collect(),
                headers: BTreeMap::new(),
                body: None,
            });
        }
        (tally, facts)
    }

    #[test]
    fn nothing_is_missing_when_all_went_well() {
        let (tally, facts) = good();
        assert_eq!(missing(&tally, &facts), Vec::<String>::new());
    }

    #[test]
    fn each_broken_promise_is_named() {
        type Spoil = fn(&mut Tally, &mut Facts);
        let table: [(Spoil, &str); 11] = [
            (|tally, _| drop(tally.acknowledged.pop_first()), "99 deliveries were acknowledged"),
            (|_, facts| facts.deliveries.iter_mut().for_each(|one| one.event = "push".to_owned()), "of 1 event types"),
            (|tally, _| tally.posted += 1, "101 deliveries were posted"),
            (|tally, _| tally.duplicates_recognised = 0, "0 recognised"),
            (|tally, _| tally.errors.push("no".to_owned()), "the first: no"),
            (|_, facts| drop(facts.deliveries.pop()), "the API lists 99 once"),
            (|_, facts| facts.deliveries[0].task_ids.clear(), "the API lists 99 once"),
            (|_, facts| drop(facts.tasks.pop()), "the API lists 399"),
            (|_, facts| facts.tasks[0].state = "running".to_owned(), "1 tasks have not ended"),
            (|_, facts| facts.tasks[2].attempt = 1, "99 failed twice and then completed"),
            (|_, facts| facts.tasks[3].state = "completed".to_owned(), "99 are among the dead letters"),
        ];
        for (spoil, expected) in table {
            let (mut tally, mut facts) = good();
            spoil(&mut tally, &mut facts);
            let missing = missing(&tally, &facts);
            assert!(missing.iter().any(|one| one.contains(expected)), "{expected}: {missing:?}");
        }
    }

    #[test]
    fn kind_without_any_task_is_missing() {
        let (tally, mut facts) = good();
        facts.tasks.retain(|task| task.kind != BROKEN);
        assert!(missing(&tally, &facts).iter().any(|one| one.starts_with("of 0 `broken` tasks")));
    }
}
