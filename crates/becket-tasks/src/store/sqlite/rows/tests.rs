//! Changes are all that the rows depend on.

use std::time::Duration;

use super::super::change::Hold;
use super::super::open;
use super::*;
use crate::mark::Mark;
use crate::schedule::ScheduleState;
use crate::task::Outcome;

const AT: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn submission(id: u64, offset: u64) -> Change {
    Change::Submission(SubmissionRow {
        id: SubmissionId::from_u64(id),
        source: "github".into(),
        event: "issues".into(),
        action: Some("opened".into()),
        key: Some(format!("key {id}").into()),
        received_at: AT,
        block: Some(1),
        block_offset: offset,
        meta_bytes: 2,
        payload_bytes: 3,
    })
}

fn block(id: i64, wanted: u64) -> BlockRow {
    let (first, last) = (SubmissionId::from_u64(10), SubmissionId::from_u64(30));
    BlockRow { id, first, last, wanted, raw_bytes: 5 * wanted, body: vec![0, 255, 7] }
}

fn task(id: u64, started_by: Option<WorkerNumber>) -> Change {
    Change::Task(TaskRow {
        id: TaskId::from_u64(id),
        submission: SubmissionId::from_u64(10),
        kind: 1,
        priority: -3,
        max_attempts: 5,
        run_at: AT,
        created_at: AT,
        started_by,
        source: 1,
        hold: Hold::Lane,
        stream: 11,
        lane: Some("lane".into()),
        lane_number: Some(11),
        lane_hash: Some(-7),
        passes: true,
        since: Some(AT),
        tenant: Some("tenant".into()),
        limit_key: Some("key".into()),
        parents: 0,
        survives: true,
    })
}

fn sealed(number: i64) -> Sealed {
    Sealed { number, last: SubmissionId::from_u64(30), parts: vec![vec![7; 16], Vec::new()] }
}

fn to(state: State) -> Place {
    Place { state, spared: 1, run_at: AT.as_millis() + 5, hold: Hold::Open }
}

/// A life in which each kind of change occurs.
fn changes() -> Vec<Change> {
    let id = TaskId::from_u64;
    let at = AT.after(Duration::from_secs(1));
    let end = |task, state, outcome| Change::End {
        task,
        to: to(state),
        at,
        attempt: AttemptEnd { outcome, error: Some("it went wrong".into()) },
        error: Some("it went wrong".into()),
    };
    vec![
        Change::Kind { number: 1, name: "work".into() },
        Change::Source { number: 1, name: "github".into() },
        Change::Worker { number: 1, name: "w".into() },
        Change::Worker { number: 2, name: "gone".into() },
        Change::ForgetWorker { number: 2 },
        submission(10, 0),
        submission(20, 5),
        submission(25, 10),
        submission(30, 15),
        Change::Block(block(1, 4)),
        task(11, None),
        task(12, Some(1)),
        task(13, None),
        task(31, None),
        Change::Appended { submission: SubmissionId::from_u64(10), task: id(31) },
        Change::StandIn { submission: SubmissionId::from_u64(20), task: id(11) },
        Change::StandIn { submission: SubmissionId::from_u64(20), task: id(11) },
        Change::StandIn { submission: SubmissionId::from_u64(20), task: id(13) },
        Change::Start { task: id(11), from: State::Queued, hold: Hold::Open, attempt: 1, worker: 1, at },
        end(id(11), State::Retrying, Outcome::Failed),
        Change::Start { task: id(11), from: State::Retrying, hold: Hold::Adrift, attempt: 2, worker: 1, at },
        end(id(11), State::Completed, Outcome::Completed),
        Change::Result { task: id(11), expires_at: at, body: b"{}".to_vec() },
        Change::Result { task: id(12), expires_at: at, body: b"[]".to_vec() },
        Change::ForgetResult { task: id(12) },
        Change::Step { task: id(11), name: "done".into(), at, body: b"7".to_vec() },
        Change::Step { task: id(12), name: "done".into(), at, body: b"8".to_vec() },
        Change::ForgetSteps { task: id(12) },
        Change::Move { task: id(13), from: State::Queued, to: to(State::Cancelled), at, error: Some("no".into()) },
        Change::ForgetTask { task: id(13), state: State::Cancelled },
        Change::ForgetSubmissions { submissions: vec![SubmissionId::from_u64(30)], block: Some(1) },
        Change::DropPayloads { submissions: vec![SubmissionId::from_u64(25)], block: 1 },
        Change::Erase {
            submission: SubmissionId::from_u64(20),
            block: 1,
            rewritten: Some(block(2, 1)),
            moved: vec![(SubmissionId::from_u64(10), 0)],
        },
        Change::Keys(sealed(1)),
        Change::Keys(sealed(2)),
        Change::ForgetKeys { segment: 1 },
        Change::Hold { task: id(31), hold: Hold::Key },
        Change::Stream { task: id(31), number: 12 },
        Change::LaneNumber { task: id(31), number: 12 },
        Change::HasLanes,
        Change::Linger { task: id(12), lane: "lane".into() },
        Change::Linger { task: id(11), lane: "lane".into() },
        Change::LingerOver { task: id(11) },
        Change::Family { child: id(31), parent: id(12), is_over: false },
        Change::Family { child: id(31), parent: id(11), is_over: false },
        Change::ParentOver { child: id(31), parent: id(11) },
        Change::Unique { kind: 1, key: "key".into(), task: id(11) },
        Change::Unique { kind: 1, key: "key".into(), task: id(31) },
        Change::Started { kind: 1, limit_key: Some("key".into()), at: AT, kept: 1 },
        Change::Started { kind: 1, limit_key: Some("key".into()), at, kept: 1 },
        Change::Started { kind: 1, limit_key: None, at: AT.before(Duration::from_secs(9)), kept: 1 },
        Change::ForgetStarts { before: AT },
        Change::Pause { scope: "kind".into(), name: "work".into(), is_paused: true },
        Change::Pause { scope: "source".into(), name: "github".into(), is_paused: true },
        Change::Pause { scope: "source".into(), name: "github".into(), is_paused: false },
        Change::Schedule(ScheduleState::new("nightly".into()).into()),
        Change::Mark(Mark { last: Some(AT), count: 3, ..Mark::new("secret".into(), AT) }),
        Change::Schedule(ScheduleState { paused: true, ..ScheduleState::new("nightly".into()) }.into()),
        Change::Probe { at },
    ]
}

