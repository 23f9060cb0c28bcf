//! Servers as child processes, and what Linux says about them: CPU time, memory, bytes written.
//!
//! A server is a process of its own so that its CPU and memory are told apart from the load generator's. It is killed
//! when its [`Server`] is dropped, however the run ends.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const READY_WITHIN: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts `command` and waits until `GET /readyz` at `address` answers 200. Its output goes to a file in `dir`.
    ///
    /// Settings of the caller's environment that would change what Becket does are kept from it, and it logs warnings
    /// only: the other servers log nothing.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready within 20 s; the error shows the end of its log.
    pub fn start(mut command: Command, address: SocketAddr, dir: &Path) -> Result<Self> {
        let log = dir.join("server.log");
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("BECKET_") || text.starts_with("GITHUBAPP_") {
                command.env_remove(&name);
            }
        }
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
        let mut server = Self { child, address, log };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while !answers_ready(self.address) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended before it was ready ({status}); its log ends:\n{}", self.log_end());
            }
            if Instant::now() > deadline {
                bail!("the server was not ready within {READY_WITHIN:?}; its log ends:\n{}", self.log_end());
            }
            std::thread::sleep(READY_POLL);
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has used up to now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(&self.child.id().to_string())
            .with_context(|| format!("read the usage of the server; its log ends:\n{}", self.log_end()))
    }

    /// The last lines that it printed, for error messages.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that was free a moment ago.
///
/// # Errors
/// When the machine has none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?)
}

fn answers_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status)
    };
    ask().is_ok_and(|status| &status == b"HTTP/1.1 200")
}

/// What a process has used since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads, also of those that have ended; in steps of 10 ms.
    pub cpu: Duration,
    /// Resident memory now (`VmRSS`).
    pub rss_bytes: u64,
    /// The most resident memory that it ever had (`VmHWM`).
    pub rss_peak_bytes: u64,
    /// Bytes that it made the kernel send to the disk.
    pub written_bytes: u64,
}

impl Usage {
    /// The usage of this process.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn of_self() -> Result<Self> {
        Self::of("self")
    }

    fn of(process: &str) -> Result<Self> {
        let file = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
        };
        let (stat, status, io) = (file("stat")?, file("status")?, file("io")?);
        Ok(Self {
            cpu: cpu_in(&stat).context("find the CPU time in /proc/PID/stat")?,
            rss_bytes: number_after("VmRSS:", &status).context("find VmRSS in /proc/PID/status")? * 1024,
            rss_peak_bytes: number_after("VmHWM:", &status).context("find VmHWM in /proc/PID/status")? * 1024,
            written_bytes: number_after("write_bytes:", &io).context("find write_bytes in /proc/PID/io")?,
        })
    }
}

/// The CPU time of this process's threads with this name, in steps of 10 ms. Those that have ended are not counted.
///
/// # Errors
/// Where there is no `/proc`.
pub fn thread_cpu(name: &str) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task").context("read /proc/self/task (Linux only)")? {
        // A thread may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
        let is_named = |(_, named): (&str, &str)| named.rsplit_once(')').is_some_and(|(of, _)| of == name);
        if stat.split_once('(').is_some_and(is_named) {
            total += cpu_in(&stat).context("find the CPU time in /proc/self/task/TID/stat")?;
        }
    }
    Ok(total)
}

/// Fields 14 and 15 of `/proc/PID/stat`, `utime` and `stime`, counted from behind the name, which may hold anything.
///
/// Their unit is `1 / USER_HZ`, which is 100 on every architecture that Rust's standard library supports on Linux.
/// See <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
fn cpu_in(stat: &str) -> Option<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(TICK * (user + system))
}

fn number_after(label: &str, text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_process_name() {
        let stat =
            "71 (a ) 9 (b) S 1 71 71 0 -1 4194560 900 0 3 0 250 50 0 0 20 0 3 0 5000 1000 200 18446744073709551615";
        assert_eq!(cpu_in(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn memory_is_read_from_its_labelled_line() {
        let status = "Name:\tbecket\nVmHWM:\t   30000 kB\nVmRSS:\t   20000 kB\n";
        assert_eq!(number_after("VmRSS:", status), Some(20_000));
        assert_eq!(number_after("VmHWM:", status), Some(30_000));
        assert_eq!(number_after("VmSwap:", status), None);
    }

    #[test]
    fn this_process_has_memory_and_its_cpu_time_grows() {
        let before = Usage::of_self().unwrap();
        let start = Instant::now();
        let mut after = Usage::of_self().unwrap();
        // How soon it grows depends on who else is at work.
        while after.cpu == before.cpu && start.elapsed() < Duration::from_secs(20) {
            std::hint::black_box(number_after("a:", "a: 1"));
            after = Usage::of_self().unwrap();
        }
        assert!(before.rss_bytes > 0 && after.rss_peak_bytes >= before.rss_bytes);
        assert!(after.cpu > before.cpu);
    }

    #[test]
    fn a_thread_is_found_by_its_name() {
        let work = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(60) {
                std::hint::black_box(number_after("a:", "a: 1"));
            }
            (thread_cpu("a (b) c").unwrap(), thread_cpu("nobody").unwrap())
        };
        let thread = std::thread::Builder::new().name("a (b) c".into()).spawn(work).unwrap();
        let (mine, nobody) = thread.join().unwrap();
        assert!(mine > Duration::ZERO && nobody == Duration::ZERO);
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_that_shows_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo the reason; exit 3"]);
        let error = Server::start(command, free_address().unwrap(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("the reason"), "{error}");
    }
}
