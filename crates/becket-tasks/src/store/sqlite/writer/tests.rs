//! Rounds, one by one: what outside is a matter of chance (which commands share a round, who goes away when) is chosen
//! here.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::names::Names;
use super::super::outdated::Outdated;
use super::super::{SqliteOptions, make_writer};
use super::*;
use crate::id::TaskId;
use crate::order::Lane;
use crate::query::Retention;
use crate::submission::{Due, Inserted, NewTask, Submission};
use crate::task::{End, Finish, Finished, WorkerId};

const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const SEC: Duration = Duration::from_secs(1);

struct World {
    writer: Writer,
    clock: Clock,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::new(folder.path().join("tasks.db")) };
    let writer = make_writer(&options, Events::default(), Arc::default()).unwrap();
    World { writer, clock, _folder: folder }
}

fn submission(tasks: Vec<NewTask>) -> Submission {
    Submission {
        source: "test".into(),
        event: "issues".into(),
        action: None,
        key: None,
        meta: bytes::Bytes::new(),
        payload: "payload".into(),
        tasks,
    }
}

fn insert(kind: &str) -> impl FnOnce(Reply<Vec<Inserted>>) -> Command {
    let submissions = vec![submission(vec![NewTask::new(kind)])];
    |reply| Command::Insert(submissions, reply)
}

fn claim(kind: &str, limit: usize, wait: Duration) -> Claim {
    Claim {
        worker: WorkerId::new("w"),
        kinds: [Arc::from(kind)].into(),
        limit,
        lease: SEC,
        wait,
        rules: Arc::default(),
    }
}

/// A claim that waits, and where its answer comes.
fn waiting(kind: &str, limit: usize) -> (Command, oneshot::Receiver<Result<Vec<Taken>>>) {
    let (reply, answer) = oneshot::channel();
    (Command::Claim(claim(kind, limit, 60 * SEC), reply), answer)
}

fn ids(taken: &[Taken]) -> Vec<TaskId> {
    taken.iter().map(|taken| taken.running.ready.id).collect()
}

impl World {
    fn round(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.writer.round(&mut commands.into_iter().collect());
    }

    fn ask<T>(&mut self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let (reply, mut answer) = oneshot::channel();
        self.round([command(reply)]);
        answer.try_recv().unwrap()
    }

    fn add(&mut self, task: NewTask) -> TaskId {
        self.ask(|reply| Command::Insert(vec![submission(vec![task])], reply)).unwrap()[0].tasks[0]
    }

    fn claim_now(&mut self, kind: &str) -> Vec<TaskId> {
        ids(&self.ask(|reply| Command::Claim(claim(kind, 10, Duration::ZERO), reply)).unwrap())
    }

    /// From here on each commit that moves a task fails, after everything else in it was written.
    fn break_commits(&self) {
        let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON totals BEGIN SELECT RAISE(ABORT, 'broken'); END";
        self.writer.rows.connection().execute_batch(trigger).unwrap();
    }

    fn mend_commits(&self) {
        self.writer.rows.connection().execute_batch("DROP TRIGGER broken").unwrap();
    }

    fn state_of(&self, task: TaskId) -> State {
        self.writer.rows.task(task).unwrap().unwrap().standing.state
    }
}

#[test]
fn failed_commit_is_told_to_claims_that_wait_instead_of_being_tried_without_end() {
    let mut world = world();
    let (command, mut answer) = waiting("a", 1);
    world.round([command]);
    world.break_commits();
    assert!(world.ask(insert("a")).is_err());
    assert!(answer.try_recv().unwrap().is_err());
    assert!(world.writer.parked.is_empty(), "nothing is left that is due at once");
}

#[test]
fn claim_that_does_not_wait_is_told_of_a_failed_commit() {
    let mut world = world();
    let task = world.add(NewTask::new("a"));
    world.break_commits();
    assert!(world.ask(|reply| Command::Claim(claim("a", 1, Duration::ZERO), reply)).is_err());
    world.mend_commits();
    assert_eq!(world.claim_now("a"), [task], "the task was not lost");
}

