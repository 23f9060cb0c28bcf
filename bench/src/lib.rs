//! Measures Becket against servers that promise less, in one run, as ratios. How to run it and what its columns mean is
//! in this folder's `README.md`.
//!
//! - [`ingest`] is the plan: which server under which load, when. It starts servers through [`process`], loads them
//!   through [`load`], and gathers a [`report`] that [`budget`] judges.
//! - [`server`] holds the servers that Becket is compared with. Becket itself is a binary that is started; none of
//!   its code is used there.
//! - [`payload`] and [`signature`] make what is sent; [`latency`] and [`disk`] measure.
//! - [`verify`] measures what it costs to verify and read a delivery of each kind.
//! - [`tasks`] measures the task engine as a library, in processes of its own.

pub mod budget;
pub mod disk;
pub mod ingest;
pub mod latency;
pub mod load;
pub mod payload;
pub mod process;
pub mod report;
pub mod server;
pub mod signature;
pub mod tasks;
pub mod text;
mod turns;
pub mod verify;
