//! The target `command`: runs a program for each delivery.
//!
//! The payload is on its standard input and in a file, what else is known in its environment (`environment`); its
//! arguments are those of the configuration, and no shell reads them. Its exit code says what follows. It runs in a
//! process group of its own, which is ended with it: politely when its time is up or the task is cancelled, and for
//! certain in the end (`process`). What it prints is kept up to a limit, its latest line told as the task's progress
//! (`output`).
//!
//! What it printed is the task's result or, when it failed, a step of the task: never part of an error, since errors are
//! logged and no text of a payload may be.

mod environment;
mod output;
mod process;

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::{Claimed, TaskError};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nix::unistd::User;
use tempfile::TempPath;
use tokio::process::Command;

use self::output::Printed;
use self::process::{End, run};
use super::{Attempt, BuildError, Failure, Target};
use crate::config::targets::{self, Exit};

/// `EX_TEMPFAIL` of <https://man.openbsd.org/sysexits>: try again later.
const TRY_AGAIN: u8 = 75;
/// How long what is left to do after the program's end may take.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// Runs a program.
#[derive(Clone, Debug)]
pub struct CommandTarget(Arc<Program>);

#[derive(Debug)]
struct Program {
    options: targets::Command,
    user: Option<(u32, u32)>,
}

impl CommandTarget {
    /// Makes the target. Nothing is run yet.
    ///
    /// # Errors
    /// [`BuildError::Program`] when there is no such program, folder or user.
    pub fn new(options: &targets::Command) -> Result<Self, BuildError> {
        let program = options.argv.first().map(String::as_str).unwrap_or_default();
        let wrong = |why: String| BuildError::Program { program: program.to_owned(), why };
        if let Some(directory) = options.directory.as_ref().filter(|directory| !directory.is_dir()) {
            return Err(wrong(format!("there is no folder `{}`", directory.display())));
        }
        if find(options).is_none() {
            let hint = if program.contains(' ') { "; write its arguments as further elements of the list" } else { "" };
            return Err(wrong(format!("there is no such program that may be run{hint}")));
        }
        let user = options.user.as_deref().map(|name| user(name).map_err(wrong)).transpose()?;
        Ok(Self(Arc::new(Program { options: options.clone(), user })))
    }

    async fn deliver_now(self, attempt: Attempt) -> Result<Option<Bytes>, Failure> {
        let program = &self.0;
        let file = Arc::clone(program);
        let task = Arc::clone(&attempt.task);
        let file = tokio::task::spawn_blocking(move || file.payload_file(&task)).await.map_err(TaskError::from)??;
        let command = program.command(&attempt.task, &file);
        let (end, printed) = run(command, &program.options, &attempt).await?;
        program.judge(&end, printed, &attempt).await
    }
}

impl Target for CommandTarget {
    fn deliver(&self, attempt: Attempt) -> BoxFuture<'static, Result<Option<Bytes>, Failure>> {
        self.clone().deliver_now(attempt).boxed()
    }

    fn clean_up(&self) -> Duration {
        self.0.options.kill_grace + CLEAN_UP
    }
}

