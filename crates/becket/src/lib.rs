#![doc = include_str!("../README.md")]

pub mod app;
pub mod config;
pub mod event;
pub mod extract;
pub mod handler;
pub mod http;
pub mod notify;
pub mod route;
pub mod target;

pub use app::{App, Cron, IntoStore, Mistake, Mounted, Running, StartError, cron};
pub use becket_tasks::{Backoff, Client, TaskContext, TaskError, TaskId};
pub use becket_webhooks::{Secrets, Source};
pub use config::Config;
pub use extract::{Delivery, Event, FromTask, Headers, Json, Parents, Payload, Requirements, State, TaskInput};
pub use handler::{Configured, Handler, IntoHandler, IntoResult, background, batch, inline};
pub use http::server::Signals;
pub use route::{IntoPatterns, Pattern, PatternError};
