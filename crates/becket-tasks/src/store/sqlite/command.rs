//! Commands: what callers ask of the writer, and the gate that bounds how much may wait for it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::outdated::Outdated;
use super::schedule::Running;
use super::schedule_states::ScheduleStep;
use crate::error::{Error, Result};
use crate::id::{SubmissionId, TaskId};
use crate::mark::Mark;
use crate::order::Scope;
use crate::query::{Pruned, Retention};
use crate::step::Saved;
use crate::store::Claim;
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::{Finish, Finished, Lease, WorkerId};
use crate::time::Timestamp;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// What a caller asks of the writer.
pub(super) enum Command {
    Insert(Vec<Submission>, Reply<Vec<Inserted>>),
    Append(SubmissionId, Vec<NewTask>, Reply<Option<Appended>>),
    Claim(Claim, Reply<Vec<Taken>>),
    Renew(Vec<Lease>, std::time::Duration, Reply<Vec<bool>>),
    Finish(Vec<Finish>, Reply<Vec<Finished>>),
    SaveStep(Lease, Arc<str>, Bytes, Reply<Saved>),
    Release(WorkerId, Reply<u64>),
    ReclaimExpired(Reply<u64>),
    Cancel(Vec<TaskId>, Arc<str>, Reply<Vec<TaskId>>),
    Requeue(Vec<TaskId>, Reply<Vec<TaskId>>),
    Purge(Vec<TaskId>, Reply<Vec<TaskId>>),
    Erase(Vec<SubmissionId>, Reply<Vec<SubmissionId>>),
    Prune(Retention, Outdated, Reply<Pruned>),
    /// The submissions with a key, of all sources: only the writer knows the latest keys.
    Find(Arc<str>, Reply<Vec<SubmissionId>>),
    /// Takes a schedule one step further.
    Schedule(Arc<str>, ScheduleStep, Reply<()>),
    Mark(Vec<Mark>, Reply<()>),
    Probe(Reply<()>),
    SetPaused(Scope, bool, Reply<()>),
    /// Nothing but a reason to look at the clock again.
    Tick,
    Close(Reply<()>),
}

impl Command {
    /// Whether its answer must wait until the disk has confirmed it. Claims and ends need only survive this process.
    pub(super) const fn is_durable(&self) -> bool {
        match self {
            Self::Schedule(_, step, _) => step.is_durable(),
            Self::Insert(..)
            | Self::Append(..)
            | Self::SaveStep(..)
            | Self::Cancel(..)
            | Self::Requeue(..)
            | Self::Purge(..)
            | Self::Erase(..)
            | Self::Probe(..)
            | Self::SetPaused(..)
            | Self::Close(..) => true,
            Self::Claim(..)
            | Self::Renew(..)
            | Self::Finish(..)
            | Self::Release(..)
            | Self::ReclaimExpired(..)
            | Self::Prune(..)
            | Self::Find(..)
            | Self::Mark(..)
            | Self::Tick => false,
        }
    }
}

/// The tasks added to a submission, and those of them that run already.
#[derive(Default)]
pub(super) struct Appended {
    pub(super) tasks: Vec<TaskId>,
    /// Those of them that were there before.
    pub(super) reused: Vec<TaskId>,
    pub(super) started: Vec<Taken>,
}

/// A claimed task, and what it carries if that was in memory; otherwise it is read from the rows.
pub(super) struct Taken {
    pub(super) running: Running,
    pub(super) kind: Arc<str>,
    pub(super) started_at: Timestamp,
    pub(super) carried: Option<Arc<Carried>>,
}

/// A submission's labels and payload.
pub(super) struct Carried {
    pub(super) source: Arc<str>,
    pub(super) event: Arc<str>,
    pub(super) action: Option<Arc<str>>,
    pub(super) key: Option<Arc<str>>,
    pub(super) meta: Bytes,
    pub(super) payload: Bytes,
}

