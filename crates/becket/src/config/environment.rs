//! Environment variables as settings: `BECKET_SECTION__KEY`, and the `GITHUBAPP_*` names that people bring along.
//!
//! The variables are given, never read here. `GITHUBAPP_*` names are those of fastapi-githubapp
//! (<https://github.com/primetheus/fastapi-githubapp>), so that its users keep their deployment's settings.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::error::{Error, Problem};
use super::layers::{Node, Value};
use super::origin::Origin;

/// What separates the levels in a variable's name.
const LEVELS: &str = "__";

/// A value for one path.
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) node: Node,
}

impl Setting {
    pub(super) fn new(path: &str, separator: &str, value: impl Into<String>, origin: Origin) -> Self {
        let path = path.split(separator).map(str::to_owned).collect();
        Self { path, node: Node { value: Value::Untyped(value.into()), origin } }
    }
}

/// Picks the variables that configure Becket out of a process's environment.
///
/// Give it [`std::env::vars_os`]. Text that is not Unicode is kept with U+FFFD in its place, and refused on loading.
pub fn environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with("BECKET_") || name.starts_with("GITHUBAPP_"))
        .collect()
}

/// What the `BECKET_*` variables set. Those without two underscores are other people's: a cluster that runs a
/// service named "becket" sets `BECKET_PORT` for every container beside it.
pub(super) fn becket(variables: &[(String, String)], errors: &mut Vec<Error>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, value) in sorted(variables) {
        let Some(levels) = name.strip_prefix("BECKET_").filter(|levels| levels.contains(LEVELS)) else { continue };
        let path = levels.to_ascii_lowercase();
        let origin = Origin::Environment(name.clone());
        if is_unicode(&path.replace(LEVELS, "."), value, &origin, errors) {
            settings.push(Setting::new(&path, LEVELS, value.clone(), origin));
        }
    }
    settings
}

/// Variables whose name would be a key's if it had two underscores where it has one.
pub(super) fn missing_underscores(variables: &[(String, String)], known: &BTreeSet<String>) -> Vec<Error> {
    let mut errors = Vec::new();
    for (name, _) in sorted(variables) {
        let Some(levels) = name.strip_prefix("BECKET_").filter(|levels| !levels.contains(LEVELS)) else { continue };
        let meant = known.iter().find(|key| key.contains('.') && key.replace('.', "_").eq_ignore_ascii_case(levels));
        if let Some(key) = meant {
            let variable = key.replace('.', LEVELS).to_ascii_uppercase();
            let mend = format!("two underscores stand between levels: did you mean `BECKET_{variable}`?");
            errors.push(Problem::new("sets nothing", mend).at(key, Origin::Environment(name.clone())));
        }
    }
    errors
}

/// What the `GITHUBAPP_*` variables set, and the names of those that this version does not read.
pub(super) fn github_app(variables: &[(String, String)], errors: &mut Vec<Error>) -> (Vec<Setting>, Vec<String>) {
    let (mut settings, mut ignored) = (Vec::new(), Vec::new());
    for (name, value) in sorted(variables) {
        let Some(short) = name.strip_prefix("GITHUBAPP_") else { continue };
        let origin = Origin::GithubAppEnvironment(name.clone());
        let Some((key, translate)) = translation(short) else {
            ignored.push(name.clone());
            continue;
        };
        if !is_unicode(key, value, &origin, errors) {
            continue;
        }
        match translate(value) {
            Ok(Some(value)) => settings.push(Setting::new(key, ".", value, origin)),
            Ok(None) => {}
            Err(problem) => errors.push(problem.at(key, origin)),
        }
    }
    (settings, ignored)
}

/// Turns the variable's value into the key's; `None` sets nothing.
type Translate = fn(&str) -> Result<Option<String>, Problem>;

