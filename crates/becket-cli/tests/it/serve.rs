//! `becket serve`: what it says and how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use crate::world::{CONFIG, World};

#[test]
fn server_says_where_it_listens_and_ends_with_0_on_sigterm() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send("github", "push").ok();
    let (status, printed) = server.stop();
    assert!(status.success(), "{printed}");
    assert!(printed.contains("stopped"), "{printed}");
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let tasks = server.send_and_wait("github", "push --delivery-id once");
    server.stop();
    let server = world.serve();
    let again = server.send("github", "push --delivery-id once --json").ok().json();
    assert_eq!(again["duplicate"], true);
    assert_eq!(serde_json::to_value(tasks).unwrap(), again["task_ids"]);
}

#[test]
fn source_that_accepts_unsigned_webhooks_is_warned_of_loudly() {
    let world = World::new("[server]\nlisten = \"127.0.0.1:0\"\n[sources.github]\ninsecure_accept_unsigned = true\n");
    let server = world.serve();
    server.send("github", "push").ok();
    let (_, printed) = server.stop();
    assert!(printed.contains("WARNING: anyone who reaches /webhooks/github can post to it"), "{printed}");
}

#[test]
fn log_is_json_where_that_is_configured() {
    let world = World::new(&format!("{CONFIG}\n[log]\nformat = \"json\"\n"));
    let (_, printed) = world.serve().stop();
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    let levels: Vec<_> =
        lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["level"].clone()).collect();
    assert!(levels.iter().any(|level| level == "INFO"), "{printed}");
}

#[test]
fn rust_log_decides_what_is_logged_only_where_no_filter_is_configured() {
    let world = World::new(CONFIG);
    let (_, printed) = world.serve_with(|command| command.env("RUST_LOG", "error")).stop();
    assert!(!printed.contains("INFO"), "{printed}");
    let server = world.serve_with(|command| command.env("RUST_LOG", "error").args(["--log", "info"]));
    let (_, printed) = server.stop();
    assert!(printed.contains("INFO"), "{printed}");
}

/// Answers one request with 422 and the body that it came with; tells where it listens.
fn echo_once() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut request = BufReader::new(listener.accept().unwrap().0);
        let (mut line, mut length) = (String::new(), 0);
        while request.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        request.read_exact(&mut body).unwrap();
        let head = format!("HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: {length}\r\n\r\n");
        request.get_mut().write_all(&[head.as_bytes(), &body].concat()).unwrap();
    });
    url
}

#[test]
fn payload_that_a_receiver_repeats_is_in_no_log_and_no_error() {
    let forward = format!(
        "[[routes]]\nname = \"forward\"\non = \"push\"\nto = {{ http = \"{}\", allow_private = true }}\nretries = 0\n",
        echo_once()
    );
    let world = World::new(&format!("{CONFIG}{forward}"));
    std::fs::write(world.path().join("body.json"), r#"{"ref": "a-text-of-the-payload"}"#).unwrap();
    let server = world.serve_with(|command| command.args(["--log", "debug"]));
    server.send_and_wait("github", "push --payload body.json");
    let failed = server.ask_json("tasks list --kind forward")["items"][0].clone();
    assert_eq!(failed["error"], "the receiver answered 422 Unprocessable Entity", "{failed}");
    let (_, printed) = server.stop();
    assert!(printed.contains("the receiver answered 422"), "{printed}");
    assert!(!printed.contains("a-text-of-the-payload"), "{printed}");
}

#[test]
fn first_line_is_json_where_that_is_asked_for() {
    let world = World::new(CONFIG);
    let mut server = world.becket(["serve", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let read = BufReader::new(server.stdout.take().unwrap()).read_line(&mut line);
    server.kill().unwrap();
    server.wait().unwrap();
    read.unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(said["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{line}");
    assert_eq!(said["store"], "sqlite:becket.db");
}

#[test]
fn address_in_use_is_an_error_that_names_it() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let address = server.url.trim_start_matches("http://");
    let printed = world.run(&format!("serve --store memory: --listen {address}"));
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains(&format!("cannot listen on {address}")), "{}", printed.err);
}
