//! A folder with a configuration, the program run in it, and a server that is stopped when its test is over.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Two sources; `issues` goes to a port that nobody listens on, everything to the log.
pub(crate) const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "sqlite:becket.db"
[sources.github]
secret = "It's a Secret to Everybody"
[sources.billing]
kind = "standard_webhooks"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[[routes]]
name = "note"
on = "*"
to = "log"
[[routes]]
name = "lost"
on = "issues"
to = { http = "http://127.0.0.1:1/nobody", allow_private = true }
retries = 0
"#;

/// A folder of its own for one test.
pub(crate) struct World {
    dir: TempDir,
}

/// What a command printed.
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// A folder with this `becket.toml`.
    pub(crate) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("becket.toml"), config).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program, to be run in the folder, without settings of whoever runs the tests.
    pub(crate) fn becket<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_becket"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("BECKET_") || text.starts_with("GITHUBAPP_") {
                command.env_remove(&name);
            }
        }
        command.env_remove("RUST_LOG").env("COLUMNS", "100").current_dir(self.path()).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; the arguments are separated by spaces.
    pub(crate) fn run(&self, args: &str) -> Printed {
        self.becket(args.split_whitespace()).output().unwrap().into()
    }

    /// Starts `becket serve` and waits until it says where it listens.
    pub(crate) fn serve(&self) -> Server<'_> {
        self.serve_with(|command| command)
    }

    /// The same with a command that was changed before it starts.
    pub(crate) fn serve_with(&self, change: impl FnOnce(&mut Command) -> &mut Command) -> Server<'_> {
        let mut command = self.becket(["serve"]);
        let mut child = change(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut server = Server { world: self, child, stdout, stderr, url: String::new() };
        match line.trim_end().strip_prefix("becket listens on ") {
            Some(url) => url.clone_into(&mut server.url),
            None => panic!("it printed {line:?} and {:?}", server.end_of_output()),
        }
        server
    }
}

/// A running server.
pub(crate) struct Server<'w> {
    world: &'w World,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    pub(crate) url: String,
}

impl Server<'_> {
    /// Runs `becket tasks …` or `becket deliveries …` against this server.
    pub(crate) fn ask(&self, args: &str) -> Printed {
        self.world.run(&format!("{args} --url {}", self.url))
    }

    /// The same with `--json`, which must go well.
    pub(crate) fn ask_json(&self, args: &str) -> Value {
        self.ask(&format!("{args} --json")).ok().json()
    }

    /// Sends a delivery to a source; the answer.
    pub(crate) fn send(&self, source: &str, args: &str) -> Printed {
        self.world.run(&format!("send {args} --to {}/webhooks/{source}", self.url))
    }

    /// Sends a delivery and waits until its tasks have ended; their ids.
    pub(crate) fn send_and_wait(&self, source: &str, args: &str) -> Vec<String> {
        let answer = self.send(source, &format!("{args} --json")).ok().json();
        let ids: Vec<String> = serde_json::from_value(answer["task_ids"].clone()).unwrap();
        self.wait(&ids);
        ids
    }

    /// Waits until tasks have ended, well or badly.
    pub(crate) fn wait<S: AsRef<str>>(&self, ids: &[S]) -> Printed {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        self.ask(&format!("tasks watch {}", ids.join(" ")))
    }

    /// Starts `becket tasks watch`, and gives what it prints line by line.
    pub(crate) fn watch(&self, args: &str) -> Watch {
        let args = format!("tasks watch {args} --url {}", self.url);
        let mut child = self.world.becket(args.split_whitespace()).stdout(Stdio::piped()).spawn().unwrap();
        Watch { lines: BufReader::new(child.stdout.take().unwrap()), child }
    }

    /// What Prometheus would read.
    pub(crate) fn metrics(&self) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    /// Asks the server to read its configuration again, as a supervisor does.
    pub(crate) fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// The last requests that were refused, newest first.
    pub(crate) fn rejections(&self) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/api/v1/rejections", self.url);
        let text = runtime.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() });
        serde_json::from_str(&text).unwrap()
    }

    /// Asks the server to stop, as a supervisor does, and waits for its end.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let printed = self.end_of_output();
        (self.child.wait().unwrap(), printed)
    }

    fn end_of_output(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        self.stderr.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A command that goes on printing.
pub(crate) struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    /// Waits for the next line.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Printed {
    /// Itself, if it ended with 0.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// What was printed, as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// What was printed, as one JSON document a line.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
