//! `examples/polyglot`, run as its reader would run it: one command starts the Python service and the server, signed
//! deliveries come in, and each half does its work.
//!
//! FastAPI is installed from PyPI into a folder of the build's, unless it is there already.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

const BECKET: &str = env!("CARGO_BIN_EXE_becket");
/// Installing takes a while on the first run.
const PATIENCE: Duration = Duration::from_secs(120);

struct Polyglot {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/polyglot")
}

/// The program, without settings of whoever runs the tests.
fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BECKET_")) {
        command.env_remove(name);
    }
    command
}

impl Polyglot {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("polyglot-venv");
        let mut command = without_settings(Command::new(folder().join("run")));
        let store = format!("sqlite:{}", dir.path().join("becket.db").display());
        command.args(["--listen", "127.0.0.1:0", "--store", &store]).env("BECKET", BECKET).env("VENV", venv);
        command.env("TRIAGE_PORT", &port).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("BECKET_TARGETS__TRIAGE__HTTP", format!("http://127.0.0.1:{port}/triage"));
        let child = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut polyglot = Self { url: String::new(), _dir: dir, child };
        let mut lines = BufReader::new(polyglot.child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().strip_prefix("becket listens on ")?.to_owned()));
        polyglot.url = url.unwrap_or_else(|| panic!("`run` ended before the server listened; its output says why"));
        polyglot
    }

    /// The output of a command, as JSON.
    fn ask(&self, args: &[&str]) -> Value {
        let mut command = without_settings(Command::new(BECKET));
        let output = command.current_dir(folder()).args(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Sends a delivery, and waits until its only task has ended.
    fn send(&self, event: &str, body: &Value) -> Value {
        self.send_to("github", event, body)
    }

    fn send_to(&self, source: &str, event: &str, body: &Value) -> Value {
        let file = self._dir.path().join(format!("{event}.json"));
        std::fs::write(&file, body.to_string()).unwrap();
        let to = format!("{}/webhooks/{source}", self.url);
        let answer = self.ask(&["send", event, "--payload", file.to_str().unwrap(), "--to", &to]);
        let began = Instant::now();
        loop {
            let task = self.ask(&["tasks", "show", answer["task_ids"][0].as_str().unwrap(), "--url", &self.url]);
            if ["completed", "failed", "cancelled"].contains(&task["state"].as_str().unwrap()) {
                return task;
            }
            assert!(began.elapsed() < PATIENCE, "{task}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Polyglot {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // It may have ended already.
        let _ = kill_process_group(group, Signal::TERM);
        let _ = self.child.wait();
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn push(branch: &str) -> Value {
    json!({"ref": format!("refs/heads/{branch}"), "repository": {"full_name": "octo/hello"}})
}

#[test]
fn one_command_starts_a_service_in_python_and_a_script_behind_two_forges() {
    let polyglot = Polyglot::start();
    let issue = json!({
        "action": "opened",
        "repository": {"full_name": "octo/hello"},
        "issue": {"number": 7, "title": "It crashes"},
        "sender": {"login": "mona"},
    });
    let triaged = polyglot.send("issues.opened", &issue);
    assert_eq!((&triaged["kind"], &triaged["state"]), (&json!("triage"), &json!("completed")), "{triaged}");
    assert_eq!(
        (&triaged["result"]["status"], &triaged["result"]["body"]["label"]),
        (&json!(200), &json!("bug")),
        "{triaged}"
    );

    let issue = json!({
        "object_kind": "issue",
        "project": {"path_with_namespace": "octo/hello"},
        "object_attributes": {"action": "open", "iid": 8, "title": "How do I start it?"},
    });
    let of_gitlab = polyglot.send_to("gitlab", "issue.open", &issue);
    assert_eq!(of_gitlab["kind"], "triage-gitlab", "{of_gitlab}");
    let answer = &of_gitlab["result"]["body"];
    assert_eq!((&answer["label"], &answer["issue"]), (&json!("question"), &json!(8)), "{of_gitlab}");

    let deployed = polyglot.send("push", &push("main"));
    let printed = deployed["result"]["stdout"].as_str().unwrap_or_else(|| panic!("{deployed}"));
    assert!(
        printed.starts_with("build (task ") && printed.contains("deployed refs/heads/main for github delivery "),
        "{printed}"
    );

    let hostile = polyglot.send("push", &push("$(touch /tmp/becket-polyglot-injected)"));
    assert_eq!(hostile["state"], "completed", "{hostile}");
    assert!(
        hostile["result"]["stdout"].as_str().unwrap().starts_with("nothing to do for 'refs/heads/$(touch"),
        "{hostile}"
    );
    assert!(!Path::new("/tmp/becket-polyglot-injected").exists());

    let failed = polyglot.send("push", &push("broken"));
    assert_eq!(
        (&failed["state"], &failed["error"]),
        (&json!("failed"), &json!("the program ended with the exit code 3"))
    );
    assert_eq!(failed["steps"][0]["result"]["stderr"], "cannot deploy refs/heads/broken\n", "{failed}");

    let targets = polyglot.ask(&["targets", "--url", &polyglot.url]);
    let names: Vec<&str> =
        targets["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["deploy", "triage"]);
}
