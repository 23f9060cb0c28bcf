//! Whose file it is: the lock, and files that are refused.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{Clock, Error, NewTask, Store, Timestamp};

use crate::world::{Disk, Process, add, child, child_path, open_when_free, submission};

/// One step more than this version knows.
const FROM_THE_FUTURE: &str = "INSERT INTO migrations SELECT max(number) + 1, 'from the future', 0 FROM migrations";

/// Opening must fail with this kind of error, and leave the file and the log beside it as they are.
async fn refused(disk: &Disk) -> String {
    let files = || {
        let beside = std::fs::read(disk.beside("wal"));
        (std::fs::read(disk.path()).unwrap(), beside.unwrap_or_default())
    };
    let before = files();
    let error = SqliteStore::open(disk.options()).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert!(files() == before, "the file was changed");
    // And nothing is left that would keep others away.
    let again = SqliteStore::open(disk.options()).await.unwrap_err();
    assert!(matches!(again, Error::Corrupt(_)), "{again:?}");
    error.to_string()
}

#[tokio::test]
async fn second_handle_in_one_process_is_refused() {
    let disk = Disk::new();
    let store = disk.open().await;
    let error = SqliteStore::open(disk.options()).await.unwrap_err();
    assert!(matches!(error, Error::Locked(_)));
    assert!(error.to_string().contains("in use by this process already"), "{error}");
    add(&store, submission("the first one goes on", Vec::new())).await;
}

#[cfg(unix)]
#[tokio::test]
async fn two_names_of_one_file_share_its_lock() {
    let disk = Disk::new();
    let _store = disk.open().await;
    let other = disk.path().with_file_name("other.db");
    std::os::unix::fs::symlink(disk.path(), &other).unwrap();
    let error = SqliteStore::open(SqliteOptions::new(other)).await.unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "{error}");
}

/// The first process is this very test, started again; it holds the file until it is killed.
#[cfg(unix)]
#[tokio::test]
async fn second_process_is_refused_and_told_the_number_of_the_first() {
    if let Some(path) = child_path() {
        let _store = SqliteStore::open(SqliteOptions::new(path)).await.unwrap();
        writeln!(std::io::stdout(), "\nholding").unwrap();
        // Until it is killed.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let disk = Disk::new();
    let name = "opening::second_process_is_refused_and_told_the_number_of_the_first";
    let first = child(name, &disk.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = Process(first);
    let mut lines = BufReader::new(first.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "holding"), "the first process opens the store");

    let error = SqliteStore::open(disk.options()).await.unwrap_err();
    assert!(matches!(error, Error::Locked(_)));
    let number = first.0.id();
    assert!(error.to_string().contains(&format!("in use by another process (number {number})")), "{error}");

    first.0.kill().unwrap();
    first.0.wait().unwrap();
    disk.open().await;
}

#[tokio::test]
async fn lock_is_released_by_closing() {
    let disk = Disk::new();
    let store = disk.open().await;
    store.close().await.unwrap();
    let other = disk.open().await;
    drop(store);
    add(&other, submission("", Vec::new())).await;
}

#[tokio::test]
async fn lock_is_released_soon_after_a_store_is_dropped() {
    let disk = Disk::new();
    let clock = Clock::manual(Timestamp::default());
    drop(SqliteStore::open(SqliteOptions { clock: clock.clone(), ..disk.options() }).await.unwrap());
    open_when_free(disk.options()).await;
    // The clock outlives its store, and does not mind.
    clock.set(Timestamp::from_millis(1));
}

#[tokio::test]
async fn file_of_another_program_is_refused_and_left_alone() {
    let disk = Disk::new();
    disk.tamper("CREATE TABLE precious (data TEXT); INSERT INTO precious VALUES ('data')");
    let error = refused(&disk).await;
    assert!(error.contains("not a Becket store") && error.contains("left untouched"), "{error}");
}

#[tokio::test]
async fn file_that_is_no_database_is_refused_and_left_alone() {
    for content in ["x", "A text that is longer than the header of a file of SQLite would be.\n".repeat(10).as_str()] {
        let disk = Disk::new();
        std::fs::write(disk.path(), content).unwrap();
        let error = refused(&disk).await;
        assert!(error.contains("is not a SQLite file"), "{error}");
    }
}

#[tokio::test]
async fn truncated_file_is_refused_and_left_alone() {
    let disk = Disk::with_closed_store(10).await;
    let file = std::fs::OpenOptions::new().write(true).open(disk.path()).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let error = refused(&disk).await;
    assert!(error.contains("is cut off"), "{error}");
}

#[tokio::test]
async fn file_of_a_newer_version_is_refused_and_left_alone() {
    let disk = Disk::with_closed_store(1).await;
    let known = disk.number("SELECT max(number) FROM migrations");
    disk.tamper(FROM_THE_FUTURE);
    let error = refused(&disk).await;
    let expected = format!("newer version of Becket (step {}, this one knows {known})", known + 1);
    assert!(error.contains(&expected), "{error}");
}

/// A crash leaves a log; it is for the version that wrote it.
#[tokio::test]
async fn log_that_a_newer_version_left_behind_is_not_moved_into_its_file() {
    let disk = Disk::with_closed_store(1).await;
    let newer = Disk::new();
    {
        let writer = rusqlite::Connection::open(disk.path()).unwrap();
        writer.execute_batch(FROM_THE_FUTURE).unwrap();
        for suffix in ["", "-wal"] {
            let name = |disk: &Disk| format!("{}{suffix}", disk.path().display());
            std::fs::copy(name(&disk), name(&newer)).unwrap();
        }
    }
    assert!(std::fs::metadata(newer.beside("wal")).unwrap().len() > 0);
    assert!(refused(&newer).await.contains("newer version"));
}

#[tokio::test]
async fn file_whose_steps_were_changed_is_refused_and_left_alone() {
    let disk = Disk::with_closed_store(1).await;
    disk.tamper("UPDATE migrations SET sha256 = 'something else'");
    let error = refused(&disk).await;
    assert!(error.contains("step 1 of the tables") && error.contains("not the one"), "{error}");
}

#[tokio::test]
async fn file_that_was_never_written_to_is_a_new_store() {
    let disk = Disk::new();
    std::fs::write(disk.path(), "").unwrap();
    add(&disk.open().await, submission("", vec![NewTask::new("work")])).await;
}

#[tokio::test]
async fn missing_folder_is_named() {
    let disk = Disk::new();
    let options = SqliteOptions::new(disk.path().with_file_name("missing").join("tasks.db"));
    let error = SqliteStore::open(options).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(..)) && error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn each_opening_is_a_new_epoch() {
    let disk = Disk::with_closed_store(0).await;
    assert_eq!(disk.number("SELECT epoch FROM process"), 1);
    disk.open().await.close().await.unwrap();
    assert_eq!(disk.number("SELECT epoch FROM process"), 2);
}
