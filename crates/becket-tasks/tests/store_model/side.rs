//! One of the two stores: takes steps, and tells what it sees in words that hold no id of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::Mark;
use becket_tasks::query::{Page, SubmissionFilter, SubmissionInfo, TaskFilter};
use becket_tasks::state::CRASHES_MIN;
use becket_tasks::store::Claim;
use becket_tasks::store::conformance::Reopen;
use becket_tasks::submission::{Inserted, NewTask, Parent, Submission};
use becket_tasks::task::{Claimed, Finish, Lease, Outcome, Task, TaskDetail};
use becket_tasks::{Clock, Error, Notice, State, Store, SubmissionId, Subscription, TaskId, Timestamp};
use futures_util::FutureExt;
use proptest::prelude::*;

use crate::life::{BIRTH, Step};

/// A store, and what it gave out so far, in order.
pub(crate) struct Side {
    factory: Box<dyn Reopen>,
    store: Arc<dyn Store>,
    clock: Clock,
    listener: Subscription,
    submissions: Vec<SubmissionId>,
    tasks: Vec<TaskId>,
    leases: Vec<Lease>,
    has_lanes: bool,
}

impl Side {
    pub(crate) async fn new(factory: Box<dyn Reopen>) -> Self {
        let clock = Clock::manual(BIRTH);
        let store = factory.open(clock.clone()).await;
        let listener = store.events().subscribe();
        Self {
            factory,
            store,
            clock,
            listener,
            submissions: Vec::new(),
            tasks: Vec::new(),
            leases: Vec::new(),
            has_lanes: false,
        }
    }

