//! Each verb of a store: what is done on arrival, how it is entered in the ledger, and its line in the trace.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::Mark;
use becket_tasks::measure::CommitMeasures;
use becket_tasks::order::Scope;
use becket_tasks::query::{
    Counts, Family, Listed, Page, Payload, Pruned, Retention, SubmissionFilter, SubmissionInfo, TaskFilter,
};
use becket_tasks::schedule::ScheduleState;
use becket_tasks::store::{Claim, Description};
use becket_tasks::submission::Inserted;
use becket_tasks::task::{Finish, Finished, Lease};
use becket_tasks::{
    Claimed, Clock, Events, NewTask, Result, Saved, Step, Store, Submission, SubmissionId, Task, TaskDetail, TaskId,
    Timestamp, WorkerId,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::Faulty;

impl Store for Faulty {
    fn insert(&self, submissions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Inserted>>> {
        self.call("insert", move |way| {
            let new = submissions.clone();
            let inserted = way.commit(
                |store| Box::pin(async move { store.insert(new).await }),
                |ledger, answers, at| ledger.accepted(&submissions, answers, at),
            )?;
            way.moved();
            for (new, one) in submissions.iter().zip(&inserted) {
                let word = if one.duplicate { "known" } else { "accepted" };
                let (key, of, tasks) = (&new.key, one.submission, &one.tasks);
                way.world.note(format_args!("{} {key:?} is {word} as {of} {tasks:?}", new.source));
                for task in &one.started {
                    way.world.note(format_args!("{} begins at once", task.id));
                }
            }
            Ok(inserted)
        })
    }

    fn append(&self, submission: SubmissionId, tasks: Vec<NewTask>) -> BoxFuture<'_, Result<Option<Inserted>>> {
        self.call("append", move |way| {
            let new = tasks.clone();
            let inserted = way.commit(
                |store| Box::pin(async move { store.append(submission, new).await }),
                |ledger, answer, at| ledger.appended(&tasks, answer.as_ref(), at),
            )?;
            way.moved();
            way.world.note(format_args!("{submission} gets {:?}", inserted.as_ref().map(|one| &one.tasks)));
            Ok(inserted)
        })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        self.travel("claim", move |way| Box::pin(way.claim_or_wait(claim)))
    }

    fn renew(&self, leases: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<bool>>> {
        self.call("renew", move |way| {
            let renewed = leases.clone();
            way.commit(
                |store| Box::pin(async move { store.renew(renewed, lease).await }),
                |ledger, answers, at| ledger.renewed(&leases, answers, at.elapsed.after(lease)),
            )
        })
    }

    fn finish(&self, finishes: Vec<Finish>) -> BoxFuture<'_, Result<Vec<Finished>>> {
        self.call("finish", move |way| way.finish_now(&finishes))
    }

    fn save_step(&self, lease: Lease, name: Arc<str>, body: Bytes) -> BoxFuture<'_, Result<Saved>> {
        self.call("save_step", move |way| {
            let (step, result) = (Arc::clone(&name), body.clone());
            let saved = way.commit(
                |store| Box::pin(async move { store.save_step(lease, step, result).await }),
                |ledger, answer, _| ledger.saved(lease, (&name, &body), *answer),
            )?;
            way.world.note(format_args!("step `{name}` of {lease:?}: {saved:?}"));
            Ok(saved)
        })
    }

    fn release(&self, worker: WorkerId) -> BoxFuture<'_, Result<u64>> {
        self.call("release", move |way| {
            let name = worker.clone();
            let released = way.commit(
                |store| Box::pin(async move { store.release(name).await }),
                |ledger, answer, at| ledger.released(&worker, *answer, at),
            )?;
            way.moved();
            way.world.note(format_args!("{worker} gives {released} back"));
            Ok(released)
        })
    }

    fn reclaim_expired(&self) -> BoxFuture<'_, Result<u64>> {
        self.call("reclaim", |way| {
            let reclaimed = way.commit(
                |store| Box::pin(async move { store.reclaim_expired().await }),
                |ledger, answer, at| ledger.reclaimed(*answer, at),
            )?;
            if reclaimed > 0 {
                way.moved();
                way.world.note(format_args!("{reclaimed} leases are over"));
            }
            Ok(reclaimed)
        })
    }

    fn cancel(&self, tasks: Vec<TaskId>, reason: Arc<str>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.call("cancel", move |way| {
            let named = tasks.clone();
            let cancelled = way.commit(
                |store| Box::pin(async move { store.cancel(named, reason).await }),
                |ledger, answer, at| ledger.cancelled(&tasks, answer, at),
            )?;
            way.moved();
            way.world.note(format_args!("cancelled: {cancelled:?}"));
            Ok(cancelled)
        })
    }

    fn requeue(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.call("requeue", move |way| {
            let named = tasks.clone();
            let requeued = way.commit(
                |store| Box::pin(async move { store.requeue(named).await }),
                |ledger, answer, at| ledger.requeued(&tasks, answer, at),
            )?;
            way.moved();
            way.world.note(format_args!("requeued: {requeued:?}"));
            Ok(requeued)
        })
    }

    fn set_paused(&self, scope: Scope, is_paused: bool) -> BoxFuture<'_, Result<()>> {
        self.call("set_paused", move |way| {
            let named = scope.clone();
            way.world.note(format_args!("{scope} paused: {is_paused}"));
            way.commit(
                |store| Box::pin(async move { store.set_paused(named, is_paused).await }),
                |ledger, (), _| {
                    ledger.paused(scope, is_paused);
                    Ok(())
                },
            )?;
            way.moved();
            Ok(())
        })
    }

    fn purge(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.look(|store| Box::pin(async move { store.purge(tasks).await }))
    }

    fn erase(&self, submissions: Vec<SubmissionId>) -> BoxFuture<'_, Result<Vec<SubmissionId>>> {
        self.look(|store| Box::pin(async move { store.erase(submissions).await }))
    }

    fn prune(&self, retention: Retention) -> BoxFuture<'_, Result<Pruned>> {
        self.look(move |store| Box::pin(async move { store.prune(retention).await }))
    }

    fn task(&self, task: TaskId) -> BoxFuture<'_, Result<Option<TaskDetail>>> {
        self.look(move |store| Box::pin(async move { store.task(task).await }))
    }

    fn steps(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<Step>>> {
        self.look(move |store| Box::pin(async move { store.steps(task).await }))
    }

    fn tasks(&self, filter: TaskFilter, page: Page) -> BoxFuture<'_, Result<Listed<Task>>> {
        self.look(move |store| Box::pin(async move { store.tasks(filter, page).await }))
    }

    fn submission(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<SubmissionInfo>>> {
        self.look(move |store| Box::pin(async move { store.submission(submission).await }))
    }

    fn submissions(&self, filter: SubmissionFilter, page: Page) -> BoxFuture<'_, Result<Listed<SubmissionInfo>>> {
        self.look(move |store| Box::pin(async move { store.submissions(filter, page).await }))
    }

    fn family(&self, task: TaskId) -> BoxFuture<'_, Result<Option<Family>>> {
        self.look(move |store| Box::pin(async move { store.family(task).await }))
    }

    fn paused(&self) -> BoxFuture<'_, Result<Vec<Scope>>> {
        self.look(|store| Box::pin(async move { store.paused().await }))
    }

    fn schedule_states(&self) -> BoxFuture<'_, Result<Vec<ScheduleState>>> {
        self.look(|store| Box::pin(async move { store.schedule_states().await }))
    }

    fn advance_schedule(
        &self,
        name: Arc<str>,
        settled_until: Timestamp,
        fired: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<()>> {
        self.look(move |store| Box::pin(async move { store.advance_schedule(name, settled_until, fired).await }))
    }

    fn mark(&self, marks: Vec<Mark>) -> BoxFuture<'_, Result<()>> {
        self.look(move |store| Box::pin(async move { store.mark(marks).await }))
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>>> {
        self.look(|store| Box::pin(async move { store.marks().await }))
    }

    fn pause_schedule(&self, name: Arc<str>, paused: bool) -> BoxFuture<'_, Result<()>> {
        self.look(move |store| Box::pin(async move { store.pause_schedule(name, paused).await }))
    }

    fn payload(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<Payload>>> {
        self.look(move |store| Box::pin(async move { store.payload(submission).await }))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        self.look(|store| Box::pin(async move { store.counts().await }))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        self.look(|store| Box::pin(async move { store.probe().await }))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn events(&self) -> &Events {
        self.disk.first.events()
    }

    fn clock(&self) -> &Clock {
        &self.world.clock
    }

    fn description(&self) -> Description {
        self.disk.first.description()
    }

    fn measures(&self) -> &CommitMeasures {
        self.disk.first.measures()
    }
}
