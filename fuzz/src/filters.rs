//! Filters of routes, the patterns before them, and the payloads that they look into.
//!
//! An input is a condition in the first line, a pattern in the second, and a payload behind it.

use becket::route::Sought;
use becket::route::explain::Why;
use becket::{App, StartError, background};

const SECRET: &str = "a secret to fuzz with";

/// Feeds one condition with one payload.
///
/// # Panics
/// When a promise is broken.
pub fn feed(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next().unwrap_or_default());
    let (Ok(condition), Ok(pattern)) = (text(), text()) else { return };
    let payload = lines.next().unwrap_or_default().to_vec();
    let handler = background(async || {}).named("filtered").when(condition);
    match App::new().github(SECRET).on(pattern, handler).routes() {
        Ok(routing) => {
            let mut sought = Sought::new("github", "issues", Some("opened"));
            sought.json = Some(payload.into());
            sought.normalised = Some("issue.opened");
            sought.delivery_id = Some("one");
            let explained = routing.explain(&sought);
            assert_eq!(explained.len(), 1);
            // Told twice, it is told the same: nothing is left over from the first time.
            let again = routing.explain(&sought);
            assert_eq!(explained[0].why, again[0].why);
            assert!(!matches!(explained[0].why, Why::StoppedBy(_)), "there is none before it");
        }
        Err(StartError::Mistakes(mistakes)) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                let shown = mistake.to_string();
                assert!(!shown.is_empty() && !shown.contains(SECRET), "{shown}");
            }
        }
        Err(other) => panic!("{other}"),
    }
}
