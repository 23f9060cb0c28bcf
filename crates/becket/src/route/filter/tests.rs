//! Filters: what they say, what they refuse, and what they cost at the most.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::route::Sought;

fn verdict_of(text: &str, json: Bytes) -> Verdict {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut needs = Needs::default();
    filter.add_needs(&mut needs);
    let sought = Sought {
        delivery_id: Some("d-1"),
        normalised: Some("change_request.opened"),
        json: Some(json),
        ..Sought::new("github", "pull_request", Some("opened"))
    };
    filter.verdict(&View::new(&sought, &needs))
}

fn verdict(text: &str, payload: &Value) -> Verdict {
    verdict_of(text, payload.to_string().into())
}

fn payload() -> Value {
    json!({
        "number": 7,
        "huge": u64::MAX,
        "ratio": 0.5,
        "pull_request": {
            "draft": false,
            "title": "Fix the thing",
            "assignee": null,
            "labels": [{"name": "bug"}, {"name": "good first issue"}],
        },
        "sender": {"type": "User", "login": "octocat"},
        "commits": [
            {"message": "a", "modified": ["docs/a.md", "src/a.rs"]},
            {"message": "b [skip ci]", "modified": []},
        ],
        "a key": {"with spaces": true},
    })
}

#[test]
fn filters_say_what_is_true() {
    for text in [
        "payload.pull_request.draft == false && payload.sender.type != 'Bot'",
        "!payload.pull_request.draft",
        "payload.number == 7 && payload.number >= 7 && payload.number < 7.5 && payload.number + 1 == 8",
        "payload.number in [1, 7] || payload.sender.type in ['User', 'Organization']",
        "payload.huge > 9223372036854775807u",
        "payload.ratio * 2.0 == 1.0",
        "payload.pull_request.labels.exists(l, l.name == 'bug')",
        "payload.pull_request.labels.all(l, size(l.name) > 2)",
        "payload.pull_request.labels.exists_one(l, l.name.startsWith('good'))",
        "payload.commits.exists(c, c.modified.exists(file, file.startsWith('docs/')))",
        "payload.pull_request.labels[0].name == 'bug'",
        "size(payload.pull_request.labels) == 2",
        "payload.pull_request.title.matches('^(?i)fix .+$')",
        "payload.sender.login.contains('cat') && payload.sender.login.endsWith('cat')",
        "payload['a key']['with spaces']",
        "'login' in payload.sender",
        "has(payload.sender.login) && !has(payload.sender.nothing) && has(payload.pull_request)",
        "payload.pull_request.assignee == null",
        "payload.sender.type == 'Bot' ? false : true",
        "source == 'github' && event == 'pull_request' && action == 'opened'",
        "normalised == 'change_request.opened' && delivery_id == 'd-1'",
        "string(payload.number) == '7' && int('7') == payload.number && double(payload.number) == 7.0",
        // Of two, one that is true is enough, and one that is false; whatever the other says.
        "payload.nothing.at_all == 1 || payload.number == 7",
        "payload.number == 7 || payload.nothing.at_all == 1",
    ] {
        assert_eq!(verdict(text, &payload()), Verdict::True, "{text}");
    }
}

#[test]
fn part_that_is_false_is_told() {
    let text = "payload.pull_request.draft == false && payload.sender.type == 'Bot' && payload.nothing == 1";
    assert_eq!(verdict(text, &payload()), Verdict::Not(1, Cause::False));
    let filter = Filter::parse(text).unwrap();
    assert_eq!(filter.parts().nth(1), Some("payload.sender.type == 'Bot'"));
    assert_eq!(verdict("payload.nothing == 1 && payload.number == 8", &payload()), Verdict::Not(1, Cause::False));
}

#[test]
fn what_is_not_there_makes_a_filter_false_and_is_told() {
    for (text, what) in [
        ("payload.issue.number == 1", "payload.issue is not there"),
        ("payload.sender.id == 1", "payload.sender.id is not there"),
        ("!(payload.sender.id == 1)", "payload.sender.id is not there"),
        ("payload.pull_request.assignee.login == 'x'", "payload.pull_request.assignee is null"),
        ("payload.sender.login.first == 'x'", "payload.sender.login is no object"),
        ("payload.number.of.it < 3", "payload.number is no object"),
        ("has(payload.issue.number)", "payload.issue is not there"),
        ("has(payload.pull_request.assignee.login)", "payload.pull_request.assignee is null"),
        ("!has(payload.sender.login.first)", "payload.sender.login is no object"),
        ("payload.pull_request.labels[5].name == 'bug'", "a list has not so many elements"),
        ("payload.pull_request.labels.exists(l, l.colour == 'red')", "`colour` is not there"),
        ("size(payload.assets) > 0", "payload.assets is not there"),
        ("payload.sender[payload.pull_request.title] == 1", "a key is not there"),
    ] {
        assert_eq!(verdict(text, &payload()), Verdict::Not(0, Cause::Missing(what.to_owned())), "{text}");
    }
}

