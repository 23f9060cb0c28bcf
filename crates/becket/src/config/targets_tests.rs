//! Targets: what they say, what cannot be, and what is never shown.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::super::test_layers::{Layers, file, file_errors};
use super::*;

fn target(text: &str) -> Target {
    file(&format!("[targets.x]\n{text}")).targets.remove("x").unwrap()
}

fn http(text: &str) -> Http {
    match target(&format!("http = 'https://example.org'\n{text}")) {
        Target::Http(http) => *http,
        other => panic!("{other:?}"),
    }
}

fn command(text: &str) -> Command {
    match target(&format!("command = ['./deploy', 'now']\n{text}")) {
        Target::Command(command) => *command,
        other => panic!("{other:?}"),
    }
}

/// The only error in a target.
fn error(text: &str) -> String {
    let mut errors = file_errors(&format!("[targets.x]\n{text}"));
    assert_eq!(errors.len(), 1, "{text}: {errors:#?}");
    errors.remove(0)
}

#[test]
fn target_with_a_name_is_used_by_it() {
    let config = file(
        "[targets.chat]\nhttp = 'https://example.org'\n[[routes]]\non = '*'\nto = 'chat'\n\
         [[schedules]]\nname = 'a'\ncron = '@daily'\nto = 'chat'",
    );
    assert!(matches!(&config.routes[0].to, Target::Named(name) if name == "chat"));
    let errors = file_errors("[targets.chat]\nhttp = 'https://x'\n[[routes]]\non = '*'\nto = 'chta'");
    assert!(errors[0].ends_with("routes.0.to: there is no target `chta`; did you mean \"chat\"?"), "{errors:?}");
}

#[test]
fn target_does_exactly_one_thing() {
    assert!(error("keep_body = '1KiB'").contains("targets.x: says nothing of what is done; write one of http"));
    assert!(error("http = 'https://x'\nlog = 'x'").contains("targets.x: says http and log at once"));
    assert!(error("command = 'x'\nmethod = 'PUT'").contains("targets.x.method: unknown key"));
    assert!(file_errors("[targets.log]\nlog = 'x'")[0].contains("`log` is the target that needs no table"));
    assert!(file_errors("[targets.Orders]\nlog = 'x'")[0].contains("`Orders` cannot be a name"));
}

#[test]
fn http_says_how_a_request_is_made() {
    let of = http(
        "method = 'PUT'\nheaders = { authorization = 'Bearer {@kind}' }\njson = { a = ['{b}', 1] }\ntimeout = '3s'\n\
         connect_timeout = '1s'\nca_file = 'ca.pem'\nhttp_version = '2'\npool_idle_timeout = '5s'\npool_idle_max = 2\n\
         keep_body = '1KiB'\nkeep_headers = ['Location']\nconcurrency = 4\nrate = '30/1m'\nbreaker_failures = 5",
    );
    assert_eq!((of.method, of.timeout), (Method::Put, Some(Duration::from_secs(3))));
    assert_eq!(of.headers["authorization"].expose_secret(), "Bearer {@kind}");
    assert!(matches!(&of.body, Body::Json(json) if json["a"] == serde_json::json!(["{b}", 1])));
    assert_eq!((of.version, of.pool_idle_max, of.keep_body), (HttpVersion::Two, 2, 1_024));
    assert_eq!(of.keep_headers, ["location"]);
    assert_eq!(of.limits.concurrency, Some(4));
    assert_eq!(of.limits.breaker, Some(Breaker::new(5, Duration::from_secs(30))));
    let default = http("");
    assert!(default.method == Method::Post && default.body == Body::Original && default.headers.is_empty());
    assert_eq!(default.limits, Limits::default());
}