fn translation(name: &str) -> Option<(&'static str, Translate)> {
    Some(match name {
        "ID" => ("github_app.id", same),
        "PRIVATE_KEY" => ("github_app.private_key", same),
        "WEBHOOK_SECRET" => ("sources.github.secret", webhook_secret),
        "WEBHOOK_PATH" => ("sources.github.path", same),
        "MAX_WORKERS" => ("worker.concurrency", same),
        "TASK_TIMEOUT" => ("tasks.timeout", seconds),
        "TASK_RETRY_ATTEMPTS" => ("tasks.retries", same),
        "TASK_RETRY_DELAY" => ("tasks.retry_delay", seconds),
        "BACKGROUND_TASKS" => ("handlers.mode", background),
        "TASK_QUEUE_BACKEND" => ("store.url", queue_backend),
        _ => return None,
    })
}

fn same(value: &str) -> Result<Option<String>, Problem> {
    Ok(Some(value.to_owned()))
}

/// There `False` turned verification off. Here it would be a secret that everybody knows.
fn webhook_secret(value: &str) -> Result<Option<String>, Problem> {
    if !value.eq_ignore_ascii_case("false") {
        return same(value);
    }
    let mend = "unset it; to accept unsigned requests, set sources.github.insecure_accept_unsigned = true";
    Err(Problem::new("`False` turns nothing off here", mend))
}

fn seconds(value: &str) -> Result<Option<String>, Problem> {
    match value.trim().parse::<u64>() {
        Ok(seconds) => Ok(Some(format!("{seconds}s"))),
        Err(_) => Err(Problem::new(format!("`{value}` is not a whole number of seconds"), "write one, such as 300")),
    }
}

fn background(value: &str) -> Result<Option<String>, Problem> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(Some("background".to_owned())),
        "false" | "0" | "no" => Ok(Some("inline".to_owned())),
        _ => Err(Problem::new(format!("`{value}` is neither true nor false"), "write true or false")),
    }
}

/// Their in-process queue and their database are both our embedded store, which `store.url` names.
fn queue_backend(value: &str) -> Result<Option<String>, Problem> {
    const SUPPORTED: &str = "supported are `asyncio` and `database`, both of which mean the embedded store";
    match value.trim().to_ascii_lowercase().as_str() {
        "asyncio" | "database" => Ok(None),
        backend @ ("redis" | "celery") => {
            Err(Problem::new(format!("the queue backend `{backend}` is not built yet"), SUPPORTED))
        }
        _ => Err(Problem::new(format!("there is no queue backend `{value}`"), SUPPORTED)),
    }
}

fn is_unicode(key: &str, value: &str, origin: &Origin, errors: &mut Vec<Error>) -> bool {
    let good = !value.contains(char::REPLACEMENT_CHARACTER);
    if !good {
        let problem = Problem::new("is not Unicode text", "write it as UTF-8");
        errors.push(problem.at(key, origin.clone()));
    }
    good
}