#[test]
fn filter_that_cannot_be_evaluated_says_why_without_a_value() {
    for (text, why) in [
        ("payload.sender.login", "it is a text, and neither true nor false"),
        ("payload.sender.login < 3", "`<` does not take a text and a whole number"),
        ("payload.number.contains('x')", "`contains` does not take a whole number and a text"),
        ("payload.number / 0 == 1", "a division by zero"),
        ("payload.number * 9223372036854775807 > 1", "a number is too large"),
        ("int(payload.sender.login) == 1", "`int` cannot convert what it is given"),
        ("(payload.sender.login && true)", "`&&` does not take a text and true or false"),
        ("payload.number.exists(n, n == 1)", "something is not a list"),
    ] {
        let Verdict::Not(0, Cause::Failed(told)) = verdict(text, &payload()) else { panic!("{text}") };
        assert_eq!(told, why, "{text}");
        assert!(!told.contains("octocat"), "a value of the payload is told");
    }
}

#[test]
fn text_that_is_no_filter_says_where_and_what_to_write() {
    let deep = format!("{}payload.a{}", "[".repeat(40), "]".repeat(40));
    let (sum, steps) = (format!("payload.a{} == 1", " + 1".repeat(40)), format!("payload{} == 1", ".a".repeat(40)));
    let long = format!("payload.a == '{}'", "x".repeat(BYTES_MAX));
    let many = vec!["payload.a == 1"; 120].join(" || ");
    for (text, error) in [
        ("", "it is empty; write a condition, or leave it out"),
        ("payload.a = 1", "there is '=' where the end is wanted (at column 11); compare with `==`"),
        ("payload.a ==", "there is the end where expression is wanted (at column 13); write a condition"),
        ("payload.a == 1\n  && (payload.b", "(at line 2, column 16)"),
        ("payload.a == 'x", "unterminated string literal (at column 14)"),
        ("pyload.a == 1", "there is no variable `pyload` (at column 1); did you mean `payload`?"),
        ("payload.a == colour", "there is no variable `colour` (at column 14); there are payload, source, event"),
        ("event.type == 'x'", "`event` is a text, and has no `type` (at column 1); did you mean `payload.type`?"),
        ("payload == 1", "the payload as a whole cannot be used (at column 1); name what is in it"),
        ("size(payload) > 1", "the payload as a whole cannot be used"),
        ("payload[event] == 1", "the payload as a whole cannot be used"),
        ("payload.a.startswith('x')", "there is no function `startswith` (at column 11); did you mean `startsWith`?"),
        ("sort(payload.a)", "there is no function `sort` (at column 1); there are size, contains"),
        ("payload.a.contains()", "`contains` has not the arguments that it takes"),
        ("payload.a.exists(x)", "`exists` has not the arguments that it takes"),
        ("payload.a.map(x, x)", "`map` and `filter` are not there"),
        ("payload.a.map(x)", "there is no function `map`"),
        ("payload.a.filter(x, x == 1) == []", "`map` and `filter` are not there"),
        ("payload.a == {'b': 1}", "objects cannot be written in a filter"),
        ("payload.a == b'x'", "JSON has no bytes"),
        ("payload.a.matches('(')", "`(` is not a regular expression that can be used: unclosed group"),
        ("payload.a.matches('(a{1000}){1000}')", "is not a regular expression that can be used"),
        ("payload.a.matches(payload.b)", "does not stand in the filter itself"),
        ("payload.a.exists(payload, payload == 1)", "the loop's variable `payload` has a name that is taken"),
        ("payload.a.exists(x, x.b.exists(x, x == 1))", "the loop's variable `x` has a name that is taken"),
        ("timestamp(payload.a) > 1", "there is no function `timestamp`"),
        (&deep, "recursion limit"),
        (&sum, "it is nested more deeply than 32 levels"),
        (&steps, "it is nested more deeply than 32 levels"),
        (&long, "it is longer than 4096 bytes"),
        (&many, "names, literals and operators, and 256 are the most"),
    ] {
        let told = Filter::parse(text).expect_err(text).to_string();
        assert!(told.contains(error), "{text}: {told}");
    }
}

