#![doc = include_str!("../README.md")]

pub mod client;
pub mod context;
pub mod engine;
pub mod error;
pub mod events;
pub mod id;
pub mod mark;
pub mod measure;
pub mod naming;
pub mod order;
pub mod progress;
pub mod query;
pub mod registry;
pub mod retry;
pub mod schedule;
pub mod state;
pub mod step;
pub mod store;
pub mod submission;
pub mod task;
pub mod time;
mod worker;

pub use client::{
    Bulk, Chain, Change as BulkChange, Client, Enqueue, EnqueueError, EnqueueOptions, Graph, GraphError, ParentTask,
    WaitError,
};
pub use context::TaskContext;
pub use engine::{Ended, Engine, EngineMeasures, EngineOptions, PoolSize, Running, ShutdownReport};
pub use error::{Error, Result};
pub use events::{Events, Notice, Subscription, Transition};
pub use id::{SubmissionId, TaskId};
pub use mark::Mark;
pub use naming::{IntoNaming, Naming, Subject, TemplateError};
pub use order::{Debounce, Lane, Latest, Limits, OnRetry, Rate, Rules, Scope};
pub use progress::Progress;
pub use registry::{
    BatchHandler, DuplicateKind, Handler, LanePolicy, PayloadJson, Policy, Registry, Run, UniquePolicy,
};
pub use retry::{Backoff, RetryPolicy, TaskError};
pub use schedule::Schedule;
pub use state::State;
pub use step::{Saved, Step};
pub use store::Store;
pub use submission::{Due, NewTask, Parent, Start, Submission, Unique};
pub use task::{Attempt, Claimed, Outcome, Task, TaskDetail, WorkerId};
pub use time::{Clock, Timestamp};
