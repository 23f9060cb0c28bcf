//! Batches: several tasks of one kind that one call of their handler runs.
//!
//! Each task keeps an attempt of its own, with its timeout, its cancellation and its end; what they share is the slot and
//! the call. The attempts meet here: when all have come, or have gone away before, the handler is called with those that
//! came, and each gets its result. The call is dropped when none of them waits for it any more.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::attempt::message;
use crate::registry::{BatchHandler, Run};
use crate::retry::TaskError;

type Answer = Result<Option<Bytes>, TaskError>;

/// Where the attempts of one batch meet.
pub(crate) struct Meeting {
    handler: Arc<dyn BatchHandler>,
    state: Mutex<State>,
}

struct State {
    /// How many have neither come nor gone away.
    expected: usize,
    come: Vec<(Run, oneshot::Sender<Answer>)>,
    call: Option<AbortHandle>,
}

/// The place of one attempt. Dropped before it was taken, it lets the others begin without it.
pub(crate) struct Place {
    meeting: Arc<Meeting>,
    is_taken: bool,
}

impl Meeting {
    /// A meeting of `attempts`, with a place for each.
    pub(crate) fn of(attempts: usize, handler: Arc<dyn BatchHandler>) -> Vec<Place> {
        let state = Mutex::new(State { expected: attempts, come: Vec::with_capacity(attempts), call: None });
        let meeting = Arc::new(Self { handler, state });
        (0..attempts).map(|_| Place { meeting: Arc::clone(&meeting), is_taken: false }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more has come, or will not. The last one begins the call.
    fn note(&self, come: Option<(Run, oneshot::Sender<Answer>)>) {
        let mut state = self.lock();
        state.expected = state.expected.saturating_sub(1);
        state.come.extend(come);
        if state.expected == 0 && !state.come.is_empty() {
            let come = std::mem::take(&mut state.come);
            state.call = Some(tokio::spawn(call(Arc::clone(&self.handler), come)).abort_handle());
        }
    }
}

impl Drop for Meeting {
    /// Nobody waits any more.
    fn drop(&mut self) {
        if let Some(call) = self.lock().call.take() {
            call.abort();
        }
    }
}

impl Place {
    /// Takes part in the batch; answers this attempt's result.
    pub(crate) async fn take(mut self, run: Run) -> Answer {
        let (sender, answer) = oneshot::channel();
        self.is_taken = true;
        self.meeting.note(Some((run, sender)));
        answer.await.unwrap_or_else(|_| Err(TaskError::retry("the call of its batch was cut off")))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            self.meeting.note(None);
        }
    }
}

async fn call(handler: Arc<dyn BatchHandler>, come: Vec<(Run, oneshot::Sender<Answer>)>) {
    let (runs, senders): (Vec<Run>, Vec<_>) = come.into_iter().unzip();
    let expected = senders.len();
    // The handler is called inside, so that a panic before its first await is caught too.
    let called = AssertUnwindSafe(async move { handler.run(runs).await }).catch_unwind().await;
    for (sender, answer) in senders.into_iter().zip(answers(called, expected)) {
        // An attempt that was cancelled meanwhile does not listen.
        let _ = sender.send(answer);
    }
}

/// An answer for each, whatever the call came to.
fn answers(called: Result<Vec<Answer>, Box<dyn Any + Send>>, expected: usize) -> Vec<Answer> {
    let same = |error: TaskError| (0..expected).map(|_| Err(error.clone())).collect();
    match called {
        Ok(answers) if answers.len() == expected => answers,
        Ok(answers) => {
            let given = answers.len();
            same(TaskError::give_up(format!("the batch's handler returned {given} results for {expected} tasks")))
        }
        Err(panic) => same(TaskError::retry(format!("panicked: {}", message(&*panic)))),
    }
}
