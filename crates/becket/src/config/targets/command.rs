//! A target that runs a program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::super::error::Problem;
use super::super::layers::Value;
use super::super::read::Section;
use super::super::values::{self, Parsed};
use super::limits::{self, Limits};

/// What a program gets of this process's environment where nothing else is said.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];
/// How much of each output is kept where nothing else is said, in bytes.
const OUTPUT_LIMIT: (usize, &str) = (16 * 1_024, "16KiB");
/// How long a program may take to end when it is asked to, where nothing else is said.
const KILL_GRACE: (Duration, &str) = (Duration::from_secs(5), "5s");

/// Which program is run, as whom, and what its end means.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Command {
    /// The program and its arguments; never empty. No shell reads them.
    pub argv: Vec<String>,
    /// Where it is run. `None`: where this process is.
    pub directory: Option<PathBuf>,
    /// As which user. `None`: as this process.
    pub user: Option<String>,
    /// Environment variables of its own.
    pub env: BTreeMap<String, SecretString>,
    /// Environment variables of this process that it gets.
    pub inherit_env: Vec<String>,
    /// How much of each of its two outputs is kept, in bytes.
    pub output_limit: usize,
    /// What its exit codes mean, besides 0 and 75.
    pub exit_codes: BTreeMap<u8, Exit>,
    /// What all other exit codes mean.
    pub other_exit_codes: Exit,
    /// How long it may take to end when it is asked to.
    pub kill_grace: Duration,
    /// What it lets in.
    pub limits: Limits,
}

/// What the end of a program means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The task is completed.
    Done,
    /// The attempt failed, and is tried again.
    Retry,
    /// The task failed.
    Fail,
}

impl Command {
    /// A program with the defaults.
    #[must_use]
    pub fn new(argv: Vec<String>) -> Self {
        Self {
            argv,
            directory: None,
            user: None,
            env: BTreeMap::new(),
            inherit_env: INHERITED.map(str::to_owned).to_vec(),
            output_limit: OUTPUT_LIMIT.0,
            exit_codes: BTreeMap::new(),
            other_exit_codes: Exit::Retry,
            kill_grace: KILL_GRACE.0,
            limits: Limits::default(),
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Option<Command> {
    let argv = section.list("command", argument);
    if argv.as_ref().and_then(|argv| argv.first()).is_some_and(String::is_empty) {
        section.problem("command", Problem::new("names no program", "write its path first"));
    }
    let directory = section.optional("directory", |v| values::text(v, "the path of a folder").map(PathBuf::from));
    let user = section.optional("user", |v| argument(v).and_then(user));
    let env = section.secrets_by_name("env", variable);
    let inherit_env = if section.has("inherit_env") {
        section.list("inherit_env", |v| variable_name(values::text(v, "the name of a variable")?))
    } else {
        section.or("inherit_env", (INHERITED.map(str::to_owned).to_vec(), INHERITED.join(", ")), |_| Ok(Vec::new()))
    };
    let output_limit = section.or("output_limit", OUTPUT_LIMIT, |v| values::size(v, "0B", "64KiB"));
    let (exit_codes, other_exit_codes) = exit_codes(&mut section);
    let kill_grace = section.or("kill_grace", KILL_GRACE, |v| values::duration(v, "0s", "5m"));
    let limits = limits::read(&mut section);
    section.finish();
    Some(Command {
        argv: argv?,
        directory,
        user,
        env,
        inherit_env: inherit_env?,
        output_limit: output_limit?,
        exit_codes,
        other_exit_codes,
        kill_grace: kill_grace?,
        limits: limits?,
    })
}

/// The system knows no text with a zero byte.
fn argument(value: &Value) -> Parsed<String> {
    let text = values::text(value, "text")?;
    if text.contains('\0') {
        return Err(Problem::new("holds a zero byte", "remove it"));
    }
    Ok(text.to_owned())
}

fn user(name: String) -> Parsed<String> {
    if name.is_empty() { Err(Problem::new("is empty", "write the name of a user")) } else { Ok(name) }
}

fn variable(name: &str, value: &Value) -> Parsed<SecretString> {
    variable_name(name)?;
    argument(value).map(SecretString::from)
}

/// `BECKET_*` is what the delivery is told in.
fn variable_name(name: &str) -> Parsed<String> {
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !is_name {
        let mend = "use letters, digits and \"_\", not beginning with a digit";
        return Err(Problem::new(format!("`{name}` cannot be the name of a variable"), mend));
    }
    if name.starts_with("BECKET_") {
        let mend = "choose another name";
        return Err(Problem::new(format!("`{name}` begins as the variables that tell of the delivery do"), mend));
    }
    Ok(name.to_owned())
}

/// Those of single codes, and that of `*`.
fn exit_codes(section: &mut Section<'_>) -> (BTreeMap<u8, Exit>, Exit) {
    const WORDS: [(&str, Exit); 3] = [("done", Exit::Done), ("retry", Exit::Retry), ("fail", Exit::Fail)];
    let mut named = section.by_name("exit_codes", |value| values::word(value, &WORDS));
    let others = named.remove("*").unwrap_or(Exit::Retry);
    let mut codes = BTreeMap::new();
    for (text, exit) in named {
        match text.parse::<u8>() {
            Ok(code) if code.to_string() == text => _ = codes.insert(code, exit),
            Ok(_) | Err(_) => {
                let what = format!("`{text}` is not an exit code");
                section
                    .problem("exit_codes", Problem::new(what, "write a number from 0 to 255, or \"*\" for the rest"));
            }
        }
    }
    (codes, others)
}
