//! One field out of an `application/x-www-form-urlencoded` body, strictly.
//!
//! Browsers' decoders replace what they cannot read; here that is an error, since a payload that was silently changed
//! is not what the sender signed. Format: [URL Standard, section 5](https://url.spec.whatwg.org/#application/x-www-form-urlencoded).

use crate::explain::Explanation;

/// Returns the decoded value of the field `name`, which must be there exactly once.
///
/// `name` is matched as it is written, without decoding: GitHub's `payload` needs none.
///
/// # Errors
/// [`Explanation::MalformedForm`].
pub(crate) fn field(body: &[u8], name: &str) -> Result<String, Explanation> {
    let mut values = body
        .split(|byte| *byte == b'&')
        .filter_map(|pair| pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")));
    match (values.next(), values.next()) {
        (Some(value), None) => decode(value).ok_or(Explanation::MalformedForm),
        _ => Err(Explanation::MalformedForm),
    }
}

/// Undoes `+` and `%XX`; `None` when an escape is broken or the result is not UTF-8.
fn decode(value: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                let mut escaped = [0];
                hex::decode_to_slice(digits, &mut escaped).ok()?;
                decoded.push(escaped[0]);
                rest = tail;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_is_decoded() {
        let table: [(&[u8], &str); 6] = [
            (b"payload=%7B%22a%22%3A+1%7D", r#"{"a": 1}"#),
            (b"payload=%7b%22a%22%3a%201%7d", r#"{"a": 1}"#),
            (b"payload=%E2%99%A5%2B%26", "♥+&"),
            (b"other=1&payload=x&payloads=2", "x"),
            (b"payload=a=b", "a=b"),
            (b"payload=", ""),
        ];
        for (body, expected) in table {
            assert_eq!(field(body, "payload").as_deref(), Ok(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn broken_missing_or_repeated_field_is_refused() {
        let table: [&[u8]; 8] = [
            b"",
            b"payload",
            b"other=1",
            b"payload=%7",
            b"payload=%",
            b"payload=%zz",
            b"payload=%ff",
            b"payload=1&payload=1",
        ];
        for body in table {
            let read = field(body, "payload");
            assert_eq!(read, Err(Explanation::MalformedForm), "{}", String::from_utf8_lossy(body));
        }
    }
}
