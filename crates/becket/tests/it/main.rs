//! The application as its users and its senders meet it: a real server on a free port, real requests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod answers;
mod duplicates;
mod extractors;
mod isolation;
mod limits;
mod mounting;
mod operators;
mod order;
mod refusals;
mod routes;
mod shutdown;
mod start;
mod views;
mod world;
