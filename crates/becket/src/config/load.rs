//! From the layers to a configuration: default file, TOML file, environment, flags; then the sections.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::{self, Setting};
use super::error::{Error, Errors, Problem};
use super::layers::{self, Table};
use super::origin::{Origin, Origins};
use super::read::{Report, Section};
use super::{Config, SourceKind, default_toml, routes, schedules, sections, sources, targets};

/// The file that is read when no other is named, if it exists.
const DEFAULT_FILE: &str = "becket.toml";

/// Flags with a name of their own, and the key that each sets. Any other key is set with `--set key=value`.
pub const NAMED_FLAGS: [(&str, &str); 4] = [
    ("--listen", "server.listen"),
    ("--store", "store.url"),
    ("--concurrency", "worker.concurrency"),
    ("--log", "log.filter"),
];

/// What to load a configuration from. Everything is given; only the file is read.
///
/// ```
/// use becket::config::{Config, Loader};
///
/// let loader = Loader { flags: vec![("--listen".into(), "127.0.0.1:0".into())], ..Loader::default() };
/// let loaded = Config::load(loader)?;
/// assert_eq!(loaded.config.server.listen.port(), 0);
/// assert_eq!(loaded.origins.get("server.listen").unwrap().origin.to_string(), "--listen");
/// # Ok::<(), becket::config::Errors>(())
/// ```
#[derive(Clone, Default)]
pub struct Loader {
    /// The TOML file, which must exist. `None` reads `becket.toml` in the working directory if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables; see [`environment`](super::environment()). Others than Becket's are left alone.
    pub env: Vec<(String, String)>,
    /// Flags: a dotted path (`server.listen`, given with `--set`) or one of [`NAMED_FLAGS`], and the value. Later
    /// ones win.
    pub flags: Vec<(String, String)>,
}

impl Loader {
    /// The file that is read, whether or not it exists.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// The same loader, for which a file that exists now must exist from now on: one that is gone later would otherwise mean
    /// a configuration without sources.
    #[must_use]
    pub fn keeping_file(mut self) -> Self {
        if self.file.is_none() && self.path().exists() {
            self.file = Some(self.path().to_owned());
        }
        self
    }
}

impl fmt::Debug for Loader {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Loader")
            .field("file", &self.file)
            .field("env", &names(&self.env))
            .field("flags", &names(&self.flags))
            .finish()
    }
}

/// A configuration that was loaded, and how it came about.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every key with its value and origin, secrets masked.
    pub origins: Origins,
    /// `GITHUBAPP_*` variables that are set and that this version does not read.
    pub ignored: Vec<String>,
}

impl Config {
    /// Loads a configuration: defaults, then the file, then the environment, then flags, each overriding the last.
    ///
    /// # Errors
    /// All that is wrong, at once. Only a file that is not TOML at all hides what else may be wrong with it.
    pub fn load(loader: Loader) -> Result<Loaded, Errors> {
        let Loader { file, env, flags } = loader;
        let file = read_file(file).map_err(|error| Errors::new(vec![error]))?;
        load(file.as_ref().map(|(path, text)| (path.as_path(), text.as_str())), &env, &flags)
    }

    /// Loads a configuration from TOML text alone, with the defaults beneath it: for tests and for embedding.
    ///
    /// # Errors
    /// All that is wrong, at once; places are given as lines of `becket.toml`.
    pub fn from_toml(text: &str) -> Result<Self, Errors> {
        load(Some((Path::new(DEFAULT_FILE), text)), &[], &[]).map(|loaded| loaded.config)
    }
}

impl Default for Config {
    /// The defaults of `default.toml`: no sources, no routes.
    #[expect(clippy::expect_used, reason = "the defaults are compiled in, and a test loads them")]
    fn default() -> Self {
        load(None, &[], &[]).expect("the compiled-in defaults are valid").config
    }
}

