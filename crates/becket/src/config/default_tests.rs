//! `default.toml` says what is so: every key that exists is in it, its defaults and its ranges are the real ones.

use std::collections::BTreeSet;
use std::time::Duration;

use super::layers::{Table, Value, parse};
use super::read::{Report, Section};
use super::test_layers::Layers;
use super::{Origin, default_toml, load};

/// The file with the keys that are commented out set, and its placeholders filled in.
fn uncommented() -> String {
    let mut text = String::new();
    for line in default_toml().lines() {
        let key = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()));
        text.push_str(key.unwrap_or(line));
        text.push('\n');
    }
    text.replace("whsec_...", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .replace("private_key = \"...\"", "private_key = \"-----BEGIN X----------END X-----\"")
        .replace("\"...\"", "\"0123456789abcdef\"")
}

/// Every key in a tree, with `<name>` and `<n>` for what is the user's own.
fn keys(table: &Table, prefix: &str, found: &mut BTreeSet<String>) {
    for (key, node) in table {
        let key = if matches!(prefix, "sources" | "targets") { "<name>" } else { key };
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        match &node.value {
            // What is in them is the user's own.
            Value::Table(_) if matches!(&*path, "worker.weights" | "schedules.<n>.payload") => {}
            Value::Table(_) if path.starts_with("targets.<name>.") => {}
            Value::Table(entries) => keys(entries, &path, found),
            Value::List(items) if matches!(&*path, "routes" | "schedules") => {
                for item in items {
                    let Value::Table(entries) = &item.value else { panic!("`{path}` has tables") };
                    keys(entries, &format!("{path}.<n>"), found);
                }
            }
            _ => {}
        }
        if !matches!(prefix, "sources" | "targets") {
            found.insert(path);
        }
    }
}

#[test]
fn every_key_that_exists_is_documented_and_the_reverse() {
    let text = uncommented();
    let tree = parse(&text, &|_| Origin::Default).unwrap();
    let mut documented = BTreeSet::new();
    keys(&tree, "", &mut documented);
    let mut report = Report::default();
    load::read(Section::root(&mut report, tree));
    assert_eq!(report.known(), &documented);
}

#[test]
fn every_example_in_it_is_valid() {
    let text = uncommented();
    let config = Layers { file: &text, ..Layers::default() }.loaded().config;
    assert_eq!((config.sources.len(), config.targets.len()), (6, 4));
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.schedules.len(), 3);
    assert!(config.github_app.is_some() && config.admin.token.is_some());
}

#[test]
fn no_placeholder_in_it_is_accepted() {
    for (text, key) in [
        ("[sources.github]\nsecret = '...'", "sources.github.secret"),
        ("[admin]\ntoken = '...'", "admin.token"),
        ("[sources.x]\nkind = 'standard_webhooks'\nsecret = 'whsec_...'", "sources.x.secret"),
        ("[github_app]\nid = 1\nprivate_key = '...'", "github_app.private_key"),
    ] {
        let errors = Layers { file: text, ..Layers::default() }.errors();
        assert!(errors.len() == 1 && errors[0].contains(key), "{errors:?}");
    }
}

/// A key with a numeric, duration or size range, as the comment above it says.
struct Ranged {
    key: String,
    least: String,
    most: String,
}

