//! A program's life: it is started as the leader of a process group, fed, waited for, and ended with its whole group.
//!
//! Whatever becomes of the attempt, nothing of the group is left behind: also when the attempt's future is dropped. Only
//! a process that leaves the group on purpose (`setsid`) gets away. Should this process itself be killed, the program
//! finds its standard input at its end and its outputs closed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use becket_tasks::TaskError;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep_until, timeout};

use super::output::{Printed, Which};
use super::{Attempt, Failure};
use crate::config::targets;

/// How long the outputs may stay open after the group is gone: somebody who left it may hold them.
const DRAIN: Duration = Duration::from_secs(1);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Exited(u8),
    Signalled(i32),
    TimedOut,
    Cancelled,
}

/// Why a program is told to end.
#[derive(Clone, Copy, Debug)]
enum Stop {
    TimedOut,
    Cancelled,
}

/// A process group of ours. Dropping it kills what is left of it.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // There may be nobody left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Before its leader was reaped, or at once afterwards. While anybody of it is left, the system gives its number to
        // nobody else; when nobody is, it would have to come round all numbers within these microseconds.
        self.signal(Signal::KILL);
    }
}

/// Runs a program to its end, whichever that is.
pub(super) async fn run(
    mut command: Command,
    options: &targets::Command,
    attempt: &Attempt,
) -> Result<(End, Printed), Failure> {
    let mut child = command.spawn().map_err(|error| {
        let program = options.argv.first().map(String::as_str).unwrap_or_default();
        Failure::outage(TaskError::retry(format!("cannot start `{program}`: {error}")))
    })?;
    let group = Group::of(&child);
    let printed = Printed::new();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (one, other) = (printed.clone(), printed.clone());
    let reading = async {
        let (context, bytes_max) = (&attempt.context, options.output_limit);
        tokio::join!(
            async {
                if let Some(from) = stdout {
                    one.read(Which::Stdout, from, bytes_max, context.clone()).await;
                }
            },
            async {
                if let Some(from) = stderr {
                    other.read(Which::Stderr, from, bytes_max, context.clone()).await;
                }
            },
        );
    };
    let mut reading = std::pin::pin!(reading);
    let living = async {
        let feeding = feed(stdin, attempt.task.payload.clone());
        let end = live(&mut child, &group, options.kill_grace, attempt);
        // A program need not read its input; what it leaves is not waited for.
        tokio::select! {
            biased;
            end = end => end,
            never = async { feeding.await; std::future::pending().await } => never,
        }
    };
    let mut is_read = false;
    let end = {
        let mut living = std::pin::pin!(living);
        loop {
            tokio::select! {
                biased;
                end = &mut living => break end,
                () = &mut reading, if !is_read => is_read = true,
            }
        }
    };
    drop(group);
    if !is_read {
        let _ = timeout(DRAIN, reading).await;
    }
    let end =
        end.map_err(|error| Failure::from(TaskError::retry(format!("the program cannot be waited for: {error}"))))?;
    Ok((end, printed))
}

/// Waits for the program's end, or brings it about.
async fn live(child: &mut Child, group: &Group, grace: Duration, attempt: &Attempt) -> std::io::Result<End> {
    let stop = tokio::select! {
        biased;
        status = child.wait() => return status.map(ended),
        stop = stopped(attempt) => stop,
    };
    group.signal(Signal::TERM);
    if timeout(grace, child.wait()).await.is_err() {
        group.signal(Signal::KILL);
        child.wait().await?;
    }
    Ok(match stop {
        Stop::TimedOut => End::TimedOut,
        Stop::Cancelled => End::Cancelled,
    })
}

async fn stopped(attempt: &Attempt) -> Stop {
    let late = async {
        match attempt.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let cancelled = async {
        match &attempt.context {
            Some(context) => context.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = late => Stop::TimedOut,
        () = cancelled => Stop::Cancelled,
    }
}

async fn feed(stdin: Option<ChildStdin>, payload: Bytes) {
    if let Some(mut stdin) = stdin {
        // A program that has read enough closes it.
        let _ = stdin.write_all(&payload).await;
        let _ = stdin.shutdown().await;
    }
}

fn ended(status: ExitStatus) -> End {
    match status.code() {
        // Exit codes have eight bits: <https://pubs.opengroup.org/onlinepubs/9799919799/functions/exit.html>
        Some(code) => End::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        None => End::Signalled(status.signal().unwrap_or_default()),
    }
}
