//! JSON Pointers: which field of a body is meant.

use std::str::FromStr;

/// The names that lead to a field, from the outside in; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<Box<str>>);

impl Pointer {
    /// The names, from the outside in. Those of a list's items are their places, from 0.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.0
    }

    /// How it is written.
    pub(crate) fn written(&self) -> String {
        self.0.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
    }
}

impl FromStr for Pointer {
    type Err = ();

    /// Source: [RFC 6901, section 3](https://www.rfc-editor.org/rfc/rfc6901#section-3).
    fn from_str(text: &str) -> Result<Self, ()> {
        let names = text.strip_prefix('/').ok_or(())?.split('/');
        names.map(unescaped).collect::<Option<_>>().map(Self).ok_or(())
    }
}

/// Undoes `~1` and `~0`; `None` for any other `~`.
fn unescaped(name: &str) -> Option<Box<str>> {
    let mut parts = name.split('~');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(1)?;
        whole.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        whole.push_str(rest);
    }
    Some(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_is_names_with_two_escapes() {
        let names = |text: &str| text.parse::<Pointer>().map(|pointer| pointer.names().join("|"));
        assert_eq!(names("/a/b"), Ok("a|b".to_owned()));
        assert_eq!(names("/a~1b/c~0d/~01"), Ok("a/b|c~d|~1".to_owned()));
        assert_eq!(names("/"), Ok(String::new()));
        for wrong in ["", "a", "a/b", "/~", "/~2", "/a~"] {
            assert_eq!(names(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn pointer_is_written_as_it_was_read() {
        for text in ["/a/b", "/a~1b/c~0d", "/list/0"] {
            assert_eq!(text.parse::<Pointer>().unwrap().written(), text);
        }
    }
}