#[test]
fn kinds_of_a_failed_round_are_not_mixed_up_with_later_ones() {
    let mut world = world();
    world.break_commits();
    let (command, _answer) = waiting("a", 5);
    let (reply, _) = oneshot::channel();
    world.round([command, insert("x")(reply)]);
    world.mend_commits();
    // This kind gets the number that the waiting claim's had.
    let other = world.add(NewTask::new("b"));
    assert_eq!(world.state_of(other), State::Queued);
    assert_eq!(world.claim_now("b"), [other]);
}

#[test]
fn failed_commit_leaves_nothing_of_any_of_its_commands() {
    let mut world = world();
    let (kept, running) = (world.add(NewTask::new("a")), world.add(NewTask::new("b")));
    assert_eq!(world.claim_now("b"), [running]);
    world.break_commits();
    let (inserted, mut insert_answer) = oneshot::channel();
    let (cancelled, mut cancel_answer) = oneshot::channel();
    let (finished, mut finish_answer) = oneshot::channel();
    let lease = Lease { task: running, attempt: 1 };
    let end = End::Completed { result: Some("result".into()), result_ttl: SEC };
    world.round([
        insert("c")(inserted),
        Command::Cancel(vec![kept], "no".into(), cancelled),
        Command::Finish(vec![Finish { lease, end: end.clone() }], finished),
    ]);
    assert!(insert_answer.try_recv().unwrap().is_err());
    assert!(cancel_answer.try_recv().unwrap().is_err());
    assert!(finish_answer.try_recv().unwrap().is_err());
    world.mend_commits();
    assert_eq!((world.state_of(kept), world.state_of(running)), (State::Queued, State::Running));
    assert_eq!(world.writer.rows.number("SELECT count(*) FROM submissions").unwrap(), Some(2));
    assert_eq!(world.writer.rows.number("SELECT count(*) FROM blocks").unwrap(), Some(2));
    assert_eq!(world.writer.rows.number("SELECT count(*) FROM results").unwrap(), Some(0));
    // The same again, now that commits succeed: nothing in memory is out of step.
    assert_eq!(world.claim_now("c"), []);
    assert_eq!(world.claim_now("a"), [kept]);
    let again = world.ask(|reply| Command::Finish(vec![Finish { lease, end }], reply)).unwrap();
    assert_eq!(again, [Finished::Now(State::Completed)]);
    let added = world.add(NewTask::new("c"));
    assert_eq!(world.claim_now("c"), [added]);
}

#[test]
fn lease_outlives_a_finish_that_could_not_be_committed() {
    let mut world = world();
    let task = world.add(NewTask::new("a"));
    assert_eq!(world.claim_now("a"), [task]);
    world.break_commits();
    let finish = Finish { lease: Lease { task, attempt: 1 }, end: End::Release };
    assert!(world.ask(|reply| Command::Finish(vec![finish], reply)).is_err());
    world.mend_commits();
    world.clock.advance(2 * SEC);
    assert_eq!(world.ask(Command::ReclaimExpired).unwrap(), 0, "its worker is about to say it again");
    world.clock.advance(LEASE_AFTER_FAILURE);
    assert_eq!(world.ask(Command::ReclaimExpired).unwrap(), 1);
}

