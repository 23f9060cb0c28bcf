//! A server with nothing but the API, over a store and an engine with a few handlers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use becket::http::api::{ApiContext, Replay, router};
use becket::http::kept;
use becket::http::metrics::Metrics;
use becket::http::rejections::RejectionLog;
use becket::http::reload::Standing;
use becket::http::secrets::SecretUses;
use becket_tasks::schedule::Schedule;
use becket_tasks::store::memory::MemoryStore;
use becket_tasks::submission::Inserted;
use becket_tasks::{
    Engine, EngineOptions, Handler, NewTask, Policy, Registry, RetryPolicy, Run, State, Store, Submission,
    SubmissionId, TaskError, TaskId,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The kinds that have a handler: `blocked` runs until it is let go, `failing` fails for good, `once_failing` the first
/// time only, `quick` echoes, `stepwise` does a step and tells its progress until it is let go.
pub(crate) const KINDS: [&str; 5] = ["blocked", "failing", "once_failing", "quick", "stepwise"];

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: Engine,
    pub(crate) rejections: Arc<RejectionLog>,
    pub(crate) shutdown: CancellationToken,
    /// A permit for each `blocked` task that has begun.
    pub(crate) begun: Arc<Semaphore>,
    /// Each permit lets one `blocked` task end.
    pub(crate) go: Arc<Semaphore>,
    http: Client,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    /// A server that asks for no token, over a store in memory.
    pub(crate) async fn start() -> Self {
        Self::with(Arc::new(MemoryStore::default()), None, None).await
    }

    /// A server whose kinds are these alone; nothing is ever enqueued for them.
    pub(crate) async fn with_kinds(kinds: &[&str]) -> Self {
        let mut registry = Registry::new();
        for kind in kinds {
            registry.insert(*kind, Policy::default(), |_: Run| async { Ok(None) }).unwrap();
        }
        let gates = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        Self::serve(Arc::new(MemoryStore::default()), registry, gates, None, None).await
    }

    pub(crate) async fn with_token(token: &str) -> Self {
        Self::with(Arc::new(MemoryStore::default()), Some(token.into()), None).await
    }

    /// One server for each kind of store.
    pub(crate) async fn of_each_store() -> Vec<Self> {
        let memory = Self::start().await;
        #[cfg(feature = "sqlite")]
        let worlds = vec![memory, Self::sqlite().await];
        #[cfg(not(feature = "sqlite"))]
        let worlds = vec![memory];
        worlds
    }

    #[cfg(feature = "sqlite")]
    async fn sqlite() -> Self {
        use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteOptions::new(folder.path().join("becket.db"))).await.unwrap();
        Self::with(Arc::new(store), None, Some(folder)).await
    }

    async fn with(store: Arc<dyn Store>, token: Option<SecretString>, folder: Option<tempfile::TempDir>) -> Self {
        let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let registry = handlers(&begun, &go);
        Self::serve(store, registry, (begun, go), token, folder).await
    }

    async fn serve(
        store: Arc<dyn Store>,
        registry: Registry,
        (begun, go): (Arc<Semaphore>, Arc<Semaphore>),
        token: Option<SecretString>,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        let kinds = registry.kinds();
        let engine = Engine::start(Arc::clone(&store), registry, EngineOptions::default()).await.unwrap();
        let (rejections, shutdown) = (Arc::new(RejectionLog::new()), CancellationToken::new());
        let metrics = Arc::new(Metrics::new());
        metrics.source("github", 1);
        let router = router(ApiContext {
            store: Arc::clone(&store),
            engine: engine.clone(),
            kinds,
            sources: Arc::new(["github".into(), "billing".into()]),
            replay: Arc::new(QuickAgain(Arc::clone(&store))),
            admin_token: token,
            metrics,
            rejections: Arc::clone(&rejections),
            notifier: None,
            targets: becket::target::Targets::default(),
            senders: Arc::new([]),
            secrets: Arc::new(SecretUses::open(Arc::clone(&store)).await),
            allow_lists: Arc::default(),
            config: Arc::new(Standing::new(None, false, store.clock().now())),
            reload: None,
            shutdown: shutdown.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { address, store, engine, rejections, shutdown, begun, go, http, _folder: folder }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    /// Asks, and answers the status and the JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) };
        (status, json)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, json) = self.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {json}");
        json
    }

    /// Asks for something that must be refused, and answers the problem.
    pub(crate) async fn problem(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        problem_of(request, status).await
    }

    /// Accepts a delivery with one task of each kind.
    pub(crate) async fn deliver(&self, delivery: Submission) -> Inserted {
        self.engine.client().submit(delivery).await.unwrap()
    }

    /// Accepts a delivery with one task, waits for its end, and answers the task.
    pub(crate) async fn ended(&self, delivery: Submission) -> TaskId {
        let task = self.deliver(delivery).await.tasks[0];
        self.engine.client().wait(task).await.unwrap();
        task
    }

    /// Gives a delivery one more task, as a replay does, and waits for its end.
    pub(crate) async fn again(&self, delivery: SubmissionId, kind: &str) {
        let inserted = self.store.append(delivery, vec![NewTask::new(kind)]).await.unwrap().unwrap();
        self.engine.client().wait(inserted.tasks[0]).await.unwrap();
    }

    /// Accepts a delivery whose task runs until [`World::go`] has a permit, and waits until it runs.
    pub(crate) async fn running(&self, key: &str) -> TaskId {
        let task = self.deliver(delivery("github", "issues.opened", key, &["blocked"])).await.tasks[0];
        self.begun.acquire().await.unwrap().forget();
        task
    }

    pub(crate) async fn state(&self, task: TaskId) -> State {
        self.store.task(task).await.unwrap().unwrap().task.state()
    }
}

