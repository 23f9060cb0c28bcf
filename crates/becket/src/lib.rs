#![doc = include_str!("../README.md")]

pub mod app;
pub mod config;
pub mod event;
pub mod extract;
pub mod handler;
pub mod http;
pub mod route;
pub mod target;
#[cfg(feature = "testing")]
pub mod testing;

pub use app::{App, IntoStore, Mistake, Mounted, Running, StartError};
pub use becket_tasks::{Backoff, Client, TaskContext, TaskError, TaskId};
pub use becket_webhooks::{Secrets, Source};
pub use config::Config;
pub use extract::{Delivery, Event, FromTask, Headers, Json, Payload, Requirements, State, TaskInput};
pub use handler::{Configured, Handler, IntoHandler, IntoResult, background, inline};
pub use http::server::Signals;
pub use route::{IntoPatterns, Pattern, PatternError};
