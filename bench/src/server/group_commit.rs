//! Group commit: what arrives while one write and its sync are in progress forms the next.
//!
//! Nobody waits for a timer. A single caller commits at once and alone; many callers share a sync. One thread owns the
//! file, so nothing is locked.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// The most records that wait for one commit, and the most in one commit. Beyond it callers wait to be let in.
const GROUP_MAX: usize = 1024;

/// Where a group of records is kept.
pub trait Sink: Send + 'static {
    /// Writes all records, in order, and returns once they would survive a power cut.
    ///
    /// # Errors
    /// When some may be lost; none of the group is then acknowledged.
    fn commit(&mut self, records: &[Bytes]) -> io::Result<()>;
}

/// The record may be lost: the sink failed, now or on an earlier record.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost;

/// The callers' end. When the last clone is dropped, the writer thread ends.
#[derive(Debug, Clone)]
pub struct GroupCommit {
    queue: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    record: Bytes,
    committed: oneshot::Sender<()>,
}

impl GroupCommit {
    /// Starts the writer thread, which owns `sink`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(sink: impl Sink) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel(GROUP_MAX);
        thread::Builder::new().name("writer".into()).spawn(move || write_groups(waiting, sink))?;
        Ok(Self { queue })
    }

    /// Returns once `record` would survive a power cut.
    ///
    /// # Errors
    /// [`Lost`] when it may not.
    pub async fn append(&self, record: Bytes) -> Result<(), Lost> {
        let (committed, answer) = oneshot::channel();
        self.queue.send(Waiting { record, committed }).await.map_err(|_closed| Lost)?;
        answer.await.map_err(|_dropped| Lost)
    }
}

/// Commits group after group until nobody can append any more, or the sink fails. Leaving closes the queue and drops
/// what waits in it, so every caller of then and later is told.
fn write_groups(mut queue: mpsc::Receiver<Waiting>, mut sink: impl Sink) {
    let (mut records, mut callers) = (Vec::new(), Vec::new());
    while let Some(first) = queue.blocking_recv() {
        let mut next = Some(first);
        while let Some(waiting) = next {
            records.push(waiting.record);
            callers.push(waiting.committed);
            next = if records.len() < GROUP_MAX { queue.try_recv().ok() } else { None };
        }
        if sink.commit(&records).is_err() {
            return;
        }
        records.clear();
        for caller in callers.drain(..) {
            // A caller that went away needs no answer.
            let _ = caller.send(());
        }
    }
}

/// An append-only file of records, each behind its length as four bytes.
#[derive(Debug)]
pub struct LogFile(File);

impl LogFile {
    /// Makes an empty file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(File::create(path)?))
    }
}

impl Sink for LogFile {
    fn commit(&mut self, records: &[Bytes]) -> io::Result<()> {
        let lengths: Vec<_> = records.iter().map(|record| (record.len() as u32).to_le_bytes()).collect();
        let slices = lengths.iter().zip(records).flat_map(|(length, record)| [&length[..], &record[..]]);
        write_all_vectored(&mut self.0, &mut slices.map(IoSlice::new).collect::<Vec<_>>())?;
        self.0.sync_data()
    }
}

/// Writes from where the records are, without copying them together first.
fn write_all_vectored(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;
    use std::task::{Context, Waker};

    use super::*;

    /// A disk under the test's hand: says what is being committed, and ends each commit when told how.
    struct Disk {
        begun: mpsc::UnboundedSender<Vec<Bytes>>,
        end: std_mpsc::Receiver<io::Result<()>>,
    }

    impl Sink for Disk {
        fn commit(&mut self, records: &[Bytes]) -> io::Result<()> {
            self.begun.send(records.to_vec()).unwrap();
            self.end.recv().unwrap()
        }
    }

    struct World {
        commit: GroupCommit,
        begun: mpsc::UnboundedReceiver<Vec<Bytes>>,
        end: std_mpsc::Sender<io::Result<()>>,
    }

    fn world() -> World {
        let (begin, begun) = mpsc::unbounded_channel();
        let (end, ended) = std_mpsc::channel();
        World { commit: GroupCommit::start(Disk { begun: begin, end: ended }).unwrap(), begun, end }
    }

    fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn a_record_is_acknowledged_only_after_its_sync() {
        let mut world = world();
        let mut append = Box::pin(world.commit.append(Bytes::from_static(b"one")));
        assert!(is_pending(append.as_mut()));
        assert_eq!(world.begun.recv().await.unwrap(), ["one"]);
        assert!(is_pending(append.as_mut()), "acknowledged while the disk was still writing");
        world.end.send(Ok(())).unwrap();
        assert_eq!(append.await, Ok(()));
    }

    #[tokio::test]
    async fn what_arrives_during_a_sync_shares_the_next_one() {
        let mut world = world();
        let mut first = Box::pin(world.commit.append(Bytes::from_static(b"first")));
        assert!(is_pending(first.as_mut()));
        assert_eq!(world.begun.recv().await.unwrap(), ["first"]);

        let mut later: Vec<_> =
            ["a", "b", "c"].into_iter().map(|record| Box::pin(world.commit.append(record.into()))).collect();
        assert!(later.iter_mut().all(|append| is_pending(append.as_mut())));
        world.end.send(Ok(())).unwrap();
        assert_eq!(first.await, Ok(()));
        assert_eq!(world.begun.recv().await.unwrap(), ["a", "b", "c"]);
        assert!(later.iter_mut().all(|append| is_pending(append.as_mut())), "acknowledged by an earlier sync");

        world.end.send(Ok(())).unwrap();
        for append in later {
            assert_eq!(append.await, Ok(()));
        }
    }

    #[tokio::test]
    async fn a_failed_sync_acknowledges_nothing_then_or_later() {
        let mut world = world();
        let mut append = Box::pin(world.commit.append(Bytes::from_static(b"one")));
        assert!(is_pending(append.as_mut()));
        world.begun.recv().await.unwrap();
        world.end.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        assert_eq!(append.await, Err(Lost));
        assert_eq!(world.commit.append(Bytes::from_static(b"two")).await, Err(Lost));
    }

    #[tokio::test]
    async fn the_file_holds_every_acknowledged_record_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let commit = GroupCommit::start(LogFile::create(&path).unwrap()).unwrap();
        commit.append(Bytes::from_static(b"one")).await.unwrap();
        commit.append(Bytes::from_static(b"three")).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\x03\0\0\0one\x05\0\0\0three");
    }
}
