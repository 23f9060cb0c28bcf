//! The admin API, asked over real sockets as its callers ask it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod access;
mod bulk;
mod deliveries;
mod enqueue;
mod events;
mod graph;
mod health;
mod reference;
mod schedules;
#[path = "../socket/mod.rs"]
mod socket;
mod status;
mod tasks;
mod watch;
mod world;