#[test]
fn what_http_cannot_send_is_told_with_its_key() {
    for (text, expected) in [
        ("headers = { host = 'x' }", "targets.x.headers.host: concerns the connection"),
        ("headers = { becket-task-id = 'x' }", "targets.x.headers.becket-task-id: is one that only this program sets"),
        ("headers = { webhook-id = 'x' }", "targets.x.headers.webhook-id: is one that only this program sets"),
        ("headers = { X-A = 'x' }", "targets.x.headers.X-A: is not written in lower case"),
        ("headers = { 'x a' = 'x' }", "targets.x.headers.x a: `x a` is not the name of a header"),
        ("headers = { x-a = \"s3cret\\nx-b: 1\" }", "targets.x.headers.x-a: has a control character"),
        (
            "headers = { x-a = 's3cret {b' }",
            "targets.x.headers.x-a: is not a template: a `{` is never closed at column 8",
        ),
        ("headers = { x-a = 3 }", "targets.x.headers.x-a: is a whole number"),
        (
            "json = { a = { b = ['s3cret {@repo}'] } }",
            "targets.x.json: is not a template: there is no `@repo` at column 9",
        ),
        ("body = 's3cret {'", "targets.x.body: is not a template: a `{` is never closed"),
        ("body = 'a'\njson = { a = 'b' }", "targets.x.json: cannot be given together with `body`"),
        ("body = 'a'\nmethod = 'GET'", "targets.x.body: is never sent: GET and DELETE have no body"),
        ("method = 'post'", "targets.x.method: `post` is not known here; write \"POST\""),
        ("breaker_pause = '1s'", "targets.x.breaker_pause: says how long nothing is sent, and nothing says when"),
        ("rate = '0/1s'", "targets.x.rate: `0/1s` is out of range"),
    ] {
        let error = error(&format!("http = 'https://example.org'\n{text}"));
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn url_has_placeholders_behind_its_host_alone() {
    assert!(matches!(target("http = 'https://example.org/{a}?b={@event}'"), Target::Http(_)));
    for (url, expected) in [
        ("https://{a}/", "targets.x.http: a placeholder stands before the path"),
        ("https://example.org/s3cret/{a", "targets.x.http: is not a template: a `{` is never closed at column 28"),
        ("https://me:s3cret@example.org/{a}", "targets.x.http: the URL holds a user name or a password"),
    ] {
        let error = error(&format!("http = '{url}'"));
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn command_says_how_a_program_is_run() {
    let of = command(
        "directory = '/srv'\nuser = 'deploy'\nenv = { TOKEN = 't' }\ninherit_env = ['PATH']\noutput_limit = '1KiB'\n\
         exit_codes = { '3' = 'fail', '4' = 'done', '*' = 'retry' }\nkill_grace = '1s'\nconcurrency = 1",
    );
    assert_eq!(of.argv, ["./deploy", "now"]);
    assert_eq!((of.user.as_deref(), of.output_limit), (Some("deploy"), 1_024));
    assert_eq!(of.exit_codes, BTreeMap::from([(3, Exit::Fail), (4, Exit::Done)]));
    assert_eq!(of.limits.concurrency, Some(1));
    assert_eq!(command("").inherit_env, ["PATH", "HOME", "LANG"]);
    assert_eq!(command("exit_codes = { '*' = 'fail' }").other_exit_codes, Exit::Fail);
}

#[test]
fn what_a_program_cannot_be_given_is_told_with_its_key() {
    for (text, expected) in [
        ("env = { BECKET_EVENT = 's3cret' }", "targets.x.env.BECKET_EVENT: `BECKET_EVENT` begins as the variables"),
        ("env = { 'A=B' = 's3cret' }", "`A=B` cannot be the name of a variable"),
        ("env = { A = \"s3cret\\u0000\" }", "targets.x.env.A: holds a zero byte"),
        ("inherit_env = ['']", "targets.x.inherit_env.0: `` cannot be the name of a variable"),
        ("exit_codes = { '256' = 'fail' }", "targets.x.exit_codes: `256` is not an exit code"),
        ("exit_codes = { '03' = 'fail' }", "targets.x.exit_codes: `03` is not an exit code"),
        ("exit_codes = { '3' = 'failed' }", "targets.x.exit_codes.3: `failed` is not known here; write \"done\""),
    ] {
        let error = error(&format!("command = ['x']\n{text}"));
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
    }
    assert!(error("command = []").contains("targets.x.command: is an empty list"));
    assert!(error("command = ['']").contains("targets.x.command: names no program"));
}

#[test]
fn log_names_a_file() {
    let Target::File(of) = target("log = 'a.jsonl'\njson = { who = '{user}' }") else { panic!("no file") };
    assert_eq!(of.path.to_str(), Some("a.jsonl"));
    assert_eq!(of.json.unwrap()["who"], "{user}");
    assert!(error("log = ''").contains("targets.x.log: is empty"));
}

#[test]
fn values_of_headers_and_variables_are_never_shown() {
    let text = "[targets.a]\nhttp = 'https://x/s3cret'\nheaders = { authorization = 's3cret' }\njson = { a = 's3cret' }\n\
                [targets.b]\ncommand = ['x']\nenv = { TOKEN = 's3cret' }";
    let loaded = Layers { file: text, ..Layers::default() }.loaded();
    assert_eq!(loaded.origins.get("targets.a.headers").unwrap().value, "authorization = ********");
    assert_eq!(loaded.origins.get("targets.b.env").unwrap().value, "TOKEN = ********");
    assert!(!format!("{:?} {:?}", loaded.origins, loaded.config).contains("s3cret"));
}

#[test]
fn target_is_changed_by_a_variable() {
    let env = [("BECKET_TARGETS__ON_CALL__HEADERS", "{ x-a = 'b' }"), ("BECKET_TARGETS__ON_CALL__RATE", "1/1s")];
    let file = "[targets.on-call]\nhttp = 'https://x'";
    let config = Layers { file, env: &env, ..Layers::default() }.loaded().config;
    let Target::Http(http) = &config.targets["on-call"] else { panic!("no http") };
    assert_eq!(http.headers["x-a"].expose_secret(), "b");
    assert_eq!(http.limits.rate.unwrap().starts, 1);
}
