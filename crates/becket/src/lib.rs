#![doc = include_str!("../README.md")]

pub mod app;
pub mod config;
pub mod event;
pub mod extract;
pub mod handler;
pub mod http;
pub mod normalised;
pub mod notify;
pub mod route;
pub mod target;
#[cfg(feature = "testing")]
pub mod testing;

/// The examples in the guides, built as tests of the documentation.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/guides/secrets.md")]
    struct Secrets;
    #[doc = include_str!("../../../docs/guides/lanes.md")]
    struct Lanes;
    #[doc = include_str!("../../../docs/guides/events.md")]
    struct Events;
    #[doc = include_str!("../../../docs/guides/fairness.md")]
    struct Fairness;
    #[doc = include_str!("../../../docs/guides/unique.md")]
    struct Unique;
    #[doc = include_str!("../../../docs/guides/routing.md")]
    struct Routing;
}

pub use app::{App, Cron, IntoStore, Mistake, Mounted, Running, StartError, cron};
pub use becket_tasks::{Backoff, Client, IntoNaming, Naming, Subject, TaskContext, TaskError, TaskId};
pub use becket_webhooks::{AzureAuth, Custom, Dialect, Secret, Secrets, Source};
pub use config::Config;
pub use extract::{Delivery, Event, FromTask, Headers, Json, Parents, Payload, Requirements, State, TaskInput};
pub use handler::{Configured, Handler, IntoHandler, IntoResult, background, batch, inline};
pub use http::ingest::{Received, receive_source as received};
pub use http::reload::{Applied as Reloaded, Fault as ReloadFault, Trigger as ReloadTrigger};
pub use http::server::{Hangups, Signals};
pub use route::{IntoPatterns, Pattern, PatternError};
