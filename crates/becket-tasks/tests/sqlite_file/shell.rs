//! The file, seen with the `sqlite3` shell while it is in use.

use becket_tasks::task::{End, Finish, Lease};
use becket_tasks::{Lane, NewTask, State, Store, Submission};
use rusqlite::types::Value;

use crate::world::{Disk, add, claim, complete, submission};

/// The words of the API for a task, but for two: a shell's user may ask for more.
const TASK_WORDS: [&str; 13] = [
    "id",
    "kind",
    "state",
    "source",
    "event",
    "delivery_id",
    "attempt",
    "max_attempts",
    "created_at",
    "updated_at",
    "run_at",
    "error",
    "result",
];
/// The words of the API for a delivery, without its list of tasks.
const DELIVERY_WORDS: [&str; 7] = ["id", "delivery_id", "source", "event", "action", "received_at", "size"];

fn columns(disk: &Disk, view: &str) -> Vec<String> {
    let connection = disk.look();
    let query = connection.prepare(&format!("SELECT * FROM {view}")).unwrap();
    query.column_names().map(str::to_owned).collect()
}

fn text(disk: &Disk, query: &str) -> Vec<Option<String>> {
    let connection = disk.look();
    let mut query = connection.prepare(query).unwrap();
    let columns = query.column_count();
    let mut rows = query.query([]).unwrap();
    let row = rows.next().unwrap().expect("one row");
    let value = |column| match row.get(column).unwrap() {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
        other => panic!("{other:?}"),
    };
    (0..columns).map(value).collect()
}

#[tokio::test]
async fn views_have_the_words_of_the_api() {
    let disk = Disk::new();
    let _store = disk.open().await;
    let tasks = columns(&disk, "task_list");
    assert!(TASK_WORDS.iter().all(|word| tasks.iter().any(|column| column == word)), "{tasks:?}");
    let deliveries = columns(&disk, "delivery_list");
    assert!(DELIVERY_WORDS.iter().all(|word| deliveries.iter().any(|column| column == word)), "{deliveries:?}");
}

#[tokio::test]
async fn task_list_tells_what_the_store_tells() {
    let disk = Disk::new();
    let store = disk.open().await;
    let delivery = Submission { key: Some("72d3162e".into()), ..submission("payload", vec![NewTask::new("work"); 6]) };
    let (id, tasks) = add(&store, delivery).await;
    let claimed = claim(&store, 5).await;
    complete(&store, &claimed[0]).await;
    let lease = |place: usize| Lease { task: claimed[place].id, attempt: 1 };
    let due = becket_tasks::submission::Due::Now;
    let retried = store.requeue(vec![tasks[0]]).await.unwrap();
    assert_eq!(retried, [tasks[0]]);
    let ends = vec![
        Finish { lease: lease(1), end: End::GiveUp { error: "it is no use".into() } },
        Finish { lease: lease(2), end: End::Park { due, reason: "rate limit".into() } },
    ];
    store.finish(ends).await.unwrap();
    store.cancel(vec![tasks[3]], "no more".into()).await.unwrap();
    complete(&store, &claimed[4]).await;
    let mut states = std::collections::BTreeSet::new();
    for task in tasks {
        let detail = store.task(task).await.unwrap().unwrap();
        let task = &detail.task;
        states.insert(task.state());
        let expected = [
            Some(task.id.to_string()),
            Some(id.to_string()),
            Some(task.kind.to_string()),
            Some(task.state().to_string()),
            Some("github".to_owned()),
            Some("issues".to_owned()),
            Some("opened".to_owned()),
            Some("72d3162e".to_owned()),
            Some(task.standing.attempts_counted().to_string()),
            Some("1".to_owned()),
            Some(task.created_at.to_string()),
            Some(task.updated_at.to_string()),
            Some(task.standing.run_at.to_string()),
            task.error.as_ref().map(ToString::to_string),
            detail.result.map(|result| String::from_utf8(result.into()).unwrap()),
        ];
        let query = format!(
            "SELECT id, delivery, kind, state, source, event, action, delivery_id, attempt, max_attempts, created_at, \
             updated_at, run_at, error, result FROM task_list WHERE number = {}",
            task.id.as_u64()
        );
        assert_eq!(text(&disk, &query), expected);
    }
    assert!(states.len() >= 4 && states.contains(&State::Failed), "{states:?}");
}

