//! Programs: what they get, what their end means, and that nothing of them is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use becket_tasks::{State, TaskId};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{call, enqueue, error, get, result, send};
use crate::world::{Post, World, configured};

/// A folder with a script in it.
struct Scripts(TempDir);

impl Scripts {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Others than the owner may be the ones who run it.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = dir.path().join("run");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A world in which the route `run` runs it.
    async fn world(&self, target: &str, route: &str) -> World {
        let dir = self.path().display();
        let app = configured(&format!(
            "[targets.x]\ncommand = ['./run', 'a b', '$HOME; touch injected']\ndirectory = '{dir}'\n{target}\n\
             [[routes]]\nname = 'run'\non = '*'\nto = 'x'\nretries = 0\n{route}"
        ));
        World::start(app).await
    }

    /// Waits for a file that the script writes whole, by renaming it.
    async fn file(&self, name: &str) -> String {
        let began = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(self.path().join(name)) {
                return text;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the script writes no `{name}`");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits until a process is gone; a zombie that nobody has reaped yet is gone as well.
async fn gone(pid: &str) {
    let began = Instant::now();
    let is_alive = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while is_alive() {
        assert!(began.elapsed() < Duration::from_secs(30), "the process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn detail(world: &World, task: TaskId) -> Value {
    get(world, &format!("/api/v1/tasks/{task}")).await
}

#[tokio::test]
async fn program_gets_the_payload_twice_and_the_rest_in_its_environment() {
    let scripts =
        Scripts::new(r#"cat; echo; cat "$BECKET_PAYLOAD_FILE"; echo; printf '%s|' "$@"; echo; env | sort >&2"#);
    let world = scripts.world("env = { GREETING = 'hello' }\ninherit_env = ['PATH']", "").await;
    let body = r#"{"action": "opened",  "n": 1.50}"#;
    let task = world.post(Post::github_body("issues", "d-1", body)).await.tasks()[0];
    let printed = result(&world, task).await;
    assert_eq!(printed["exit_code"], 0);
    assert_eq!(printed["stdout"], format!("{body}\n{body}\na b|$HOME; touch injected|\n"));
    assert!(!scripts.path().join("injected").exists());
    let environment: Vec<&str> = printed["stderr"].as_str().unwrap().lines().collect();
    for line in [
        "BECKET_ACTION=opened",
        "BECKET_ATTEMPT=1",
        "BECKET_DELIVERY_ID=d-1",
        "BECKET_EVENT=issues",
        "BECKET_MAX_ATTEMPTS=1",
        "BECKET_SOURCE=github",
        "BECKET_TASK_KIND=run",
        "GREETING=hello",
        &format!("BECKET_TASK_ID={task}"),
    ] {
        assert!(environment.contains(&line), "{line} is not in {environment:#?}");
    }
    // `PWD`, `SHLVL`, `_` and `OLDPWD` are the shell's own.
    let others: Vec<&&str> = environment
        .iter()
        .filter(|line| {
            !["BECKET_", "GREETING=", "PATH=", "PWD=", "SHLVL=", "_=", "OLDPWD="]
                .iter()
                .any(|own| line.starts_with(own))
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
    let file = environment.iter().find_map(|line| line.strip_prefix("BECKET_PAYLOAD_FILE=")).unwrap();
    assert!(!Path::new(file).exists(), "the file is gone with the attempt");
}

#[tokio::test]
async fn task_enqueued_by_hand_runs_it_too() {
    let scripts = Scripts::new(r#"cat; echo " $BECKET_SOURCE $BECKET_TASK_KIND [$BECKET_ACTION]""#);
    let world = scripts.world("", "lane = '{repo}'").await;
    for kind in ["run", "target:x"] {
        let task = enqueue(&world, json!({"kind": kind, "args": {"repo": "a"}})).await;
        assert_eq!(result(&world, task).await["stdout"], format!("{{\"repo\":\"a\"}} api {kind} []\n"));
    }
}

#[tokio::test]
async fn what_a_sender_wrote_reaches_no_shell() {
    let scripts = Scripts::new("cat >/dev/null; printf '%s' \"$BECKET_ACTION\"");
    let world = scripts.world("", "").await;
    let action = "$(touch injected)`touch injected`; touch injected\n| touch injected";
    let printed = result(&world, send(&world, "d-1", &json!({"action": action})).await).await;
    assert_eq!(printed["stdout"], action);
    assert!(!scripts.path().join("injected").exists());
}

#[tokio::test]
async fn exit_code_says_what_follows() {
    let scripts = Scripts::new(r#"code=$(cat); [ "$BECKET_ATTEMPT" = 1 ] || code=0; exit "$code""#);
    let world = scripts.world("exit_codes = { '3' = 'fail', '4' = 'done' }", "retry_delay = '1ms'").await;
    for (code, attempts, state) in [
        (0, 1, State::Completed),
        (75, 2, State::Completed),
        (1, 2, State::Completed),
        (3, 1, State::Failed),
        (4, 1, State::Completed),
    ] {
        let task = enqueue(&world, json!({"kind": "run", "args": code, "max_attempts": 2})).await;
        let ended = world.ended(task).await;
        assert_eq!((ended.task.state(), ended.attempts.len()), (state, attempts), "{code}");
    }
}

#[tokio::test]
async fn what_a_failed_program_printed_is_kept_beside_the_error_and_not_in_it() {
    let scripts = Scripts::new("cat >&2; exit 9");
    let world = scripts.world("", "").await;
    let task = send(&world, "d-1", &json!({"a": "of the payload"})).await;
    assert_eq!(error(&world, task).await, "the program ended with the exit code 9");
    let detail = detail(&world, task).await;
    let step = &detail["steps"][0];
    assert_eq!((&step["name"], &step["result"]["exit_code"]), (&json!("output of run 1"), &json!(9)));
    assert!(step["result"]["stderr"].as_str().unwrap().contains("of the payload"), "{step}");
}

#[tokio::test]
async fn long_output_is_cut_and_does_not_stop_the_program() {
    let scripts = Scripts::new("cat >/dev/null; head -c 3000000 /dev/zero | tr '\\0' x; echo done >&2");
    let world = scripts.world("output_limit = '1KiB'", "").await;
    let printed = result(&world, send(&world, "d-1", &json!({})).await).await;
    assert_eq!(printed["stdout"].as_str().unwrap(), "x".repeat(1_024));
    assert_eq!((&printed["stderr"], &printed["truncated"]), (&json!("done\n"), &json!(true)));
}

#[tokio::test]
async fn program_that_does_not_read_its_input_is_not_waited_for() {
    let scripts = Scripts::new("exec 0<&-; echo fine");
    let world = scripts.world("", "").await;
    let printed = result(&world, send(&world, "d-1", &json!({"a": "x".repeat(1_000_000)})).await).await;
    assert_eq!(printed["stdout"], "fine\n");
}

/// A script and a child of it: both write their numbers, and neither heeds a polite request.
const STUBBORN: &str = "trap '' TERM\n(trap '' TERM; while :; do sleep 1; done) &\n\
                        echo $! >child.new; mv child.new child\necho $$ >own.new; mv own.new own\nwhile :; do sleep 1; done";

#[tokio::test]
async fn program_that_takes_too_long_is_killed_with_all_its_children() {
    let scripts = Scripts::new(STUBBORN);
    let world = scripts.world("kill_grace = '200ms'", "timeout = '700ms'").await;
    let task = send(&world, "d-1", &json!({})).await;
    assert_eq!(error(&world, task).await, "the program took too long, and was ended");
    gone(&scripts.file("own").await).await;
    gone(&scripts.file("child").await).await;
    assert_eq!(detail(&world, task).await["steps"][0]["result"]["timed_out"], true);
}

#[tokio::test]
async fn program_may_end_politely_when_its_time_is_up() {
    let scripts =
        Scripts::new("trap 'echo bye; exit 0' TERM\necho $$ >own.new; mv own.new own\nwhile :; do sleep 0.05; done");
    let world = scripts.world("kill_grace = '30s'", "timeout = '500ms'").await;
    let began = Instant::now();
    let task = send(&world, "d-1", &json!({})).await;
    assert_eq!(error(&world, task).await, "the program took too long, and was ended");
    assert!(began.elapsed() < Duration::from_secs(20), "it was not waited for in vain");
    let step = detail(&world, task).await["steps"][0].clone();
    assert_eq!(step["result"]["stdout"], "bye\n", "{step}");
}

#[tokio::test]
async fn cancelled_task_kills_its_program_with_all_its_children() {
    let scripts = Scripts::new(STUBBORN);
    let world = scripts.world("kill_grace = '200ms'", "").await;
    let task = send(&world, "d-1", &json!({})).await;
    let (own, child) = (scripts.file("own").await, scripts.file("child").await);
    let answer = call(&world, &format!("/api/v1/tasks/{task}/cancel"), &json!({})).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    gone(&own).await;
    gone(&child).await;
    assert_eq!(world.ended(task).await.task.state(), State::Cancelled);
}

#[tokio::test]
async fn shutdown_ends_programs_and_gives_their_tasks_back() {
    let scripts = Scripts::new(STUBBORN);
    let dir = scripts.path().display();
    let app = configured(&format!(
        "[server]\nshutdown_grace = '0s'\n[targets.x]\ncommand = ['{dir}/run']\ndirectory = '{dir}'\nkill_grace = '200ms'\n\
         [[routes]]\nname = 'run'\non = '*'\nto = 'x'"
    ));
    let world = World::start(app).await;
    send(&world, "d-1", &json!({})).await;
    let (own, child) = (scripts.file("own").await, scripts.file("child").await);
    let report = world.running.shutdown().await;
    assert_eq!(report.released, 1);
    gone(&own).await;
    gone(&child).await;
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_is_ended_with_it() {
    let scripts = Scripts::new("cat >/dev/null; sleep 1000 & echo $! >child.new; mv child.new child; echo done");
    let world = scripts.world("", "").await;
    let began = Instant::now();
    assert_eq!(result(&world, send(&world, "d-1", &json!({})).await).await["stdout"], "done\n");
    assert!(began.elapsed() < Duration::from_secs(20), "the background held the outputs");
    gone(&scripts.file("child").await).await;
}

#[tokio::test]
async fn output_is_seen_while_the_program_runs() {
    let scripts = Scripts::new("cat >/dev/null; while [ ! -e go ]; do echo 'half way'; sleep 0.1; done");
    let world = scripts.world("", "").await;
    let task = send(&world, "d-1", &json!({})).await;
    let response = reqwest::get(world.running.url(&format!("/api/v1/tasks/{task}/events"))).await.unwrap();
    let mut stream = response.bytes_stream();
    let mut seen = String::new();
    while !seen.contains("half way") {
        let chunk = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap().unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert_eq!(detail(&world, task).await["state"], "running");
    fs::write(scripts.path().join("go"), "").unwrap();
    result(&world, task).await;
}

#[tokio::test]
async fn program_runs_as_the_user_that_was_named() {
    // Only root may become somebody else; everybody may stay who they are.
    let me = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let user = if me.trim() == "root" { "nobody" } else { me.trim() };
    let scripts = Scripts::new("id -un; id -Gn; cat \"$BECKET_PAYLOAD_FILE\"");
    let world = scripts.world(&format!("user = '{user}'"), "").await;
    let printed = result(&world, send(&world, "d-1", &json!({"a": 1})).await).await;
    let lines: Vec<&str> = printed["stdout"].as_str().unwrap().lines().collect();
    assert_eq!((lines[0], lines[2]), (user, r#"{"a":1}"#), "{printed}");
    if me.trim() == "root" {
        assert!(!lines[1].split_whitespace().any(|group| group == "root"), "{printed}");
    }
}
