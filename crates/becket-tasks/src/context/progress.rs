//! Reports of progress: as many as a handler likes, of which few go out.
//!
//! A report is a short write under a lock. The first goes out at once, later ones when [`INTERVAL`] has passed since
//! the one before: by the next call, or, should none come, by [`send_what_waits`](Reporter::send_what_waits), which the
//! worker runs beside the handler. The last one goes out when the attempt ends.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::TaskContext;
use crate::progress::{INTERVAL, MESSAGE_BYTES_MAX, Progress};

/// What one attempt has reported.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    reports: Mutex<Reports>,
    /// Told when a report has to wait.
    waiting: Notify,
}

#[derive(Debug, Default)]
struct Reports {
    done: u64,
    total: u64,
    message: String,
    is_unsent: bool,
    sent_at: Option<Instant>,
    /// The attempt has ended, and nobody wants to know any more.
    is_over: bool,
}

impl Reporter {
    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskContext {
    /// Tells whoever watches how far the work is: `done` of `total` (0 where that is not known), and what is being done,
    /// in at most [`MESSAGE_BYTES_MAX`] bytes; a longer message loses its end.
    ///
    /// Cheap enough to be called in the innermost loop, and never fails: reports go out at most each [`INTERVAL`], the
    /// last one when the attempt ends. They are not durable; see [`progress`](crate::progress).
    ///
    /// ```
    /// # async fn handler(rows: Vec<u32>, task: becket_tasks::TaskContext) {
    /// for (done, row) in rows.iter().enumerate() {
    ///     task.progress(done as u64, rows.len() as u64, "importing rows");
    ///     // … import `row`
    /// }
    /// # }
    /// ```
    pub fn progress(&self, done: u64, total: u64, message: impl AsRef<str>) {
        let reporter = &self.0.reporter;
        let mut reports = reporter.lock();
        if reports.is_over {
            return;
        }
        (reports.done, reports.total) = (done, total);
        reports.message.clear();
        push_bounded(&mut reports.message, message.as_ref());
        let now = Instant::now();
        if reports.sent_at.is_none_or(|sent_at| now.duration_since(sent_at) >= INTERVAL) {
            self.send(&mut reports, now);
        } else if !std::mem::replace(&mut reports.is_unsent, true) {
            reporter.waiting.notify_one();
        }
    }

    /// Sends reports for which no later call comes; runs beside the handler.
    pub(crate) async fn send_what_waits(&self) -> Infallible {
        let reporter = &self.0.reporter;
        loop {
            reporter.waiting.notified().await;
            let sent_at = reporter.lock().sent_at;
            if let Some(sent_at) = sent_at {
                sleep_until(sent_at + INTERVAL).await;
            }
            self.send_unsent(&mut reporter.lock());
        }
    }

    /// The attempt has ended: its last report goes out, and handles to it that somebody has kept say nothing more.
    pub(crate) fn end_progress(&self) {
        let mut reports = self.0.reporter.lock();
        self.send_unsent(&mut reports);
        reports.is_over = true;
        if reports.sent_at.is_some() {
            self.client().store().events().forget_progress(self.id(), self.0.task.attempt);
        }
    }

    fn send_unsent(&self, reports: &mut Reports) {
        if reports.is_unsent {
            self.send(reports, Instant::now());
        }
    }

    fn send(&self, reports: &mut Reports, now: Instant) {
        (reports.is_unsent, reports.sent_at) = (false, Some(now));
        let store = self.client().store();
        store.events().report(Progress {
            task: self.id(),
            submission: self.submission(),
            kind: Arc::clone(self.kind()),
            attempt: self.0.task.attempt,
            done: reports.done,
            total: reports.total,
            message: reports.message.as_str().into(),
            at: store.clock().now(),
        });
    }
}

fn push_bounded(kept: &mut String, message: &str) {
    if message.len() <= MESSAGE_BYTES_MAX {
        return kept.push_str(message);
    }
    kept.push_str(&message[..message.floor_char_boundary(MESSAGE_BYTES_MAX - '…'.len_utf8())]);
    kept.push('…');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_lose_their_end_at_a_whole_character() {
        for (text, bytes) in [("a", MESSAGE_BYTES_MAX), ("ä", MESSAGE_BYTES_MAX - 1), ("🦀", MESSAGE_BYTES_MAX - 1)]
        {
            let mut kept = String::new();
            push_bounded(&mut kept, &text.repeat(1_000));
            assert!(kept.len() == bytes && kept.ends_with('…'), "{kept}");
        }
        let mut kept = String::new();
        push_bounded(&mut kept, &"a".repeat(MESSAGE_BYTES_MAX));
        assert_eq!(kept.len(), MESSAGE_BYTES_MAX);
    }
}
