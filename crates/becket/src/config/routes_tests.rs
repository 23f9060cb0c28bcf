//! Routes: targets, patterns, and what is inherited from `[tasks]`.

use super::super::Target;
use super::super::test_layers::{Layers, file, file_errors};
use super::*;

fn route(text: &str) -> Route {
    file(&format!("[[routes]]\non = 'issues'\n{text}")).routes.remove(0)
}

fn errors(text: &str) -> Vec<String> {
    file_errors(&format!("[[routes]]\non = 'issues'\n{text}"))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_route_inherits_from_tasks_what_it_does_not_say() {
    let config = file("[tasks]\ntimeout = '7s'\nretries = 8\nretry_delay = '9s'\n[[routes]]\non = '*'\nto = 'log'");
    let route = &config.routes[0];
    assert!(matches!(route.to, Target::Log));
    assert_eq!((route.mode, route.timeout, route.retries, route.priority), (Mode::Background, seconds(7), 8, 0));
    assert_eq!(route.backoff, Backoff::Exponential { delay: seconds(9), max_delay: seconds(3600) });
    assert_eq!((route.name.as_deref(), route.sources.len(), route.when.as_deref(), route.stop), (None, 0, None, false));
}

#[test]
fn the_issues_example_is_a_route() {
    let route = route(
        "to = { http = 'http://127.0.0.1:3000/hook', allow_private = true }\nmode = 'background'\ntimeout = '30s'\nretries = 5",
    );
    assert_eq!((route.timeout, route.retries), (seconds(30), 5));
    let Target::Http(http) = route.to else { panic!("{:?}", route.to) };
    assert!(http.allow_private && http.secret.is_none());
    assert_eq!(http.url.sample().as_str(), "http://127.0.0.1:3000/hook");
}

#[test]
fn private_addresses_are_refused_by_default() {
    let route = route("to = { http = 'https://example.org' }");
    assert!(matches!(&route.to, Target::Http(http) if !http.allow_private), "{:?}", route.to);
}

#[test]
fn backoff_is_exponential_fixed_or_a_list() {
    let backoff = |text: &str| {
        let route = route(&format!("to = 'log'\n{text}"));
        (route.backoff, route.retries)
    };
    assert_eq!(backoff("backoff = 'fixed'\nretry_delay = '2s'"), (Backoff::Fixed { delay: seconds(2) }, 3));
    assert_eq!(
        backoff("retry_delay = '2s'\nretry_max_delay = '4s'"),
        (Backoff::Exponential { delay: seconds(2), max_delay: seconds(4) }, 3)
    );
    let delays = Backoff::Delays(vec![seconds(1), seconds(60)]);
    assert_eq!(backoff("backoff = ['1s', '1m']"), (delays.clone(), 2));
    assert_eq!(backoff("backoff = ['1s', '1m']\nretries = 5"), (delays, 5));
}

#[test]
fn a_backoff_that_cannot_be_is_refused() {
    assert_eq!(
        errors("to = 'log'\nbackoff = 'linear'"),
        [
            "becket.toml:4:1: routes.0.backoff: `linear` is not known here; write \"exponential\", \"fixed\" or a list of \
          durations such as [\"10s\", \"1m\"]"
        ]
    );
    assert_eq!(
        errors("to = 'log'\nbackoff = []"),
        ["becket.toml:4:1: routes.0.backoff: is an empty list; give at least one, or leave the key out"]
    );
    assert_eq!(
        errors("to = 'log'\nretry_delay = '2h'"),
        ["becket.toml:4:1: routes.0.retry_delay: is longer than retry_max_delay; lower it, or raise retry_max_delay"]
    );
}

#[test]
fn a_target_must_be_one_that_is_built() {
    for (target, error) in [
        ("'loge'", "routes.0.to: there is no target `loge`; did you mean \"log\"?"),
        (
            "'https://hunter2'",
            "routes.0.to: is not a target; write to = \"log\", to = { http = \"https://…\" } or to = \"NAME\" for [targets.NAME]",
        ),
        (
            "3",
            "routes.0.to: is a whole number; write to = \"log\", to = { http = \"https://…\" } or to = \"NAME\" for [targets.NAME]",
        ),
        ("{ htpp = 'x' }", "routes.0.to.http: is not set; add http = \"https://…\""),
        (
            "{ http = 'ftp://x' }",
            "routes.0.to.http: `ftp:` is not a way to post; write an http:// or https:// URL with a host, without user name or password",
        ),
        (
            "{ http = 'x' }",
            "routes.0.to.http: is not a URL (relative URL without a base); write an http:// or https:// URL with a host, without user name or password",
        ),
        (
            "{ http = 'https://' }",
            "routes.0.to.http: is not a URL (empty host); write an http:// or https:// URL with a host, without user name or password",
        ),
        (
            "{ http = 'https://me:hunter2@x' }",
            "routes.0.to.http: the URL holds a user name or a password; write an http:// or https:// URL with a host, without user name or password",
        ),
        (
            "{ http = 'https://x', secret = 'hunter2' }",
            "routes.0.to.secret: does not begin with `whsec_`; write `whsec_` and then the base64 of 24 to 64 random bytes",
        ),
    ] {
        let errors = errors(&format!("to = {target}"));
        assert!(errors.iter().any(|line| line.ends_with(error)), "{errors:#?}");
        assert!(!errors.concat().contains("hunter2"));
    }
}

#[test]
fn a_route_must_say_what_it_wants_and_where_to() {
    assert_eq!(
        file_errors("[[routes]]\nname = 'x'"),
        [
            "becket.toml:1:1: routes.0.on: is not set; add on = \"issues.opened\", or on = \"*\"",
            "becket.toml:1:1: routes.0.to: is not set; add to = \"log\" or to = { http = \"https://…\" }"
        ]
    );
}

#[test]
fn names_of_routes_are_unique() {
    let one = "[[routes]]\nname = 'a'\non = '*'\nto = 'log'\n";
    assert_eq!(
        file_errors(&format!("{one}{one}")),
        ["becket.toml:6:1: routes.1.name: another route has this name; choose another"]
    );
}

#[test]
fn a_routes_source_exists() {
    let config = file("[sources.github]\nsecret = 'x'\n[[routes]]\non = '*'\nto = 'log'\nsource = 'github'");
    assert_eq!(config.routes[0].sources, ["github"]);
    let config = file("[sources.github]\nsecret = 'x'\n[[routes]]\non = '*'\nto = 'log'\nsource = ['git*', 'github']");
    assert_eq!(config.routes[0].sources, ["git*", "github"]);
    assert_eq!(
        errors("to = 'log'\nsource = 'bill*'"),
        [
            "becket.toml:4:1: routes.0.source: there is no source `bill*`; write the beginning of a source's name and `*`, or leave the key out"
        ]
    );
    assert_eq!(
        errors("to = 'log'\nsource = 'billing'"),
        [
            "becket.toml:4:1: routes.0.source: there is no source `billing`; add [sources.billing], or leave the key out for any source"
        ]
    );
}

#[test]
fn patterns_have_stars_and_colons() {
    let on = "['issues.*', '*.opened', 'pull_request*', 'pr:*', 'pullrequest:created', '*']";
    let config = file(&format!("[[routes]]\non = {on}\nto = 'log'"));
    assert_eq!(config.routes[0].on.len(), 6);
    assert_eq!(
        file_errors("[[routes]]\non = 'issues.**'\nto = 'log'"),
        [
            "becket.toml:2:1: routes.0.on.0: `issues.**` is not a pattern; one `*` stands for any text already; write one"
        ]
    );
}

#[test]
fn a_filter_is_checked_with_the_rest() {
    let route = route("to = 'log'\nwhen = \"payload.sender.type != 'Bot'\"\nstop = true");
    assert_eq!((route.when.as_deref(), route.stop), (Some("payload.sender.type != 'Bot'"), true));
    for (when, error) in [
        (
            "paylod.draft == true",
            "routes.0.when: is not a filter: there is no variable `paylod` (at column 1); did you mean `payload`?",
        ),
        (
            "payload.draft = true",
            "routes.0.when: is not a filter: there is '=' where the end is wanted (at column 15); compare with `==`",
        ),
        ("", "routes.0.when: is not a filter: it is empty; write a condition, or leave it out"),
    ] {
        let errors = errors(&format!("to = 'log'\nwhen = '{when}'"));
        assert!(errors.len() == 1 && errors[0].ends_with(error), "{errors:#?}");
    }
    assert_eq!(
        errors("to = 'log'\nwhen = true"),
        [
            "becket.toml:4:1: routes.0.when: is true or false; write a condition such as \"payload.sender.type != 'Bot'\", in quotes"
        ]
    );
}

#[test]
fn an_error_in_tasks_causes_no_others_in_routes() {
    assert_eq!(file_errors("[tasks]\ntimeout = 'x'\n[[routes]]\non = '*'\nto = 'log'\nretry_delay = '2s'").len(), 1);
}

#[test]
fn path_and_query_of_a_target_are_not_shown() {
    for (url, shown) in [
        ("https://example.org:444/hook/t0ken?key=t0ken", "https://example.org:444/********"),
        ("https://example.org?t0ken", "https://example.org/********"),
        ("https://example.org#t0ken", "https://example.org/********"),
        ("https://example.org", "https://example.org/"),
    ] {
        let file = format!("[[routes]]\non = 'issues'\nto = {{ http = '{url}' }}");
        let loaded = Layers { file: &file, ..Layers::default() }.loaded();
        assert_eq!(loaded.origins.get("routes.0.to.http").unwrap().value, shown);
        assert!(!format!("{:?}", loaded.origins).contains("t0ken"));
        let to = format!("{{ http = '{url}' }}");
        let (file, env) = ("[[routes]]\non = 'issues'\nto = 'log'", [("BECKET_ROUTES__0__TO", to.as_str())]);
        let loaded = Layers { file, env: &env, ..Layers::default() }.loaded();
        assert_eq!(loaded.origins.get("routes.0.to.http").unwrap().value, shown);
        assert!(!format!("{:?}", loaded.origins).contains("t0ken"));
    }
}
