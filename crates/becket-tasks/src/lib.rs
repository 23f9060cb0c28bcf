#![doc = include_str!("../README.md")]

pub mod client;
pub mod context;
pub mod engine;
pub mod error;
pub mod events;
pub mod id;
pub mod measure;
pub mod naming;
pub mod order;
pub mod query;
pub mod registry;
pub mod retry;
pub mod state;
pub mod store;
pub mod submission;
pub mod task;
pub mod time;
mod worker;

pub use client::{Client, EnqueueError, EnqueueOptions, WaitError};
pub use context::TaskContext;
pub use engine::{Ended, Engine, EngineMeasures, EngineOptions, Running, ShutdownReport};
pub use error::{Error, Result};
pub use events::{Events, Notice, Subscription, Transition};
pub use id::{SubmissionId, TaskId};
pub use naming::{IntoNaming, Naming, Subject, TemplateError};
pub use order::{Debounce, Lane, Latest, Limits, OnRetry, Rate, Rules, Scope};
pub use registry::{DuplicateKind, Handler, LanePolicy, PayloadJson, Policy, Registry, Run};
pub use retry::{Backoff, RetryPolicy, TaskError};
pub use state::State;
pub use store::Store;
pub use submission::{Due, NewTask, Start, Submission};
pub use task::{Attempt, Claimed, Outcome, Task, TaskDetail, WorkerId};
pub use time::{Clock, Timestamp};
