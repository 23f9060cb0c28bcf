//! Reloading: the configuration is read again, and brought into force wholly or not at all.
//!
//! All that can fail comes first: the file is read and checked, the application is planned with it as at the start, and
//! compared with what cannot change while it runs, and its router is made. Then the engine is given its new registry and the
//! server its new router, in this order, since a route may name a kind that the engine does not know yet. Nothing waits in
//! between. Of one that is refused nothing is left but marks of its
//! secrets.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use becket_tasks::Registry;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::plan;
use super::running::cancel_grace;
use super::serving::{Lasting, Serving};
use super::{App, Mistake};
use crate::config::{Config, Errors, Loader};
use crate::http::reload::{Applied, Attempt, Fault, Reload, Trigger};
use crate::target::Targets;

/// How often the file is looked at. Its contents are compared, not its times, and no notification of the system is waited
/// for: Kubernetes swaps a link two folders above the file, and network and overlay file systems tell nobody.
const LOOK: Duration = Duration::from_secs(1);

/// What a configuration that is in force left for the next to be compared with.
struct InForce {
    config: Config,
    kinds: Arc<[Arc<str>]>,
    targets: Targets,
}

impl InForce {
    fn of(serving: &Serving) -> Self {
        let (kinds, targets) = (Arc::clone(serving.kinds()), serving.targets().clone());
        Self { config: serving.config().clone(), kinds, targets }
    }
}

/// A configuration that only has to be brought into force.
struct Ready {
    registry: Registry,
    router: Router,
    sources: Vec<String>,
    next: InForce,
}

/// Reads the configuration of one running application again.
pub(super) struct Reloader {
    /// The application without its configuration.
    recipe: App,
    loader: Loader,
    lasting: Lasting,
    serving: Arc<ArcSwap<Router>>,
    finish: fn(Router) -> Router,
    /// One reload at a time.
    in_force: Mutex<InForce>,
    this: Weak<Self>,
}