/// A command on its way to the writer, with its place in the queue.
pub(super) struct Ticket {
    pub(super) command: Command,
    _place: Option<OwnedSemaphorePermit>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Bounds how many commands, and how many bytes of payloads, may wait for the writer.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    kibibytes_max: u32,
}

impl Gate {
    /// A gate for so many commands and so many KiB; at least one of each.
    pub(super) fn new(commands_max: usize, kibibytes_max: u32) -> Self {
        let room = |wanted: usize| wanted.clamp(1, Semaphore::MAX_PERMITS);
        let kibibytes_max = kibibytes_max.max(1);
        Self {
            places: Arc::new(Semaphore::new(room(commands_max))),
            kibibytes: Arc::new(Semaphore::new(room(usize::try_from(kibibytes_max).unwrap_or(usize::MAX)))),
            kibibytes_max,
        }
    }

    /// Admits a command that carries so many bytes, or refuses it: senders are told to come back, memory does not grow.
    pub(super) fn admit(&self, command: Command, bytes: usize) -> Result<Ticket> {
        let kibibytes = self.kibibytes_of(bytes);
        let refuse = |error| match error {
            TryAcquireError::NoPermits => Error::Busy,
            TryAcquireError::Closed => Error::Closed,
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(refuse)?;
        let room = Arc::clone(&self.kibibytes).try_acquire_many_owned(kibibytes).map_err(refuse)?;
        Ok(Ticket { command, _place: Some(place), _room: Some(room) })
    }

    /// Admits a command of our own that carries so many bytes, as soon as there is room for it.
    pub(super) async fn admit_bytes_when_possible(&self, command: Command, bytes: usize) -> Result<Ticket> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::Closed)?;
        let room = Arc::clone(&self.kibibytes).acquire_many_owned(self.kibibytes_of(bytes));
        Ok(Ticket { command, _place: Some(place), _room: Some(room.await.map_err(|_| Error::Closed)?) })
    }

    /// The room that so many bytes take. What is larger than the whole room may pass alone.
    fn kibibytes_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.kibibytes_max)
    }

    /// Admits a command of our own as soon as there is a place.
    pub(super) async fn admit_when_possible(&self, command: Command) -> Result<Ticket> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::Closed)?;
        Ok(Ticket { command, _place: Some(place), _room: None })
    }

    /// Admits a command that needs no place: there is at most one of its kind.
    pub(super) const fn pass(command: Command) -> Ticket {
        Ticket { command, _place: None, _room: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_refuses_more_commands_and_bytes_than_it_has_room_for() {
        let gate = Gate::new(2, 4);
        let one = gate.admit(Command::Tick, 3 * 1024).unwrap();
        assert!(matches!(gate.admit(Command::Tick, 2 * 1024), Err(Error::Busy)), "bytes");
        let other = gate.admit(Command::Tick, 1).unwrap();
        assert!(matches!(gate.admit(Command::Tick, 0), Err(Error::Busy)), "commands");
        drop((one, other));
        assert!(gate.admit(Command::Tick, 100 * 1024 * 1024).is_ok(), "a giant passes alone");
    }

    #[tokio::test]
    async fn command_of_our_own_waits_for_room_instead() {
        let gate = Gate::new(2, 4);
        let one = gate.admit(Command::Tick, 3 * 1024).unwrap();
        let mut waiting = std::pin::pin!(gate.admit_bytes_when_possible(Command::Tick, 2 * 1024));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(one);
        assert!(waiting.await.is_ok());
        assert!(gate.admit_bytes_when_possible(Command::Tick, 100 * 1024 * 1024).await.is_ok(), "a giant passes alone");
    }

    #[test]
    fn limits_that_make_no_sense_are_brought_into_range() {
        for (commands, kibibytes) in [(0, 0), (usize::MAX, u32::MAX)] {
            assert!(Gate::new(commands, kibibytes).admit(Command::Tick, 5 * 1024).is_ok());
        }
    }
}
