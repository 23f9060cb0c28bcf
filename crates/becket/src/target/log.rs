//! The target `log`: one line for each delivery, without its body.
//!
//! A sender controls its event, action and ids. Each is cut and escaped, so that none can break the line, begin a second
//! one or send commands to a terminal.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use super::{Attempt, Failure, Target};

/// How much of one text is shown, in characters.
const TEXT_MAX: usize = 128;

/// Writes one line at level `info`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogTarget;

impl Target for LogTarget {
    fn deliver(&self, Attempt { task, .. }: Attempt) -> BoxFuture<'static, Result<Option<Bytes>, Failure>> {
        let action = task.action.as_deref().map(Escaped);
        let delivery_id = task.key.as_deref().map(Escaped);
        tracing::info!(
            source = %Escaped(&task.source),
            event = %Escaped(&task.event),
            action = action.as_ref().map(tracing::field::display),
            delivery_id = delivery_id.as_ref().map(tracing::field::display),
            task_id = %task.id,
            attempt = task.attempts_counted,
            payload_bytes = task.payload.len(),
            "delivery"
        );
        ready(Ok(None)).boxed()
    }
}

/// A sender's text, cut, with everything escaped that is not plainly printable.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(TEXT_MAX) {
            // A quote harms nothing; spaces could be taken for the beginning of the next field.
            match character {
                '\'' | '"' => f.write_char(character)?,
                ' ' => f.write_str("\\u{20}")?,
                _ => write!(f, "{}", character.escape_debug())?,
            }
        }
        if self.0.chars().nth(TEXT_MAX).is_some() { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_shown_as_they_are() {
        for text in ["issues", "pull_request", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "rechnung.größer"] {
            assert_eq!(Escaped(text).to_string(), text);
        }
    }

    #[test]
    fn text_cannot_leave_its_place_in_the_line() {
        for (text, shown) in [
            ("a\nb\r", "a\\nb\\r"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("x task_id=1", "x\\u{20}task_id=1"),
            ("\u{202e}gnp", "\\u{202e}gnp"),
            ("a\\b", "a\\\\b"),
            ("\0", "\\0"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Escaped(&"é".repeat(9_000)).to_string(), format!("{}…", "é".repeat(TEXT_MAX)));
    }
}
