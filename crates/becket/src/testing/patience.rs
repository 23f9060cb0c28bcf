//! Bounds in real time, for tests whose time does not pass by itself.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a test waits, in real time, for what should happen at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What `future` answers, or `None` after `patience` in real time. A timer of tokio's would end at once where its clock is
/// paused and all wait, so a thread counts.
pub(super) async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    let (waits, over) = mpsc::channel::<()>();
    let (tell, told) = oneshot::channel();
    let counted = thread::Builder::new().name("becket-patience".to_owned()).spawn(move || {
        if over.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            // The test may have gone on in this moment.
            let _ = tell.send(());
        }
    });
    if let Err(error) = counted {
        panic!("no thread to count the time that a test may take: {error}");
    }
    let answer = tokio::select! {
        biased;
        answer = future => Some(answer),
        _ = told => None,
    };
    // Ends the thread.
    drop(waits);
    answer
}
