//! One look at a JSON body: is it a whole, readable object, and what does one of its fields say?
//!
//! A single pass that builds no tree and allocates nothing for what it skips (6 µs for GitHub's `issues.opened` of
//! 11.6 KB). It reads every value the way `serde_json` does when it builds a `Value`, with the same limits on nesting
//! and numbers, so a body that is accepted here cannot fail in a handler that asks for a `Value`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::explain::Explanation;

/// Returns the body as text.
///
/// # Errors
/// [`Explanation::NotUtf8`].
pub(crate) fn text(body: &[u8]) -> Result<&str, Explanation> {
    std::str::from_utf8(body).map_err(|_| Explanation::NotUtf8)
}

/// Checks that `json` is one object and returns its top-level field `name`, when that is a string.
///
/// A field of another type counts as absent: senders add events and change fields without asking.
///
/// # Errors
/// [`Explanation::NotAnObject`], [`Explanation::InvalidJson`], and [`Explanation::RepeatedField`] when the field is
/// there twice, since readers differ on which of the two counts.
pub(crate) fn text_field<'de>(json: &'de str, name: &'static str) -> Result<Option<Cow<'de, str>>, Explanation> {
    if !json.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Explanation::NotAnObject);
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let mut found = (&mut deserializer).deserialize_map(Object { name }).map_err(|error| invalid(&error))?;
    deserializer.end().map_err(|error| invalid(&error))?;
    let field = found.pop();
    if found.is_empty() { Ok(field.flatten()) } else { Err(Explanation::RepeatedField { field: name }) }
}

/// `serde_json`'s texts about syntax name positions and expected characters, nothing from the body.
fn invalid(error: &serde_json::Error) -> Explanation {
    Explanation::InvalidJson { detail: error.to_string().into() }
}

/// The top-level object. Collects the values of every field called `name`.
struct Object {
    name: &'static str,
}

impl<'de> Visitor<'de> for Object {
    type Value = Vec<Option<Cow<'de, str>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(key) = fields.next_key_seed(Look::Keep)? {
            if key.is_some_and(|key| key == self.name) {
                found.push(fields.next_value_seed(Look::Keep)?);
            } else {
                fields.next_value_seed(Look::Skip)?;
            }
        }
        Ok(found)
    }
}

/// How to look at one value: all of it is checked either way, and only a string can be kept.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    Keep,
    Skip,
}

impl<'de> DeserializeSeed<'de> for Look {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok((self == Self::Keep).then_some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((self == Self::Keep).then(|| Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element_seed(Self::Skip)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry_seed(Self::Skip, Self::Skip)?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(json: &str) -> Result<Option<Cow<'_, str>>, Explanation> {
        text_field(json, "action")
    }

    #[test]
    fn field_is_found_among_any_others() {
        let json =
            "\r\n\t {\"a\":[1,-2,3.5,{\"action\":\"inner\"}],\"b\":null,\"action\":\"opened\",\"c\":true,\"d\":{}} ";
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
    fn repeated_field_is_refused() {
        let repeated = Err(Explanation::RepeatedField { field: "action" });
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
}