impl Reloader {
    /// Makes the first router, and whoever replaces it.
    pub(super) fn start(
        (recipe, loader): (App, Loader),
        lasting: Lasting,
        first: Serving,
        finish: fn(Router) -> Router,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| {
            let in_force = Mutex::new(InForce::of(&first));
            let own: Weak<Self> = this.clone();
            let router = finish(lasting.router(first, Some(own)));
            let serving = Arc::new(ArcSwap::from_pointee(router));
            Self { recipe, loader, lasting, serving, finish, in_force, this: this.clone() }
        })
    }

    pub(super) const fn serving(&self) -> &Arc<ArcSwap<Router>> {
        &self.serving
    }

    async fn attempt(self: Arc<Self>, trigger: Trigger) -> Result<Applied, Vec<Fault>> {
        let mut in_force = self.in_force.lock().await;
        let (this, config, targets) = (Arc::clone(&self), in_force.config.clone(), in_force.targets.clone());
        // Files are read and clients made: work for a thread that may block.
        let planned = tokio::task::spawn_blocking(move || this.plan(&config, &targets)).await;
        let planned = planned.unwrap_or_else(|error| {
            let what = format!("it could not be read: {error}");
            Err(vec![Fault { origin: None, key: None, what, mend: "look into the log".to_owned() }])
        });
        let result = planned.and_then(|ready| self.bring_into_force(ready, &mut in_force));
        drop(in_force);
        self.note(trigger, &result);
        result
    }

    /// All that can fail, without an effect on requests.
    fn plan(&self, running: &Config, targets: &Targets) -> Result<Ready, Vec<Fault>> {
        let loaded = Config::load(self.loader.clone()).map_err(|errors| faults(&errors))?;
        loaded.fits(running).map_err(|errors| faults(&errors))?;
        let app = App { config: Some(loaded.config), ..self.recipe.clone() };
        let plan = plan::plan_after(app, targets);
        let (serving, registry) = Serving::of(plan.map_err(|all| all.iter().map(of_mistake).collect::<Vec<_>>())?);
        let sources = serving.source_names();
        let next = InForce::of(&serving);
        let router = (self.finish)(self.lasting.router(serving, Some(self.this.clone())));
        Ok(Ready { registry, router, sources, next })
    }

    fn bring_into_force(&self, ready: Ready, in_force: &mut InForce) -> Result<Applied, Vec<Fault>> {
        let Ready { registry, router, sources, next } = ready;
        let engine = &self.lasting.engine;
        engine.replace_registry(registry).map_err(|error| {
            vec![Fault { origin: None, key: None, what: error.to_string(), mend: "correct it".to_owned() }]
        })?;
        engine.set_cancel_grace(cancel_grace(&next.config));
        self.serving.store(Arc::new(router));
        for then in &self.recipe.on_reload.0 {
            then(&next.config);
        }
        let applied = Applied {
            sources,
            kinds_added: beyond(&next.kinds, &in_force.kinds),
            kinds_removed: beyond(&in_force.kinds, &next.kinds),
        };
        *in_force = next;
        Ok(applied)
    }

    fn note(&self, trigger: Trigger, result: &Result<Applied, Vec<Fault>>) {
        match result {
            Ok(applied) => {
                tracing::info!(?trigger, sources = applied.sources.len(), "the configuration was reloaded");
                for kind in &applied.kinds_removed {
                    tracing::warn!(kind, "tasks of this kind have no handler any more; they stay queued");
                }
            }
            Err(faults) => {
                for Fault { origin, key, what, mend } in faults {
                    tracing::error!(
                        ?trigger,
                        origin,
                        key,
                        "the new configuration is refused, the old one stays: {what}; {mend}"
                    );
                }
            }
        }
        self.lasting.metrics.reloaded(result.is_ok());
        let errors = result.as_ref().err().cloned().unwrap_or_default();
        let at = self.lasting.opened.store.clock().now();
        self.lasting.standing.note(Attempt { at, trigger, applied: result.is_ok(), errors });
    }

    /// Reloads whenever the file has changed, until the server stops. A file that is gone is not a change: it is on its way.
    pub(super) fn watch(self: &Arc<Self>) {
        let (this, stopping) = (Arc::clone(self), self.lasting.stopping.clone());
        let path = self.loader.path().to_owned();
        // Before anybody hears that the server listens: what is changed from then on is a change.
        let mut known = hash(&path);
        tokio::spawn(async move {
            let watching = async {
                let mut seen = known;
                loop {
                    tokio::time::sleep(LOOK).await;
                    let Some(now) = contents(path.clone()).await else { continue };
                    // Twice the same: nobody is writing it just now.
                    if Some(now) != known && seen == Some(now) {
                        known = Some(now);
                        let _ = Arc::clone(&this).attempt(Trigger::File).await;
                    }
                    seen = Some(now);
                }
            };
            stopping.run_until_cancelled(watching).await
        });
    }
}

impl Reload for Reloader {
    fn reload(&self, trigger: Trigger) -> BoxFuture<'static, Result<Applied, Vec<Fault>>> {
        let this = self.this.clone();
        async move {
            let Some(this) = this.upgrade() else { return Err(vec![stopped()]) };
            // In a task of its own: whoever asked may go away in the middle.
            tokio::spawn(this.attempt(trigger)).await.unwrap_or_else(|_| Err(vec![stopped()]))
        }
        .boxed()
    }
}

fn stopped() -> Fault {
    Fault { origin: None, key: None, what: "the server is stopping".to_owned(), mend: "start it again".to_owned() }
}

async fn contents(path: PathBuf) -> Option<[u8; 32]> {
    tokio::task::spawn_blocking(move || hash(&path)).await.ok()?
}

/// What a file holds, as its hash; `None` where it cannot be read. Its secrets are in memory once too often already.
fn hash(path: &Path) -> Option<[u8; 32]> {
    Some(Sha256::digest(std::fs::read(path).ok()?).into())
}

fn beyond(these: &[Arc<str>], those: &[Arc<str>]) -> Vec<String> {
    these.iter().filter(|kind| !those.contains(kind)).map(ToString::to_string).collect()
}

fn faults(errors: &Errors) -> Vec<Fault> {
    let fault = |error: &crate::config::Error| Fault {
        origin: Some(error.origin().place().to_string()),
        key: Some(error.key().to_owned()).filter(|key| !key.is_empty()),
        what: error.what().to_owned(),
        mend: error.mend().to_owned(),
    };
    errors.iter().map(fault).collect()
}

fn of_mistake(mistake: &Mistake) -> Fault {
    Fault { origin: None, key: None, what: mistake.what().to_owned(), mend: mistake.mend().to_owned() }
}
