//! The target `log` with a file: appends a line of JSON for each delivery.
//!
//! A line is written in one piece and synced to disk before the task is completed. It may be there twice: a task that is
//! run again writes again, and says so by its id.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use becket_tasks::{Claimed, TaskError, Timestamp};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::value::RawValue;

use super::template::{JsonTemplate, Subject};
use super::{Attempt, BuildError, Failure, Target};
use crate::config::targets;
use crate::http::kept;

/// Appends a line of JSON for each delivery.
#[derive(Debug)]
pub struct FileTarget(Arc<Lines>);

#[derive(Debug)]
struct Lines {
    path: PathBuf,
    json: Option<JsonTemplate>,
    /// One line at a time.
    file: Mutex<()>,
}

/// All of a delivery.
#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    source: &'a str,
    event: &'a str,
    action: Option<&'a str>,
    delivery_id: Option<&'a str>,
    task_id: String,
    attempt: u32,
    payload: Option<&'a RawValue>,
}

impl FileTarget {
    /// Makes the target. The file is made with its first line, so a configuration that is only looked at leaves nothing.
    ///
    /// # Errors
    /// [`BuildError::File`] when the file cannot be written, [`BuildError::Template`] when a text is no template.
    pub fn new(options: &targets::File) -> Result<Self, BuildError> {
        let json = options.json.as_ref().map(JsonTemplate::parse).transpose()?;
        let lines = Lines { path: options.path.clone(), json, file: Mutex::new(()) };
        let failed = |source| BuildError::File { what: "write to", path: options.path.clone(), source };
        lines.check().map_err(failed)?;
        Ok(Self(Arc::new(lines)))
    }
}

impl Target for FileTarget {
    fn deliver(&self, attempt: Attempt) -> BoxFuture<'static, Result<Option<Bytes>, Failure>> {
        let lines = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || lines.append(&attempt.task));
        async move { Ok(written.await.map_err(TaskError::from)?.map(|()| None)?) }.boxed()
    }
}

impl Lines {
    /// Opened anew for each line: the file may have been moved away by whatever rotates it.
    fn open(&self) -> std::io::Result<File> {
        OpenOptions::new().append(true).create(true).open(&self.path)
    }

    /// Whether lines can be written: to the file, or to a file in its folder.
    fn check(&self) -> std::io::Result<()> {
        if self.path.exists() {
            return OpenOptions::new().append(true).open(&self.path).map(drop);
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map(drop)
    }

    fn append(&self, task: &Claimed) -> Result<(), TaskError> {
        let mut line = match &self.json {
            Some(json) => json.fill(&Subject::new(task))?,
            None => whole(task)?,
        };
        line.push(b'\n');
        let _alone = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.open().and_then(|mut file| file.write_all(&line).and_then(|()| file.sync_data()));
        written.map_err(|error| TaskError::retry(format!("cannot write to `{}`: {error}", self.path.display())))
    }
}

fn whole(task: &Claimed) -> Result<Vec<u8>, TaskError> {
    let json = kept::json(&task.meta, &task.payload).unwrap_or_default();
    let payload = std::str::from_utf8(&json).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    let line = Line {
        time: Timestamp::from(std::time::SystemTime::now()),
        source: &task.source,
        event: &task.event,
        action: task.action.as_deref(),
        delivery_id: task.key.as_deref(),
        task_id: task.id.to_string(),
        attempt: task.attempts_counted,
        payload,
    };
    let mut line = serde_json::to_vec(&line)?;
    // JSON has line ends between its parts alone: in texts they are escaped.
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::template::tests::task;
    use super::*;

    fn lines(options: &targets::File, payloads: &[&str]) -> Vec<serde_json::Value> {
        let target = FileTarget::new(options).unwrap();
        for payload in payloads {
            target.0.append(&task(payload)).unwrap();
        }
        let text = std::fs::read_to_string(&options.path).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_delivery_is_one_line_however_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let options = targets::File::new(dir.path().join("events.jsonl"));
        let written = lines(&options, &["{\r\n  \"a\": \"x\\ny\",\n  \"n\": 1\n}", "no JSON"]);
        assert_eq!(written.len(), 2);
        assert_eq!(written[0]["payload"], serde_json::json!({"a": "x\ny", "n": 1}));
        assert_eq!(written[0]["delivery_id"], "d-1");
        assert_eq!(written[0]["task_id"], "000000000002D");
        assert_eq!(written[1]["payload"], serde_json::Value::Null);
    }

    #[test]
    fn line_is_made_of_a_template() {
        let dir = tempfile::tempdir().unwrap();
        let serde_json::Value::Object(json) = serde_json::json!({"who": "{user}", "what": "{@event}"}) else {
            panic!()
        };
        let options = targets::File { json: Some(json), ..targets::File::new(dir.path().join("events.jsonl")) };
        let written = lines(&options, &[r#"{"user": "a\nb\"}"}"#]);
        assert_eq!(written, [serde_json::json!({"who": "a\nb\"}", "what": "issues"})]);
    }

    #[test]
    fn file_is_made_with_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let options = targets::File::new(dir.path().join("events.jsonl"));
        FileTarget::new(&options).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left by looking");
        assert_eq!(lines(&options, &["{}"]).len(), 1);
        FileTarget::new(&options).unwrap();
        assert_eq!(std::fs::read_to_string(&options.path).unwrap().lines().count(), 1, "what is there stays");
    }

    #[test]
    fn file_that_cannot_be_written_is_told_at_the_start() {
        let error = FileTarget::new(&targets::File::new("/nowhere/events.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write to `/nowhere/events.jsonl`: "), "{error}");
    }
}
