//! Progress: what handlers say of their work, told to whoever watches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::progress::INTERVAL;
use becket_tasks::{Notice, Progress, State, Store, Subscription, TaskContext, TaskId};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::world::{SOON, World};

/// The reports until a task has completed.
async fn reports(changes: &mut Subscription, task: TaskId) -> Vec<Arc<Progress>> {
    let mut reports = Vec::new();
    loop {
        match tokio::time::timeout(SOON, changes.next()).await.unwrap().unwrap() {
            Notice::Progress(progress) => reports.push(progress),
            Notice::Transition(change) if change.task == task && change.to == State::Completed => return reports,
            Notice::Transition(_) => {}
            Notice::Missed(missed) => panic!("missed {missed}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn million_reports_in_one_handler_are_few_announcements_and_the_last_one_is_among_them() {
    const CALLS: u64 = 1_000_000;
    let world = World::new().task("counts", |task| async move {
        for done in 1..=CALLS {
            task.progress(done, CALLS, "counting");
            if done == CALLS / 2 {
                tokio::time::sleep(2 * INTERVAL).await;
            }
        }
        Ok(CALLS)
    });
    let live = world.start().await;
    let mut changes = live.store.events().subscribe();
    let task = live.enqueue("counts").await;
    let reports = reports(&mut changes, task).await;
    let done: Vec<_> = reports.iter().map(|progress| progress.done).collect();
    // The first; what waited when the handler paused; the first after the pause; the last.
    assert_eq!(done, [1, CALLS / 2, CALLS / 2 + 1, CALLS]);
    let last = reports.last().unwrap();
    assert_eq!((last.task, &*last.kind, last.attempt, last.total), (task, "counts", 1, CALLS));
    assert_eq!((&*last.message, last.at), ("counting", live.clock.now()));
}

#[tokio::test(start_paused = true)]
async fn report_that_no_other_one_follows_goes_out_in_time() {
    let (reported, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&reported), Arc::clone(&go_on));
    let world = World::new().task("waits", move |task| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            task.progress(1, 0, "the first goes out at once");
            task.progress(2, 0, "the second has to wait");
            tell.notify_one();
            wait.notified().await;
            Ok(1)
        }
    });
    let live = world.start().await;
    let mut changes = live.store.events().subscribe();
    let task = live.enqueue("waits").await;
    reported.notified().await;
    let began = Instant::now();
    let latest = || live.store.events().progress(task).map(|progress| progress.done);
    assert_eq!(latest(), Some(1));
    while latest() != Some(2) {
        assert!(matches!(changes.next().await, Some(Notice::Transition(_) | Notice::Progress(_))));
    }
    assert_eq!(began.elapsed(), INTERVAL);
    go_on.notify_one();
    assert!(reports(&mut changes, task).await.is_empty(), "nothing is said twice");
}

#[tokio::test(start_paused = true)]
async fn progress_is_forgotten_with_its_attempt_and_handles_that_are_kept_say_nothing_more() {
    let kept: Arc<Mutex<Option<TaskContext>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let world = World::new().task("ends", move |task| {
        *keep.lock().unwrap() = Some(task.clone());
        async move {
            task.progress(1, 2, "x".repeat(1_000));
            Ok(1)
        }
    });
    let live = world.start().await;
    let mut changes = live.store.events().subscribe();
    let task = live.enqueue("ends").await;
    let reports = reports(&mut changes, task).await;
    assert_eq!(reports.len(), 1);
    assert!(reports[0].message.len() <= becket_tasks::progress::MESSAGE_BYTES_MAX);
    assert_eq!(live.store.events().progress(task), None);
    let handle = kept.lock().unwrap().take().unwrap();
    handle.progress(2, 2, "too late");
    assert_eq!(live.store.events().progress(task), None);
    assert!(tokio::time::timeout(Duration::from_secs(1), changes.next()).await.is_err());
}