/// The attempt of a cancelled task keeps its lane until it has stopped, which must not be forgotten with a failed round.
#[test]
fn lane_of_a_cancelled_attempt_is_freed_though_its_end_could_not_be_committed_at_first() {
    let mut world = world();
    let in_lane = || NewTask { lane: Some(Lane::new("l")), ..NewTask::new("a") };
    let (first, second) = (world.add(in_lane()), world.add(in_lane()));
    assert_eq!(world.claim_now("a"), [first]);
    let finish = || {
        let finish = Finish { lease: Lease { task: first, attempt: 1 }, end: End::Release };
        |reply| Command::Finish(vec![finish], reply)
    };
    world.break_commits();
    assert!(world.ask(|reply| Command::Cancel(vec![first], "no".into(), reply)).is_err());
    assert_eq!(world.writer.lingering.all().count(), 0, "it runs as before");
    world.mend_commits();
    assert_eq!(world.ask(|reply| Command::Cancel(vec![first], "no".into(), reply)).unwrap(), [first]);
    assert_eq!(world.claim_now("a"), [], "it has not stopped");
    world.break_commits();
    let (reply, mut answer) = oneshot::channel();
    let (other, _) = oneshot::channel();
    world.round([finish()(reply), insert("x")(other)]);
    assert!(answer.try_recv().unwrap().is_err());
    world.mend_commits();
    assert_eq!(world.claim_now("a"), []);
    assert_eq!(world.ask(finish()).unwrap(), [Finished::LeaseLost]);
    assert_eq!(world.claim_now("a"), [second]);
}

#[test]
fn tasks_of_a_claimer_that_is_gone_are_taken_back_in_the_next_round() {
    let mut world = world();
    let task = world.add(NewTask::new("a"));
    let (command, answer) = waiting("a", 1);
    drop(answer);
    world.round([command]);
    assert_eq!(world.state_of(task), State::Queued, "nobody waits for it");
    assert_eq!(world.claim_now("a"), [task]);

    // The claimer goes away between the choice and the answer.
    let taken = world.writer.schedule.running(task).cloned().unwrap();
    let (reply, gone) = oneshot::channel();
    drop(gone);
    let carried = None;
    let taken = Taken { running: taken, kind: "a".into(), started_at: START, carried };
    let claim = claim("a", 1, SEC);
    world.writer.parked.push(Parked { claim, kinds: HashSet::new(), reply, taken: vec![taken] });
    world.writer.answer_parked();
    let (sender, commands) = std::sync::mpsc::channel();
    drop(sender);
    assert!(matches!(world.writer.next_command(&commands), Ok(Command::Tick)), "the next round is at once");
    world.round([Command::Tick]);
    assert_eq!(world.state_of(task), State::Queued);
    assert_eq!(world.writer.rows.task(task).unwrap().unwrap().standing.attempts_counted(), 0);
    assert_eq!(world.claim_now("a"), [task]);
}

#[test]
fn new_task_does_not_overtake_a_better_one_that_became_due_meanwhile() {
    let mut world = world();
    let better = world.add(NewTask { due: Due::After(10 * SEC), priority: 5, ..NewTask::new("a") });
    let (command, mut answer) = waiting("a", 1);
    world.round([command]);
    world.clock.advance(10 * SEC);
    let new = world.add(NewTask::new("a"));
    assert_eq!(ids(&answer.try_recv().unwrap().unwrap()), [better]);
    assert_eq!(world.claim_now("a"), [new]);
}

