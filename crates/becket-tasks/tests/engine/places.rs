//! What a task belongs to and what is as good as it, as its kind's policy says: names made from what is submitted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use becket_tasks::{
    Debounce, EnqueueOptions, Lane, LanePolicy, Latest, Limits, Naming, NewTask, OnRetry, Policy, State, Submission,
    TaskId, Unique, UniquePolicy,
};
use bytes::Bytes;
use serde_json::json;

use crate::world::{Live, World, submission};

fn naming(template: &str) -> Option<Naming> {
    Some(Naming::template(template).unwrap())
}

fn policy() -> Policy {
    let name = Naming::template("{@kind} {repository}").unwrap();
    Policy {
        lane: Some(LanePolicy { latest: Some(Latest::Waiting), ..LanePolicy::new(name) }),
        tenant: naming("{owner.id}"),
        limit_key: naming("{@source}/{@event}"),
        ..Policy::default()
    }
}

/// A world in which nothing runs.
fn still(policy: Policy) -> World {
    let world = World::new().task_with("named", policy, |_| async { Ok(1) }).task("plain", |_| async { Ok(1) });
    world.options(|options| options.concurrency = 0)
}

async fn place(live: &Live, task: TaskId) -> [Option<String>; 3] {
    let task = live.detail(task).await.task;
    [task.lane, task.tenant, task.limit_key].map(|name| name.map(|name| name.to_string()))
}

fn names(lane: &str, tenant: &str, limit_key: &str) -> [Option<String>; 3] {
    [lane, tenant, limit_key].map(|name| Some(name.to_owned()).filter(|name| !name.is_empty()))
}

fn with_payload(key: &str, payload: &'static str) -> Submission {
    Submission { payload: payload.into(), ..submission(key, &["named", "plain"]) }
}

#[tokio::test(start_paused = true)]
async fn task_gets_lane_tenant_and_key_from_its_kinds_policy() {
    let live = still(policy()).start().await;
    let payload = r#"{"repository": "octo/a", "owner": {"id": 17}}"#;
    let inserted = live.client.submit(with_payload("a", payload)).await.unwrap();
    assert_eq!(place(&live, inserted.tasks[0]).await, names("named octo/a", "17", "test/event"));
    assert_eq!(place(&live, inserted.tasks[1]).await, names("", "", ""), "another kind, another policy");
    let all = live.client.submit_all(vec![with_payload("b", "{}"), with_payload("c", "no JSON")]).await.unwrap();
    for inserted in all {
        assert_eq!(place(&live, inserted.tasks[0]).await, names("", "", "test/event"), "what finds nothing is no name");
    }
}

#[tokio::test(start_paused = true)]
async fn newer_task_of_a_lane_replaces_the_one_before_where_the_policy_says_so() {
    let live = still(policy()).start().await;
    let arguments = json!({"repository": "octo/a"});
    let first = live.client.enqueue("named", &arguments).await.unwrap();
    let second = live.client.enqueue("named", &arguments).await.unwrap();
    assert_eq!((live.state(first).await, live.state(second).await), (State::Cancelled, State::Queued));
    assert_eq!(live.error(first).await, "superseded");
}

#[tokio::test(start_paused = true)]
async fn what_a_task_is_given_comes_before_its_policy() {
    let live = still(policy()).start().await;
    let options = EnqueueOptions {
        lane: Some(Lane { on_retry: OnRetry::Pass, ..Lane::new("my lane") }),
        tenant: Some("me".into()),
        limit_key: Some("mine".into()),
        ..EnqueueOptions::default()
    };
    let task = live.client.enqueue_with("named", &json!({"repository": "octo/a"}), options).await.unwrap();
    assert_eq!(place(&live, task).await, names("my lane", "me", "mine"));
}

