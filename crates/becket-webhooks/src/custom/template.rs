//! The text that a sender signs, as a template.

use std::str::FromStr;

/// A part of the signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(Box<str>),
    Id,
    Timestamp,
    Body,
}

/// The parts, in order; the body once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// The body alone.
    pub(crate) fn body() -> Self {
        Self(vec![Part::Body])
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl FromStr for Template {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            let (literal, tail) = rest.split_at(end);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            if tail.is_empty() {
                break;
            }
            let (name, tail) = tail
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or("has a brace that nothing closes or opens")?;
            parts.push(match name {
                "id" => Part::Id,
                "timestamp" => Part::Timestamp,
                "body" => Part::Body,
                _ => return Err("has a placeholder that is none of `{id}`, `{timestamp}` and `{body}`"),
            });
            rest = tail;
        }
        match parts.iter().filter(|part| **part == Part::Body).count() {
            0 => Err("does not contain `{body}`, so the signature would not protect it"),
            1 => Ok(Self(parts)),
            _ => Err("contains `{body}` more than once"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_literals_and_placeholders() {
        let parts = "v0:{timestamp}:{id}.{body}!".parse::<Template>().unwrap();
        let literal = |text: &str| Part::Literal(text.into());
        let expected =
            [literal("v0:"), Part::Timestamp, literal(":"), Part::Id, literal("."), Part::Body, literal("!")];
        assert_eq!(parts.parts(), expected);
        assert_eq!("{body}".parse(), Ok(Template::body()));
    }

    #[test]
    fn template_that_protects_nothing_or_cannot_be_read_is_refused() {
        for (text, why) in [
            ("", "does not contain"),
            ("{timestamp}", "does not contain"),
            ("{body}{body}", "more than once"),
            ("{body", "a brace"),
            ("body}", "a brace"),
            ("{header}{body}", "none of"),
            ("{ body }", "none of"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