/// Applies changes to a new file, and answers all that is in its tables then.
fn applied(changes: &[Change]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Rows::new(open::writer(&folder.path().join("tasks.db"), AT).unwrap());
    rows.begin().unwrap();
    for change in changes {
        rows.apply(change).unwrap();
    }
    rows.commit().unwrap();
    dump(rows.connection())
}

fn dump(connection: &Connection) -> Vec<String> {
    let list = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut list = connection.prepare(list).unwrap();
    let tables: Vec<String> = list.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut dumped = Vec::new();
    for table in tables {
        let mut query = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|column| row.get_ref(column).unwrap()).collect();
            dumped.push(format!("{table}: {values:?}"));
        }
    }
    dumped
}

/// The name of each kind of change; the compiler says when one is new.
const fn name(change: &Change) -> &'static str {
    match change {
        Change::Kind { .. } => "kind",
        Change::Source { .. } => "source",
        Change::Hold { .. } => "hold",
        Change::Stream { .. } => "stream",
        Change::LaneNumber { .. } => "lane number",
        Change::HasLanes => "has lanes",
        Change::Linger { .. } => "linger",
        Change::LingerOver { .. } => "linger over",
        Change::Family { .. } => "family",
        Change::Unique { .. } => "unique",
        Change::ParentOver { .. } => "parent over",
        Change::Started { .. } => "started",
        Change::ForgetStarts { .. } => "forget starts",
        Change::Pause { .. } => "pause",
        Change::Worker { .. } => "worker",
        Change::ForgetWorker { .. } => "forget worker",
        Change::Submission(_) => "submission",
        Change::Block(_) => "block",
        Change::Task(_) => "task",
        Change::Appended { .. } => "appended",
        Change::StandIn { .. } => "stand in",
        Change::Start { .. } => "start",
        Change::End { .. } => "end",
        Change::Move { .. } => "move",
        Change::Result { .. } => "result",
        Change::ForgetResult { .. } => "forget result",
        Change::Step { .. } => "step",
        Change::ForgetSteps { .. } => "forget steps",
        Change::ForgetTask { .. } => "forget task",
        Change::ForgetSubmissions { .. } => "forget submissions",
        Change::DropPayloads { .. } => "drop payloads",
        Change::Erase { .. } => "erase",
        Change::Keys(_) => "keys",
        Change::ForgetKeys { .. } => "forget keys",
        Change::Schedule(_) => "schedule",
        Change::Mark(_) => "mark",
        Change::Probe { .. } => "probe",
    }
}

#[test]
fn same_changes_read_back_from_text_give_the_same_rows() {
    let changes = changes();
    let kinds: std::collections::BTreeSet<&str> = changes.iter().map(name).collect();
    assert_eq!(kinds.len(), 37, "each kind of change occurs: {kinds:?}");
    let text = serde_json::to_string(&changes).unwrap();
    let read: Vec<Change> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, changes);
    let rows = applied(&changes);
    assert!(rows.len() > 15, "{rows:#?}");
    assert_eq!(applied(&read), rows);
    assert_ne!(applied(&changes[..changes.len() - 1]), rows, "the dump sees each change");
}

#[test]
fn totals_are_what_counting_gives() {
    let rows = applied(&changes());
    let totals: Vec<&String> = rows.iter().filter(|row| row.starts_with("totals")).collect();
    // Queued 31, running 12, completed 11; 13 was forgotten.
    let expected =
        [1, 1, 0, 1, 0, 0, 0].iter().enumerate().map(|(n, of)| format!("totals: [Integer({n}), Integer({of})]"));
    assert_eq!(totals.into_iter().cloned().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
