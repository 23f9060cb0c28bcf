//! What senders with bad intentions may try, against the real binary over real connections.
//!
//! A file per kind of trick. After each the server must have given the right status, be alive and as quick to accept a good
//! delivery as before, hold no more memory, and have logged nothing that a sender could forge.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod addresses;
mod bodies;
mod framing;
mod headers;
mod ids;
mod json;
mod methods;
mod parallel;
mod signatures;
mod slow;
mod victim;
mod wire;

#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "../reliability/operator.rs"]
mod operator;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "../reliability/sender.rs"]
mod sender;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "../reliability/server.rs"]
mod server;
