//! HTTP: deliveries in, questions answered.
//!
//! `ingest` takes webhooks and `answer` writes what their senders hear; [`api`] is for people and their programs;
//! `server` owns sockets and time limits. Only this room knows axum and hyper.

pub mod access;
pub mod allow_list;
pub(crate) mod answer;
pub mod api;
pub(crate) mod ingest;
pub mod kept;
pub mod metrics;
pub mod networks;
pub mod problem;
pub mod rejections;
pub mod reload;
pub mod secrets;
pub(crate) mod server;
