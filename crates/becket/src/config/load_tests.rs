//! Layering, and all errors at once.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::super::test_layers::{Layers, file, file_errors};
use super::super::{Durability, MASK, Mode, StoreUrl};
use super::*;

#[test]
fn defaults_alone_are_a_complete_configuration() {
    let config = Config::default();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_connections, 1024);
    assert_eq!(config.server.header_timeout, Duration::from_secs(10));
    assert_eq!(config.server.body_timeout, Duration::from_secs(30));
    assert_eq!(config.server.body_limit, 25 * 1024 * 1024);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(25));
    assert_eq!(config.server.inline_deadline, Duration::from_secs(8));
    assert_eq!(config.store.url, StoreUrl::Sqlite("becket.db".into()));
    assert_eq!(config.store.durability, Durability::PowerLoss);
    assert_eq!((config.worker.concurrency, config.worker.prefetch), (16, 512));
    assert_eq!(config.worker.lease, Duration::from_secs(30));
    assert_eq!(config.tasks.timeout, Duration::from_secs(300));
    assert_eq!(config.tasks.retries, 3);
    assert_eq!(config.tasks.retry_delay, Duration::from_secs(5));
    assert_eq!(config.tasks.retry_max_delay, Duration::from_secs(3600));
    assert_eq!(config.tasks.result_ttl, Duration::from_secs(86_400));
    assert_eq!((config.retention.age, config.retention.count), (Duration::from_secs(7 * 86_400), 100_000));
    assert_eq!(config.handlers.mode, Mode::Inline);
    assert_eq!(config.log.filter, "info");
    assert!(config.admin.token.is_none() && config.github_app.is_none());
    assert!(config.sources.is_empty() && config.routes.is_empty());
}

/// Adds one layer after the other; each must win over those before it.
#[test]
fn each_layer_overrides_those_below() {
    let concurrency = |layers: &Layers<'_>| {
        let loaded = layers.loaded();
        let origin = loaded.origins.get("worker.concurrency").unwrap().origin.to_string();
        (loaded.config.worker.concurrency, origin)
    };
    let mut layers = Layers::default();
    assert_eq!(concurrency(&layers), (16, "default".to_owned()));
    layers.file = "\n[worker]\nconcurrency = 1";
    assert_eq!(concurrency(&layers), (1, "becket.toml:3".to_owned()));
    layers.env = &[("GITHUBAPP_MAX_WORKERS", "2")];
    assert_eq!(concurrency(&layers), (2, "GITHUBAPP_MAX_WORKERS".to_owned()));
    layers.env = &[("BECKET_WORKER__CONCURRENCY", "3"), ("GITHUBAPP_MAX_WORKERS", "2")];
    assert_eq!(concurrency(&layers), (3, "BECKET_WORKER__CONCURRENCY".to_owned()));
    layers.flags = &[("worker.concurrency", "4")];
    assert_eq!(concurrency(&layers), (4, "--set worker.concurrency".to_owned()));
    layers.flags = &[("worker.concurrency", "4"), ("--concurrency", "5")];
    assert_eq!(concurrency(&layers), (5, "--concurrency".to_owned()));
}

#[test]
fn concurrency_may_be_a_range_in_every_layer() {
    let range = "{ min = 2, max = 9 }";
    let file = format!("[worker]\nconcurrency = {range}");
    for layers in [
        Layers { file: &file, ..Layers::default() },
        Layers { file: "[worker.concurrency]\nmin = 2\nmax = 9", ..Layers::default() },
        Layers { env: &[("BECKET_WORKER__CONCURRENCY", range)], ..Layers::default() },
        Layers { flags: &[("--concurrency", range)], ..Layers::default() },
    ] {
        let loaded = layers.loaded();
        assert_eq!((loaded.config.worker.concurrency, loaded.config.worker.concurrency_max), (2, Some(9)));
        assert_eq!(loaded.origins.get("worker.concurrency").unwrap().value, range);
    }
}

#[test]
fn every_named_flag_sets_its_key() {
    for ((flag, key), value) in NAMED_FLAGS.iter().zip(["[::1]:1", "memory:", "7", "debug"]) {
        let loaded = Layers { flags: &[(flag, value)], ..Layers::default() }.loaded();
        let row = loaded.origins.get(key).unwrap();
        assert_eq!((row.value.as_str(), row.origin.to_string().as_str()), (value, *flag));
    }
}

