//! Checkpoints: moving what is committed from the write-ahead log into the file, on a thread and connection of their own.
//!
//! A checkpoint on the writer's thread makes every caller wait for it. So another thread does the bulk while the writer
//! goes on, and the writer itself moves only the short rest that was written meanwhile, after which SQLite begins the
//! log anew from its start. Rewriting a log that is on disk already is also cheaper to confirm than growing it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::failure::failed;
use super::rows::Rows;
use crate::error::{Error, Result};

/// The log is moved once it has so many pages (of 4 KiB).
const PAGES_BEFORE: i64 = 1_024;
/// A rest of so many pages is short enough for the writer's own thread.
const PAGES_REST: i64 = 256;
/// The writer does it all itself when the log has grown to so many pages: it must not fill the disk.
const PAGES_MAX: i64 = 16_384;
/// While a reader keeps the log from being begun anew, it is tried again after so many more.
const PAGES_BETWEEN: i64 = 256;
/// How often the other thread follows the writer before it leaves the rest to it.
const PASSES_MAX: usize = 4;

/// The writer's side of checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    requests: Option<SyncSender<()>>,
    /// Pages in the log after the latest commit.
    log_pages: Arc<AtomicI64>,
    is_rest_short: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log when it was last looked at.
    seen: i64,
    /// With how many pages the log is moved next.
    next: i64,
    /// Whether it was told that somebody holds the log, or that it cannot be moved.
    is_told: bool,
}

impl Checkpoints {
    /// Begins to watch the log of `rows`; `connection` is for the other thread.
    pub(super) fn start(rows: &mut Rows, connection: Connection) -> Result<Self> {
        let (requests, served) = sync_channel(1);
        let is_rest_short = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_rest_short);
        let thread = std::thread::Builder::new()
            .name("becket-checkpoint".to_owned())
            .spawn(move || serve(&connection, &served, &flag))
            .map_err(|error| Error::Unavailable("cannot start a thread".to_owned(), Some(Box::new(error))))?;
        let log_pages = Arc::new(AtomicI64::new(0));
        rows.watch_log(Arc::clone(&log_pages))?;
        Ok(Self {
            requests: Some(requests),
            log_pages,
            is_rest_short,
            thread: Some(thread),
            seen: 0,
            next: PAGES_BEFORE,
            is_told: false,
        })
    }

    /// Does what the log needs between two rounds.
    pub(super) fn after_round(&mut self, rows: &Rows) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages < self.seen {
            // SQLite began the log anew.
            self.next = PAGES_BEFORE;
            self.is_told = false;
        }
        self.seen = pages;
        if self.is_rest_short.swap(false, Ordering::AcqRel) || pages >= self.next.max(PAGES_MAX) {
            let moved = checkpoint(rows.connection(), "PASSIVE");
            self.tell(pages, &moved);
            self.next = pages + PAGES_BETWEEN;
        } else if pages >= self.next
            && let Some(requests) = &self.requests
            && let Err(TrySendError::Disconnected(())) = requests.try_send(())
        {
            // A panic said so already; the writer does all of it from now on.
            self.requests = None;
        }
    }

    /// Says once why a large log stays large.
    fn tell(&mut self, pages: i64, moved: &Result<i64>) {
        if self.is_told {
            return;
        }
        match moved {
            Err(error) => tracing::warn!(%error, "cannot move the write-ahead log into the file; trying again"),
            Ok(rest) if *rest > 0 && pages > PAGES_MAX => tracing::warn!(
                mebibytes = pages / 256,
                "a reader keeps the write-ahead log from being begun anew, so it grows; end long transactions in other \
                 programs that have the file open"
            ),
            Ok(_) => return,
        }
        self.is_told = true;
    }

    /// Moves everything and removes the log, as at the store's end.
    pub(super) fn finish(&mut self, rows: &Rows) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread panicked");
        }
        if let Err(error) = checkpoint(rows.connection(), "TRUNCATE") {
            tracing::warn!(%error, "cannot empty the write-ahead log; it will be read at the next start");
        }
    }
}

fn serve(connection: &Connection, requests: &Receiver<()>, is_rest_short: &AtomicBool) {
    while requests.recv().is_ok() {
        for _ in 0..PASSES_MAX {
            // Should it fail, so will the writer's own, which tells.
            if checkpoint(connection, "PASSIVE").is_ok_and(|rest| rest > PAGES_REST) {
                continue;
            }
            break;
        }
        is_rest_short.store(true, Ordering::Release);
    }
}

/// Moves what can be moved; answers how many pages of the log were left.
fn checkpoint(connection: &Connection, mode: &str) -> Result<i64> {
    connection
        .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            let (in_log, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(in_log - moved)
        })
        .map_err(failed)
}
