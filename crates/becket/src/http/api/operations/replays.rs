//! All deliveries that match, routed again, oldest first.
//!
//! Lists are newest first, so the ids are gathered before anything is replayed; what comes in meanwhile is not among them.
//! A delivery whose body was erased, or has gone with its last task, is passed over: there is nothing to run.

use std::fmt;
use std::sync::Arc;

use becket_tasks::query::{Page, SubmissionFilter};
use becket_tasks::{Client, Error, Result, SubmissionId};
use futures_util::{StreamExt as _, stream};

use crate::http::api::Replay;

/// How many deliveries one operation replays at the most: their ids are 8 MB then.
const DELIVERIES_MAX: usize = 1_000_000;
/// How many deliveries one slice takes.
const SLICE: usize = 100;
/// How many are on their way to the store at once: they share a commit.
const AT_ONCE: usize = 25;

/// Replays, as far as they have come.
pub(in crate::http::api) struct Replays {
    client: Client,
    replay: Arc<dyn Replay>,
    filter: SubmissionFilter,
    /// Where gathering goes on; `None` when all ids are there.
    page: Option<Page>,
    /// Newest first, so that the next is the last.
    waiting: Vec<SubmissionId>,
    done: u64,
}

impl Replays {
    pub(in crate::http::api) fn new(client: Client, replay: Arc<dyn Replay>, filter: SubmissionFilter) -> Self {
        let page = Some(Page::first(Page::LIMIT_MAX));
        Self { client, replay, filter, page, waiting: Vec::new(), done: 0 }
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    pub(super) async fn count(&self, at_most: u64) -> Result<u64> {
        self.client.count_submissions(&self.filter, at_most).await
    }

    /// Gathers a page of ids, or replays a slice of them; `false` when none is left.
    pub(super) async fn slice(&mut self) -> Result<bool> {
        match self.page {
            Some(page) => self.gather(page).await?,
            None => self.replay().await?,
        }
        Ok(self.page.is_some() || !self.waiting.is_empty())
    }

    async fn gather(&mut self, page: Page) -> Result<()> {
        let listed = self.client.store().submissions(self.filter.clone(), page).await?;
        if self.waiting.len() + listed.items.len() > DELIVERIES_MAX {
            let rule = format!("more than {DELIVERIES_MAX} deliveries match; narrow the filter by `since` and `until`");
            return Err(Error::Invalid(rule));
        }
        self.waiting.extend(listed.items.iter().map(|delivery| delivery.id));
        self.page = listed.next.map(|after| Page { after: Some(after), ..page });
        Ok(())
    }

    /// Replays a slice. Those that the store did not take wait for the next one, so that none is replayed twice.
    async fn replay(&mut self) -> Result<()> {
        let next = self.waiting.split_off(self.waiting.len().saturating_sub(SLICE));
        let outcomes: Vec<(SubmissionId, Result<bool>)> = stream::iter(next.into_iter().rev())
            // One after the other: a body may be large, and is dropped before the next is looked at.
            .then(|delivery| {
                let client = self.client.clone();
                async move { (delivery, has_body(&client, delivery).await) }
            })
            .map(|(delivery, has_body)| {
                let replay = Arc::clone(&self.replay);
                async move {
                    match has_body {
                        Ok(true) => (delivery, replay.replay(delivery).await.map(|inserted| inserted.is_some())),
                        other => (delivery, other),
                    }
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut failure = Ok(());
        for (delivery, outcome) in outcomes.into_iter().rev() {
            match outcome {
                Ok(replayed) => self.done += u64::from(replayed),
                Err(error) => {
                    self.waiting.push(delivery);
                    failure = Err(error);
                }
            }
        }
        failure
    }
}

/// Whether there is something to run: a delivery that came with an empty body is, an erased one is not.
async fn has_body(client: &Client, delivery: SubmissionId) -> Result<bool> {
    let Some(info) = client.store().submission(delivery).await? else { return Ok(false) };
    let Some(payload) = client.store().payload(delivery).await? else { return Ok(false) };
    Ok(info.payload_bytes == 0 || !payload.payload.is_empty())
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replays")
            .field("waiting", &self.waiting.len())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
