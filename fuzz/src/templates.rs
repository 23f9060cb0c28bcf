//! Templates of names, and the payloads that they look into.
//!
//! An input is a template in the first line, and a payload behind it.

use becket_tasks::naming::{Naming, Subject, TEMPLATE_BYTES_MAX, TextTemplate};
use becket_tasks::order::NAME_BYTES_MAX;

/// Feeds one template with one payload.
///
/// # Panics
/// When a promise is broken.
pub fn feed(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (first, rest) = data.split_at(at);
    let Ok(text) = std::str::from_utf8(first) else { return };
    let payload = rest.get(1..).unwrap_or_default().to_vec();
    match Naming::template(text) {
        Ok(naming) => {
            assert!(text.len() <= TEMPLATE_BYTES_MAX);
            let subject = Subject::new("kind", "source", "event", Some("action".into()), payload.clone());
            if let Some(name) = naming.name(&subject) {
                assert!((1..=NAME_BYTES_MAX).contains(&name.len()), "{} bytes", name.len());
                assert_eq!(naming.name(&subject).as_ref(), Some(&name), "the same each time");
            }
        }
        Err(error) => {
            assert!(error.column() >= 1 && error.column() <= text.chars().count() + 1, "{error}");
            assert!(!error.what().is_empty() && !error.mend().is_empty(), "{error}");
        }
    }
    if let Ok(template) = TextTemplate::parse(text, &[("event", 0), ("action", 1)]) {
        assert_eq!(template.text(), text);
        let mut pieces = 0;
        template.fill(&payload, |label| (label == 0).then_some("event"), |_| pieces += 1);
        assert!(pieces <= 2 * text.len() + 1);
    }
}