fn read_file(named: Option<PathBuf>) -> Result<Option<(PathBuf, String)>, Error> {
    let optional = named.is_none();
    let path = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if optional && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let origin = Origin::File { path: path.into(), line: 0, column: 0 };
            let mend = "name a readable TOML file in UTF-8 with --config";
            Err(Problem::new(format!("cannot read the configuration file: {error}"), mend).at("", origin))
        }
    }
}

pub(super) fn load(
    file: Option<(&Path, &str)>,
    env: &[(String, String)],
    flags: &[(String, String)],
) -> Result<Loaded, Errors> {
    let mut errors = Vec::new();
    let mut tree = defaults();
    if let Some((path, text)) = file {
        layers::overlay(&mut tree, file_layer(path, text)?);
    }
    let (mut settings, ignored) = environment::github_app(env, &mut errors);
    settings.extend(environment::becket(env, &mut errors));
    settings.extend(flags.iter().map(|(name, value)| flag(name, value)));
    for Setting { path, node } in settings {
        let (key, origin) = (path.join("."), node.origin.clone());
        if let Err(problem) = layers::set(&mut tree, &path, node) {
            errors.push(problem.at(key, origin));
        }
    }
    let mut report = Report::default();
    errors.into_iter().for_each(|error| report.error(error));
    let config = read(Section::root(&mut report, tree));
    for error in environment::missing_underscores(env, report.known()) {
        report.error(error);
    }
    let (config, origins) = report.into_result(config)?;
    Ok(Loaded { config, origins, ignored })
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a test parses it")]
fn defaults() -> Table {
    layers::parse(default_toml(), &|_| Origin::Default).expect("default.toml is TOML")
}

/// The file's layer. Its syntax errors end the loading: what the rest of the file means cannot be known.
fn file_layer(path: &Path, text: &str) -> Result<Table, Errors> {
    let path: Arc<Path> = path.into();
    let origin = |offset| {
        let (line, column) = position(text, offset);
        Origin::File { path: Arc::clone(&path), line, column }
    };
    layers::parse(text, &origin).map_err(|errors| {
        let mend = "write TOML, with text, durations and sizes in quotes";
        let error = |(offset, message)| Problem::new(format!("is not TOML: {message}"), mend).at("", origin(offset));
        Errors::new(errors.into_iter().map(error).collect())
    })
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn flag(name: &str, value: &str) -> Setting {
    match NAMED_FLAGS.iter().find(|(flag, _)| *flag == name) {
        Some((flag, key)) => Setting::new(key, ".", value, Origin::Flag((*flag).to_owned())),
        None => Setting::new(name, ".", value, Origin::Flag(format!("--set {name}"))),
    }
}

/// Reads every section before giving up on any.
pub(super) fn read(mut root: Section<'_>) -> Option<Config> {
    let server = sections::server(root.section("server"));
    let store = sections::store(root.section("store"));
    let worker = sections::worker(root.section("worker"));
    let tasks = sections::tasks(root.section("tasks"));
    let retention = sections::retention(root.section("retention"));
    let admin = sections::admin(root.section("admin"));
    let handlers = sections::handlers(root.section("handlers"));
    let notify = sections::notify(root.section("notify"));
    let log = sections::log(root.section("log"));
    let mut names = root.names("sources");
    let sources = sources::read_all(&mut root);
    // Deliveries are of their senders' sources, never of one that takes them for others.
    names.retain(|name| sources.get(name).is_none_or(|source| source.kind != SourceKind::Auto));
    let target_names = root.names("targets");
    let targets = targets::read_all(&mut root);
    let routes = routes::read_all(&mut root, &names, &target_names, tasks.as_ref());
    let schedules = schedules::read_all(&mut root, &target_names, tasks.as_ref());
    let github_app = sections::github_app(root.section("github_app"));
    root.finish();
    Some(Config {
        server: server?,
        store: store?,
        worker: worker?,
        tasks: tasks?,
        retention: retention?,
        admin,
        handlers: handlers?,
        sources,
        targets,
        routes,
        schedules,
        github_app,
        notify: notify?,
        log: log?,
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
