//! What a program finds in its environment: nothing of this process but what is allowed, and what is known of the task.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use becket_tasks::Claimed;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::about::{About, Text};

/// The longest value that a sender may choose, in bytes; the system takes only so much for all of them.
const VALUE_BYTES_MAX: usize = 4 * 1_024;
/// Where programs are looked for when the environment does not say.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The variables of one attempt.
pub(super) fn of(
    task: &Claimed,
    file: &Path,
    inherited: &[String],
    own: &BTreeMap<String, SecretString>,
) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    let from_here = inherited.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    variables.extend(from_here);
    variables.extend(own.iter().map(|(name, value)| (name.into(), value.expose_secret().into())));
    let mut tell = |name: &str, value: &OsStr| variables.push((name.into(), value.to_owned()));
    tell("BECKET_PAYLOAD_FILE", file.as_os_str());
    for (name, value) in [
        ("BECKET_TASK_ID", Some(&*task.id.to_string())),
        ("BECKET_TASK_KIND", Some(&*task.kind)),
        ("BECKET_ATTEMPT", Some(&*task.attempts_counted.to_string())),
        ("BECKET_MAX_ATTEMPTS", Some(&*task.max_attempts.to_string())),
        ("BECKET_SOURCE", Some(&*task.source)),
        ("BECKET_EVENT", Some(&*task.event)),
        ("BECKET_ACTION", task.action.as_deref()),
        ("BECKET_DELIVERY_ID", task.key.as_deref()),
    ] {
        // Always there, so that a script that asks for it need not ask whether it is.
        tell(name, OsStr::new(&harmless(value.unwrap_or_default())));
    }
    let about = About::of(task);
    for (name, text) in Text::ALL {
        let name = format!("BECKET_{}", name.to_ascii_uppercase());
        tell(&name, OsStr::new(&harmless(about.get(text).unwrap_or_default())));
    }
    variables
}

/// The system knows no zero bytes, and a sender may have written some.
fn harmless(value: &str) -> String {
    value[..value.floor_char_boundary(VALUE_BYTES_MAX)].replace('\0', "\u{fffd}")
}

/// The `PATH` of a program.
pub(super) fn path(inherited: &[String], own: &BTreeMap<String, SecretString>) -> Option<OsString> {
    if let Some(path) = own.get("PATH") {
        return Some(path.expose_secret().into());
    }
    let inherited = inherited.iter().any(|name| name == "PATH").then(|| std::env::var_os("PATH")).flatten();
    Some(inherited.unwrap_or_else(|| PATH.into()))
}

#[cfg(test)]
mod tests {
    use super::super::super::about::tests::of_gitlab;
    use super::*;

    #[test]
    fn environment_tells_of_the_task_and_of_nothing_else() {
        let payload = r#"{"object_attributes": {"iid": 7, "title": "The lamp\u0000 is out"}}"#;
        let own = BTreeMap::from([("TOKEN".to_owned(), SecretString::from("t0ken"))]);
        let variables = of(
            &of_gitlab("issue.closed", payload),
            Path::new("/tmp/p"),
            &["PATH".to_owned(), "NO_SUCH".to_owned()],
            &own,
        );
        let variables: BTreeMap<String, String> = variables
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect();
        let path = std::env::var("PATH").unwrap();
        let expected = [
            ("BECKET_ACTION", "opened"),
            ("BECKET_ACTOR", ""),
            ("BECKET_ATTEMPT", "3"),
            ("BECKET_AUTHOR", ""),
            ("BECKET_BRANCH", ""),
            ("BECKET_COMMIT", ""),
            ("BECKET_DELIVERY_ID", "d-1"),
            ("BECKET_EVENT", "issues"),
            ("BECKET_LINK", ""),
            ("BECKET_MAX_ATTEMPTS", "5"),
            ("BECKET_NORMALISED", "issue.closed"),
            ("BECKET_NUMBER", "7"),
            ("BECKET_PAYLOAD_FILE", "/tmp/p"),
            ("BECKET_REPOSITORY", "tower/lamp"),
            ("BECKET_SOURCE", "github"),
            ("BECKET_STATE", "closed"),
            ("BECKET_TAG", ""),
            ("BECKET_TARGET_BRANCH", ""),
            ("BECKET_TASK_ID", "000000000002D"),
            ("BECKET_TASK_KIND", "forward"),
            ("BECKET_TITLE", "The lamp\u{fffd} is out"),
            ("PATH", &path),
            ("TOKEN", "t0ken"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn what_a_sender_chose_fits_into_a_variable() {
        assert_eq!(harmless("a\0b"), "a\u{fffd}b");
        assert_eq!(harmless(&"é".repeat(10_000)).len(), VALUE_BYTES_MAX);
    }
}
