//! Replaying a delivery that is stored: through the handlers as they are now.

use std::sync::Arc;

use becket_tasks::submission::Inserted;
use becket_tasks::{Client, SubmissionId};
use futures_util::future::BoxFuture;

use crate::http::api::Replay;
use crate::route::routes::Routes;

/// Routes stored deliveries again. Their tasks run in the background, whatever their handlers' mode: nobody waits.
pub(super) struct Replayer {
    pub(super) client: Client,
    pub(super) routes: Arc<Routes>,
}

impl Replay for Replayer {
    fn replay(&self, delivery: SubmissionId) -> BoxFuture<'_, becket_tasks::Result<Option<Inserted>>> {
        Box::pin(async move {
            let Some(known) = self.client.store().submission(delivery).await? else { return Ok(None) };
            let routed = self.routes.route(&known.source, &known.event, known.action.as_deref());
            self.client.append(delivery, routed.tasks).await
        })
    }
}