/// By name, so that what a route's whole value sets comes before what is set within it.
fn sorted(variables: &[(String, String)]) -> Vec<&(String, String)> {
    let mut sorted: Vec<_> = variables.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let variables: Vec<_> = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut errors = Vec::new();
        let (mut settings, ignored) = github_app(&variables, &mut errors);
        settings.extend(becket(&variables, &mut errors));
        let text = |setting: &Setting| match &setting.node.value {
            Value::Untyped(text) => format!("{}={text}", setting.path.join(".")),
            _ => panic!("typed"),
        };
        (settings.iter().map(text).collect(), ignored, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn two_underscores_separate_levels() {
        let (settings, ..) = run(&[("BECKET_SOURCES__GITHUB__BODY_LIMIT", "1MiB"), ("BECKET_SERVER__LISTEN", "x")]);
        assert_eq!(settings, ["server.listen=x", "sources.github.body_limit=1MiB"]);
    }

    #[test]
    fn variables_of_other_programs_are_left_alone() {
        let (settings, ignored, errors) =
            run(&[("BECKET_PORT", "1"), ("BECKET_FIXTURES", "x"), ("HOME", "/"), ("XBECKET_A__B", "")]);
        assert!(settings.is_empty() && ignored.is_empty() && errors.is_empty());
    }

    #[test]
    fn githubapp_names_are_translated() {
        let (settings, ignored, errors) = run(&[
            ("GITHUBAPP_BACKGROUND_TASKS", "True"),
            ("GITHUBAPP_ID", "12"),
            ("GITHUBAPP_MAX_WORKERS", "4"),
            ("GITHUBAPP_PRIVATE_KEY", "-----BEGIN"),
            ("GITHUBAPP_TASK_QUEUE_BACKEND", "asyncio"),
            ("GITHUBAPP_TASK_RETRY_ATTEMPTS", "3"),
            ("GITHUBAPP_TASK_RETRY_DELAY", "5"),
            ("GITHUBAPP_TASK_TIMEOUT", "300"),
            ("GITHUBAPP_WEBHOOK_PATH", "/hook"),
            ("GITHUBAPP_WEBHOOK_SECRET", "shh"),
        ]);
        assert_eq!(
            settings,
            [
                "handlers.mode=background",
                "github_app.id=12",
                "worker.concurrency=4",
                "github_app.private_key=-----BEGIN",
                "tasks.retries=3",
                "tasks.retry_delay=5s",
                "tasks.timeout=300s",
                "sources.github.path=/hook",
                "sources.github.secret=shh",
            ]
        );
        assert!(ignored.is_empty() && errors.is_empty(), "{ignored:?} {errors:?}");
    }

    #[test]
    fn githubapp_names_that_are_not_read_are_told() {
        let (_, ignored, _) = run(&[("GITHUBAPP_OAUTH_CLIENT_ID", "x"), ("GITHUBAPP_URL", "y")]);
        assert_eq!(ignored, ["GITHUBAPP_OAUTH_CLIENT_ID", "GITHUBAPP_URL"]);
    }

    #[test]
    fn githubapp_values_that_mean_nothing_here_are_refused() {
        let (settings, _, errors) = run(&[
            ("GITHUBAPP_BACKGROUND_TASKS", "maybe"),
            ("GITHUBAPP_TASK_QUEUE_BACKEND", "celery"),
            ("GITHUBAPP_TASK_TIMEOUT", "5m"),
            ("GITHUBAPP_WEBHOOK_SECRET", "False"),
        ]);
        assert!(settings.is_empty());
        assert_eq!(
            errors,
            [
                "GITHUBAPP_BACKGROUND_TASKS: handlers.mode: `maybe` is neither true nor false; write true or false",
                "GITHUBAPP_TASK_QUEUE_BACKEND: store.url: the queue backend `celery` is not built yet; supported are \
                 `asyncio` and `database`, both of which mean the embedded store",
                "GITHUBAPP_TASK_TIMEOUT: tasks.timeout: `5m` is not a whole number of seconds; write one, such as 300",
                "GITHUBAPP_WEBHOOK_SECRET: sources.github.secret: `False` turns nothing off here; unset it; to accept \
                 unsigned requests, set sources.github.insecure_accept_unsigned = true",
            ]
        );
    }

    #[test]
    fn every_backend_that_is_not_built_is_named_as_such() {
        for (backend, what) in [
            ("redis", "the queue backend `redis` is not built yet"),
            ("Celery", "the queue backend `celery` is not built yet"),
            ("sqs", "there is no queue backend `sqs`"),
        ] {
            assert_eq!(queue_backend(backend).unwrap_err().what, what);
        }
        assert_eq!(queue_backend("database"), Ok(None));
    }

    #[test]
    fn only_our_variables_are_taken_from_the_process() {
        let taken = environment(
            [("PATH", "/bin"), ("BECKET_A__B", "1"), ("GITHUBAPP_ID", "2")]
                .map(|(n, v)| (OsString::from(n), OsString::from(v))),
        );
        assert_eq!(taken, [("BECKET_A__B".to_owned(), "1".to_owned()), ("GITHUBAPP_ID".to_owned(), "2".to_owned())]);
    }

    #[cfg(unix)]
    #[test]
    fn text_that_is_not_unicode_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let taken = environment([("BECKET_ADMIN__TOKEN".into(), OsString::from_vec(vec![b'a', 0xff]))]);
        let mut errors = Vec::new();
        assert!(becket(&taken, &mut errors).is_empty());
        assert_eq!(errors[0].to_string(), "BECKET_ADMIN__TOKEN: admin.token: is not Unicode text; write it as UTF-8");
    }
}
