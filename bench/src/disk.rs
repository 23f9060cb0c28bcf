//! What the disk can do: the time of one fdatasync, measured beside every leg.
//!
//! A durable server cannot answer faster than its disk commits, and disks differ by a factor of a hundred; so a latency
//! says little without this number.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Bytes written before each fdatasync: about one delivery with its pages.
pub const WRITE_BYTES: usize = 16 * 1024;

const SAMPLES: usize = 100;

/// On a disk that takes 3 ms a sync these are 12 s.
const CALM_TRIES: usize = 20;

/// Median times of a write of [`WRITE_BYTES`] and its fdatasync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// At the end of a growing file, so that the file system must commit the new length too.
    pub appended: Duration,
    /// Over bytes that the file already has.
    pub overwritten: Duration,
}

impl Probe {
    /// Measures in a file of its own in `dir`, which is removed again. Takes well under a second on a disk that can
    /// be measured on at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn measure(dir: &Path) -> Result<Self> {
        let path = dir.join("fdatasync-probe");
        let probe = Self::measure_in(&path).with_context(|| format!("measure fdatasync in {}", path.display()));
        // A file that cannot be removed is left to the removal of the folder, which reports it.
        drop(std::fs::remove_file(&path));
        probe
    }

    fn measure_in(path: &Path) -> Result<Self> {
        let mut file = File::create(path)?;
        let appended = median_sync(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let overwritten = median_sync(&mut file)?;
        Ok(Self { appended, overwritten })
    }

    /// The medians of several probes.
    #[must_use]
    pub fn median(probes: &[Self]) -> Self {
        Self {
            appended: median(probes.iter().map(|probe| probe.appended)),
            overwritten: median(probes.iter().map(|probe| probe.overwritten)),
        }
    }
}

/// Waits until the disk is as quick as it was at its best.
///
/// A server that wrote much leaves the disk busy for seconds after its files are gone, and whoever has the next turn
/// would pay for it.
#[derive(Debug, Default)]
pub struct Calm {
    best: Option<Duration>,
}

impl Calm {
    /// Calls `measure` until an appending sync takes at most twice the shortest median seen yet, 20 times at most; the
    /// last probe is returned, and shows it where the disk stayed slow.
    ///
    /// # Errors
    /// When `measure` fails.
    pub fn wait(&mut self, mut measure: impl FnMut() -> Result<Probe>) -> Result<Probe> {
        let mut probe = measure()?;
        for _ in 1..CALM_TRIES {
            let best = self.best.map_or(probe.appended, |best| best.min(probe.appended));
            self.best = Some(best);
            if probe.appended <= best * 2 {
                break;
            }
            probe = measure()?;
        }
        Ok(probe)
    }
}

fn median_sync(file: &mut File) -> Result<Duration> {
    let mut times = Vec::with_capacity(SAMPLES);
    let mut block = vec![0; WRITE_BYTES];
    for sample in 0..SAMPLES {
        block.fill(sample as u8);
        let start = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    Ok(median(times))
}

fn median(times: impl IntoIterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Deletes a leg's files now and waits for the disk to have done so: the next leg shall not pay for it.
///
/// # Errors
/// When something in it cannot be deleted.
pub fn remove(dir: TempDir) -> Result<()> {
    let parent = dir.path().parent().map(Path::to_owned);
    dir.close().context("delete the leg's folder")?;
    if let Some(parent) = parent {
        File::open(&parent).and_then(|folder| folder.sync_all()).context("sync the bench's folder")?;
    }
    Ok(())
}

/// The type of the file system that holds `dir`, as `/proc/self/mounts` names it: `ext4`, `tmpfs`.
///
/// # Errors
/// When `dir` does not exist or there is no `/proc`.
pub fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize().with_context(|| format!("find {}", dir.display()))?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts (Linux only)")?;
    Ok(file_system_in(&mounts, &dir).unwrap_or("unknown").to_owned())
}

/// Whether files there live in memory, where fdatasync costs nothing and durability is not measured.
#[must_use]
pub fn is_memory(file_system: &str) -> bool {
    matches!(file_system, "tmpfs" | "ramfs")
}

/// Of the mounts that hold `dir`, the deepest; of two at one place the later, which hides the earlier.
fn file_system_in<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        dir.starts_with(place).then_some((place.len(), kind))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_measures_both_ways_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let probe = Probe::measure(dir.path()).unwrap();
        assert!(probe.appended > Duration::ZERO && probe.overwritten > Duration::ZERO);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_that_names_it() {
        let error = Probe::measure(Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.to_string(), "measure fdatasync in /nowhere/fdatasync-probe");
    }

    fn millis(appended: u64, overwritten: u64) -> Probe {
        Probe { appended: Duration::from_millis(appended), overwritten: Duration::from_millis(overwritten) }
    }

    #[test]
    fn a_busy_disk_is_waited_for() {
        let mut calm = Calm::default();
        let mut measured = [10, 30, 21, 20, 15].into_iter().map(|appended| Ok(millis(appended, 1)));
        let mut next = || measured.next().unwrap();
        assert_eq!(calm.wait(&mut next).unwrap(), millis(10, 1), "the first has nothing to be compared with");
        assert_eq!(calm.wait(&mut next).unwrap(), millis(20, 1));
        assert_eq!(calm.wait(&mut next).unwrap(), millis(15, 1));
    }

    #[test]
    fn a_disk_that_stays_busy_is_not_waited_for_without_end() {
        let mut calm = Calm::default();
        calm.wait(|| Ok(millis(1, 1))).unwrap();
        let mut calls = 0;
        let mut slow = || {
            calls += 1;
            Ok(millis(3, 1))
        };
        assert_eq!(calm.wait(&mut slow).unwrap(), millis(3, 1));
        assert_eq!(calls, CALM_TRIES);
    }

    #[test]
    fn the_median_ignores_outliers() {
        assert_eq!(Probe::median(&[millis(9, 5), millis(2, 1), millis(3, 900)]), millis(3, 5));
    }

    #[test]
    fn the_deepest_and_latest_mount_names_the_file_system() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp xfs rw 0 0\n";
        assert_eq!(file_system_in(mounts, Path::new("/srv/becket")), Some("ext4"));
        assert_eq!(file_system_in(mounts, Path::new("/tmp/becket")), Some("xfs"));
        assert_eq!(file_system_in(mounts, Path::new("/tmpfiles")), Some("ext4"));
        assert!(is_memory("tmpfs") && !is_memory("xfs"));
    }
}
