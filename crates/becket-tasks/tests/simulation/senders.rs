//! Those who send work: redeliveries from several at once, lanes, tenants, families, replays, and tasks that begin in
//! the process that accepts them.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::order::{Debounce, Lane, Latest, OnRetry};
use becket_tasks::submission::{Due, NewTask, Parent, Start, Submission};
use becket_tasks::{Store, SubmissionId, TaskId};

use crate::scenario::KINDS;
use crate::worker::Process;

/// How many submissions one sender makes.
const SUBMISSIONS: usize = 6;

/// Sends its share, each until it is acknowledged, and ends. What begins here is run here.
pub(crate) async fn send(process: Process) {
    for _ in 0..SUBMISSIONS {
        process.world.pause(4_000).await;
        let replayed: Vec<SubmissionId> = process.world.look(|ledger| ledger.submissions.keys().copied().collect());
        if !replayed.is_empty() && process.world.chance(10) {
            let submission = process.world.pick(&replayed);
            let tasks = tasks(&process, &[]);
            let _ = process.way.append(submission, tasks).await;
            continue;
        }
        let new: Vec<Submission> = (0..1 + process.world.below(2)).fold(Vec::new(), |mut before, _| {
            before.push(submission(&process, &before));
            before
        });
        // A second sender of the same, which nobody waits for.
        if process.world.trouble(20) {
            let (process, new) = (process.clone(), new.clone());
            tokio::spawn(async move { process.way.insert(new).await });
        }
        let inserted = loop {
            match process.way.insert(new.clone()).await {
                Ok(inserted) => break inserted,
                // Without a key nobody could tell a second acceptance from the first; with one nothing comes of it.
                Err(_) => process.world.pause(1_000).await,
            }
        };
        for task in inserted.into_iter().flat_map(|one| one.started) {
            tokio::spawn(process.clone().run(task));
        }
    }
}

fn submission(process: &Process, before: &[Submission]) -> Submission {
    let world = &process.world;
    let key = if world.chance(80) { Some(format!("{}", world.below(20)).into()) } else { None };
    Submission {
        source: world.pick(&["github", "gitlab"]).into(),
        event: "push".into(),
        action: None,
        // Parents of the same call are named by their place, so what is named must not turn out a duplicate.
        key: if before.is_empty() { key } else { None },
        meta: bytes::Bytes::new(),
        payload: "null".into(),
        tasks: tasks(process, before),
    }
}

fn tasks(process: &Process, before: &[Submission]) -> Vec<NewTask> {
    let world = &process.world;
    let mut tasks: Vec<NewTask> = Vec::new();
    for number in 0..1 + world.below(3) {
        let mut task = task(process);
        if number > 0 && !before.is_empty() && world.chance(40) {
            task.after.push(Parent::Submitted { submission: before.len(), task: world.below(number) });
        }
        tasks.push(task);
    }
    tasks
}

fn task(process: &Process) -> NewTask {
    let world = &process.world;
    let known: Vec<TaskId> = world.look(|ledger| ledger.tasks.keys().rev().take(6).copied().collect());
    let after = if !known.is_empty() && world.chance(20) { vec![Parent::Task(world.pick(&known))] } else { Vec::new() };
    let start = Start { worker: process.id.clone(), lease: process.lease };
    NewTask {
        priority: if world.chance(20) { 1 } else { 0 },
        max_attempts: 1 + world.below(4) as u32,
        due: match world.below(10) {
            0 => Due::After(world.millis(10_000)),
            1 => Due::At(world.clock.now().after(world.millis(5_000))),
            _ => Due::Now,
        },
        start: world.chance(15).then_some(start),
        lane: if world.chance(50) { Some(lane(process)) } else { None },
        tenant: world.pick(&[None, Some("a"), Some("b")]).map(Into::into),
        limit_key: world.pick(&[None, Some("x"), Some("y")]).map(Into::into),
        after,
        survives_parents: world.chance(50),
        ..NewTask::new(world.pick(KINDS))
    }
}

fn lane(process: &Process) -> Lane {
    let world = &process.world;
    let quiet = Duration::from_secs(2);
    Lane {
        on_retry: world.pick(&[OnRetry::Hold, OnRetry::Hold, OnRetry::Pass]),
        latest: world.pick(&[None, None, None, None, Some(Latest::Waiting), Some(Latest::Running)]),
        debounce: world.chance(8).then_some(Debounce { quiet, max: 3 * quiet }),
        ..Lane::new(Arc::from(world.pick(&["l", "m", "n"])))
    }
}
