//! The name of a handler: that of its function.

/// The function's own name; `None` for a closure, which has none.
pub(super) fn of<F>() -> Option<String> {
    own_name(std::any::type_name::<F>())
}

/// The last segment of a path without its generic arguments.
fn own_name(path: &str) -> Option<String> {
    let plain = without_generics(path);
    let name = plain.rsplit("::").next().unwrap_or_default();
    let is_identifier = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_identifier.then(|| name.to_owned())
}

fn without_generics(path: &str) -> String {
    let mut depth = 0_usize;
    let mut plain = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            other if depth == 0 => plain.push(other),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_is_named_by_the_last_part_of_its_path() {
        let table = [
            ("hello::triage", Some("triage")),
            ("hello::reviews::on_push", Some("on_push")),
            ("hello::copy<alloc::vec::Vec<u8>>", Some("copy")),
            ("<hello::Bot as hello::Reacts>::react", Some("react")),
            ("hello::main::{{closure}}", None),
            ("hello::main::{{closure}}::{{closure}}", None),
            ("fn(becket::Payload) -> _", None),
            ("", None),
        ];
        for (path, name) in table {
            assert_eq!(own_name(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn closure_has_no_name_and_a_function_has() {
        fn nameless<F>(_: F) -> Option<String> {
            of::<F>()
        }
        assert_eq!(nameless(|| async {}), None);
        assert_eq!(nameless(own_name).as_deref(), Some("own_name"));
    }
}