#[test]
fn pruning_believes_only_what_is_still_so() {
    let mut world = world();
    let end = |world: &mut World, task: TaskId, attempt: u32| {
        let end = End::Completed { result: Some("new".into()), result_ttl: 60 * SEC };
        let finish = Finish { lease: Lease { task, attempt }, end };
        world.ask(|reply| Command::Finish(vec![finish], reply)).unwrap();
    };
    let task = world.add(NewTask::new("a"));
    world.claim_now("a");
    end(&mut world, task, 1);
    let seen = world.writer.rows.updated_at(task).unwrap().unwrap();
    // A reader found task and result outdated; meanwhile the task ran again.
    world.clock.advance(10 * SEC);
    assert_eq!(world.ask(|reply| Command::Requeue(vec![task], reply)).unwrap(), [task]);
    world.claim_now("a");
    end(&mut world, task, 2);
    let outdated = Outdated { tasks: vec![(task, seen)], results: vec![task], ..Outdated::default() };
    let retention = Retention { age: 5 * SEC, finished_max: u64::MAX };
    let pruned = world.ask(|reply| Command::Prune(retention, outdated, reply)).unwrap();
    assert_eq!((pruned.tasks, pruned.results), (0, 0));
    assert_eq!(world.writer.rows.number("SELECT count(*) FROM results").unwrap(), Some(1));

    // Two were too many by one when a reader looked, and meanwhile one was purged.
    let other = world.add(NewTask::new("a"));
    world.claim_now("a");
    end(&mut world, other, 1);
    let seen = world.writer.rows.updated_at(other).unwrap().unwrap();
    assert_eq!(world.ask(|reply| Command::Purge(vec![task], reply)).unwrap(), [task]);
    let outdated = Outdated { tasks: vec![(other, seen)], ..Outdated::default() };
    let retention = Retention { age: 60 * SEC, finished_max: 1 };
    assert_eq!(world.ask(|reply| Command::Prune(retention, outdated, reply)).unwrap().tasks, 0);
}

#[test]
fn panic_in_one_round_is_an_error_to_its_callers_and_not_the_end() {
    let mut world = world();
    // The next new kind overflows this number, which panics where overflows are checked, as in tests.
    world.writer.kinds = Names::new(vec![(i64::MAX, "last".into())]);
    let (sender, commands) = std::sync::mpsc::channel();
    let send = |command| sender.send(super::super::command::Gate::pass(command)).unwrap();
    let (reply, panicked) = oneshot::channel();
    send(insert("a")(reply));
    let (reply, served) = oneshot::channel();
    let writer = std::thread::spawn(move || world.writer.run(&commands));
    assert!(panicked.blocking_recv().is_err(), "the reply is dropped, not kept");
    send(insert("a")(reply));
    assert_eq!(served.blocking_recv().unwrap().unwrap().len(), 1);
    drop(sender);
    writer.join().unwrap();
}

fn keyed(number: u64) -> Submission {
    Submission { key: Some(number.to_string().into()), ..submission(Vec::new()) }
}

impl World {
    fn insert_keyed(&mut self, numbers: std::ops::Range<u64>) -> Result<Vec<Inserted>> {
        let submissions = numbers.map(keyed).collect();
        self.ask(|reply| Command::Insert(submissions, reply))
    }

    fn is_known(&mut self, number: u64) -> bool {
        let key = number.to_string().into();
        !self.ask(|reply| Command::Find(key, reply)).unwrap().is_empty()
    }

    fn on_connection(&self, statements: &str) {
        self.writer.rows.connection().execute_batch(statements).unwrap();
    }
}

#[test]
fn redeliveries_are_recognised_after_a_seal_that_could_not_be_committed() {
    let mut world = world();
    world.insert_keyed(0..32_768).unwrap();
    world.insert_keyed(32_768..65_535).unwrap();
    world.on_connection("CREATE TRIGGER broken BEFORE INSERT ON key_parts BEGIN SELECT RAISE(ABORT, 'full'); END");
    for _ in 0..2 {
        assert!(world.insert_keyed(65_535..65_540).is_err(), "the second segment cannot be written");
    }
    world.on_connection("DROP TRIGGER broken");
    for number in [0, 32_767, 32_768, 65_534] {
        assert!(world.is_known(number), "{number}");
    }
    assert!(!world.is_known(65_535), "what was refused was not kept");
    assert!(!world.insert_keyed(65_535..65_536).unwrap()[0].duplicate);
    assert_eq!(world.writer.rows.key_segments().unwrap().len(), 2);
    assert!(world.insert_keyed(0..65_536).unwrap().iter().all(|one| one.duplicate));
}

