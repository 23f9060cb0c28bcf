//! The admin API, asked over real sockets as its callers ask it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod access;
mod deliveries;
mod enqueue;
mod events;
mod health;
mod pauses;
mod reference;
mod status;
mod tasks;
mod world;