#[tokio::test(start_paused = true)]
async fn appended_task_is_placed_by_what_its_submission_carries() {
    let live = still(policy()).start().await;
    let payload = r#"{"repository": "octo/a", "owner": {"id": 17}}"#;
    let first = live.client.submit(with_payload("a", payload)).await.unwrap();
    let again = live.client.append(first.submission, vec![NewTask::new("named")]).await.unwrap().unwrap();
    assert_eq!(place(&live, again.tasks[0]).await, names("named octo/a", "17", "test/event"));
    let nowhere = becket_tasks::SubmissionId::from_u64(7);
    assert!(live.client.append(nowhere, vec![NewTask::new("named")]).await.unwrap().is_none());
    assert!(live.client.append(nowhere, vec![NewTask::new("plain")]).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn payload_is_read_as_the_registry_says_and_only_for_those_who_look_into_it() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let world = still(policy()).register(|registry| {
        registry
            .insert("labels", Policy { tenant: naming("{@source}"), ..Policy::default() }, |_| async { Ok(None) })
            .unwrap();
        registry.read_payloads_with(|meta, payload| {
            READ.fetch_add(1, Ordering::Relaxed);
            let is_wrapped = meta == b"wrapped";
            if is_wrapped { payload.slice(1..payload.len() - 1) } else { payload.clone() }
        });
    });
    let live = world.start().await;
    let wrapped = Submission {
        meta: Bytes::from_static(b"wrapped"),
        ..with_payload("a", r#"<{"repository": "octo/a", "owner": {"id": 17}}>"#)
    };
    let inserted = live.client.submit(wrapped).await.unwrap();
    assert_eq!(place(&live, inserted.tasks[0]).await, names("named octo/a", "17", "test/event"));
    let again = live.client.append(inserted.submission, vec![NewTask::new("named")]).await.unwrap().unwrap();
    assert_eq!(place(&live, again.tasks[0]).await, names("named octo/a", "17", "test/event"));
    assert_eq!(READ.load(Ordering::Relaxed), 2);
    let inserted = live.client.submit(submission("b", &["labels", "plain"])).await.unwrap();
    assert_eq!(place(&live, inserted.tasks[0]).await, names("", "test", ""));
    assert_eq!(READ.load(Ordering::Relaxed), 2, "nobody wanted to know");
}

#[tokio::test(start_paused = true)]
async fn task_that_has_to_wait_is_queued_although_it_was_to_begin_here() {
    let limited = Policy { limits: Limits { concurrency: Some(5), ..Limits::default() }, ..Policy::default() };
    let in_lane = Policy { lane: Some(LanePolicy::new(Naming::template("{lane}").unwrap())), ..Policy::default() };
    let world = World::new()
        .task_with("limited", limited, |_| async { Ok(1) })
        .task_with("in lane", in_lane, |_| std::future::pending());
    let live = world.options(|options| options.concurrency = 0).start().await;
    let (inserted, running) = live.engine.run_here(submission("a", &["limited"])).await.unwrap();
    assert!(running.is_empty(), "limits are looked after by claims");
    assert_eq!(live.state(inserted.tasks[0]).await, State::Queued);
    let mut states = Vec::new();
    for (key, payload) in [("b", r#"{"lane": 1}"#), ("c", r#"{"lane": 1}"#), ("d", r#"{"lane": 2}"#), ("e", "{}")] {
        let new = Submission { payload: payload.into(), ..submission(key, &["in lane"]) };
        let (inserted, running) = live.engine.run_here(new).await.unwrap();
        states.push((running.len(), live.state(inserted.tasks[0]).await));
    }
    let (begun, behind) = ((1, State::Running), (0, State::Queued));
    assert_eq!(states, [begun, behind, begun, begun]);
    live.engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn debounced_task_waits_for_quiet_although_it_was_to_begin_here() {
    let debounce = Some(Debounce { quiet: Duration::from_secs(10), max: Duration::from_secs(60) });
    let lane = LanePolicy { debounce, ..LanePolicy::new(Naming::template("all").unwrap()) };
    let live = still(Policy { lane: Some(lane), ..Policy::default() }).start().await;
    let (inserted, running) = live.engine.run_here(submission("a", &["named"])).await.unwrap();
    assert!(running.is_empty());
    let standing = live.detail(inserted.tasks[0]).await.task.standing;
    assert_eq!((standing.state, standing.run_at), (State::Queued, live.clock.now().after(Duration::from_secs(10))));
}

/// A world in which one task is enough for each repository, and its result is fresh for a minute; 7 is kept for `kept`.
fn enough(kept: Duration) -> World {
    let name = Naming::template("{repository}").unwrap();
    let unique = Some(UniquePolicy { name, fresh: Duration::from_secs(60) });
    World::new().task_with("named", Policy { unique, result_ttl: kept, ..Policy::default() }, |_| async { Ok(7) })
}

fn delivery(key: &str, payload: &'static str) -> Submission {
    Submission { payload: payload.into(), ..submission(key, &["named"]) }
}

#[tokio::test(start_paused = true)]
async fn task_stands_for_others_of_its_kind_whose_key_comes_out_the_same() {
    let live = enough(Duration::from_secs(3_600)).options(|options| options.concurrency = 0).start().await;
    let first = live.client.submit(delivery("a", r#"{"repository": "octo/a"}"#)).await.unwrap();
    let second = live.client.submit(delivery("b", r#"{"repository": "octo/a", "more": 1}"#)).await.unwrap();
    assert_eq!((second.duplicate, &second.tasks, &second.reused), (false, &first.tasks, &first.tasks));
    assert_eq!(live.client.enqueue("named", &json!({"repository": "octo/a"})).await.unwrap(), first.tasks[0]);
    assert_eq!(live.client.reused(), 2);
    let own = Unique { key: "mine".into(), fresh: Duration::ZERO };
    let options = EnqueueOptions { unique: Some(own), ..EnqueueOptions::default() };
    let mine = live.client.enqueue_with("named", &json!({"repository": "octo/a"}), options).await.unwrap();
    assert_ne!(mine, first.tasks[0], "what a task is given comes first");
    for (key, payload) in [("c", r#"{"repository": "octo/b"}"#), ("d", "{}"), ("e", "{}")] {
        let other = live.client.submit(delivery(key, payload)).await.unwrap();
        assert!(other.reused.is_empty(), "{payload}: another key, or none");
    }
    assert_eq!(live.client.reused(), 2);
}

#[tokio::test(start_paused = true)]
async fn result_is_fresh_as_long_as_the_policy_says_and_no_longer_than_it_is_kept() {
    for (kept, fresh) in [(3_600, 60), (30, 30)] {
        let mut live = enough(Duration::from_secs(kept)).start().await;
        let payload = r#"{"repository": "octo/a"}"#;
        let first = live.client.submit(delivery("a", payload)).await.unwrap();
        live.until(first.tasks[0], State::Completed).await;
        live.clock.advance(Duration::from_millis(fresh * 1_000 - 1));
        assert_eq!(live.client.submit(delivery("b", payload)).await.unwrap().reused, first.tasks);
        live.clock.advance(Duration::from_millis(1));
        assert!(live.client.submit(delivery("c", payload)).await.unwrap().reused.is_empty());
        live.engine.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn appended_task_is_answered_with_one_that_runs_and_not_with_a_result() {
    let mut live = enough(Duration::from_secs(3_600)).start().await;
    let first = live.client.submit(delivery("a", r#"{"repository": "octo/a"}"#)).await.unwrap();
    live.until(first.tasks[0], State::Completed).await;
    live.engine.shutdown(Duration::ZERO).await;
    let again = live.client.append(first.submission, vec![NewTask::new("named")]).await.unwrap().unwrap();
    assert!(again.reused.is_empty(), "who runs it again wants it done again");
    let third = live.client.append(first.submission, vec![NewTask::new("named")]).await.unwrap().unwrap();
    assert_eq!(third.reused, again.tasks, "which is being done");
}