    /// Takes a step; answers what the store answered.
    pub(crate) async fn take(&mut self, step: &Step) -> String {
        match step {
            Step::Insert(new) => {
                self.has_lanes |= new.iter().flat_map(|one| &one.tasks).any(|task| task.lane.is_some());
                let new = new.iter().enumerate().map(|(place, one)| self.told(place, one)).collect();
                match self.store.insert(new).await {
                    Ok(inserted) => inserted.iter().map(|one| self.learn(one)).collect(),
                    Err(Error::Invalid(_)) => "invalid".to_owned(),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Append(number, tasks) => {
                self.has_lanes |= tasks.iter().any(|task| task.lane.is_some());
                let tasks = tasks.iter().map(|task| NewTask { after: self.parents(0, task), ..task.clone() }).collect();
                match self.store.append(self.submission(*number), tasks).await {
                    Ok(appended) => appended.map_or_else(|| "none".to_owned(), |one| self.learn(&one)),
                    Err(Error::Invalid(_)) => "invalid".to_owned(),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Claim { worker, kinds, limit, lease, rules } => {
                let claim = Claim {
                    worker: worker.clone(),
                    kinds: kinds.iter().map(|kind| Arc::from(*kind)).collect(),
                    limit: *limit,
                    lease: *lease,
                    wait: Duration::ZERO,
                    rules: Arc::clone(rules),
                };
                let claimed = self.store.claim(claim).await.unwrap();
                claimed.iter().map(|one| self.learn_claimed(one)).collect()
            }
            Step::Finish(ends) => {
                let finish = |(number, end): &(usize, _)| Finish { lease: self.lease(*number), end: Clone::clone(end) };
                format!("{:?}", self.store.finish(ends.iter().map(finish).collect()).await.unwrap())
            }
            Step::Renew(leases, lease) => {
                let leases = leases.iter().map(|number| self.lease(*number)).collect();
                format!("{:?}", self.store.renew(leases, *lease).await.unwrap())
            }
            Step::Save(number, name, body) => {
                let saved = self.store.save_step(self.lease(*number), (*name).into(), (*body).into()).await;
                format!("{:?}", saved.unwrap())
            }
            Step::Jump(secs) => {
                self.clock.set(Timestamp::from_millis(self.clock.now().as_millis() + secs * 1_000));
                String::new()
            }
            Step::Pass(duration) => {
                self.clock.advance(*duration);
                String::new()
            }
            Step::Crash => {
                self.store = self.factory.crash(Arc::clone(&self.store), self.clock.clone()).await;
                // What the crash did itself is not announced.
                self.listener = self.store.events().subscribe();
                String::new()
            }
            Step::Look => String::new(),
            _ => self.intervene(step).await,
        }
    }

    async fn intervene(&self, step: &Step) -> String {
        let tasks = |numbers: &[usize]| numbers.iter().map(|number| self.task(*number)).collect::<Vec<_>>();
        let names = |tasks: Vec<TaskId>| format!("{:?}", tasks.into_iter().map(|id| self.name(id)).collect::<Vec<_>>());
        match step {
            Step::Release(worker) => format!("{}", self.store.release(worker.clone()).await.unwrap()),
            Step::ReclaimExpired => format!("{}", self.store.reclaim_expired().await.unwrap()),
            Step::Cancel(numbers) => names(self.store.cancel(tasks(numbers), "no more".into()).await.unwrap()),
            Step::Requeue(numbers) => names(self.store.requeue(tasks(numbers)).await.unwrap()),
            Step::Purge(numbers) => names(self.store.purge(tasks(numbers)).await.unwrap()),
            Step::Erase(numbers) => {
                let ids = numbers.iter().map(|number| self.submission(*number)).collect();
                let erased = self.store.erase(ids).await.unwrap();
                format!("{:?}", erased.into_iter().map(|id| self.name_submission(id)).collect::<Vec<_>>())
            }
            Step::Prune(retention) => self.prune(*retention).await,
            Step::Probe => format!("{:?}", self.store.probe().await),
            Step::SetPaused(scope, is_paused) => {
                self.store.set_paused(scope.clone(), *is_paused).await.unwrap();
                format!("{:?}", self.store.paused().await.unwrap())
            }
            Step::AdvanceSchedule(name, secs, fired) => {
                let tick = BIRTH.after(Duration::from_secs(*secs));
                format!("{:?}", self.store.advance_schedule((*name).into(), tick, fired.then_some(tick)).await)
            }
            Step::PauseSchedule(name, paused) => {
                format!("{:?}", self.store.pause_schedule((*name).into(), *paused).await)
            }
            Step::Mark(name, count, secs) => {
                let at = BIRTH.after(Duration::from_secs(*secs));
                let mark = Mark { last: (*count > 0).then_some(at), count: *count, ..Mark::new((*name).into(), at) };
                format!("{:?}", self.store.mark(vec![mark]).await)
            }
            other => unreachable!("{other:?} is taken elsewhere"),
        }
    }

    /// A submission whose tasks' parents are named as this side knows them.
    fn told(&self, place: usize, new: &Submission) -> Submission {
        let tasks = new.tasks.iter().map(|task| NewTask { after: self.parents(place, task), ..task.clone() });
        Submission { tasks: tasks.collect(), ..new.clone() }
    }

    /// Some are known by their ids; others are of the same call, and may not make sense.
    fn parents(&self, place: usize, task: &NewTask) -> Vec<Parent> {
        let parent = |parent: &Parent| match *parent {
            Parent::Submitted { task: number, .. } if place > 0 && number % 3 == 0 => {
                Parent::Submitted { submission: number % place, task: number / 3 % 2 }
            }
            Parent::Submitted { task: number, .. } => Parent::Task(self.task(number - number % 11)),
            known @ Parent::Task(_) => known,
        };
        task.after.iter().map(parent).collect()
    }

    /// How many results go is left out: it depends on whether a task goes before its result or after.
    async fn prune(&self, retention: becket_tasks::query::Retention) -> String {
        let (mut tasks, mut submissions) = (0, 0);
        loop {
            let pruned = self.store.prune(retention).await.unwrap();
            tasks += pruned.tasks;
            submissions += pruned.submissions;
            if !pruned.more {
                return format!("{tasks} tasks and {submissions} submissions went");
            }
        }
    }

    fn learn(&mut self, inserted: &Inserted) -> String {
        if !self.submissions.contains(&inserted.submission) {
            self.submissions.push(inserted.submission);
        }
        for task in &inserted.tasks {
            if !self.tasks.contains(task) {
                self.tasks.push(*task);
            }
        }
        let started: String = inserted.started.iter().map(|one| self.learn_claimed(one)).collect();
        let tasks: Vec<TaskId> = inserted.tasks.iter().map(|id| self.name(*id)).collect();
        let submission = self.name_submission(inserted.submission);
        let reused: Vec<TaskId> = inserted.reused.iter().map(|id| self.name(*id)).collect();
        format!("{submission} {tasks:?} duplicate: {} reused: {reused:?} started: [{started}] ", inserted.duplicate)
    }

    fn learn_claimed(&mut self, claimed: &Claimed) -> String {
        self.leases.push(Lease { task: claimed.id, attempt: claimed.attempt });
        let (id, submission) = (self.name(claimed.id), self.name_submission(claimed.submission));
        let attempts = (claimed.attempt, claimed.attempts_counted, claimed.max_attempts);
        let times = (claimed.created_at, claimed.run_at, claimed.started_at);
        let labels = (&claimed.source, &claimed.event, &claimed.action, &claimed.key);
        let (meta, payload) = (&claimed.meta, &claimed.payload);
        format!("{id} {submission} {} {attempts:?} {times:?} {labels:?} {meta:?} {payload:?} ", claimed.kind)
    }

    /// What is looked at after every step.
    pub(crate) async fn overview(&self) -> Vec<String> {
        let counts = self.store.counts().await.unwrap();
        // How long what its lane holds back is waiting is no matter of the contract.
        let oldest_due = counts.oldest_due.filter(|_| !self.has_lanes);
        let mut seen = vec![format!("{:?} {oldest_due:?}", counts.by_state)];
        seen.extend(self.list_tasks(TaskFilter::default(), 1_000).await);
        seen.extend(self.list_submissions(SubmissionFilter::default(), 1_000).await);
        seen.push(format!("{:?}", self.store.schedule_states().await.unwrap()));
        seen.push(format!("{:?}", self.store.marks().await.unwrap()));
        seen
    }

    /// Everything that can be asked.
    pub(crate) async fn everything(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for id in &self.tasks {
            seen.push(format!("{:?}", self.store.task(*id).await.unwrap().map(|detail| self.anonymous(detail))));
            let names = |ids: Vec<TaskId>| ids.into_iter().map(|id| self.name(id)).collect::<Vec<_>>();
            let family = self.store.family(*id).await.unwrap();
            seen.push(format!("{:?}", family.map(|family| (names(family.parents), names(family.children)))));
            let steps = self.store.steps(*id).await.unwrap().into_iter().map(|step| (step.name, step.at, step.body));
            seen.push(format!("{:?}", steps.collect::<Vec<_>>()));
        }
        for id in &self.submissions {
            let info = self.store.submission(*id).await.unwrap().map(|info| self.anonymous_submission(info));
            let payload = self.store.payload(*id).await.unwrap().map(|payload| (payload.meta, payload.payload));
            seen.push(format!("{info:?} {payload:?}"));
        }
        for filter in task_filters() {
            seen.push(format!("{filter:?}"));
            seen.extend(self.list_tasks(filter, 3).await);
        }
        for filter in submission_filters() {
            seen.push(format!("{filter:?}"));
            seen.extend(self.list_submissions(filter, 3).await);
        }
        seen
    }

    async fn list_tasks(&self, filter: TaskFilter, limit: usize) -> Vec<String> {
        let (mut seen, mut page) = (Vec::new(), Page::first(limit));
        loop {
            let listed = self.store.tasks(filter.clone(), page).await.unwrap();
            seen.extend(listed.items.into_iter().map(|task| format!("{:?}", self.anonymous_task(task))));
            seen.push(format!("more: {}", listed.next.is_some()));
            let Some(after) = listed.next else { return seen };
            page.after = Some(after);
        }
    }

    async fn list_submissions(&self, filter: SubmissionFilter, limit: usize) -> Vec<String> {
        let (mut seen, mut page) = (Vec::new(), Page::first(limit));
        loop {
            let listed = self.store.submissions(filter.clone(), page).await.unwrap();
            seen.extend(listed.items.into_iter().map(|info| format!("{:?}", self.anonymous_submission(info))));
            seen.push(format!("more: {}", listed.next.is_some()));
            let Some(after) = listed.next else { return seen };
            page.after = Some(after);
        }
    }

    /// The announcements so far, task by task: one verb may announce its tasks in any order. Waits for `count` of them,
    /// or takes what is there.
    pub(crate) async fn heard(&mut self, count: Option<usize>) -> Vec<String> {
        let mut heard: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
        let mut number = 0;
        while count.is_none_or(|count| number < count) {
            let next = match count {
                Some(_) => tokio::time::timeout(Duration::from_secs(20), self.listener.next()).await.ok().flatten(),
                None => self.listener.next().now_or_never().flatten(),
            };
            let Some(Notice::Transition(one)) = next else { break };
            let task = self.name(one.task);
            let submission = self.name_submission(one.submission);
            let said = (one.from, one.to, one.attempt, one.at, &one.error);
            heard.entry(task).or_default().push(format!("{task} {submission} {} {said:?}", one.kind));
            number += 1;
        }
        heard.into_values().flatten().collect()
    }

    /// What holds in every store at any time.
    pub(crate) async fn check(&self) -> Result<(), TestCaseError> {
        let mut by_state = [0; State::ALL.len()];
        for id in &self.tasks {
            let Some(TaskDetail { task, attempts, .. }) = self.store.task(*id).await.unwrap() else { continue };
            by_state[State::ALL.iter().position(|state| *state == task.state()).unwrap()] += 1;
            let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.attempt).collect();
            prop_assert_eq!(numbers, (1..=task.standing.attempt).collect::<Vec<_>>());
            let has_crashed = attempts.iter().any(|attempt| attempt.outcome == Some(Outcome::Lost));
            let allowed = task.standing.max_attempts.max(if has_crashed { CRASHES_MIN } else { 0 });
            prop_assert!(task.standing.attempts_counted() <= allowed);
            let open = attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
            prop_assert_eq!(open, usize::from(task.state() == State::Running));
            prop_assert!(attempts.iter().all(|attempt| attempt.outcome.is_some() == attempt.ended_at.is_some()));
            let completed = attempts.last().is_some_and(|attempt| attempt.outcome == Some(Outcome::Completed));
            prop_assert!(task.state() != State::Completed || completed);
            let submission = self.store.submission(task.submission).await.unwrap();
            prop_assert!(submission.is_some_and(|info| info.tasks.contains(id)));
        }
        prop_assert_eq!(self.store.counts().await.unwrap().by_state, by_state);
        Ok(())
    }

    fn anonymous(&self, detail: TaskDetail) -> TaskDetail {
        TaskDetail { task: self.anonymous_task(detail.task), ..detail }
    }

    fn anonymous_task(&self, task: Task) -> Task {
        Task { id: self.name(task.id), submission: self.name_submission(task.submission), ..task }
    }

    fn anonymous_submission(&self, info: SubmissionInfo) -> SubmissionInfo {
        let tasks = info.tasks.iter().map(|id| self.name(*id)).collect();
        SubmissionInfo { id: self.name_submission(info.id), tasks, ..info }
    }

    /// The n-th task that the store gave out; one in eleven is made up.
    fn task(&self, number: usize) -> TaskId {
        pick(&self.tasks, number).unwrap_or(TaskId::from_u64(42))
    }

    fn submission(&self, number: usize) -> SubmissionId {
        pick(&self.submissions, number).unwrap_or(SubmissionId::from_u64(42))
    }

    fn lease(&self, number: usize) -> Lease {
        pick(&self.leases, number).unwrap_or(Lease { task: self.task(number / 11), attempt: 1 })
    }

    /// The place of a task among those given out, as an id.
    fn name(&self, id: TaskId) -> TaskId {
        TaskId::from_u64(self.tasks.iter().position(|known| *known == id).map_or(u64::MAX >> 1, |place| place as u64))
    }

    fn name_submission(&self, id: SubmissionId) -> SubmissionId {
        let place = self.submissions.iter().position(|known| *known == id);
        SubmissionId::from_u64(place.map_or(u64::MAX >> 1, |place| place as u64))
    }
}

/// Mostly one of the latest, which are the ones where something happens.
fn pick<T: Copy>(known: &[T], number: usize) -> Option<T> {
    if known.is_empty() || number % 11 == 10 {
        return None;
    }
    let back = number / 11 % known.len().min(if number.is_multiple_of(3) { usize::MAX } else { 4 });
    known.iter().rev().nth(back).copied()
}

fn task_filters() -> Vec<TaskFilter> {
    let any = TaskFilter::default;
    let mut filters: Vec<TaskFilter> =
        State::ALL.into_iter().map(|state| TaskFilter { states: vec![state], ..any() }).collect();
    filters.extend([
        any(),
        TaskFilter { states: vec![State::Queued, State::Failed], kind: Some("x".into()), ..any() },
        TaskFilter { source: Some("a".into()), ..any() },
        TaskFilter { event: Some("push".into()), action: Some("opened".into()), ..any() },
        TaskFilter { kind: Some("y".into()), ..any() },
        TaskFilter { lane: Some("l".into()), ..any() },
        TaskFilter { tenant: Some("a".into()), ..any() },
        TaskFilter { since: Some(BIRTH), ..any() },
        TaskFilter { until: Some(BIRTH.after(Duration::from_secs(30))), ..any() },
        TaskFilter { since: Some(BIRTH.before(Duration::from_secs(5))), until: Some(BIRTH), ..any() },
    ]);
    filters
}

fn submission_filters() -> Vec<SubmissionFilter> {
    let any = SubmissionFilter::default;
    vec![
        any(),
        SubmissionFilter { source: Some("a".into()), key: Some("1".into()), ..any() },
        SubmissionFilter { key: Some("2".into()), ..any() },
        SubmissionFilter { event: Some("issues".into()), action: Some("opened".into()), ..any() },
        SubmissionFilter { since: Some(BIRTH), ..any() },
        SubmissionFilter { since: Some(BIRTH.before(Duration::from_secs(5))), until: Some(BIRTH), ..any() },
    ]
}
