//! Steps: what an attempt has done, later ones do not do again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::step::STEPS_MAX;
use becket_tasks::{Backoff, State, Store, TaskError};
use tokio::sync::{Notify, mpsc};

use crate::store::Mood;
use crate::world::{World, retries};

/// How often something was done.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Count {
    /// Does it; answers how often it was done by now.
    async fn up(self) -> Result<u64, TaskError> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn at_once(retried: u32) -> becket_tasks::Policy {
    retries(retried, Backoff::Fixed(Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_repeat_a_step() {
    let (comments, labels) = (Count::default(), Count::default());
    let (comment, label) = (comments.clone(), labels.clone());
    let world = World::new().task_with("triage", at_once(2), move |task| {
        let (comment, label) = (comment.clone(), label.clone());
        async move {
            let number = task.step("comment", || comment.up()).await?;
            if task.attempt() == 1 {
                return Err(TaskError::retry("after the first step"));
            }
            for name in ["bug", "urgent"] {
                task.step(format!("label {name}"), || label.clone().up()).await?;
            }
            if task.attempt() == 2 { Err(TaskError::retry("after the second")) } else { Ok(number) }
        }
    });
    let live = world.start().await;
    let task = live.enqueue("triage").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
    assert_eq!((comments.get(), labels.get()), (1, 2));
    assert_eq!(live.detail(task).await.attempts.len(), 3);
    let steps = live.store.steps(task).await.unwrap();
    let stored: Vec<_> = steps.iter().map(|step| (&*step.name, &step.body[..])).collect();
    assert_eq!(stored, [("comment", &b"1"[..]), ("label bug", b"1"), ("label urgent", b"2")]);
}

#[tokio::test(start_paused = true)]
async fn step_that_fails_stores_nothing_and_is_done_again() {
    let count = Count::default();
    let counted = count.clone();
    let world = World::new().task_with("fails", at_once(1), move |task| {
        let count = counted.clone();
        async move {
            let work = async || match count.up().await? {
                1 => Err(TaskError::retry("the first time it fails")),
                times => Ok(times),
            };
            task.step("work", work).await
        }
    });
    let live = world.start().await;
    let task = live.enqueue("fails").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 2);
    assert_eq!(live.detail(task).await.attempts[0].error.as_deref(), Some("the first time it fails"));
}

#[tokio::test(start_paused = true)]
async fn second_call_of_a_name_in_one_attempt_returns_the_stored_value() {
    let count = Count::default();
    let counted = count.clone();
    let world = World::new().task("twice", move |task| {
        let count = counted.clone();
        async move {
            let first = task.step("work", || count.clone().up()).await?;
            let second = task.clone().step("work", || count.up()).await?;
            Ok(10 * first + second)
        }
    });
    let live = world.start().await;
    let task = live.enqueue("twice").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 11);
    assert_eq!(count.get(), 1);
}

/// It would wait for itself.
#[tokio::test(start_paused = true)]
async fn step_inside_a_step_of_the_same_name_gives_up_and_one_that_was_dropped_can_be_done_anew() {
    let world = World::new()
        .task("nested", |task| async move { task.step("work", || task.step("work", async || Ok(1))).await })
        .task("dropped", |task| async move {
            let endless = task.step("work", std::future::pending::<Result<u64, TaskError>>);
            assert!(tokio::time::timeout(Duration::from_secs(1), endless).await.is_err());
            task.step("work", async || Ok(2)).await
        });
    let live = world.start().await;
    let nested = live.enqueue("nested").await;
    assert_eq!(live.client.wait(nested).await.unwrap().task.state(), State::Failed);
    assert!(live.error(nested).await.contains("step `work` is under way already"));
    let dropped = live.enqueue("dropped").await;
    assert_eq!(live.client.result::<u64>(dropped).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn stored_value_that_does_not_fit_gives_up_without_quoting_it() {
    let world = World::new().task_with("changed", at_once(5), |task| async move {
        if task.attempt() == 1 {
            task.step("pay", async || Ok("s3cret".to_owned())).await?;
            return Err(TaskError::retry("and then the program was changed"));
        }
        task.step("pay", async || Ok(7_u64)).await
    });
    let live = world.start().await;
    let task = live.enqueue("changed").await;
    let detail = live.client.wait(task).await.unwrap();
    assert_eq!((detail.task.state(), detail.attempts.len()), (State::Failed, 2));
    let error = live.error(task).await;
    assert!(error.contains("`pay`") && error.contains("does not fit") && !error.contains("s3cret"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn attempt_that_lost_its_lease_saves_no_step() {
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let (tell, mut told) = mpsc::unbounded_channel();
    let world = World::new().task("late", move |task| {
        let (wait, tell) = (Arc::clone(&wait), tell.clone());
        async move {
            wait.notified().await;
            let step = task.step("work", async || Ok(1)).await;
            tell.send(step.as_ref().map_err(ToString::to_string).copied()).unwrap();
            step
        }
    });
    let mut live = world.start().await;
    // So the attempt does not hear of it by itself.
    live.store.renew.is(Mood::Hangs);
    let task = live.enqueue("late").await;
    live.until(task, State::Running).await;
    live.client.cancel(&[task], "no more").await.unwrap();
    go_on.notify_one();
    let error = told.recv().await.unwrap().unwrap_err();
    assert!(error.contains("no longer holds the task"), "{error}");
    assert!(live.store.steps(task).await.unwrap().is_empty());
    assert_eq!(live.state(task).await, State::Cancelled);
}

/// The first answer is lost on its way: the step is stored, and must neither be done again nor be an error.
#[tokio::test(start_paused = true)]
async fn step_outlives_an_outage_and_an_answer_that_was_lost() {
    let count = Count::default();
    let counted = count.clone();
    let world = World::new().task("works", move |task| {
        let count = counted.clone();
        async move { task.step("work", || count.up()).await }
    });
    let live = world.start().await;
    live.store.save_step.is(Mood::Down);
    let task = live.enqueue("works").await;
    live.store.save_step.called(3).await;
    live.store.save_step.is(Mood::Fine);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
    assert_eq!((count.get(), live.detail(task).await.attempts.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn steps_are_read_once_an_attempt_and_not_at_all_in_the_first() {
    let policy = retries(1, Backoff::Fixed(Duration::from_secs(1)));
    let world = World::new().task_with("works", policy, |task| async move {
        for name in ["a", "b", "c"] {
            task.step(name, async || Ok(1)).await?;
        }
        if task.attempt() == 1 { Err(TaskError::retry("again")) } else { Ok(1) }
    });
    let mut live = world.start().await;
    let task = live.enqueue("works").await;
    live.until(task, State::Retrying).await;
    assert_eq!(live.store.steps.calls(), 0);
    live.clock.advance(Duration::from_secs(1));
    live.store.wake();
    live.until(task, State::Completed).await;
    assert_eq!(live.store.steps.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn steps_beyond_a_limit_give_up() {
    let world = World::new()
        .task("long", |task| async move {
            task.step("work", async || Ok("x".repeat(99))).await?;
            Ok(1)
        })
        .task("many", |task| async move {
            for number in 0..=STEPS_MAX as u64 {
                task.step(format!("step {number}"), async || Ok(number)).await?;
            }
            Ok(1)
        })
        .options(|options| options.result_bytes_max = 100);
    let live = world.start().await;
    for (kind, error) in [
        ("long", "what step `work` returns has 101 bytes, and at most 100 are kept"),
        ("many", "step `step 1000` is one too many; a task may have 1000"),
    ] {
        let task = live.enqueue(kind).await;
        assert_eq!(live.client.wait(task).await.unwrap().task.state(), State::Failed);
        assert_eq!(live.error(task).await, error);
    }
}

#[tokio::test(start_paused = true)]
async fn requeued_dead_letter_goes_on_where_it_failed_and_a_completed_task_does_everything_again() {
    let count = Count::default();
    let counted = count.clone();
    let is_broken = Arc::new(Mutex::new(true));
    let broken = Arc::clone(&is_broken);
    let world = World::new().task("mended", move |task| {
        let (count, is_broken) = (counted.clone(), *broken.lock().unwrap());
        async move {
            let times = task.step("work", || count.up()).await?;
            if is_broken { Err(TaskError::retry("broken")) } else { Ok(times) }
        }
    });
    let live = world.start().await;
    let task = live.enqueue("mended").await;
    assert_eq!(live.client.wait(task).await.unwrap().task.state(), State::Failed);
    *is_broken.lock().unwrap() = false;
    for (times, why) in [(1, "it had failed"), (2, "it had completed")] {
        assert_eq!(live.client.requeue(&[task]).await.unwrap(), [task]);
        assert_eq!(live.client.result::<u64>(task).await.unwrap(), times, "{why}");
    }
}

/// A process does a step and is killed; the one after it goes on from there.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn crash_does_not_repeat_a_step() {
    use becket_tasks::store::conformance::{Factory, Reopen};
    use becket_tasks::{Client, Clock, Engine, EngineOptions, Policy, Registry, TaskContext};

    use crate::sqlite::SqliteFactory;
    use crate::world::SOON;

    let (done, count) = (Arc::new(Notify::new()), Count::default());
    let start = async |store: Arc<dyn Store>| {
        let (done, count) = (Arc::clone(&done), count.clone());
        let mut registry = Registry::new();
        let handler = move |(): (), task: TaskContext| {
            let (done, count) = (Arc::clone(&done), count.clone());
            async move {
                let times = task.step("work", || count.up()).await?;
                if task.attempt() == 1 {
                    done.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok::<_, TaskError>(times)
            }
        };
        registry.task("works", Policy::default(), handler).unwrap();
        Engine::start(store, registry, EngineOptions::default()).await.unwrap()
    };
    let factory = SqliteFactory::new();
    let store = factory.open(Clock::system()).await;
    let first = start(Arc::clone(&store)).await;
    let task = first.client().enqueue("works", &()).await.unwrap();
    tokio::time::timeout(SOON, done.notified()).await.unwrap();
    let left = factory.crash(store, Clock::system()).await;
    let second = start(left).await;
    let client: &Client = second.client();
    assert_eq!(client.result::<u64>(task).await.unwrap(), 1);
    assert_eq!((count.get(), client.get(task).await.unwrap().unwrap().attempts.len()), (1, 2));
}