#[test]
fn an_environment_alone_sets_up_a_github_app() {
    let loaded = Layers {
        env: &[
            ("GITHUBAPP_ID", "12345"),
            ("GITHUBAPP_PRIVATE_KEY", "-----BEGIN KEY-----\\nabc\\n-----END KEY-----"),
            ("GITHUBAPP_WEBHOOK_SECRET", "shh"),
            ("GITHUBAPP_WEBHOOK_PATH", "/hooks/"),
            ("GITHUBAPP_BACKGROUND_TASKS", "true"),
            ("GITHUBAPP_TASK_QUEUE_BACKEND", "database"),
            ("GITHUBAPP_TASK_TIMEOUT", "60"),
            ("GITHUBAPP_TASK_RETRY_ATTEMPTS", "4"),
            ("GITHUBAPP_TASK_RETRY_DELAY", "9"),
            ("GITHUBAPP_URL", "https://ghe.example"),
        ],
        ..Layers::default()
    }
    .loaded();
    let config = loaded.config;
    let app = config.github_app.unwrap();
    assert_eq!(app.id, 12345);
    assert_eq!(app.private_key.expose_secret(), "-----BEGIN KEY-----\nabc\n-----END KEY-----");
    let github = &config.sources["github"];
    assert_eq!(github.secrets[0].expose_secret(), "shh");
    assert_eq!(github.path.as_deref(), Some("/hooks"));
    assert_eq!(config.handlers.mode, Mode::Background);
    assert_eq!(config.tasks.timeout, Duration::from_secs(60));
    assert_eq!((config.tasks.retries, config.tasks.retry_delay), (4, Duration::from_secs(9)));
    assert_eq!(loaded.ignored, ["GITHUBAPP_URL"]);
}

