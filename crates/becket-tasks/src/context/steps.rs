//! Steps: work inside a handler that is done once and remembered.
//!
//! An attempt reads what its task has done when its handler first asks, and not at all in the first attempt, which can
//! have done nothing. From then on it knows everything: while it holds the task, nobody else saves a step of it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::TaskContext;
use crate::error::Result;
use crate::retry::TaskError;
use crate::step::{NAME_BYTES_MAX, RESERVED, STEPS_BYTES_MAX, STEPS_MAX, Saved, Step};
use crate::task::Lease;
use crate::worker::STORE_DEADLINE;
use crate::worker::outage::{Outage, no_answer};

/// What an attempt knows of its task's steps.
#[derive(Default)]
pub(super) struct Steps(OnceCell<Mutex<Known>>);

/// By name. The bytes are those of all that are done.
#[derive(Default)]
struct Known {
    slots: HashMap<Arc<str>, Slot>,
    bytes: usize,
}

enum Slot {
    UnderWay,
    Done(Bytes),
}

/// A step that is to be done, or was.
pub(super) enum Begun<'a> {
    Now(UnderWay<'a>),
    Before(Bytes),
}

/// A step that is being done. It is free to be done again when this is dropped before it was saved.
pub(super) struct UnderWay<'a> {
    context: &'a TaskContext,
    known: &'a Mutex<Known>,
    name: Arc<str>,
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}

impl TaskContext {
    /// Does `work` once in the life of the task: what it returns is stored as JSON, durably, before this returns, and
    /// when the handler comes by again, after a retry, a crash or a pause, it gets the stored value and `work` does not
    /// run. What fails stores nothing.
    ///
    /// ```
    /// # async fn post_comment(_: u64) -> Result<u64, becket_tasks::TaskError> { Ok(1) }
    /// # async fn add_label(_: u64, _: &str) -> Result<(), becket_tasks::TaskError> { Ok(()) }
    /// use becket_tasks::{TaskContext, TaskError};
    ///
    /// async fn triage(issue: u64, task: TaskContext) -> Result<u64, TaskError> {
    ///     let comment = task.step("comment", || post_comment(issue)).await?;
    ///     for label in ["bug", "needs-triage"] {
    ///         task.step(format!("label {label}"), || add_label(issue, label)).await?;
    ///     }
    ///     Ok(comment)
    /// }
    /// ```
    ///
    /// A step is known by its `name`, so each step of a handler needs one of its own; in a loop, one made of what the
    /// turn is about. A second call of one name in one attempt returns the stored value, too. Should the process crash
    /// after `work` has ended and before its value is stored, it runs again: at least once.
    ///
    /// While the store cannot be reached this waits for it, until the attempt's time is up.
    ///
    /// # Errors
    /// Those of `work`, unchanged. Further ones end the attempt when they are passed on:
    /// - to be retried: the attempt has lost its lease, or the store is closed or damaged;
    /// - giving up: the stored value does not fit `T`; the name is empty, longer than [`NAME_BYTES_MAX`], begins with
    ///   [`RESERVED`], or is that of a step that is under way; the value is longer than
    ///   [`result_bytes_max`](crate::EngineOptions::result_bytes_max); the task would have more than [`STEPS_MAX`]
    ///   steps, or [`STEPS_BYTES_MAX`] in them.
    pub async fn step<T, F, Fut>(&self, name: impl Into<Arc<str>>, work: F) -> Result<T, TaskError>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, TaskError>>,
    {
        let name = name.into();
        check(&name)?;
        let step = match self.begin_step(&name).await? {
            Begun::Before(body) => return read(&name, &body),
            Begun::Now(step) => step,
        };
        let value = work().await?;
        let body = write(&name, &value, self.0.result_bytes_max)?;
        match step.save(body).await? {
            None => Ok(value),
            Some(first) => read(&name, &first),
        }
    }

    /// Begins a step, or answers what came of it before.
    pub(super) async fn begin_step(&self, name: &Arc<str>) -> Result<Begun<'_>, TaskError> {
        let known = self.0.steps.0.get_or_try_init(|| self.read_steps()).await?;
        let mut locked = lock(known);
        match locked.slots.get(name) {
            Some(Slot::Done(body)) => return Ok(Begun::Before(body.clone())),
            Some(Slot::UnderWay) => {
                let text = format!("step `{name}` is under way already; give each step a name of its own");
                return Err(TaskError::give_up(text));
            }
            None if locked.slots.len() >= STEPS_MAX => {
                let text = format!("step `{name}` is one too many; a task may have {STEPS_MAX}");
                return Err(TaskError::give_up(text));
            }
            None => {}
        }
        locked.slots.insert(Arc::clone(name), Slot::UnderWay);
        drop(locked);
        Ok(Begun::Now(UnderWay { context: self, known, name: Arc::clone(name) }))
    }

    async fn read_steps(&self) -> Result<Mutex<Known>, TaskError> {
        if self.0.task.attempt == 1 {
            return Ok(Mutex::default());
        }
        let steps = self.stored_steps().await?;
        let bytes = steps.iter().map(|step| step.body.len()).sum();
        let slots = steps.into_iter().map(|step| (step.name, Slot::Done(step.body))).collect();
        Ok(Mutex::new(Known { slots, bytes }))
    }

    async fn stored_steps(&self) -> Result<Vec<Step>, TaskError> {
        let steps = patiently("read the steps of a task", || self.client().store().steps(self.id())).await;
        steps.map_err(|error| TaskError::retry(format!("cannot read the task's steps: {error}")))
    }
}

