//! The verbs that only look, and those about the store itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::factory::Factory;
use super::world::{HOUR, SEC, START, World, claim_by, completed, keep, keyed, retry_after, submission, task};
use crate::error::Error;
use crate::id::{SubmissionId, TaskId};
use crate::order::Lane;
use crate::query::{Page, SubmissionFilter, TaskFilter};
use crate::state::State;
use crate::submission::{Due, NewTask, Submission};

/// Labels, times, standing; and its submission's list names it.
pub async fn task_tells_all_that_is_known_of_it(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let inserted = world.submit(keyed("k", vec![NewTask { priority: -3, ..task("work") }])).await;
    let detail = world.detail(inserted.tasks[0]).await;
    assert_eq!((detail.task.id, detail.task.submission), (inserted.tasks[0], inserted.submission));
    assert_eq!((&*detail.task.source, &*detail.task.event), ("test", "issues"));
    assert_eq!((detail.task.action.as_deref(), detail.task.key.as_deref()), (Some("opened"), Some("k")));
    assert_eq!((detail.task.priority, detail.attempts.len(), detail.result), (-3, 0, None));
    let listed = world.tasks(TaskFilter::default(), Page::first(2)).await.unwrap();
    assert_eq!(listed.items, [detail.task]);
    let info = world.info(inserted.submission).await;
    assert_eq!((&*info.source, &*info.event, info.action.as_deref()), ("test", "issues", Some("opened")));
    assert_eq!((info.key.as_deref(), info.received_at, info.payload_bytes), (Some("k"), START, 7));
    let listed = world.submissions(SubmissionFilter::default(), Page::first(2)).await.unwrap();
    assert_eq!(listed.items, [info]);
}

/// Nothing is there, and nothing is made up.
pub async fn unknown_ids_are_answered_with_none(factory: &dyn Factory) {
    let world = World::new(factory).await;
    assert_eq!(world.store.task(TaskId::from_u64(42)).await.unwrap(), None);
    assert_eq!(world.submission(SubmissionId::from_u64(42)).await.unwrap(), None);
    assert_eq!(world.payload(SubmissionId::from_u64(42)).await.unwrap(), None);
    let (tasks, submissions) = (
        world.tasks(TaskFilter::default(), Page::first(9)).await.unwrap(),
        world.submissions(SubmissionFilter::default(), Page::first(9)).await.unwrap(),
    );
    assert!(tasks.items.is_empty() && tasks.next.is_none());
    assert!(submissions.items.is_empty() && submissions.next.is_none());
}

/// Three submissions, a second apart, that differ in every label.
async fn differing(world: &World) -> (Vec<SubmissionId>, Vec<TaskId>) {
    let labels = [("a", "push", None), ("b", "issues", Some("opened")), ("c", "issues", Some("closed"))];
    let (mut submissions, mut tasks) = (Vec::new(), Vec::new());
    for (source, event, action) in labels {
        let new = Submission {
            source: source.into(),
            event: event.into(),
            action: action.map(Arc::from),
            ..keyed("k", vec![belonging(source)])
        };
        let inserted = world.submit(new).await;
        submissions.push(inserted.submission);
        tasks.push(inserted.tasks[0]);
        world.clock.advance(SEC);
    }
    (submissions, tasks)
}

/// A task of a kind, whose lane and tenant have names of their own; one of `a` belongs nowhere.
fn belonging(kind: &str) -> NewTask {
    let (lane, tenant) = (Lane::new(format!("lane of {kind}")), format!("tenant of {kind}").into());
    NewTask { lane: (kind != "a").then_some(lane), tenant: (kind != "a").then_some(tenant), ..task(kind) }
}

/// By state, source, event, action, kind, lane, tenant and time; and all conditions together.
pub async fn each_task_filter_holds(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (_, ids) = differing(&world).await;
    world.cancel(vec![ids[2]], "no more".into()).await.unwrap();
    let any = TaskFilter::default;
    let cases = [
        (any(), vec![2, 1, 0]),
        (TaskFilter { states: vec![State::Queued], ..any() }, vec![1, 0]),
        (TaskFilter { states: vec![State::Cancelled, State::Queued], ..any() }, vec![2, 1, 0]),
        (TaskFilter { states: vec![State::Failed], ..any() }, vec![]),
        (TaskFilter { source: Some("b".into()), ..any() }, vec![1]),
        (TaskFilter { event: Some("issues".into()), ..any() }, vec![2, 1]),
        (TaskFilter { action: Some("opened".into()), ..any() }, vec![1]),
        (TaskFilter { kind: Some("a".into()), ..any() }, vec![0]),
        (TaskFilter { lane: Some("lane of b".into()), ..any() }, vec![1]),
        (TaskFilter { lane: Some("".into()), ..any() }, vec![]),
        (TaskFilter { tenant: Some("tenant of c".into()), ..any() }, vec![2]),
        (TaskFilter { tenant: Some("".into()), ..any() }, vec![]),
        (TaskFilter { since: Some(START.after(SEC)), ..any() }, vec![2, 1]),
        (TaskFilter { until: Some(START.after(SEC)), ..any() }, vec![0]),
        (TaskFilter { since: Some(START.after(SEC)), until: Some(START.after(2 * SEC)), ..any() }, vec![1]),
        (TaskFilter { event: Some("issues".into()), states: vec![State::Queued], ..any() }, vec![1]),
        (TaskFilter { event: Some("push".into()), source: Some("b".into()), ..any() }, vec![]),
        (TaskFilter { kind: Some("%".into()), ..any() }, vec![]),
    ];
    for (filter, expected) in cases {
        let listed = world.tasks(filter.clone(), Page::first(9)).await.unwrap();
        let places: Vec<_> =
            listed.items.iter().map(|task| ids.iter().position(|id| *id == task.id).unwrap()).collect();
        assert_eq!(places, expected, "{filter:?}");
        assert_eq!(listed.next, None);
    }
}