fn ranged() -> Vec<Ranged> {
    let (mut section, mut range, mut found) = (String::new(), None, Vec::new());
    for line in default_toml().lines() {
        if let Some(rest) = line.strip_prefix("# Range: ") {
            let (words, _) = rest.split_once(". Default: ").unwrap();
            let limits = words
                .split_once(" to ")
                .filter(|(least, _)| least.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
            range = limits.map(|(least, most)| (least.to_owned(), most.to_owned()));
        } else if let Some(header) = line.trim_start_matches('#').strip_prefix('[') {
            section = header.trim_matches(['[', ']']).replace("routes", "routes.0").replace("schedules", "schedules.0");
        } else if let Some((key, _)) = line.split_once(" = ")
            && let Some((least, most)) = range.take()
        {
            found.push(Ranged { key: format!("{section}.{}", key.trim_start_matches('#')), least, most });
        }
    }
    found
}

/// The values just outside a range.
fn outside(Ranged { least, most, .. }: &Ranged) -> Vec<String> {
    if let (Ok(least), Ok(most)) = (least.parse::<i64>(), most.parse::<i64>()) {
        return vec![(least - 1).to_string(), (most + 1).to_string()];
    }
    if let Ok(least) = humantime::parse_duration(least) {
        let below = least.checked_sub(Duration::from_nanos(1)).map(|d| humantime::format_duration(d).to_string());
        return below.into_iter().chain([format!("{most} 1ns")]).collect();
    }
    let above = match (least.as_str(), most.as_str()) {
        ("1KiB", "256MiB") => "268435457B",
        ("1KiB", "1GiB") => "1073741825B",
        // There is no size below.
        ("0B", "128KiB") => return vec!["131073B".to_owned()],
        ("0B", "64KiB") => return vec!["65537B".to_owned()],
        other => panic!("the sizes just outside {other:?} are not known here"),
    };
    vec!["1023B".to_owned(), above.to_owned()]
}

#[test]
fn every_documented_range_is_the_real_one() {
    let all = ranged();
    assert!(all.len() > 20, "{} ranges found", all.len());
    // Keys that must not contradict the one under test.
    let file = "[sources.github]\nsecret = 'x'\n[sources.billing]\nkind = 'standard_webhooks'\n\
                secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n[[routes]]\non = '*'\nto = 'log'\nbackoff = 'fixed'\n\
                debounce = '1ms'\nlimit_key = 'x'\nunique = 'x'\n\
                [targets.orders]\nhttp = 'https://x'\nbreaker_failures = 1\n[targets.deploy]\ncommand = ['true']\n[targets.audit]\nlog = 'x'\n\
                [[schedules]]\nname = 'a'\ncron = '@daily'\nto = 'log'\nbackoff = 'fixed'\n";
    let errors = |key: &str, value: &str| {
        let widest = [("tasks.retry_delay", "1ms"), ("tasks.retry_max_delay", "7days")];
        let flags: Vec<_> = widest.into_iter().filter(|(other, _)| *other != key).chain([(key, value)]).collect();
        Layers { file, flags: &flags, ..Layers::default() }.errors()
    };
    for range in &all {
        for value in [&range.least, &range.most] {
            assert_eq!(errors(&range.key, value), Vec::<String>::new(), "{} = {value}", range.key);
        }
        for value in outside(range) {
            let errors = errors(&range.key, &value);
            assert!(errors.len() == 1 && errors[0].contains("is out of range"), "{} = {value}: {errors:?}", range.key);
        }
    }
}

#[test]
fn every_documented_default_is_the_real_one() {
    let file = "[sources.github]\nsecret = 'x'\n[sources.billing]\nkind = 'standard_webhooks'\n\
                secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n[[routes]]\non = '*'\nto = { http = 'https://x' }\n\
                [targets.orders]\nhttp = 'https://x'\n[targets.deploy]\ncommand = ['true']\n[targets.audit]\nlog = 'x'\n\
                [[schedules]]\nname = 'a'\ncron = '@daily'\nto = { http = 'https://x' }\n";
    let loaded = Layers { file, ..Layers::default() }.loaded();
    let (mut section, mut default, mut compared) = (String::new(), None, 0);
    for line in default_toml().lines() {
        if let Some((_, rest)) = line.split_once(". Default: ") {
            default = rest.split_once(". Environment: ").map(|(default, _)| default);
        } else if let Some(header) = line.trim_start_matches('#').strip_prefix('[') {
            section = header
                .trim_matches(['[', ']'])
                .replace("routes", "routes.0")
                .replace("schedules", "schedules.0")
                .replace("intranet", "github");
        } else if let Some((key, _)) = line.split_once(" = ")
            && let Some(default) = default.take()
            && !default.contains(' ')
        {
            let key = format!("{section}.{}", key.trim_start_matches('#'));
            let Some(row) = loaded.origins.get(&key).filter(|row| row.origin == Origin::Default) else { continue };
            let expected = if default == "none" { "(not set)" } else { default };
            assert_eq!(row.value, expected, "{key}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared} defaults compared");
}