#[test]
fn loop_reads_nothing_again_for_each_of_its_elements() {
    for text in [
        "payload.a.exists(x, payload.b.exists(y, y == x))",
        "payload.a.exists(x, payload.b.contains(x))",
        "payload.a.exists(x, x in payload.b)",
        "payload.a.exists(x, payload.b.matches('a'))",
        "payload.a.exists(x, size(payload.b) > 1)",
        "payload.a.exists(x, x + payload.b == 'c')",
        "payload.a.exists(x, x.exists(y, x.contains('a')))",
        "payload.a.exists(x, x.contains(payload.b))",
        "payload.a.exists(x, payload.b in x)",
        "payload.a.exists(x, x[payload.b] == 1)",
        "payload.a.exists(x, payload.b[x] == 1)",
        "payload.a.exists(x, payload.b == payload.c)",
        "payload.a.all(x, x.all(y, x < payload.c))",
    ] {
        let error = Filter::parse(text).expect_err(text).to_string();
        assert!(error.contains("within a loop over"), "{text}: {error}");
    }
    assert!(Filter::parse("payload.a.exists(x, x in [payload.b])").is_err());
    for text in [
        "payload.a.exists(x, x == payload.b && x in ['c', 'd'] && size(x) > 1 && payload.b in ['c'])",
        "payload.a.exists(x, x.b.exists(y, y == x.c && y == payload.b && y.d + y.e < 3 && y[0] == 1))",
        "payload.a.exists_one(x, string(x.id).startsWith('1') ? x.b : !x.c)",
    ] {
        assert!(Filter::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_too_large_for_one_filter_is_there_for_another() {
    let payload: Bytes = json!({"a": {"b": 1, "list": vec![1; 60_000]}}).to_string().into();
    let (large, small) = (
        Filter::parse("payload.a != null").unwrap(),
        Filter::parse("payload.a.b == 1 && has(payload.a.list)").unwrap(),
    );
    let mut needs = Needs::default();
    [&large, &small].into_iter().for_each(|filter| filter.add_needs(&mut needs));
    let sought = Sought { json: Some(payload), ..Sought::new("s", "e", None) };
    let view = View::new(&sought, &needs);
    let limits = "payload.a has more than 20000 values or 1048576 bytes".to_owned();
    assert_eq!(large.verdict(&view), Verdict::Not(0, Cause::Failed(limits)));
    assert_eq!(small.verdict(&view), Verdict::True);
}

#[test]
fn long_filter_takes_less_of_a_payload_than_a_short_one() {
    let loops = format!("payload.list.exists(x, {})", vec!["x == 1"; 60].join(" || "));
    let texts = vec!["payload.text.contains(payload.list[0])"; 40].join(" || ");
    for (text, payload) in
        [(&loops, json!({"list": vec![0; 15_000]})), (&texts, json!({"text": "a".repeat(1_000_000), "list": ["b"]}))]
    {
        assert_eq!(verdict(text, &json!({"list": ["1", 1], "text": "1"})), Verdict::True);
        let Verdict::Not(0, Cause::Failed(why)) = verdict(text, &payload) else { panic!("it was evaluated") };
        assert!(why.contains("a condition of its length takes"), "{why}");
    }
    assert_eq!(
        verdict("payload.list.exists(x, x == 1)", &json!({"list": vec![0; 15_000]})),
        Verdict::Not(0, Cause::False)
    );
}

#[test]
fn text_of_any_depth_overflows_no_stack() {
    let pairs =
        [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("payload.a[", "]"), ("size(", ")"), ("true ? ", " : 1")];
    for (open, close) in pairs.into_iter().chain([("", ".a"), ("", "['a']"), ("", " + 1"), ("", "[0]"), ("", " == 1")])
    {
        let most = (BYTES_MAX - 20) / (open.len() + close.len());
        for times in (1..40).chain([most]) {
            let text = format!("{}payload.a{}", open.repeat(times), close.repeat(times));
            if Filter::parse(&text).is_ok() {
                verdict(&text, &payload());
            }
        }
    }
}

#[test]
fn regular_expression_is_not_tried_on_a_long_text() {
    let text = "payload.a.matches('x$')";
    assert_eq!(verdict(text, &json!({"a": "x".repeat(MATCHED_BYTES_MAX)})), Verdict::True);
    let Verdict::Not(0, Cause::Failed(why)) = verdict(text, &json!({"a": "x".repeat(MATCHED_BYTES_MAX + 1)})) else {
        panic!("it was tried")
    };
    assert!(why.contains("longer than 16384 bytes"), "{why}");
}

#[test]
fn odd_json_is_looked_into_as_well() {
    let deep = format!("{{\"a\": {}1{}, \"b\": 1}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(verdict_of("payload.b == 1", deep.clone().into()), Verdict::True);
    assert!(matches!(verdict_of("payload.a == 1", deep.into()), Verdict::Not(0, Cause::Failed(_))));
    assert_eq!(verdict_of("payload.a == 2", Bytes::from_static(b"{\"a\": 1, \"a\": 2}")), Verdict::True);
    assert_eq!(verdict_of("payload.a == '\\u00e9'", Bytes::from_static(b"{\"\\u0061\": \"\\u00e9\"}")), Verdict::True);
    for no_json in ["", "{", "[1]x", "\u{fffd}"] {
        let told = verdict_of("payload.a == 1", Bytes::copy_from_slice(no_json.as_bytes()));
        assert_eq!(told, Verdict::Not(0, Cause::Failed("the payload cannot be read".to_owned())), "{no_json}");
    }
    for scalar in ["1", "null", "\"a\"", "[{\"a\": 1}]"] {
        let told = verdict_of("payload.a == 1", Bytes::copy_from_slice(scalar.as_bytes()));
        assert!(matches!(told, Verdict::Not(0, Cause::Missing(_))), "{scalar}: {told:?}");
    }
    assert_eq!(verdict_of("event == 'pull_request'", Bytes::new()), Verdict::True, "it needs no payload");
}

/// JSON in which the names that filters below use are likely.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}|[a-c]".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-d]|\\PC{0,3}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const ANY: [&str; 14] = [
    "payload.a == payload.b || payload.a < payload.b",
    "payload.a.b.c == 1 && payload.a.d != 'a'",
    "payload.a.exists(x, x == 1 || x.a > x.b)",
    "payload.a.all(x, x.b.exists(y, y.startsWith('a')))",
    "payload.a.exists_one(x, size(x) > 1)",
    "payload.a[payload.b] == payload.c[0]",
    "payload.a[-1] == payload.a[9223372036854775807]",
    "payload.a + payload.b == payload.c - payload.d",
    "payload.a * payload.b / payload.c % payload.d == -payload.a",
    "payload.a in payload.b",
    "int(payload.a) == int(payload.b) || string(payload.a) == 'a' || double(payload.a) < 1.0",
    "payload.a.matches('^[a-c]+$') || payload.b.contains(payload.c) || payload.c.endsWith(payload.d)",
    "has(payload.a.b) && payload.a.b ? payload.c : payload.d",
    "size(payload.a) > size(payload.b) && !payload.c",
];

proptest! {
    #[test]
    fn filter_never_panics_and_always_answers(payload in any_json(), which in 0..ANY.len()) {
        let told = verdict(ANY[which], &json!({"a": payload["a"], "b": payload, "c": payload["b"], "d": payload["c"]}));
        prop_assert!(!matches!(&told, Verdict::Not(_, Cause::Failed(why)) if why.contains("broke off")), "{told:?}");
        verdict(ANY[which], &payload);
    }

    #[test]
    fn what_is_taken_out_is_what_is_there(payload in any_json()) {
        let payload = json!({"a": payload, "b": {"a": payload}, "c": 1});
        let filter = Filter::parse("payload.a.b == payload.b.a || payload.a.c == payload.c").unwrap();
        let mut needs = Needs::default();
        filter.add_needs(&mut needs);
        let sought = Sought { json: Some(payload.to_string().into()), ..Sought::new("s", "e", None) };
        let view = View::new(&sought, &needs);
        for (path, shown) in filter.values(0, &view) {
            let at = path.replace("payload", "").replace('.', "/");
            let there = payload.pointer(&at).filter(|_| at != "/a/b" && at != "/a/c" || payload["a"].is_object());
            // Numbers may be written otherwise on their way through text.
            let there = there.map(|value| serde_json::from_str::<Value>(&value.to_string()).unwrap().to_string());
            let short = there.map(|text| match text.char_indices().nth(60) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            });
            prop_assert_eq!(shown, short, "{}", path);
        }
    }

    #[test]
    fn text_of_any_kind_is_a_filter_or_is_refused(text in "\\PC{0,40}|([a-z.()\\[\\]&|!'\" =<>?:,0-9]{0,60})") {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(filter.text(), text.trim());
        }
    }

    #[test]
    fn parts_together_say_what_the_whole_says(payload in any_json(), one in 0..ANY.len(), other in 0..ANY.len()) {
        let (one, other) = (format!("({})", ANY[one]), format!("({})", ANY[other]));
        let parts = [verdict(&one, &payload), verdict(&other, &payload)];
        let both = verdict(&format!("{one} && {other}"), &payload);
        prop_assert_eq!(both == Verdict::True, parts.iter().all(|part| *part == Verdict::True));
    }
}
