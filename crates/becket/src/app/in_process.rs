//! Starting an application for [`testing`](crate::testing): on a given store in memory, with secrets that the test knows
//! and each handler under the test's eyes. All else is as in [`into_router`](App::into_router).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use becket_tasks::store::Claim;
use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{Registry, Rules};
use becket_webhooks::{Dialect, Secrets, Source};
use secrecy::SecretString;

use super::store::StoreChoice;
use super::{App, Mistake, Mounted, StartError, plan, running};
use crate::handler::Around;
use crate::target::Targets;

/// A lease that no test outlasts: while a process lives it renews its leases, however far a test moves the clock.
const LEASE: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A started application.
pub(crate) struct InProcess {
    pub(crate) router: Router,
    pub(crate) mounted: Mounted,
    pub(crate) sources: Vec<Source>,
    /// What its engine claims.
    pub(crate) claim: Claim,
}

/// Starts `app` on `store`, with `secret` in all its sources; without any it gets `github`.
pub(crate) async fn start(
    mut app: App,
    store: Arc<MemoryStore>,
    secret: impl Fn(&Dialect) -> SecretString,
    around: &dyn Around,
) -> Result<InProcess, StartError> {
    let is_configured = app.config.as_ref().is_some_and(|config| !config.sources.is_empty());
    if app.sources.is_empty() && !is_configured {
        app = app.github(secret(&Dialect::Github));
    }
    app.store = Some(StoreChoice::Open(store));
    let mut plan = plan::plan_around(app, around, &Targets::default()).map_err(StartError::Mistakes)?;
    // Tests post from nowhere.
    plan.sources.iter_mut().for_each(|received| received.allow = None);
    for received in plan.sources.iter_mut().filter(|one| !one.source.accepts_unsigned()) {
        let source = received.source.clone();
        let resigned = Secrets::new([secret(source.dialect())]).and_then(|secrets| source.with_secrets(secrets));
        received.source = resigned.map_err(|error| {
            let mend = "give the test a secret of the source's kind";
            StartError::Mistakes(vec![Mistake::new(
                format!("the secret of `{}`: {error}", received.source.name()),
                mend,
            )])
        })?;
    }
    plan.config.worker.lease = LEASE;
    // What a test has seen it may want to look at, wherever it has moved the clock meanwhile.
    plan.config.retention.age = Duration::MAX;
    plan.config.retention.count = u64::MAX;
    let sources = plan.sources.iter().map(|received| received.source.clone()).collect();
    let rules = rules(&plan.registry);
    let kinds = plan.registry.kinds();
    let (router, mounted) = running::launch(plan).await?;
    let worker = mounted.engine().worker_id().clone();
    let claim = Claim { worker, kinds, limit: 1, lease: LEASE, wait: Duration::ZERO, rules: Arc::new(rules) };
    Ok(InProcess { router, mounted, sources, claim })
}

fn rules(registry: &Registry) -> Rules {
    let kinds = registry.kinds();
    let limits = kinds.iter().filter_map(|kind| Some((Arc::clone(kind), registry.policy(kind)?.limits)));
    Rules { limits: limits.collect(), ..Rules::default() }
}
