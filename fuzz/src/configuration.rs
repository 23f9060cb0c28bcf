//! Configuration files.

use becket::Config;

/// Feeds one file.
///
/// # Panics
/// When a promise is broken.
pub fn feed(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::from_toml(text) {
        Ok(config) => {
            // What was read is shown with its secrets masked; it can be shown at all.
            let _ = format!("{config:?}");
        }
        Err(errors) => {
            assert!(errors.iter().next().is_some(), "refused without a reason");
            for error in &errors {
                assert!(!error.what().is_empty(), "{errors}");
                // Nothing that controls a terminal, whatever the file holds.
                let shown = error.to_string();
                assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "{shown:?}");
            }
        }
    }
}
