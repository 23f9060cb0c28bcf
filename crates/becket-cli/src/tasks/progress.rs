//! What tasks have done and how far they have come, in a few words.

use crate::api::views::{Progress, Step};

/// Longer results of steps are cut: a table is for an overview, and `--json` shows them whole.
const RESULT_CHARS_MAX: usize = 60;

/// How long `null` is.
const NULL_BYTES: u64 = 4;

/// How far a task has come: `3 of 10 (30 %): importing rows`.
pub(super) fn text(progress: &Progress) -> String {
    let Progress { done, total, message, .. } = progress;
    let mut text = match total {
        0 => done.to_string(),
        total => format!("{done} of {total} ({} %)", u128::from(*done) * 100 / u128::from(*total)),
    };
    if !message.is_empty() {
        text.push_str(": ");
        text.push_str(message);
    }
    text
}

/// What a step returned, or how much where that is not JSON.
pub(super) fn result(step: &Step) -> String {
    let Some(result) = &step.result else {
        // `null` is JSON as well, and what a step without a result returns.
        return if step.size == NULL_BYTES { "null".to_owned() } else { format!("{} bytes", step.size) };
    };
    let result = result.get();
    match result.char_indices().nth(RESULT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &result[..end]),
        None => result.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_with_its_share_where_the_whole_is_known() {
        let told = |done, total, message: &str| {
            text(&Progress { done, total, message: message.to_owned(), at: String::new() })
        };
        assert_eq!(told(3, 10, "importing rows"), "3 of 10 (30 %): importing rows");
        assert_eq!(told(7, 0, ""), "7");
        assert_eq!(told(u64::MAX, 1, ""), format!("{0} of 1 ({0}00 %)", u64::MAX));
    }

    #[test]
    fn long_results_are_cut_and_those_that_are_no_json_counted() {
        let step = |json: &str| serde_json::from_str(&format!(r#"{{"name":"n","at":"t","size":9,"result":{json}}}"#));
        assert_eq!(result(&step("{\"id\": 7}").unwrap()), "{\"id\": 7}");
        assert_eq!(result(&step("null").unwrap()), "9 bytes");
        assert_eq!(result(&Step { size: NULL_BYTES, ..step("null").unwrap() }), "null");
        let long = result(&step(&format!("\"{}\"", "ä".repeat(99))).unwrap());
        assert!(long.chars().count() == RESULT_CHARS_MAX + 1 && long.ends_with('…'), "{long}");
    }
}