/// Sends a request that must be refused, checks that the refusal is a problem, and answers it.
pub(crate) async fn problem_of(request: RequestBuilder, status: u16) -> Value {
    let response = request.send().await.unwrap();
    let (answered, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert_eq!(answered, status, "{text}");
    assert_eq!(headers["content-type"], "application/problem+json", "{text}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["status"], status, "{problem}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    problem
}

/// A delivery: `issues.opened` is event and action; `kinds` are its tasks.
pub(crate) fn delivery(source: &str, event: &str, key: &str, kinds: &[&str]) -> Submission {
    let (event, action) = event.split_once('.').map_or((event, None), |(event, action)| (event, Some(action)));
    Submission {
        source: source.into(),
        event: event.into(),
        action: action.map(Into::into),
        key: Some(key.into()),
        meta: kept::encode(&[("content-type", "application/json"), ("x-github-event", event)]),
        payload: Bytes::from_static(br#"{"number": 1.10}"#),
        tasks: kinds.iter().map(|kind| NewTask::new(*kind)).collect(),
    }
}

fn handlers(begun: &Arc<Semaphore>, go: &Arc<Semaphore>) -> Registry {
    let mut registry = Registry::new();
    let policy = Policy { retry: RetryPolicy::never(), ..Policy::default() };
    registry.insert("blocked", policy.clone(), blocked(begun, go)).unwrap();
    let failing = |_: Run| async { Err(TaskError::give_up("it is broken")) };
    registry.insert("failing", policy.clone(), failing).unwrap();
    let failed = Arc::new(AtomicBool::new(false));
    let once_failing = move |run: Run| {
        let first = !failed.swap(true, Ordering::Relaxed);
        async move { if first { Err(TaskError::give_up("not yet")) } else { Ok(Some(run.task.payload.clone())) } }
    };
    registry.insert("once_failing", policy.clone(), once_failing).unwrap();
    let quick = |run: Run| async move { Ok(Some(run.task.payload.clone())) };
    registry.insert("quick", policy.clone(), quick).unwrap();
    registry.insert("stepwise", policy, stepwise(begun, go)).unwrap();
    // Far apart: no test meets a tick.
    let yearly = Schedule::new("yearly", "@yearly".parse().unwrap(), "quick").zone("Europe/Berlin".parse().unwrap());
    registry.schedule(yearly.jitter(Duration::from_secs(300))).unwrap();
    registry
}

fn blocked(begun: &Arc<Semaphore>, go: &Arc<Semaphore>) -> impl Handler {
    let (begun, go) = (Arc::clone(begun), Arc::clone(go));
    move |_: Run| {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        async move {
            begun.add_permits(1);
            go.acquire().await?.forget();
            Ok(None)
        }
    }
}

fn stepwise(begun: &Arc<Semaphore>, go: &Arc<Semaphore>) -> impl Handler {
    let (begun, go) = (Arc::clone(begun), Arc::clone(go));
    move |run: Run| {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        async move {
            run.context.step("comment", async || Ok(serde_json::json!({"id": 7}))).await?;
            run.context.progress(1, 3, "one is done");
            begun.add_permits(1);
            go.acquire().await?.forget();
            run.context.progress(3, 3, "all is done");
            Ok(None)
        }
    }
}

/// Replays a delivery with one `quick` task.
struct QuickAgain(Arc<dyn Store>);

impl Replay for QuickAgain {
    fn replay(&self, delivery: SubmissionId) -> BoxFuture<'_, becket_tasks::Result<Option<Inserted>>> {
        self.0.append(delivery, vec![NewTask::new("quick")])
    }
}
