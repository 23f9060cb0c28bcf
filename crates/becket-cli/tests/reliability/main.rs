//! What the guarantees are worth on a real day: the real binary, real signals, a real file, real connections.
//!
//! A file per topic; `server`, `sender`, `receiver` and `operator` are the parts that the tests play or drive. What is
//! promised, and how each promise is tested, is told in docs/guides/reliability.md.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod crashes;
mod duplicates;
#[cfg(target_os = "linux")]
mod full_disk;
mod kills;
mod limits;
#[expect(dead_code, reason = "shared with the target `fixtures`, which uses the rest")]
mod operator;
mod receiver;
mod sender;
#[expect(dead_code, reason = "shared with the target `hostile`, which uses the rest")]
mod server;
mod shutdown;
mod slow_target;
