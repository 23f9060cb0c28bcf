//! The engine from end to end, mostly over the store in memory. What is said of the engine in the README has its test here.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

mod batch;
mod client;
mod dispatch;
mod families;
mod inline;
mod isolation;
mod lanes;
mod lease;
mod notify;
mod outage;
mod places;
mod pool;
mod progress;
mod replacing;
mod retries;
mod schedules;
mod shutdown;
mod sleep;
#[cfg(feature = "sqlite")]
#[path = "../sqlite/mod.rs"]
mod sqlite;
mod steps;
mod store;
mod world;