#[test]
fn lists_tables_and_places_can_be_set_by_text() {
    let config = Layers {
        file: "[[routes]]\nname = 'on-call'\non = 'ping'\nto = { http = 'https://example.org' }",
        env: &[
            ("BECKET_SOURCES__GITHUB__SECRETS", "[\"new\", \"old\"]"),
            ("BECKET_ROUTES__ON_CALL__TO__SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("BECKET_ROUTES__1", "{ on = ['push', 'issues'], to = 'log' }"),
            ("BECKET_ROUTES__1__RETRIES", "9"),
        ],
        flags: &[("routes.0.on", "push")],
    };
    // A place inside text cannot be reached, and saying so beats guessing.
    assert_eq!(
        config.errors(),
        [
            "BECKET_ROUTES__1__RETRIES: routes.1.retries: lies within a plain value, which BECKET_ROUTES__1 sets; remove one of the two"
        ]
    );
    let config = Layers { env: &config.env[..3], ..config }.loaded().config;
    assert_eq!(config.sources["github"].secrets.len(), 2);
    assert_eq!(config.routes[0].on, ["push"]);
    assert_eq!(config.routes[1].on, ["push", "issues"]);
    assert!(format!("{:?}", config.routes[0].to).contains("REDACTED"), "{:?}", config.routes[0].to);
}

#[test]
fn sources_given_as_text_are_known_to_routes() {
    let config = Layers {
        env: &[("BECKET_SOURCES__GITHUB", "{ secret = 'x' }")],
        flags: &[("routes", "[{ on = '*', source = 'github', to = 'log' }]")],
        ..Layers::default()
    }
    .loaded()
    .config;
    assert_eq!(config.routes[0].sources, ["github"]);
}

#[test]
fn all_errors_of_all_layers_are_reported_at_once() {
    let layers = Layers {
        file: r#"[server]
lisen = "0.0.0.0:80"
body_timeout = "5 parsecs"
body_limit = 100
max_connections = 0

[store]
url = "redis://user:hunter2@localhost"

[wroker]
concurrency = 4

[sources.github]
secert = "hunter2"

[sources.billing]
secret = "hunter2"

[[routes]]
on = ["issues.opened", "issues."]
source = "gihub"
to = "https://user:hunter2@example.org"
mode = "backgruond"
timeout = 30
"#,
        env: &[
            ("BECKET_ADMIN__TOKEN", "hunter2"),
            ("BECKET_SERVER_LISTEN", "0.0.0.0:80"),
            ("GITHUBAPP_ID", "hunter"),
            ("GITHUBAPP_TASK_QUEUE_BACKEND", "redis"),
        ],
        flags: &[("tasks.retries", "many"), ("--listen", "8080"), ("concurrency", "4")],
    };
    let text = layers.load().unwrap_err().to_string();
    assert_eq!(
        text,
        r#"the configuration has 22 errors:
  becket.toml:2:1: server.lisen: unknown key; did you mean `listen`?
  becket.toml:3:1: server.body_timeout: `5 parsecs` is not a duration; write a duration with its unit from "100ms" to "1h", such as "30s"
  becket.toml:4:1: server.body_limit: is a whole number; write a size with its unit from "1KiB" to "256MiB", such as "25MiB", in quotes
  becket.toml:5:1: server.max_connections: 0 is out of range; write a whole number from 1 to 100000
  becket.toml:8:1: store.url: `redis:` stores are not built yet; write "sqlite:PATH", such as "sqlite:becket.db", or "memory:"
  becket.toml:10:2: wroker: unknown key; did you mean `worker`?
  becket.toml:13:10: sources.github: has no secret, so anyone could post to it; set `secret`, or write insecure_accept_unsigned = true to accept unsigned requests
  becket.toml:14:1: sources.github.secert: unknown key; did you mean `secret`?
  becket.toml:16:10: sources.billing.kind: is not set; add kind = "github", or another of the kinds
  becket.toml:20:24: routes.0.on.1: `issues.` is not a pattern; nothing stands before or after a full stop; write `event`, `event.action` or `event.*`
  becket.toml:21:1: routes.0.source: there is no source `gihub`; did you mean "github"?
  becket.toml:22:1: routes.0.to: is not a target; write to = "log", to = { http = "https://…" } or to = "NAME" for [targets.NAME]
  becket.toml:23:1: routes.0.mode: `backgruond` is not known here; did you mean "background"? Write "inline" or "background"
  becket.toml:24:1: routes.0.timeout: is a whole number; write a duration with its unit from "1ms" to "7days", such as "30s", in quotes
  GITHUBAPP_ID: github_app.id: `hunter` is not a whole number; write a whole number of at least 1
  GITHUBAPP_ID: github_app.private_key: is not set, but github_app.id is; set both (GITHUBAPP_PRIVATE_KEY), or neither
  GITHUBAPP_TASK_QUEUE_BACKEND: store.url: the queue backend `redis` is not built yet; supported are `asyncio` and `database`, both of which mean the embedded store
  BECKET_ADMIN__TOKEN: admin.token: the token has only 7 characters; write at least 16 visible ASCII characters, for instance from `openssl rand -hex 16`
  BECKET_SERVER_LISTEN: server.listen: sets nothing; two underscores stand between levels: did you mean `BECKET_SERVER__LISTEN`?
  --listen: server.listen: `8080` cannot be listened on; write an IP address and a port, such as "127.0.0.1:8080" or "[::]:8080"
  --set concurrency: concurrency: unknown key; did you mean `worker.concurrency`?
  --set tasks.retries: tasks.retries: `many` is not a whole number; write a whole number from 0 to 100"#
    );
    assert!(!text.contains("hunter2"));
}

#[test]
fn a_file_that_is_not_toml_is_reported_line_by_line_without_its_content() {
    let errors = file_errors("[server]\nlisten = hunter2\n[admin]\ntoken = \"hunter2\n");
    assert_eq!(
        errors,
        [
            "becket.toml:2:10: is not TOML: string values must be quoted, expected literal string; write TOML, with \
             text, durations and sizes in quotes",
            "becket.toml:4:17: is not TOML: invalid basic string, expected `\"`; write TOML, with text, durations and \
             sizes in quotes",
        ]
    );
}

#[test]
fn columns_count_characters() {
    let errors = file_errors("sources = { \"é\" = {}, x = 1 }");
    assert!(
        errors.iter().any(|error| error.starts_with("becket.toml:1:23: sources.x: is a whole number;")),
        "{errors:?}"
    );
}

#[test]
fn a_section_that_is_no_table_is_refused() {
    assert_eq!(
        file_errors("admin = true\nroutes = 'log'"),
        [
            "becket.toml:1:1: admin: is true or false; a table is wanted here, with keys of its own",
            "becket.toml:2:1: routes.0: is text; a table is wanted here, with keys of its own",
            "becket.toml:2:1: routes.0.on: is not set; add on = \"issues.opened\", or on = \"*\"",
            "becket.toml:2:1: routes.0.to: is not set; add to = \"log\" or to = { http = \"https://…\" }",
        ]
    );
}

#[test]
fn half_an_identity_of_a_github_app_is_refused() {
    assert_eq!(
        file_errors("[github_app]\nprivate_key = '-----BEGIN X-----\\n-----END X-----'"),
        [
            "becket.toml:2:1: github_app.id: is not set, but github_app.private_key is; set both (GITHUBAPP_ID), or neither"
        ]
    );
}

#[test]
fn a_memory_store_promises_no_durability() {
    assert_eq!(file("[store]\nurl = 'memory:'").store.durability, Durability::Memory);
    assert_eq!(
        file_errors("[store]\nurl = 'memory:'\ndurability = 'power_loss'"),
        [
            "becket.toml:3:1: store.durability: a `memory:` store survives nothing; remove this key, or set store.url to \"sqlite:PATH\""
        ]
    );
}

#[test]
fn first_delay_is_at_most_the_longest() {
    assert_eq!(
        file_errors("[tasks]\nretry_delay = '2h'"),
        [
            "becket.toml:2:1: tasks.retry_delay: is longer than tasks.retry_max_delay; lower it, or raise tasks.retry_max_delay"
        ]
    );
}

#[test]
fn origins_tell_every_value_and_mask_every_secret() {
    let loaded = Layers {
        file: r#"[admin]
token = "hunter2hunter2hunter2"
[sources.github]
secrets = ["hunter2", "hunter2b"]
[sources.billing]
kind = "standard_webhooks"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[[routes]]
on = ["ping", "push"]
to = { http = "https://example.org/hook", secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }
[github_app]
id = 7
private_key = "-----BEGIN hunter2 -----END"
"#,
        ..Layers::default()
    }
    .loaded();
    let row = |key: &str| {
        let row = loaded.origins.get(key).unwrap_or_else(|| panic!("no row {key}"));
        (row.value.clone(), row.origin.to_string())
    };
    let masked = |line: usize| (MASK.to_owned(), format!("becket.toml:{line}"));
    assert_eq!(row("admin.token"), masked(2));
    assert_eq!(row("sources.github.secrets"), (format!("{MASK}, {MASK}"), "becket.toml:4".to_owned()));
    assert_eq!(row("sources.billing.secret"), masked(7));
    assert_eq!(row("routes.0.to.secret"), masked(10));
    assert_eq!(row("github_app.private_key"), masked(13));
    assert_eq!(row("routes.0.on"), ("ping, push".to_owned(), "becket.toml:9".to_owned()));
    assert_eq!(row("routes.0.timeout"), ("5m".to_owned(), "default".to_owned()));
    assert_eq!(row("sources.billing.path"), ("(not set)".to_owned(), "default".to_owned()));
    for shown in [format!("{loaded:?}"), format!("{:?}", loaded.origins.rows())] {
        assert!(!shown.contains("hunter2") && !shown.contains("MfKQ9r8G"), "{shown}");
    }
}

#[test]
fn debug_of_a_loader_shows_names_and_no_values() {
    let pair = |name: &str| vec![(name.to_owned(), "hunter2".to_owned())];
    let shown = format!("{:?}", Loader { file: None, env: pair("BECKET_ADMIN__TOKEN"), flags: pair("admin.token") });
    assert!(shown.contains("BECKET_ADMIN__TOKEN") && shown.contains("admin.token"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_named_file_must_exist() {
    let missing = std::env::temp_dir().join("becket-no-such-file.toml");
    let loader = Loader { file: Some(missing.clone()), ..Loader::default() };
    let error = Config::load(loader).unwrap_err().to_string();
    let expected = format!("{}: cannot read the configuration file: ", missing.display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_named_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, "[server]\nlisten = '[::1]:9'\n").unwrap();
    let loaded = Config::load(Loader { file: Some(path.clone()), ..Loader::default() }).unwrap();
    assert_eq!(loaded.config.server.listen.port(), 9);
    let origin = &loaded.origins.get("server.listen").unwrap().origin;
    assert_eq!(origin.to_string(), format!("{}:2", path.display()));
}

#[test]
fn errors_never_control_the_terminal_that_shows_them() {
    let errors = Config::from_toml("server.\"lis\\u001b[31mten\" = 1").unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains(r"lis\u{1b}[31mten") && !shown.contains('\u{1b}'), "{shown}");
}
