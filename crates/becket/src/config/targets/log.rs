//! A target that appends lines to a file.

use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use super::super::error::Problem;
use super::super::read::Section;
use super::super::values;
use super::http::json;

/// Which file, and what a line of it says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct File {
    /// It is made if it is not there.
    pub path: PathBuf,
    /// JSON whose texts are templates, known to parse. `None`: all of the delivery.
    pub json: Option<Map<String, Json>>,
}

impl File {
    /// Lines with all of the delivery.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), json: None }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Option<File> {
    let path = section.wanted("log", "log = \"events.jsonl\"", |v| match values::text(v, "the path of a file")? {
        "" => Err(Problem::new("is empty", "write the path of a file")),
        path => Ok(PathBuf::from(path)),
    });
    let json = json(&mut section);
    section.finish();
    Some(File { path: path?, json: json? })
}
