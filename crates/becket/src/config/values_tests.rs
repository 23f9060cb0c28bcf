//! The rules of single values.

use std::time::Duration;

use super::*;

fn written(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn refusal<T>(parsed: Parsed<T>) -> String {
    match parsed {
        Ok(_) => panic!("accepted"),
        Err(problem) => format!("{}; {}", problem.what, problem.mend),
    }
}

#[test]
fn a_size_is_a_whole_number_with_a_unit() {
    for (text, bytes) in [
        ("1B", 1),
        ("25MiB", 26_214_400),
        ("25 mib", 26_214_400),
        ("25MB", 25_000_000),
        ("64KiB", 65_536),
        ("3kb", 3_000),
        ("1GiB", 1 << 30),
        ("1GB", 1_000_000_000),
    ] {
        assert_eq!(size(&written(text), "1B", "2GiB"), Ok(bytes), "{text}");
    }
    for text in ["", "25", "MiB", "1.5MiB", "-1B", "1MiBs", "99999999999999999999GiB"] {
        assert!(refusal(size(&written(text), "1B", "2GiB")).contains("is not a size"), "{text}");
    }
    assert!(refusal(size(&written("3GiB"), "1B", "2GiB")).contains("is out of range"));
}

#[test]
fn a_duration_has_a_unit_and_limits() {
    let parse = |text: &str| duration(&written(text), "1s", "1h");
    assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(parse("1m 30s"), Ok(Duration::from_secs(90)));
    assert_eq!(parse("1s"), Ok(Duration::from_secs(1)));
    assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
    let rule = "write a duration with its unit from \"1s\" to \"1h\", such as \"30s\"";
    assert_eq!(refusal(parse("30")), format!("`30` is not a duration; {rule}"));
    assert_eq!(refusal(parse("999ms")), format!("`999ms` is out of range; {rule}"));
    assert_eq!(refusal(parse("1h 1ns")), format!("`1h 1ns` is out of range; {rule}"));
    assert_eq!(refusal(duration(&Value::Integer(30), "1s", "1h")), format!("is a whole number; {rule}, in quotes"));
}

#[test]
fn a_number_may_be_text_only_in_the_environment() {
    assert_eq!(integer::<u32>(&Value::Untyped(" 7 ".to_owned()), 1..=9), Ok(7));
    assert_eq!(refusal(integer::<u32>(&written("7"), 1..=9)), "is text; write a whole number from 1 to 9");
    assert_eq!(
        refusal(integer::<u32>(&Value::Integer(10), 1..=9)),
        "10 is out of range; write a whole number from 1 to 9"
    );
    assert_eq!(
        refusal(integer::<i8>(&Value::Integer(300), 0..=999)),
        "300 is out of range; write a whole number from 0 to 999"
    );
    assert_eq!(
        refusal(integer::<u32>(&Value::Other("a number with a fraction"), 1..=9)),
        "is a number with a fraction; write a whole number from 1 to 9"
    );
}

#[test]
fn a_boolean_is_exactly_true_or_false() {
    assert_eq!(boolean(&Value::Boolean(true)), Ok(true));
    assert_eq!(boolean(&Value::Untyped("false".to_owned())), Ok(false));
    assert_eq!(
        refusal(boolean(&Value::Untyped("yes".to_owned()))),
        "`yes` is neither true nor false; write true or false"
    );
    assert_eq!(refusal(boolean(&written("true"))), "is text; write true or false, without quotes");
}

#[test]
fn a_store_url_names_a_file_or_memory() {
    for (text, url) in [
        ("memory:", StoreUrl::Memory),
        ("sqlite:becket.db", StoreUrl::Sqlite("becket.db".into())),
        ("sqlite:/var/lib/becket.db", StoreUrl::Sqlite("/var/lib/becket.db".into())),
        ("sqlite:///var/lib/becket.db", StoreUrl::Sqlite("/var/lib/becket.db".into())),
        ("sqlite://becket.db", StoreUrl::Sqlite("becket.db".into())),
    ] {
        assert_eq!(store_url(&written(text)), Ok(url), "{text}");
    }
    for (text, what) in [
        ("", "names no kind of store"),
        ("becket.db", "names no kind of store"),
        ("sqlite:", "`sqlite:` names no file"),
        ("sqlite::memory:", "`sqlite:` names no file"),
        ("mysql://root:hunter2@db", "there is no `mysql:` store"),
        ("postgres://root:hunter2@db", "`postgres:` stores are not built yet"),
    ] {
        let refusal = refusal(store_url(&written(text)));
        assert!(refusal.starts_with(what) && !refusal.contains("hunter2"), "{refusal}");
    }
}

#[test]
fn an_address_has_a_port() {
    for text in ["127.0.0.1:8080", "[::1]:0", "0.0.0.0:65535"] {
        assert!(listen(&written(text)).is_ok(), "{text}");
    }
    for text in ["", "8080", ":8080", "127.0.0.1", "localhost:8080", "127.0.0.1:65536"] {
        assert!(refusal(listen(&written(text))).contains("cannot be listened on"), "{text}");
    }
}

#[test]
fn a_pattern_is_an_event_an_action_or_everything() {
    for text in [
        "*",
        "issues",
        "issues.opened",
        "pull_request",
        "invoice.payment.failed",
        "Push-Hook",
        "pr:reviewer:approved",
        "change_request.*",
    ] {
        assert_eq!(pattern(&written(text)), Ok(text.to_owned()));
    }
    for text in ["", ".", "issues.", ".opened", "*.opened", "issues opened", "issues.o*", "a..b"] {
        assert!(refusal(pattern(&written(text))).contains("is not a pattern; write `event`"), "{text}");
    }
    assert_eq!(
        refusal(pattern(&written("issues.*"))),
        "`issues.*` is not a pattern; write `issues` for all its actions"
    );
}

#[test]
fn a_name_fits_into_paths_and_variables() {
    for text in ["github", "a", "my-billing_2"] {
        assert_eq!(name(text), Ok(text.to_owned()));
    }
    for text in ["", "2a", "-a", "Github", "a/b", "a.b", "é", &"a".repeat(65)] {
        assert!(refusal(name(text)).contains("cannot be a name"), "{text}");
    }
}

#[test]
fn a_log_filter_is_tried_before_it_is_used() {
    for text in ["info", "warn,becket=debug", "becket::http=trace"] {
        assert_eq!(log_filter(&written(text)), Ok(text.to_owned()));
    }
    for text in ["", " ", "becket=loud", "a=b=c"] {
        assert!(refusal(log_filter(&written(text))).contains("is not a filter of log lines"), "{text}");
    }
}

#[test]
fn a_word_is_suggested_for_a_slip() {
    assert_eq!(mode(&written("inline")), Ok(Mode::Inline));
    assert_eq!(
        refusal(durability(&written("powerloss"))),
        "`powerloss` is not known here; did you mean \"power_loss\"? Write \"power_loss\", \"process_crash\" or \"memory\""
    );
    assert_eq!(refusal(log_format(&written("xml"))), "`xml` is not known here; write \"text\" or \"json\"");
}

#[test]
fn concurrency_is_a_number_or_a_range() {
    let parse = |text: &str| concurrency(&Value::Untyped(text.to_owned()));
    assert_eq!(concurrency(&Value::Integer(16)), Ok((16, None)));
    assert_eq!(parse(" 16 "), Ok((16, None)));
    assert_eq!(parse("{ min = 4, max = 64 }"), Ok((4, Some(64))));
    assert_eq!(parse("{min=7,max=7}"), Ok((7, Some(7))));
    let rule = "write a number, or { min = 4, max = 64 }";
    for (text, refused) in [
        ("0", "0 is out of range; write a whole number from 1 to 1024".to_owned()),
        ("{ min = 0, max = 4 }", "0 is out of range; write a whole number from 1 to 1024".to_owned()),
        ("{ min = 4, max = 1025 }", "1025 is out of range; write a whole number from 1 to 1024".to_owned()),
        ("{ min = 4 }", format!("is a table without `min` or without `max`; {rule}")),
        ("{ min = 4, most = 8 }", format!("has a key `most`, which is unknown here; {rule}")),
        ("{ min = 8, max = 4 }", format!("has a min of 8 above its max of 4; {rule}")),
        ("{ min = 4", "`{ min = 4` cannot be read; write { min = 4, max = 64 }".to_owned()),
    ] {
        assert_eq!(refusal(parse(text)), refused, "{text}");
    }
}