/// By source, event, action, key and time; and all conditions together.
pub async fn each_submission_filter_holds(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (ids, _) = differing(&world).await;
    let any = SubmissionFilter::default;
    let cases = [
        (any(), vec![2, 1, 0]),
        (SubmissionFilter { source: Some("b".into()), ..any() }, vec![1]),
        (SubmissionFilter { event: Some("issues".into()), ..any() }, vec![2, 1]),
        (SubmissionFilter { action: Some("closed".into()), ..any() }, vec![2]),
        (SubmissionFilter { key: Some("k".into()), ..any() }, vec![2, 1, 0]),
        (SubmissionFilter { key: Some("k".into()), source: Some("a".into()), ..any() }, vec![0]),
        (SubmissionFilter { key: Some("other".into()), ..any() }, vec![]),
        (SubmissionFilter { since: Some(START.after(SEC)), ..any() }, vec![2, 1]),
        (SubmissionFilter { until: Some(START.after(SEC)), ..any() }, vec![0]),
    ];
    for (filter, expected) in cases {
        let listed = world.submissions(filter.clone(), Page::first(9)).await.unwrap();
        let places: Vec<_> =
            listed.items.iter().map(|info| ids.iter().position(|id| *id == info.id).unwrap()).collect();
        assert_eq!(places, expected, "{filter:?}");
    }
}

/// What comes while somebody reads is newer, and not in the list that is being read.
pub async fn pages_have_no_gap_and_no_repeat_while_rows_are_added(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut expected = BTreeSet::new();
    for n in 0..10_usize {
        let id = world.submit(submission(vec![task(["work", "other"][n % 2])])).await.tasks[0];
        if n % 2 == 0 {
            expected.insert(id);
        }
    }
    let filter = TaskFilter { kind: Some("work".into()), ..TaskFilter::default() };
    let (mut seen, mut page) = (Vec::new(), Page::first(2));
    loop {
        let listed = world.tasks(filter.clone(), page).await.unwrap();
        assert!(listed.items.len() <= 2);
        seen.extend(listed.items.iter().map(|task| task.id));
        world.add(task("work")).await;
        match listed.next {
            Some(after) => page.after = Some(after),
            None => break,
        }
    }
    assert_eq!(seen, expected.into_iter().rev().collect::<Vec<_>>());
    submission_pages(&world).await;
}

async fn submission_pages(world: &World) {
    let all = world.submissions(SubmissionFilter::default(), Page::first(1_000)).await.unwrap();
    assert_eq!(all.next, None);
    let (mut seen, mut page) = (Vec::new(), Page::first(3));
    loop {
        let listed = world.submissions(SubmissionFilter::default(), page).await.unwrap();
        seen.extend(listed.items);
        world.add(task("work")).await;
        match listed.next {
            Some(after) => page.after = Some(after),
            None => break,
        }
    }
    assert_eq!(seen, all.items);
}

/// Asked for too many or for none, it answers as many as it may; a full last page is the last.
pub async fn page_is_never_longer_than_the_limit(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(submission(vec![task("work"); Page::LIMIT_MAX + 1])).await;
    let count = async |limit| {
        let listed = world.tasks(TaskFilter::default(), Page::first(limit)).await.unwrap();
        (listed.items.len(), listed.next.is_some())
    };
    assert_eq!(count(usize::MAX).await, (Page::LIMIT_MAX, true));
    assert_eq!(count(0).await, (1, true));
    let id = world.claim_all("w").await[0].id;
    world.cancel(vec![id], "no more".into()).await.unwrap();
    world.purge(vec![id]).await.unwrap();
    assert_eq!(count(Page::LIMIT_MAX).await, (Page::LIMIT_MAX, false));
}

