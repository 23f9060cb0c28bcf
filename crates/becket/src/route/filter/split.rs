//! The parts of a filter that stand between `&&`, as they are written.
//!
//! Each part is evaluated by itself, so that it can be said which one was false. Only for expressions whose root is known to
//! be `&&`: whatever stands between two of them outside of brackets and texts is then an operand.

/// The parts; `None` where the text has something that is not worth telling apart: a comment, or brackets that do not match.
pub(super) fn conjuncts(text: &str) -> Option<Vec<&str>> {
    let bytes = text.as_bytes();
    let (mut parts, mut from, mut depth, mut at) = (Vec::new(), 0, 0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            b'"' | b'\'' => {
                at = end_of_text(bytes, at)?;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => return None,
            b'&' if depth == 0 && bytes.get(at + 1) == Some(&b'&') => {
                parts.push(text.get(from..at)?.trim());
                at += 1;
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(text.get(from..)?.trim());
    Some(parts)
}

/// Behind the text that begins here.
fn end_of_text(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = bytes[start];
    let is_raw = matches!(start.checked_sub(1).map(|before| bytes[before]), Some(b'r' | b'R'));
    let triple = [quote; 3];
    let is_triple = bytes[start..].starts_with(&triple);
    let end: &[u8] = if is_triple { &triple } else { &triple[..1] };
    let mut at = start + end.len();
    while at < bytes.len() {
        if bytes[at..].starts_with(end) {
            return Some(at + end.len());
        }
        at += if bytes[at] == b'\\' && !is_raw { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::conjuncts;

    #[test]
    fn parts_are_what_stands_between_outside_of_brackets_and_texts() {
        let table: [(&str, Option<&[&str]>); 8] = [
            ("a && b", Some(&["a", "b"])),
            ("a&&(b && c)&&d[e && f]", Some(&["a", "(b && c)", "d[e && f]"])),
            ("a == '&&' && b == \"\\\"&&\"", Some(&["a == '&&'", "b == \"\\\"&&\""])),
            ("a == '''it's && ''' && b", Some(&["a == '''it's && '''", "b"])),
            (r"a.matches(r'\') && b", Some(&[r"a.matches(r'\')", "b"])),
            ("a", Some(&["a"])),
            ("a // && b", None),
            ("a) && b", None),
        ];
        for (text, parts) in table {
            assert_eq!(conjuncts(text).as_deref(), parts, "{text}");
        }
    }
}
