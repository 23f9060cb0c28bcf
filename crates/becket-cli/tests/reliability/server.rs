//! The server under test: the real binary, a process of its own, on a store in a temporary folder.
//!
//! A [`Place`] is what outlives a process: configuration, store, and what was logged. A [`Server`] is one process that
//! serves from it. Neither knows what is tested.

use std::ffi::{OsStr, OsString};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::sender::SECRET;

/// The binary under test: the one that was built along, unless `BECKET_BINARY` is the full path of another one.
fn becket() -> OsString {
    std::env::var_os("BECKET_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_becket").into())
}

/// How long anything may take before a test fails. Far more than it takes, since machines differ.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration and a store.
pub(crate) struct Place {
    folder: TempDir,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Place {
    /// An empty store, and a configuration with the source `github` and what `toml` adds: dotted keys, then routes.
    pub(crate) fn new(toml: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), log: Arc::default() };
        place.configure(toml);
        place
    }

    /// Changes what `toml` adds, for the next process.
    pub(crate) fn configure(&self, toml: &str) {
        let base = "server.listen = '127.0.0.1:0'\nstore.url = 'sqlite:becket.db'";
        let text = format!("{base}\nsources.github.secret = '{SECRET}'\n{toml}\n");
        std::fs::write(self.folder.path().join("becket.toml"), text).unwrap();
    }

    /// Starts a process and waits until it listens.
    pub(crate) async fn start(&self) -> Server {
        let mut server = self.launch();
        server.listens().await;
        server
    }

    /// Starts a process, and waits for nothing.
    pub(crate) fn launch(&self) -> Server {
        self.spawn(self.command(becket()).arg("serve"))
    }

    /// As [`start`](Self::start), with a log that goes to a file beside the store: it has no room either when the store has
    /// none.
    pub(crate) async fn start_with_log_beside_the_store(&self) -> Server {
        let script = r#"exec "$0" serve 2>becket.log"#;
        let mut server = self.spawn(self.command("sh").args(["-c", script]).arg(becket()));
        server.listens().await;
        server
    }

    /// Runs a process that is expected to end by itself.
    pub(crate) async fn serve_and_fail(&self) -> Output {
        let ended = self.command(becket()).arg("serve").output();
        timeout(PATIENCE, ended).await.expect("it serves").unwrap()
    }

    /// What its processes have logged so far; whole lines only.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8(log[..whole].to_vec()).expect("the log is text")
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // Nothing of the tester's own settings reaches the server.
        let settings = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("BECKET_") || name.starts_with("GITHUBAPP_") || name == "RUST_LOG"
        });
        settings.for_each(|name| {
            command.env_remove(name);
        });
        command.current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn spawn(&self, command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let log = Arc::clone(&self.log);
        tokio::spawn(async move {
            let mut said = [0; 4_096];
            while let Ok(length @ 1..) = stderr.read(&mut said).await {
                log.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&said[..length]);
            }
        });
        Server { child, stdout: BufReader::new(stdout).lines(), url: String::new() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let log = String::from_utf8_lossy(&log);
            let last: Vec<_> = log.lines().rev().take(40).collect();
            #[expect(clippy::print_stderr, reason = "shown with the test that failed")]
            last.iter().rev().for_each(|line| eprintln!("becket: {line}"));
        }
    }
}

/// One process. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Where it listens, without a slash at the end; empty before it does.
    pub(crate) url: String,
}

impl Server {
    /// Waits until it listens.
    pub(crate) async fn listens(&mut self) {
        let line = timeout(PATIENCE, self.stdout.next_line()).await.expect("it does not listen").unwrap();
        let line = line.expect("it ended before it listened");
        self.url = line.strip_prefix("becket listens on ").unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Kills it as `kill -9` does, and waits until it is gone. Answers when the signal was sent.
    pub(crate) async fn kill(mut self) -> Instant {
        let at = Instant::now();
        self.child.kill().await.unwrap();
        at
    }

    /// Asks it to stop, as an init system does.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn pid(&self) -> Pid {
        let number = self.child.id().expect("it is alive");
        Pid::from_raw(number.try_into().unwrap()).unwrap()
    }
}

/// A route to the test's receiver.
pub(crate) fn route(name: &str, on: &str, url: &str) -> String {
    format!("[[routes]]\nname = '{name}'\non = '{on}'\nto = {{ http = '{url}', allow_private = true }}\n")
}

/// Asks until there is an answer. Another process can only be asked; what happens in this one is awaited instead.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("in vain waited until {what}"))
}
