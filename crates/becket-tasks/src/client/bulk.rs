//! One change to every task that matches a filter, slice by slice.
//!
//! A [`Bulk`] walks the pages by their cursor, which counts downwards: what a slice changes cannot move into a later page,
//! what is accepted meanwhile is not met, and no task is met twice. Between two slices the store does whatever else
//! waits for it; how long to pause there, and when to stop, is for whoever calls.

use std::sync::Arc;

use super::Client;
use crate::error::Result;
use crate::id::TaskId;
use crate::query::{Page, SubmissionFilter, TaskFilter};
use crate::store::Store;

/// How many tasks one slice takes: enough to be quick, few enough that nobody who waits for the store feels it.
const SLICE: usize = 500;

/// What to do with the tasks that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Run them again from the start, unless they are running.
    Requeue,
    /// Delete those that are finished.
    Purge,
    /// Cancel those that are not, for this reason.
    Cancel(Arc<str>),
}

/// A change to every task that matches, as far as it has come. Dropping it stops it; what was changed stays.
#[derive(Debug)]
pub struct Bulk {
    store: Arc<dyn Store>,
    filter: TaskFilter,
    change: Change,
    /// `None` when the last page was done.
    page: Option<Page>,
    done: u64,
}

impl Bulk {
    /// Changes the next slice, newest first; `false` when there is none left. After an error it may be called again, and
    /// goes on with the same slice.
    ///
    /// # Errors
    /// As the store's verb; nothing of the slice was changed.
    pub async fn slice(&mut self) -> Result<bool> {
        let Some(page) = self.page else { return Ok(false) };
        let listed = self.store.tasks(self.filter.clone(), page).await?;
        let tasks: Vec<TaskId> = listed.items.iter().map(|task| task.id).collect();
        if !tasks.is_empty() {
            let changed = match &self.change {
                Change::Requeue => self.store.requeue(tasks),
                Change::Purge => self.store.purge(tasks),
                Change::Cancel(reason) => self.store.cancel(tasks, Arc::clone(reason)),
            };
            self.done += changed.await?.len() as u64;
        }
        self.page = listed.next.map(|after| Page { after: Some(after), ..page });
        Ok(self.page.is_some())
    }

    /// How many tasks were changed.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }
}

impl Client {
    /// Begins a change to every task that matches. Nothing happens before [`Bulk::slice`] is called.
    #[must_use]
    pub fn bulk(&self, filter: TaskFilter, change: Change) -> Bulk {
        Bulk { store: Arc::clone(&self.store), filter, change, page: Some(Page::first(SLICE)), done: 0 }
    }

    /// How many tasks match, counted up to `at_most`. Looks page by page, beside the store's writes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_tasks(&self, filter: &TaskFilter, at_most: u64) -> Result<u64> {
        let (mut page, mut count) = (Page::first(Page::LIMIT_MAX), 0);
        while count < at_most {
            let listed = self.store.tasks(filter.clone(), page).await?;
            count += listed.items.len() as u64;
            let Some(after) = listed.next else { break };
            page.after = Some(after);
            tokio::task::yield_now().await;
        }
        Ok(count.min(at_most))
    }

    /// How many submissions match, as [`count_tasks`](Self::count_tasks) does.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_submissions(&self, filter: &SubmissionFilter, at_most: u64) -> Result<u64> {
        let (mut page, mut count) = (Page::first(Page::LIMIT_MAX), 0);
        while count < at_most {
            let listed = self.store.submissions(filter.clone(), page).await?;
            count += listed.items.len() as u64;
            let Some(after) = listed.next else { break };
            page.after = Some(after);
            tokio::task::yield_now().await;
        }
        Ok(count.min(at_most))
    }

    /// Requeues every task that matches, newest first; answers how many. `progress` hears the number so far.
    ///
    /// Works in slices that other work fits between. Tasks accepted meanwhile are not touched, and none is touched
    /// twice. An empty filter means all but the running ones.
    ///
    /// # Errors
    /// As [`Store::requeue`]; what `progress` heard of is done.
    pub async fn requeue_matching(&self, filter: TaskFilter, progress: impl FnMut(u64) + Send) -> Result<u64> {
        self.change_matching(filter, Change::Requeue, progress).await
    }

    /// Deletes every finished task that matches, as [`requeue_matching`](Self::requeue_matching) does.
    ///
    /// # Errors
    /// As [`Store::purge`]; what `progress` heard of is done.
    pub async fn purge_matching(&self, filter: TaskFilter, progress: impl FnMut(u64) + Send) -> Result<u64> {
        self.change_matching(filter, Change::Purge, progress).await
    }

    /// Cancels every unfinished task that matches, as [`requeue_matching`](Self::requeue_matching) does.
    ///
    /// # Errors
    /// As [`Store::cancel`]; what `progress` heard of is done.
    pub async fn cancel_matching(
        &self,
        filter: TaskFilter,
        reason: impl Into<Arc<str>>,
        progress: impl FnMut(u64) + Send,
    ) -> Result<u64> {
        self.change_matching(filter, Change::Cancel(reason.into()), progress).await
    }

    async fn change_matching(
        &self,
        filter: TaskFilter,
        change: Change,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<u64> {
        let mut bulk = self.bulk(filter, change);
        loop {
            let before = bulk.done();
            let more = bulk.slice().await?;
            if bulk.done() > before {
                progress(bulk.done());
            }
            if !more {
                return Ok(bulk.done());
            }
            tokio::task::yield_now().await;
        }
    }
}