#[tokio::test]
async fn delivery_list_tells_what_the_store_tells() {
    let disk = Disk::new();
    let store = disk.open().await;
    let (id, _) = add(&store, Submission { key: Some("72d3162e".into()), ..submission("payload", Vec::new()) }).await;
    for erased in ["0", "1"] {
        let info = store.submission(id).await.unwrap().unwrap();
        let expected = [
            id.to_string().as_str(),
            "72d3162e",
            "github",
            "issues",
            "opened",
            info.received_at.to_string().as_str(),
            "7",
            erased,
        ]
        .map(|word| Some(word.to_owned()));
        let query = "SELECT id, delivery_id, source, event, action, received_at, size, erased FROM delivery_list";
        assert_eq!(text(&disk, query), expected);
        store.erase(vec![id]).await.unwrap();
    }
}

#[tokio::test]
async fn copy_made_while_the_store_is_in_use_is_a_whole_store() {
    let disk = Disk::new();
    let store = disk.open().await;
    let (_, tasks) = add(&store, submission("payload", vec![NewTask::new("work")])).await;
    let copy = Disk::new();
    disk.look().execute("VACUUM INTO ?1", [copy.path().display().to_string()]).unwrap();
    add(&store, submission("later", vec![NewTask::new("work")])).await;
    let restored = copy.open().await;
    let claimed = claim(&restored, 9).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), tasks);
    assert_eq!(claimed[0].payload, "payload");
}

/// The statements in `docs/reference/sqlite.md`.
fn documented() -> Vec<String> {
    const DOC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sqlite.md");
    let doc = std::fs::read_to_string(DOC).expect("docs/reference/sqlite.md is part of the repository");
    let blocks = doc.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().trim().to_owned()).collect()
}

#[tokio::test]
async fn statements_in_the_documentation_work() {
    let disk = Disk::new();
    let store = disk.open().await;
    let key = Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into());
    let task = NewTask { max_attempts: 2, ..NewTask::new("work") };
    add(&store, Submission { key, ..submission("payload", vec![task]) }).await;
    for end in [
        End::Retry { due: becket_tasks::submission::Due::Now, error: "it went wrong".into() },
        End::GiveUp { error: "it is no use".into() },
    ] {
        let claimed = claim(&store, 1).await;
        let lease = Lease { task: claimed[0].id, attempt: claimed[0].attempt };
        store.finish(vec![Finish { lease, end }]).await.unwrap();
    }
    let in_lane = NewTask { lane: Some(Lane::new("octo/repo#12")), ..NewTask::new("work") };
    add(&store, Submission { key: None, ..submission("payload", vec![in_lane]) }).await;
    let (queries, others): (Vec<_>, Vec<_>) = documented().into_iter().partition(|text| text.starts_with("SELECT"));
    assert!(queries.len() >= 6, "{queries:?}");
    for query in queries {
        assert!(!text(&disk, &query).is_empty(), "{query}");
    }
    store.close().await.unwrap();
    let backup = disk.path().with_file_name("becket-backup.db");
    let totals = "SELECT group_concat(tasks) FROM totals";
    let before = text(&disk, totals);
    assert_eq!(others.len(), 2, "{others:?}");
    disk.tamper("UPDATE totals SET tasks = 77");
    for statement in others {
        disk.tamper(&statement.replace("becket-backup.db", backup.to_str().unwrap()));
    }
    assert!(backup.exists());
    assert_eq!(text(&disk, totals), before);
}
