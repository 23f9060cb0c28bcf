//! Lanes, tenants and limits of routes, and the weights of tenants.

use super::super::test_layers::{Layers, file, file_errors};
use super::*;

fn order(text: &str) -> Order {
    file(&format!("[[routes]]\non = 'issues'\nto = 'log'\n{text}")).routes.remove(0).order
}

fn errors(text: &str) -> Vec<String> {
    file_errors(&format!("[[routes]]\non = 'issues'\nto = 'log'\n{text}"))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_route_says_what_its_tasks_belong_to() {
    let order = order(
        "lane = '{repository.full_name}#{issue.number}'\non_retry = 'pass'\nlatest = 'stop_running'\n\
         debounce = '10s'\ndebounce_max = '1m'\ntenant = '{installation.id}'\nlimit_key = '{repository.id}'\n\
         concurrency = 2\nconcurrency_per_key = 1\nrate = '30/1m'\nrate_per_key = '5/1s'",
    );
    assert_eq!(order.lane.as_deref(), Some("{repository.full_name}#{issue.number}"));
    assert_eq!((order.on_retry, order.latest), (OnRetry::Pass, Some(Latest::Running)));
    assert_eq!(order.debounce, Some(Debounce { quiet: seconds(10), max: seconds(60) }));
    assert_eq!(
        (order.tenant.as_deref(), order.limit_key.as_deref()),
        (Some("{installation.id}"), Some("{repository.id}"))
    );
    let rate = |starts, period| Some(Rate { starts, period });
    let (rate, key_rate) = (rate(30, seconds(60)), rate(5, seconds(1)));
    assert_eq!(order.limits, Limits { concurrency: Some(2), rate, key_concurrency: Some(1), key_rate });
}

#[test]
fn a_route_that_says_nothing_has_no_order() {
    let order = order("latest = false");
    assert_eq!((order.lane, order.on_retry, order.latest, order.debounce), (None, OnRetry::Hold, None, None));
    assert!(order.tenant.is_none() && order.limit_key.is_none() && order.limits.is_none());
}

#[test]
fn a_route_says_which_of_its_tasks_are_as_good_as_one() {
    assert_eq!(order("").unique, None);
    let without = order("unique = '{issue.id}'");
    assert_eq!((without.unique.as_deref(), without.fresh_for), (Some("{issue.id}"), Duration::ZERO));
    assert_eq!(order("unique = '{issue.id}'\nfresh_for = '10m'").fresh_for, seconds(600));
}

#[test]
fn latest_and_debounce_have_a_lane_of_their_own() {
    assert_eq!(order("latest = true\non_retry = 'pass'").latest, Some(Latest::Waiting));
    assert_eq!(order("debounce = '10s'").debounce, Some(Debounce { quiet: seconds(10), max: seconds(60) }));
}

#[test]
fn what_makes_no_sense_says_why_and_what_to_write() {
    let table = [
        ("lane = '{issue'", "lane: `{issue` is not a template: a `{` is never closed at column 1; write `}`"),
        ("tenant = ''", "tenant: `` is not a template: it is empty at column 1; write text"),
        ("on_retry = 'pass'", "on_retry: lets a lane pass, and there is none; add lane"),
        ("on_retry = 'hodl'", "on_retry: `hodl` is not known here; did you mean \"hold\"?"),
        ("latest = 'stop'", "latest: `stop` is not known here; write true, false or \"stop_running\""),
        ("latest = 1", "latest: is a whole number; write true"),
        ("debounce_max = '1m'", "debounce_max: bounds a wait for quiet, and there is none; add debounce"),
        ("debounce = '1m'\ndebounce_max = '10s'", "debounce_max: is shorter than debounce; raise it"),
        ("concurrency = 0", "concurrency: 0 is out of range; write a whole number from 1 to 100000"),
        ("concurrency_per_key = 1", "concurrency_per_key: limits each key, and there is no key; add limit_key"),
        ("rate_per_key = '1/1s'", "rate_per_key: limits each key, and there is no key"),
        ("unique = '{issue'", "unique: `{issue` is not a template: a `{` is never closed at column 1"),
        ("fresh_for = '10m'", "fresh_for: lets results stand for tasks that are not unique; add unique"),
        ("unique = 'a'\nfresh_for = '10'", "fresh_for: `10` is not a duration; write a duration with its unit"),
        ("rate = '30'", "rate: `30` is not a rate; write a number from 1 to 10000"),
        ("rate = '30/'", "rate: `30/` is not a rate"),
        ("rate = '0/1s'", "rate: `0/1s` is out of range"),
        ("rate = '10001/1s'", "rate: `10001/1s` is out of range"),
        ("rate = '1/0s'", "rate: `1/0s` is out of range"),
        ("rate = '1/25h'", "rate: `1/25h` is out of range"),
    ];
    for (text, expected) in table {
        let errors = errors(text);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{text}: {errors:?}");
    }
}

#[test]
fn tenants_have_weights() {
    let weights = |text: &str| file(text).worker.weights.into_iter().collect::<Vec<_>>();
    assert_eq!(weights(""), []);
    let both = [("12345".to_owned(), 4), ("octo".to_owned(), 2)];
    assert_eq!(weights("[worker]\nweights = { \"12345\" = 4, octo = 2 }"), both);
    let env = [("BECKET_WORKER__WEIGHTS", "{ \"12345\" = 4, octo = 2 }")];
    let loaded = Layers { env: &env, ..Layers::default() }.loaded();
    assert_eq!(loaded.config.worker.weights.into_iter().collect::<Vec<_>>(), both);
    assert_eq!(loaded.origins.get("worker.weights").unwrap().value, "12345 = 4, octo = 2");
    let errors = file_errors("[worker]\nweights = { a = 0, b = 1001, c = 1 }");
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].contains("worker.weights.a: 0 is out of range; write a whole number from 1 to 1000"),
        "{errors:?}"
    );
    assert!(file_errors("[worker]\nweights = 4")[0].contains("worker.weights: is a whole number"));
}