impl Program {
    fn command(&self, task: &Claimed, file: &Path) -> Command {
        let targets::Command { argv, directory, env, inherit_env, .. } = &self.options;
        let mut command = Command::new(find(&self.options).unwrap_or_else(|| PathBuf::from(&argv[0])));
        command.args(&argv[1..]).env_clear().envs(environment::of(task, file, inherit_env, env));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(directory) = directory {
            command.current_dir(directory);
        }
        if let Some((uid, gid)) = self.user {
            // As root, this also drops the groups of root.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// The payload, for programs that would rather read a file; only the program's user may.
    fn payload_file(&self, task: &Claimed) -> Result<TempPath, TaskError> {
        let failed = |error: std::io::Error| TaskError::retry(format!("cannot write the payload's file: {error}"));
        let mut file = tempfile::Builder::new().prefix("becket-").suffix(".payload").tempfile().map_err(failed)?;
        file.as_file().set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        file.write_all(&task.payload).map_err(failed)?;
        if let Some((uid, gid)) = self.user {
            chown(file.path(), Some(uid), Some(gid)).map_err(failed)?;
        }
        Ok(file.into_temp_path())
    }

    /// What follows the program's end.
    async fn judge(&self, end: &End, printed: Printed, attempt: &Attempt) -> Result<Option<Bytes>, Failure> {
        let (exit, message) = match end {
            End::Exited(code) => (self.meaning(*code), format!("the program ended with the exit code {code}")),
            End::Signalled(signal) => (Exit::Retry, format!("the program was ended by the signal {signal}")),
            End::TimedOut => (Exit::Retry, "the program took too long, and was ended".to_owned()),
            End::Cancelled => (Exit::Retry, "the program was ended, since its task is not to go on".to_owned()),
        };
        let result = printed.with(end);
        match exit {
            Exit::Done => Ok(Some(serde_json::to_vec(&result).map_err(TaskError::from)?.into())),
            Exit::Retry | Exit::Fail => {
                keep(attempt, result).await;
                // One delivery that a program does not want says nothing of the next.
                let is_outage = exit == Exit::Retry && !matches!(end, End::Cancelled);
                let error = if exit == Exit::Fail { TaskError::give_up(message) } else { TaskError::retry(message) };
                Err(Failure { error, is_outage })
            }
        }
    }

    fn meaning(&self, code: u8) -> Exit {
        let of_its_own = self.options.exit_codes.get(&code).copied();
        of_its_own.unwrap_or(match code {
            0 => Exit::Done,
            TRY_AGAIN => Exit::Retry,
            _ => self.options.other_exit_codes,
        })
    }
}

/// Keeps what a program printed that failed, where operators look and no log does: as a step of the task.
async fn keep(attempt: &Attempt, result: serde_json::Value) {
    let Some(context) = &attempt.context else { return };
    let name = format!("output of run {}", attempt.task.attempt);
    // Whoever has lost the task, or has too many steps, cannot keep it.
    let kept = context.step(name, || async { Ok(result) }).await;
    if let Err(error) = kept {
        tracing::debug!(task = %attempt.task.id, %error, "what the program printed is not kept");
    }
}

/// The file that is run: a path, from the program's own folder, or a name among the folders of its `PATH`.
fn find(options: &targets::Command) -> Option<PathBuf> {
    let program = options.argv.first().filter(|program| !program.is_empty())?;
    let runnable =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        let directory = options.directory.clone().unwrap_or_default();
        // The program changes its folder before it is looked for, so a relative path must not be left relative.
        return std::path::absolute(directory.join(program)).ok().filter(runnable);
    }
    let path = environment::path(&options.inherit_env, &options.env)?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(runnable)
}

fn user(name: &str) -> Result<(u32, u32), String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok((user.uid.as_raw(), user.gid.as_raw())),
        Ok(None) => Err(format!("there is no user `{name}`")),
        Err(error) => Err(format!("the user `{name}` cannot be looked up: {error}")),
    }
}

/// The longest grace that any of these programs has, for whoever cancels them.
pub(crate) fn longest_grace<'a>(targets: impl IntoIterator<Item = &'a crate::config::Target>) -> Option<Duration> {
    let graces = targets.into_iter().filter_map(|target| match target {
        crate::config::Target::Command(command) => Some(command.kill_grace + CLEAN_UP),
        _ => None,
    });
    graces.max()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn program(change: impl FnOnce(&mut targets::Command)) -> Result<CommandTarget, BuildError> {
        let mut options = targets::Command::new(vec!["true".to_owned()]);
        change(&mut options);
        CommandTarget::new(&options)
    }

    #[test]
    fn exit_codes_mean_what_the_configuration_says() {
        let target = program(|options| {
            options.exit_codes = BTreeMap::from([(3, Exit::Fail), (4, Exit::Done)]);
        });
        let target = target.unwrap();
        let meanings = [0, 75, 3, 4, 1, 255].map(|code| target.0.meaning(code));
        assert_eq!(meanings, [Exit::Done, Exit::Retry, Exit::Fail, Exit::Done, Exit::Retry, Exit::Retry]);
        let target = program(|options| options.other_exit_codes = Exit::Fail).unwrap();
        assert_eq!([0, 75, 1].map(|code| target.0.meaning(code)), [Exit::Done, Exit::Retry, Exit::Fail]);
    }

    #[test]
    fn program_that_cannot_be_run_is_told_at_the_start() {
        let error = |argv: &str| program(|options| options.argv = vec![argv.to_owned()]).unwrap_err().to_string();
        assert_eq!(error("/nowhere/x"), "cannot run `/nowhere/x`: there is no such program that may be run");
        assert!(error("no-such-program-at-all").contains("there is no such program"));
        assert!(error("/etc/passwd").contains("there is no such program that may be run"));
        assert!(error("echo hello").ends_with("write its arguments as further elements of the list"));
        let error = program(|options| options.directory = Some("/nowhere".into())).unwrap_err().to_string();
        assert!(error.contains("there is no folder `/nowhere`"), "{error}");
        let error = program(|options| options.user = Some("nobody-at-all".to_owned())).unwrap_err().to_string();
        assert!(error.contains("there is no user `nobody-at-all`"), "{error}");
    }
}
