//! The payload of a task as a type: [`Event`], [`Payload`] and [`Json`].
//!
//! All three read JSON; which one to take says what the reader of a handler should think of. What cannot be read ends
//! the task, since another attempt would read the same. The error says where it does not fit and quotes nothing.

use becket_tasks::TaskError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{FromTask, TaskInput};

/// The delivery's payload as a typed view such as [`IssuesEvent`](crate::event::IssuesEvent), or a type of your own.
#[derive(Clone, Copy, Debug)]
pub struct Event<T>(pub T);

/// The delivery's payload as it came: every field, as [`serde_json::Value`], or as any `T`.
#[derive(Clone, Copy, Debug)]
pub struct Payload<T = Value>(pub T);

/// JSON in and out: the arguments of a task that was enqueued by hand, or the value of a handler.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send> FromTask for Event<T> {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        read(&input.json()?).map(Self)
    }
}

impl<T: DeserializeOwned + Send> FromTask for Payload<T> {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        read(&input.json()?).map(Self)
    }
}

impl<T: DeserializeOwned + Send> FromTask for Json<T> {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        read(&input.json()?).map(Self)
    }
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, TaskError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let what = std::any::type_name::<T>();
        let what = what.rsplit("::").next().unwrap_or(what);
        TaskError::give_up(format!("the payload is no {what}: {}", unfit(&error)))
    })
}

/// Says where and how a payload does not fit. serde's own text is used only where it names our fields and not the
/// sender's values: payloads never reach an error's text.
fn unfit(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, inner) = (error.path(), error.inner());
    let text = inner.to_string();
    let how = match text.split_once(" at line ") {
        Some((missing, _)) if missing.starts_with("missing field ") => missing,
        _ if inner.is_data() => "another type was expected",
        _ => "it is not JSON",
    };
    format!("{how} at `{path}`, line {}, column {}", inner.line(), inner.column())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer {
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        number: u32,
    }

    #[test]
    fn payload_that_does_not_fit_says_where_and_quotes_nothing() {
        let table = [
            (r#"{"inner":{}}"#, "the payload is no Outer: missing field `number` at `inner`, line 1, column 11"),
            (
                r#"{"inner":{"number":"s3cret"}}"#,
                "the payload is no Outer: another type was expected at `inner.number`, line 1, column 27",
            ),
            (r#"{"inner":s3cret"#, "the payload is no Outer: it is not JSON at `inner`, line 1, column 10"),
        ];
        for (json, expected) in table {
            let error = read::<Outer>(json.as_bytes()).unwrap_err();
            assert_eq!(error.message(), expected);
            assert_eq!(error.follow(), becket_tasks::retry::Follow::GiveUp);
        }
    }

    #[test]
    fn payload_that_fits_is_read() {
        assert_eq!(read::<Outer>(br#"{"inner":{"number":7},"more":[]}"#).unwrap().inner.number, 7);
    }
}
