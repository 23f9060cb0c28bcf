//! Schedules: when, what, and what cannot be.

use serde_json::json;

use super::super::test_layers::{Layers, file, file_errors};
use super::super::{Backoff, Target};
use super::*;

fn schedule(text: &str) -> Schedule {
    file(&format!("[[schedules]]\nname = 'nightly'\n{text}")).schedules.remove(0)
}

fn errors(text: &str) -> Vec<String> {
    file_errors(&format!("[[schedules]]\nname = 'nightly'\n{text}"))
}

#[test]
fn a_schedule_needs_a_name_a_pattern_and_work() {
    let schedule = schedule("cron = '0 3 * * *'\ntask = 'reindex'");
    assert_eq!(
        (schedule.name.as_str(), schedule.cron.as_str(), schedule.zone.as_str()),
        ("nightly", "0 3 * * *", "UTC")
    );
    assert_eq!((schedule.jitter, schedule.missed), (Duration::ZERO, Missed::Skip));
    assert!(schedule.payload.is_empty());
    assert!(matches!(&schedule.work, ScheduledWork::Task(kind) if kind == "reindex"), "{:?}", schedule.work);
    let errors = file_errors("[[schedules]]\njitter = '1s'");
    assert_eq!(errors.len(), 3, "{errors:#?}");
    for key in ["name", "cron", "to"] {
        let of_key = errors.iter().find(|error| error.contains(&format!("schedules.0.{key}")));
        assert!(of_key.is_some_and(|error| error.contains("is not set")), "{key}: {errors:#?}");
    }
    assert!(errors.iter().any(|error| error.contains("add task = ")), "{errors:#?}");
}

#[test]
fn a_schedule_may_have_a_target_which_inherits_from_tasks() {
    let config = file(
        "[tasks]\ntimeout = '7s'\nretries = 8\n[[schedules]]\nname = 'a'\ncron = '@daily'\nzone = 'Europe/Berlin'\n\
         jitter = '5m'\nmissed = 'catch_up'\nto = { http = 'https://example.org' }\nbackoff = 'fixed'\nretry_delay = '2s'",
    );
    let schedule = &config.schedules[0];
    assert_eq!((schedule.zone.as_str(), schedule.jitter), ("Europe/Berlin", Duration::from_secs(300)));
    assert_eq!(schedule.missed, Missed::catch_up());
    let ScheduledWork::Target { to: Target::Http(_), timeout, retries: 8, backoff, priority: 0 } = &schedule.work
    else {
        panic!("{:?}", schedule.work)
    };
    assert_eq!(*timeout, Duration::from_secs(7));
    assert_eq!(*backoff, Backoff::Fixed { delay: Duration::from_secs(2) });
}

#[test]
fn a_payload_is_any_table_without_the_schedules_own_keys() {
    let payload = |text: &str| schedule(&format!("cron = '@daily'\ntask = 'x'\n{text}")).payload;
    let expected = json!({"full": true, "shards": [1, 2], "where": {"region": "eu"}});
    assert_eq!(json!(payload("payload = { full = true, shards = [1, 2], where = { region = 'eu' } }")), expected);
    assert_eq!(json!(payload("[schedules.payload]\nfull = true")), json!({"full": true}));
    for (text, what) in [
        ("payload = { tick = 1 }", "has the key `tick`"),
        ("payload = { schedule = 'x' }", "has the key `schedule`"),
        ("payload = { ratio = 0.5 }", "holds what cannot be passed on: a"),
        ("payload = [1]", "is a list"),
    ] {
        let errors = errors(&format!("cron = '@daily'\ntask = 'x'\n{text}"));
        assert!(errors.len() == 1 && errors[0].contains("schedules.0.payload"), "{errors:?}");
        assert!(errors[0].contains(what), "{errors:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_key() {
    for (text, key, what) in [
        ("cron = '0 25 * * *'\ntask = 'x'", "cron", "`25` is no hour"),
        ("cron = '0 0 31 2 *'\ntask = 'x'", "cron", "never comes"),
        ("cron = 5\ntask = 'x'", "cron", "is a whole number"),
        ("cron = '@daily'\nzone = 'Berlin'\ntask = 'x'", "zone", "is not a time zone"),
        ("cron = '@daily'\njitter = '2days'\ntask = 'x'", "jitter", "is out of range"),
        ("cron = '@daily'\nmissed = 'catchup'\ntask = 'x'", "missed", "did you mean \"catch_up\"?"),
        ("cron = '@daily'\ntask = ''", "task", "is empty"),
        ("cron = '@daily'\ntask = 'x'\nto = 'log'", "to", "together with `task`"),
        ("cron = '@daily'\ntask = 'x'\nretries = 3", "retries", "means nothing together with `task`"),
        ("cron = '@daily'\ntask = 'x'\nkron = 3", "kron", "did you mean `cron`?"),
        ("cron = '@daily'\nto = 'lok'", "to", "there is no target `lok`; did you mean \"log\"?"),
    ] {
        let errors = errors(text);
        assert!(errors.len() == 1 && errors[0].contains(&format!("schedules.0.{key}")), "{text}: {errors:?}");
        assert!(errors[0].contains(what), "{text}: {errors:?}");
    }
    let twice = "[[schedules]]\nname = 'a'\ncron = '@daily'\ntask = 'x'\n".repeat(2);
    let errors = file_errors(&twice);
    assert!(errors.len() == 1 && errors[0].contains("another schedule has this name"), "{errors:?}");
}

#[test]
fn a_schedule_is_changed_by_its_name() {
    let file = "[[schedules]]\nname = 'on-call'\ncron = '@daily'\ntask = 'x'";
    let env = [("BECKET_SCHEDULES__ON_CALL__CRON", "@hourly"), ("BECKET_SCHEDULES__0__PAYLOAD", "{ full = true }")];
    let config = Layers { file, env: &env, ..Layers::default() }.loaded().config;
    assert_eq!(config.schedules[0].cron.as_str(), "@hourly");
    assert_eq!(json!(config.schedules[0].payload), json!({"full": true}));
}
