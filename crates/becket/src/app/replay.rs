//! Replaying a delivery that is stored: through the handlers as they are now.
//!
//! What a schedule fired is none of the routes' business: it becomes the task that its schedule wants now.

use std::collections::HashMap;
use std::sync::Arc;

use becket_tasks::query::{Payload, SubmissionInfo};
use becket_tasks::schedule::SOURCE;
use becket_tasks::submission::{Inserted, NewTask};
use becket_tasks::{Client, SubmissionId};
use becket_webhooks::Normalised;
use futures_util::future::BoxFuture;

use crate::http::api::Replay;
use crate::http::kept;
use crate::route::Sought;
use crate::route::routes::Routes;

/// Routes stored deliveries again. Their tasks run in the background, whatever their handlers' mode: nobody waits.
pub(super) struct Replayer {
    pub(super) client: Client,
    pub(super) routes: Arc<Routes>,
    /// By the name of the schedule.
    pub(super) scheduled: HashMap<Arc<str>, NewTask>,
}

impl Replayer {
    async fn tasks(&self, known: &SubmissionInfo) -> becket_tasks::Result<Vec<NewTask>> {
        if *known.source == *SOURCE {
            return Ok(self.scheduled.get(&known.event).cloned().into_iter().collect());
        }
        let payload = self.client.store().payload(known.id).await?;
        if !payload.as_ref().is_some_and(|payload| self.routes.take_long(payload.payload.len())) {
            return Ok(routed(&self.routes, known, payload));
        }
        let (routes, known) = (Arc::clone(&self.routes), known.clone());
        let asked = tokio::task::spawn_blocking(move || routed(&routes, &known, payload)).await;
        // It ends badly only when the runtime is being torn down.
        asked.map_err(|_| becket_tasks::Error::Closed)
    }
}

/// Asks the routes for a delivery that is stored.
fn routed(routes: &Routes, known: &SubmissionInfo, payload: Option<Payload>) -> Vec<NewTask> {
    let mut sought = Sought::new(&known.source, &known.event, known.action.as_deref());
    sought.delivery_id = known.key.as_deref();
    if let Some(Payload { meta, payload }) = payload {
        // What was found out when it was received is kept with its headers.
        sought.normalised = kept::known(&meta).event().map(Normalised::name);
        if routes.look_into_payloads() {
            sought.json = kept::json(&meta, &payload);
        }
    }
    routes.route(&sought).tasks
}

impl Replay for Replayer {
    fn replay(&self, delivery: SubmissionId) -> BoxFuture<'_, becket_tasks::Result<Option<Inserted>>> {
        Box::pin(async move {
            let Some(known) = self.client.store().submission(delivery).await? else { return Ok(None) };
            self.client.append(delivery, self.tasks(&known).await?).await
        })
    }
}
