//! The program as people meet it: each test runs the real binary and looks at what it prints and how it ends.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

mod bulk;
mod configuration;
mod deliveries;
mod demo;
mod enqueue;
mod errors;
mod pauses;
mod reference;
mod reload;
mod routes;
mod samples;
mod schedules;
mod secrets;
mod serve;
mod steps;
mod targets;
mod tasks;
mod world;
