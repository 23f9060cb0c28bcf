//! What only the SQLite store can do, and promises beyond the suite of every store: its file, lock, blocks, windows,
//! group commit, and what happens to them when the disk is full or something is damaged.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where its world does")]

mod blocks;
mod claims;
mod commits;
mod damage;
mod disk;
mod keys;
mod opening;
mod shell;
mod stress;
mod window;
mod workers;
mod world;
