//! Opening the file: whose it is, whether it is ours and whole, and which tables it has.
//!
//! Nothing is written before the file is known to be a Becket store, or new.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};

use super::failure::failed;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// "BCKT": marks the file as a Becket store. <https://www.sqlite.org/pragma.html#pragma_application_id>
const APPLICATION_ID: i32 = 0x4243_4b54;
/// Where the header of a SQLite file says what. <https://www.sqlite.org/fileformat2.html#the_database_header>
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A log that grew larger than this while somebody read is cut to it when it is begun anew.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// The tables, step by step. A step that was released is never changed: each store remembers its hash.
const MIGRATIONS: &[&str] = &[
    include_str!("sql/001_initial.sql"),
    include_str!("sql/002_order.sql"),
    include_str!("sql/003_steps.sql"),
    include_str!("sql/004_schedules.sql"),
    include_str!("sql/005_uniques.sql"),
    include_str!("sql/006_marks.sql"),
];

/// Keeps every other process from writing to the store, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the store at `path`, by a file beside it: the store's own file stays readable for the `sqlite3` shell.
    pub(super) fn take(path: &Path) -> Result<Self> {
        let beside = beside(path, "lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&beside);
        let mut file = open.map_err(|error| cannot_open(&beside, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is only told, not needed.
                let _ = file.take(32).read_to_string(&mut holder);
                return Err(in_use(path, holder.trim()));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_open(&beside, error)),
        }
        let told = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        told.map_err(|error| cannot_open(&beside, error))?;
        Ok(Self { _file: file })
    }
}

fn in_use(path: &Path, holder: &str) -> Error {
    let by = match holder.parse::<u32>() {
        Ok(number) if number == std::process::id() => "by this process already; close it first".to_owned(),
        Ok(number) => format!("by another process (number {number}); stop that one"),
        Err(_) => "by another process; stop that one".to_owned(),
    };
    Error::Locked(format!("the store {} is in use {by}, or choose another file", path.display()))
}

/// The file itself, whichever links lead to it: two names of one file must not have a lock each.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        found => return found.map_err(|error| cannot_open(path, error)),
    }
    let name = path.file_name().ok_or_else(|| Error::Unavailable(format!("{} names no file", path.display()), None))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| cannot_open(folder, error))?;
    Ok(folder.join(name))
}

/// The path of a file that lies beside the store's: SQLite names its own the same way.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(suffix);
    name.into()
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn cannot_open(path: &Path, error: std::io::Error) -> Error {
    Error::Unavailable(format!("cannot open {}: {error}", path.display()), None)
}

/// Refuses a file that is not a store of ours, by its first bytes alone, so that nothing touches it.
pub(super) fn inspect(path: &Path) -> Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot_open(path, error)),
    };
    let length = file.metadata().map_err(|error| cannot_open(path, error))?.len();
    if length == 0 {
        return Ok(());
    }
    let refuse = |why: &str| {
        let path = path.display();
        Err(Error::Corrupt(format!("{path} {why}; it was left untouched: move it away, or choose another file")))
    };
    let mut header = [0; HEADER_BYTES];
    if file.read_exact(&mut header).is_err() || header[..16] != *MAGIC {
        return refuse("is not a SQLite file");
    }
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if word(68) != APPLICATION_ID.unsigned_abs() {
        return refuse("is a SQLite file, but not a Becket store");
    }
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    // With a log of what a crash interrupted, the file may lag behind its header until SQLite has read that.
    let has_log = |suffix| std::fs::metadata(beside(path, suffix)).is_ok_and(|log| log.len() > 0);
    if !has_log("wal") && !has_log("journal") && length < page_bytes * u64::from(word(28)) {
        return refuse("is cut off: it is shorter than its header says");
    }
    Ok(())
}

/// Opens the write connection, and brings the tables up to date.
pub(super) fn writer(path: &Path, now: Timestamp) -> Result<Connection> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // Until it is known to be ours to write, closing it must not move a log that a crash left behind into it.
    let may_move_log = |connection: &Connection, may: bool| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !may).map_err(failed)
    };
    may_move_log(&connection, false)?;
    let is_new = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(failed)
        .map(|id: i32| id != APPLICATION_ID)?;
    if is_new {
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    }
    migrate(&mut connection, path, now)?;
    may_move_log(&connection, true)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT).map_err(failed)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -8_192).map_err(failed)?;
    Ok(connection)
}

/// Opens a connection for the checkpoint thread.
pub(super) fn checkpointer(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -1_024).map_err(failed)?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(failed)?;
    // Without this SQLite prepares some statements anew whenever other values are bound, the one that opens the next task of a
    // lane among them. <https://www.sqlite.org/queryplanner-ng.html#qpstab>
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    Ok(connection)
}

/// Applies the steps that are missing, and checks that those applied before are the ones known here.
fn migrate(connection: &mut Connection, path: &Path, now: Timestamp) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, \
             applied_at INTEGER NOT NULL) STRICT",
        )
        .map_err(failed)?;
    let applied: Vec<String> = {
        let mut query = transaction.prepare("SELECT sha256 FROM migrations ORDER BY number").map_err(failed)?;
        let rows = query.query_map([], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)?
    };
    if applied.len() > MIGRATIONS.len() {
        return Err(Error::Corrupt(format!(
            "{} was written by a newer version of Becket (step {}, this one knows {}); use that version",
            path.display(),
            applied.len(),
            MIGRATIONS.len()
        )));
    }
    for (place, step) in MIGRATIONS.iter().enumerate() {
        let hash = sha256(step);
        match applied.get(place) {
            Some(known) if *known == hash => {}
            Some(_) => {
                return Err(Error::Corrupt(format!(
                    "step {} of the tables of {} is not the one that this version knows; \
                     use the version that wrote it",
                    place + 1,
                    path.display()
                )));
            }
            None => {
                transaction.execute_batch(step).map_err(failed)?;
                let insert = "INSERT INTO migrations VALUES (?1, ?2, ?3)";
                transaction.execute(insert, params![place + 1, hash, now.as_millis()]).map_err(failed)?;
            }
        }
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len()).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn sha256(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
