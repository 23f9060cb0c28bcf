//! Several tasks of a kind in one call of their handler.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::{Backoff, NewTask, Policy, State, Store, Submission, TaskContext, TaskError, TaskId};

use crate::world::{Live, World, idle, retries, submission};

/// What each call was made with.
type Calls = Arc<Mutex<Vec<Vec<u64>>>>;

fn numbered(number: u64) -> Submission {
    let task = NewTask { max_attempts: 2, ..NewTask::new("batched") };
    Submission { key: None, payload: number.to_string().into(), tasks: vec![task], ..submission("", &[]) }
}

async fn insert(world: &World, numbers: std::ops::Range<u64>) -> Vec<TaskId> {
    let inserted = world.store.insert(numbers.map(numbered).collect()).await.unwrap();
    inserted.iter().map(|one| one.tasks[0]).collect()
}

/// A handler of up to four; `answer` makes each result.
fn batched(policy: Policy, answer: fn(u64) -> Result<u64, TaskError>) -> (World, Calls) {
    let calls = Calls::default();
    let noted = Arc::clone(&calls);
    let world = World::new().options(|options| options.concurrency = 1).register(|registry| {
        let function = move |batch: Vec<(u64, TaskContext)>| {
            let numbers: Vec<u64> = batch.iter().map(|(number, _)| *number).collect();
            noted.lock().unwrap().push(numbers.clone());
            async move { numbers.into_iter().map(answer).collect() }
        };
        registry.batch("batched", policy, 4, function).unwrap();
    });
    (world, calls)
}

async fn result(live: &Live, task: TaskId) -> String {
    let result = live.detail(task).await.result.unwrap();
    String::from_utf8(result.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn queued_tasks_are_run_several_at_once_with_a_result_for_each() {
    let (world, calls) = batched(Policy::default(), |number| Ok(10 * number));
    let tasks = insert(&world, 0..10).await;
    let mut live = world.start().await;
    live.until_many(&tasks, State::Completed).await;
    assert_eq!(*calls.lock().unwrap(), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    for (number, task) in tasks.iter().enumerate() {
        assert_eq!(result(&live, *task).await, (10 * number).to_string());
    }
    let alone = live.client.enqueue("batched", &7_u64).await.unwrap();
    live.until(alone, State::Completed).await;
    assert_eq!(result(&live, alone).await, "70");
}

#[tokio::test(start_paused = true)]
async fn task_that_fails_in_a_batch_is_retried_without_the_others() {
    let policy = retries(1, Backoff::Fixed(Duration::ZERO));
    let answer = |number| if number == 2 { Err(TaskError::retry("not two")) } else { Ok(number) };
    let (world, calls) = batched(policy, answer);
    let tasks = insert(&world, 0..4).await;
    let mut live = world.start().await;
    live.until(tasks[2], State::Failed).await;
    assert_eq!(live.error(tasks[2]).await, "not two");
    assert_eq!(*calls.lock().unwrap(), [vec![0, 1, 2, 3], vec![2]]);
    for other in [0, 1, 3] {
        assert_eq!(live.state(tasks[other]).await, State::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn payload_that_does_not_fit_fails_alone() {
    let (world, calls) = batched(Policy::default(), Ok);
    let bad = Submission { payload: "\"text\"".into(), ..numbered(0) };
    let bad = world.store.insert(vec![bad]).await.unwrap()[0].tasks[0];
    let good = insert(&world, 1..3).await;
    let mut live = world.start().await;
    live.until_many(&[bad], State::Failed).await;
    assert!(live.error(bad).await.contains("does not fit the handler's type"));
    for task in good {
        assert_eq!(live.state(task).await, State::Completed);
    }
    assert_eq!(*calls.lock().unwrap(), [vec![1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn panic_or_a_wrong_number_of_results_fails_all_of_a_batch() {
    for (is_panic, state, text) in
        [(true, State::Retrying, "panicked: oh"), (false, State::Failed, "returned 1 results for 3 tasks")]
    {
        let world = World::new().register(|registry| {
            let function = move |batch: Vec<(u64, TaskContext)>| async move {
                assert!(!is_panic, "oh");
                batch.into_iter().take(1).map(|(number, _)| Ok(number)).collect::<Vec<Result<u64, TaskError>>>()
            };
            registry.batch("batched", Policy::default(), 3, function).unwrap();
        });
        let tasks = insert(&world, 0..3).await;
        let mut live = world.start().await;
        live.until_many(&tasks, state).await;
        for task in tasks {
            assert!(live.error(task).await.contains(text), "{}", live.error(task).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_of_a_batch_leaves_the_others_alone() {
    let world = World::new().options(|options| options.concurrency = 1).register(|registry| {
        let function = |batch: Vec<(u64, TaskContext)>| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            batch.into_iter().map(|(number, _)| Ok::<_, TaskError>(number)).collect()
        };
        registry.batch("batched", Policy::default(), 4, function).unwrap();
    });
    let tasks = insert(&world, 0..3).await;
    let mut live = world.start().await;
    live.until_many(&tasks, State::Running).await;
    live.client.cancel(&tasks[1..2], "no more").await.unwrap();
    idle(Duration::from_secs(120)).await;
    live.until_many(&[tasks[0], tasks[2]], State::Completed).await;
    assert_eq!(live.state(tasks[1]).await, State::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn batch_takes_one_slot_and_ends_with_its_timeout() {
    let policy = Policy { timeout: Duration::from_secs(5), ..Policy::default() };
    let world = World::new().options(|options| options.concurrency = 1).register(|registry| {
        let function = |_: Vec<(u64, TaskContext)>| std::future::pending::<Vec<Result<u64, TaskError>>>();
        registry.batch("batched", policy, 4, function).unwrap();
    });
    let tasks = insert(&world, 0..6).await;
    let mut live = world.start().await;
    live.until_many(&tasks[..4], State::Running).await;
    assert_eq!(live.state(tasks[4]).await, State::Queued);
    live.until_many(&tasks, State::Retrying).await;
    assert_eq!(live.error(tasks[0]).await, "timed out after 5s");
}
