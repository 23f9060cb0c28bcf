//! The application as its users and its senders meet it: a real server on a free port, real requests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod answers;
mod batches;
mod doors;
mod duplicates;
mod extractors;
mod filters;
mod isolation;
mod limits;
mod mounting;
mod normalised;
mod notify;
mod operators;
mod order;
mod refusals;
mod reloading;
mod routes;
mod schedules;
mod senders;
mod shutdown;
#[path = "../socket/mod.rs"]
mod socket;
mod start;
mod steps;
mod targets;
mod unique;
mod views;
mod world;
