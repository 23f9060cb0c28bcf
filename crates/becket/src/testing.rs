//! Tests of applications: in the process of the test, with its clock, and with all parts real.
//!
//! A [`TestApp`] runs an [`App`](crate::App) as it is: its deliveries are signed, go through the router and are verified
//! and committed; the engine claims, runs and retries. Only what a test must hold in its hand is another: the store is in
//! memory, nothing listens on a port, the sources' secrets are known, and **time stands still** until the test
//! [moves it](TestApp::advance), so that a retry in an hour is one line and not an hour.
//!
//! ```
//! use std::time::Duration;
//!
//! use becket::testing::TestApp;
//! use becket::{App, Backoff, Payload, TaskContext, TaskError, background};
//! use serde_json::json;
//!
//! async fn triage(Payload(issue): Payload, task: TaskContext) -> Result<String, TaskError> {
//!     if task.attempt() == 1 {
//!         return Err(TaskError::retry("the first time it always fails"));
//!     }
//!     task.step("comment", async || Ok("thank you".to_owned())).await?;
//!     task.sleep(Duration::from_secs(24 * 3_600)).await?;
//!     Ok(format!("looked at {}", issue["number"]))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let every_minute = Backoff::Fixed(Duration::from_secs(60));
//! let app = TestApp::start(App::new().on("issues.opened", background(triage).retries(1).backoff(every_minute))).await;
//!
//! let delivered = app.deliver("issues.opened", json!({"number": 12})).await;
//! delivered.assert_status(202);
//! app.drain().await; // all that is due
//! app.task(delivered.task_id()).assert_retrying();
//!
//! app.advance(Duration::from_secs(60)).await;
//! app.drain().await;
//! app.tasks("triage").only().assert_step("comment").assert_attempts(1); // it sleeps, which does not count
//!
//! assert_eq!(app.drain_all().await, Duration::from_secs(24 * 3_600)); // all there is, however late
//! app.tasks("triage").only().assert_completed().assert_attempts(2).assert_result("looked at 12");
//! # }
//! ```
//!
//! [`Outgoing`] is the other side of what the application calls. The guide `docs/guides/testing.md` shows more: order in
//! lanes, crashes, outgoing calls.
//!
//! # Time
//!
//! There are two clocks. The store's decides when tasks are due: retries, delays, sleeps, parks, debounces, rates. Only the
//! test moves it. Tokio's decides about timeouts of handlers and `tokio::time::sleep` within them; it is real, unless the
//! test says `#[tokio::test(start_paused = true)]`. Then it moves with the store's, and by itself to the next timer
//! whenever all wait: a handler that hangs times out at once. That also ends the timeouts of clients that wait for
//! another machine; what [`Outgoing`] answers comes before them.
//!
//! Leases do not run out, as those of a live process do not, and nothing is pruned.
//!
//! # Why a feature
//!
//! The module is behind the feature `testing`, meant for `[dev-dependencies]`. It brings tokio's `test-util`, with which
//! every look at the time asks first whether the clock is paused; a program in production should not pay for that.

mod app;
mod deliveries;
mod flights;
mod outgoing;
mod patience;
mod tasks;
mod time;

pub use app::TestApp;
pub use deliveries::{Answer, Delivered, NewDelivery};
pub use flights::Moment;
pub use outgoing::{Call, Outgoing, Reply, Script};
pub use tasks::{TaskReport, TaskReports};