impl UnderWay<'_> {
    /// Saves what came of it. Answers what is stored, if that is something else: the step was done before, and whoever
    /// did it did not wait for the answer.
    pub(super) async fn save(self, body: Bytes) -> Result<Option<Bytes>, TaskError> {
        let (context, name) = (self.context, &self.name);
        if lock(self.known).bytes + body.len() > STEPS_BYTES_MAX {
            let text = format!("the steps of a task may have {STEPS_BYTES_MAX} bytes, and `{name}` is too much");
            return Err(TaskError::give_up(text));
        }
        let lease = Lease { task: context.id(), attempt: context.0.task.attempt };
        let store = context.client().store();
        let saved = patiently("save a step", || store.save_step(lease, Arc::clone(name), body.clone())).await;
        match saved.map_err(|error| TaskError::retry(format!("cannot save step `{name}`: {error}")))? {
            Saved::Now => {
                self.done(body);
                Ok(None)
            }
            Saved::Already => {
                let stored = context.stored_steps().await?.into_iter().find(|step| step.name == *name);
                let gone = || TaskError::retry(format!("step `{name}` was stored, and is gone"));
                let first = stored.ok_or_else(gone)?.body;
                self.done(first.clone());
                Ok(Some(first))
            }
            Saved::LeaseLost | Saved::Unknown => {
                Err(TaskError::retry(format!("the attempt no longer holds the task; step `{name}` was not stored")))
            }
        }
    }

    fn done(&self, body: Bytes) {
        let mut known = lock(self.known);
        known.bytes += body.len();
        known.slots.insert(Arc::clone(&self.name), Slot::Done(body));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut known = lock(self.known);
        if matches!(known.slots.get(&self.name), Some(Slot::UnderWay)) {
            known.slots.remove(&self.name);
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls the store until it can be reached. What ends the attempt ends this, too.
async fn patiently<T, Fut>(what: &'static str, call: impl Fn() -> Fut) -> Result<T>
where
    Fut: Future<Output = Result<T>>,
{
    let mut outage = Outage::new(what);
    loop {
        match timeout(STORE_DEADLINE, call()).await.unwrap_or_else(|_| Err(no_answer(STORE_DEADLINE))) {
            Err(error) if error.is_temporary() => sleep(outage.failed(&error)).await,
            answer => {
                outage.over();
                return answer;
            }
        }
    }
}

fn check(name: &str) -> Result<(), TaskError> {
    let why = if name.is_empty() {
        "a step needs a name".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("the name of a step has {} bytes, and at most {NAME_BYTES_MAX} are allowed", name.len())
    } else if name.starts_with(RESERVED) {
        format!("step `{name}`: names that begin with `{RESERVED}` are reserved")
    } else {
        return Ok(());
    };
    Err(TaskError::give_up(why))
}

fn write<T: Serialize>(name: &str, value: &T, bytes_max: usize) -> Result<Bytes, TaskError> {
    let body = serde_json::to_vec(value).map_err(|error| {
        TaskError::give_up(format!("what step `{name}` returns cannot be written as JSON: {error}"))
    })?;
    if body.len() > bytes_max {
        let text = format!("what step `{name}` returns has {} bytes, and at most {bytes_max} are kept", body.len());
        return Err(TaskError::give_up(text));
    }
    Ok(body.into())
}

/// Says where a stored value does not fit and never quotes it, as is done with payloads.
pub(super) fn read<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, TaskError> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let why = if error.is_data() { "does not fit the step's type" } else { "is not JSON" };
        TaskError::give_up(format!("what step `{name}` returned before {why} (line {line}, column {column})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Follow;

    #[test]
    fn stored_value_that_does_not_fit_is_never_quoted() {
        for (body, why) in [(r#""s3cret""#, "does not fit the step's type"), ("s3cret", "is not JSON")] {
            let error = read::<u32>("pay", body.as_bytes()).unwrap_err();
            assert!(error.message().contains(why) && !error.message().contains("s3cret"), "{error}");
            assert!(error.message().contains("step `pay`"), "{error}");
            assert_eq!(error.follow(), Follow::GiveUp);
        }
    }

    #[test]
    fn names_that_make_no_sense_are_refused() {
        for (name, why) in [
            (String::new(), "a step needs a name"),
            ("@sleep 1".to_owned(), "names that begin with `@` are reserved"),
            ("x".repeat(NAME_BYTES_MAX + 1), "201 bytes, and at most 200 are allowed"),
        ] {
            let error = check(&name).unwrap_err();
            assert!(error.message().contains(why), "{error}");
            assert_eq!(error.follow(), Follow::GiveUp);
        }
        assert!(check(&"x".repeat(NAME_BYTES_MAX)).is_ok());
    }

    #[test]
    fn value_that_is_too_long_or_no_json_gives_up() {
        assert_eq!(write("n", &"123", 5).unwrap(), "\"123\"");
        let error = write("n", &"1234", 5).unwrap_err();
        assert_eq!(error.message(), "what step `n` returns has 6 bytes, and at most 5 are kept");
        assert!(write("n", &HashMap::from([(vec![1], 1)]), 99).is_err());
    }
}