/// A task that is not yet due, or runs, does not wait.
pub async fn counts_tell_each_state_and_the_longest_waiting(factory: &dyn Factory) {
    let world = World::new(factory).await;
    assert_eq!(world.counts().await.unwrap().by_state, [0; 7]);
    assert_eq!(world.counts().await.unwrap().oldest_due, None);
    // What waits comes with a queued parent.
    for state in State::ALL.into_iter().filter(|state| *state != State::Queued) {
        world.task_in(state).await;
    }
    world.add(NewTask { due: Due::After(2 * HOUR), ..task("work") }).await;
    let counts = world.counts().await.unwrap();
    assert_eq!((counts.by_state, counts.oldest_due, counts.due), ([1, 2, 1, 1, 1, 1, 1], None, 0));
    assert_eq!((counts.of(State::Failed), counts.unfinished()), (1, 5));
    world.clock.advance(3 * HOUR);
    let newest = world.add(task("work")).await;
    let more = NewTask { priority: 3, ..task("other work") };
    let other = world.add(more).await;
    let counts = world.counts().await.unwrap();
    assert_eq!((counts.oldest_due, counts.due), (Some(START.after(HOUR)), 4));
    world.cancel(vec![other], "no more".into()).await.unwrap();
    for claimed in world.claim_all("w").await {
        if claimed.id != newest {
            world.end(&claimed, completed()).await;
        } else {
            world.end(&claimed, retry_after(HOUR)).await;
        }
    }
    let counts = world.counts().await.unwrap();
    assert_eq!((counts.oldest_due, counts.due), (None, 0));
}

/// Any bytes, also none; both parts.
pub async fn payload_is_read_back_unchanged(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let bytes: Bytes = (0..=255_u8).collect::<Vec<_>>().into();
    let parts = [
        (bytes.clone(), Bytes::new()),
        (Bytes::new(), bytes.clone()),
        (Bytes::new(), Bytes::new()),
        (bytes.clone(), bytes),
    ];
    let with = |(meta, payload): &(Bytes, Bytes)| Submission {
        meta: meta.clone(),
        payload: payload.clone(),
        ..submission(vec![task("work")])
    };
    let inserted = world.insert(parts.iter().map(with).collect()).await.unwrap();
    let claimed = world.claim_all("w").await;
    for ((one, (meta, payload)), claimed) in inserted.iter().zip(&parts).zip(&claimed) {
        let read = world.payload(one.submission).await.unwrap().unwrap();
        assert_eq!((&read.meta, &read.payload), (meta, payload));
        assert_eq!((&claimed.meta, &claimed.payload), (meta, payload));
    }
}

/// As large as GitHub sends them.
pub async fn large_payload_is_read_back_unchanged(factory: &dyn Factory) {
    const MIB: usize = 1024 * 1024;
    let world = World::new(factory).await;
    // A linear congruence: bytes that no compression makes small, equal in each run.
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let payload: Bytes = noise.take(25 * MIB).collect::<Vec<_>>().into();
    let small = submission(vec![task("work")]);
    let large = Submission { payload: payload.clone(), ..submission(vec![task("work")]) };
    let inserted = world.insert(vec![small.clone(), large, small]).await.unwrap();
    assert!(world.payload(inserted[1].submission).await.unwrap().unwrap().payload == payload);
    let claimed = world.claim_all("w").await;
    assert!(claimed[1].payload == payload);
    assert_eq!((&*claimed[0].payload, &*claimed[2].payload), (&b"payload"[..], &b"payload"[..]));
}

/// It answers whether an insert would succeed.
pub async fn probe_leaves_nothing_behind(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task("work")).await;
    world.probe().await.unwrap();
    assert_eq!(world.counts().await.unwrap().unfinished(), 1);
    assert_eq!(world.submissions(SubmissionFilter::default(), Page::first(9)).await.unwrap().items.len(), 1);
    world.claim_one("w", id).await;
}

/// Every verb says so, and a claim that is parked at that moment as well.
pub async fn closed_store_takes_nothing_more(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(1).await;
    let parked = crate::store::Claim { wait: HOUR, ..claim_by("w") };
    let (parked, closed) = super::world::soon(async { tokio::join!(world.claim(parked), world.close()) }).await;
    closed.unwrap();
    assert!(matches!(parked, Err(Error::Closed)));
    let lease = super::world::lease_of(&claimed);
    let (id, submission_id) = (claimed.id, claimed.submission);
    macro_rules! closed {
        ($($call:expr),* $(,)?) => {
            $(assert!(matches!($call.await, Err(Error::Closed)), "{}", stringify!($call));)*
        };
    }
    closed!(
        world.insert(vec![submission(Vec::new())]),
        world.append(submission_id, vec![task("work")]),
        world.claim(claim_by("w")),
        world.renew(vec![lease], HOUR),
        world.finish(vec![crate::task::Finish { lease, end: completed() }]),
        world.save_step(lease, "step".into(), Default::default()),
        world.steps(id),
        world.release(super::world::worker("w")),
        world.reclaim_expired(),
        world.cancel(vec![id], "no more".into()),
        world.requeue(vec![id]),
        world.purge(vec![id]),
        world.erase(vec![submission_id]),
        world.prune(keep(HOUR, 1)),
        world.store.task(id),
        world.tasks(TaskFilter::default(), Page::first(1)),
        world.submission(submission_id),
        world.submissions(SubmissionFilter::default(), Page::first(1)),
        world.payload(submission_id),
        world.counts(),
        world.probe(),
    );
}