#[test]
fn failed_commit_does_not_read_sealed_keys_again() {
    let mut world = world();
    world.insert_keyed(0..32_768).unwrap();
    world.insert_keyed(32_768..65_536).unwrap();
    world.insert_keyed(65_536..65_540).unwrap();
    // Whoever reads a segment now finds no parts, and fails.
    world.on_connection("ALTER TABLE key_parts RENAME TO hidden");
    world.break_commits();
    assert!(world.ask(insert("a")).is_err());
    assert!(!world.writer.is_stale, "all that memory needs was there");
    world.mend_commits();
    world.on_connection("ALTER TABLE hidden RENAME TO key_parts");
    assert!([0, 40_000, 65_539].into_iter().all(|number| world.is_known(number)));
    assert!(!world.is_known(65_540));
}

#[test]
fn keys_that_could_not_be_forgotten_are_still_recognised() {
    let mut world = world();
    let mut inserted = world.insert_keyed(0..32_768).unwrap();
    inserted.extend(world.insert_keyed(32_768..65_536).unwrap());
    world.on_connection(
        "CREATE TRIGGER broken BEFORE DELETE ON key_segments WHEN old.number = 2 BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    world.clock.advance(10 * SEC);
    let prune = |world: &mut World| {
        let submissions = inserted.iter().map(|one| one.submission).collect();
        let outdated = Outdated { submissions, ..Outdated::default() };
        let retention = Retention { age: SEC, finished_max: 0 };
        world.ask(|reply| Command::Prune(retention, outdated, reply))
    };
    assert!(prune(&mut world).is_err());
    assert!([0, 40_000].into_iter().all(|number| world.is_known(number)));
    world.on_connection("DROP TRIGGER broken");
    assert_eq!(prune(&mut world).unwrap().submissions, 65_536);
    assert!(!world.is_known(0));
}

#[test]
fn worker_that_came_back_before_its_name_was_forgotten_keeps_it() {
    let mut world = world();
    world.on_connection("INSERT INTO workers VALUES (1, 'w'), (2, 'other')");
    world.writer.reload().unwrap();
    // A reader found that no row refers to either; then one of them claims, and a commit fails.
    world.add(NewTask::new("a"));
    assert_eq!(world.claim_now("a").len(), 1);
    world.break_commits();
    assert!(world.ask(insert("a")).is_err());
    world.mend_commits();
    let outdated = Outdated { workers: vec![1, 2], ..Outdated::default() };
    let retention = Retention { age: SEC, finished_max: 0 };
    world.ask(|reply| Command::Prune(retention, outdated, reply)).unwrap();
    assert_eq!(world.writer.rows.names("workers").unwrap(), [(1, "w".into())]);
    assert_eq!(world.writer.workers.number("other"), None, "it gets a new number when it comes back, too");
}

/// What a step has done outside cannot be undone by a power cut here, or it would be done again.
#[test]
fn step_waits_for_the_disk_as_an_insert_does_and_a_claim_does_not() {
    let mut world = world();
    let task = world.add(NewTask::new("a"));
    let synchronous = |world: &World| {
        let connection = world.writer.rows.connection();
        connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(world.claim_now("a"), [task]);
    assert_eq!(synchronous(&world), 1, "NORMAL");
    let lease = Lease { task, attempt: 1 };
    let save = |reply| Command::SaveStep(lease, "done".into(), "1".into(), reply);
    assert_eq!(world.ask(save).unwrap(), crate::step::Saved::Now);
    assert_eq!(synchronous(&world), 2, "FULL");
}

#[test]
fn step_of_a_failed_round_was_not_done() {
    let mut world = world();
    let task = world.add(NewTask::new("a"));
    assert_eq!(world.claim_now("a"), [task]);
    let lease = Lease { task, attempt: 1 };
    let save = |reply| Command::SaveStep(lease, "done".into(), "1".into(), reply);
    world.break_commits();
    let (reply, mut answer) = oneshot::channel();
    world.round([save(reply), insert("a")(oneshot::channel().0)]);
    assert!(answer.try_recv().unwrap().is_err());
    world.mend_commits();
    assert_eq!(world.ask(save).unwrap(), crate::step::Saved::Now);
}
