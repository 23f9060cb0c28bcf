//! What is found in bodies, and which bodies are refused.

use std::borrow::Cow;

use super::*;

fn action(json: &str) -> Result<Option<Cow<'_, str>>, Explanation> {
    Fields::at(&["/action"]).read(json).map(|mut found| found.text(0))
}

#[test]
fn field_is_found_among_any_others() {
    let json = "\r\n\t {\"a\":[1,-2,3.5,{\"action\":\"inner\"}],\"b\":null,\"action\":\"opened\",\"c\":true,\"d\":{}} ";
    assert_eq!(action(json), Ok(Some("opened".into())));
}

#[test]
fn plain_text_is_borrowed_and_escaped_text_is_decoded() {
    assert!(matches!(action(r#"{"action":"opened"}"#), Ok(Some(Cow::Borrowed("opened")))));
    assert_eq!(action(r#"{"\u0061ction":"op\u0065ned"}"#), Ok(Some("opened".into())));
}

#[test]
fn field_of_another_type_counts_as_absent() {
    for value in ["null", "true", "1", "-1", "1.5", "[\"x\"]", "{\"x\":[1]}"] {
        assert_eq!(action(&format!("{{\"action\":{value}}}")), Ok(None), "{value}");
    }
    assert_eq!(action("{}"), Ok(None));
}

#[test]
fn fields_are_found_at_any_depth_and_in_lists() {
    let fields = Fields::at(&["/a/b", "/a/c", "/list/1/id", "/x~1y", "/n"]);
    let json = r#"{"a":{"b":"one","c":{"b":"no"}},"list":[{"id":"zero"},{"id":"two"}],"x/y":"three","n":-7,"b":"no"}"#;
    let mut found = fields.read(json).unwrap();
    let texts: Vec<_> = (0..5).map(|place| found.text_or_integer(place)).collect();
    let expected = [Some("one"), None, Some("two"), Some("three"), Some("-7")];
    assert_eq!(texts, expected.map(|text| text.map(Cow::Borrowed)));
}

#[test]
fn field_may_be_looked_for_twice() {
    let mut found = Fields::at(&["/a", "/a"]).read(r#"{"a":"x"}"#).unwrap();
    assert_eq!((found.text(0), found.text(1)), (Some("x".into()), Some("x".into())));
}

#[test]
fn field_of_a_repeated_object_is_refused_even_when_only_one_has_it() {
    let fields = Fields::at(&["/a/b"]);
    for json in [r#"{"a":{"b":"x"},"a":{}}"#, r#"{"a":{},"a":{"b":"x"}}"#, r#"{"a":null,"a":{"b":"x"}}"#] {
        assert_eq!(fields.read(json).unwrap_err(), Explanation::RepeatedField { field: "a".into() }, "{json}");
    }
    assert!(fields.read(r#"{"c":{"b":1,"b":2},"a":{"b":"x"}}"#).is_ok());
}

#[test]
fn repeated_field_is_refused() {
    let repeated = Err(Explanation::RepeatedField { field: "action".into() });
    assert_eq!(action(r#"{"action":"a","action":"a"}"#), repeated);
    assert_eq!(action(r#"{"action":"a","b":1,"action":null}"#), repeated);
    assert_eq!(action(r#"{"b":1,"b":2}"#), Ok(None), "other fields are not our business");
}

#[test]
fn anything_but_one_object_is_refused() {
    for json in ["", " ", "null", "1", "\"x\"", "[]", "[\"opened\"]", "\u{feff}{}"] {
        assert_eq!(action(json), Err(Explanation::NotAnObject), "{json}");
    }
}

#[test]
fn broken_json_is_refused_wherever_it_breaks() {
    let broken = [
        "{",
        "{\"a\":1",
        "{\"a\":1,}",
        "{}{}",
        "{} x",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":01}",
        "{\"a\":[1,]}",
        "{a:1}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1e999}",
    ];
    for json in broken {
        assert!(matches!(action(json), Err(Explanation::InvalidJson { .. })), "{json}");
    }
}

#[test]
fn explanation_of_broken_json_says_where_and_quotes_nothing() {
    let Err(Explanation::InvalidJson { detail }) = action(r#"{"password":"tulips" "x"}"#) else { panic!() };
    assert_eq!(&*detail, "expected `,` or `}` at line 1 column 22");
}

#[test]
fn nesting_is_limited_exactly_where_a_tree_could_no_longer_be_built() {
    for depth in [1, 126, 127, 128, 100_000] {
        let nested = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let accepted = action(&nested).is_ok();
        assert_eq!(accepted, depth <= 126, "{depth}");
        assert_eq!(accepted, serde_json::from_str::<serde_json::Value>(&nested).is_ok(), "{depth}");
    }
}

#[test]
fn body_that_is_not_utf_8_is_refused() {
    assert_eq!(text(b"{\"a\":\"\xff\"}"), Err(Explanation::NotUtf8));
    assert_eq!(text(b"{}"), Ok("{}"));
}

#[test]
fn facts_are_asked_for_by_their_pointers() {
    let fields = Fields::at(&["/action", "/a/b"]).and(&["/a/b", "/a/is", "/a/empty", "/list/1/x", "/n"]);
    let json = r#"{"action": "x", "a": {"b": "c", "is": true, "empty": ""}, "list": [{"x": "0"}, {"x": "1"}], "n": 7}"#;
    let mut found = fields.read(json).unwrap();
    assert_eq!((found.text(0).as_deref(), found.text(1).as_deref()), (Some("x"), Some("c")));
    assert_eq!((found.fact("/a/b"), found.fact("/list/1/x")), (Some("c"), Some("1")));
    assert_eq!((found.fact("/a/empty"), found.fact("/n"), found.fact("/a/is")), (None, None, None));
    assert_eq!((found.flag("/a/is"), found.flag("/a/b")), (true, false));
    assert_eq!((found.has("/a/is"), found.has("/n")), (true, true));
    let found = fields.read(r#"{"a": null, "list": []}"#).unwrap();
    assert_eq!((found.fact("/a/b"), found.flag("/a/is"), found.has("/list/1/x")), (None, false, false));
}

#[test]
fn fact_that_is_there_twice_is_refused() {
    let twice = Fields::default().and(&["/a/b"]).read(r#"{"a": {"b": "c", "b": "d"}}"#);
    assert_eq!(twice.map(|_| ()), Err(Explanation::RepeatedField { field: "b".into() }));
}
