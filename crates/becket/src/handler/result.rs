//! What handlers return: nothing, a value to keep as the task's result, or an error.

use becket_tasks::TaskError;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::extract::Json;

/// The value of a handler.
///
/// Implemented for `()`, `&'static str`, `String`, [`serde_json::Value`], [`Json<T>`], and for `Result<T, E>` of any `T`
/// that serde can write and any `E` that becomes a [`TaskError`] (every [`std::error::Error`] does).
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not the value of a handler",
    note = "return `()`, text, `serde_json::Value`, `Json<T>`, or `Result<T, TaskError>` with a `T: Serialize`"
)]
pub trait IntoResult {
    /// The JSON to keep as the task's result, if there is any, or what went wrong.
    ///
    /// # Errors
    /// The handler's own error, or a value that cannot be written as JSON; the latter is not retried.
    fn into_result(self) -> Result<Option<Bytes>, TaskError>;
}

impl IntoResult for () {
    fn into_result(self) -> Result<Option<Bytes>, TaskError> {
        Ok(None)
    }
}

impl IntoResult for &'static str {
    fn into_result(self) -> Result<Option<Bytes>, TaskError> {
        written(&self)
    }
}

impl IntoResult for String {
    fn into_result(self) -> Result<Option<Bytes>, TaskError> {
        written(&self)
    }
}

impl IntoResult for Value {
    fn into_result(self) -> Result<Option<Bytes>, TaskError> {
        written(&self)
    }
}

impl<T: Serialize> IntoResult for Json<T> {
    fn into_result(self) -> Result<Option<Bytes>, TaskError> {
        written(&self.0)
    }
}

impl<T: Serialize, E: Into<TaskError>> IntoResult for Result<T, E> {
    fn into_result(self) -> Result<Option<Bytes>, TaskError> {
        self.map_err(Into::into).and_then(|value| written(&value))
    }
}

/// Writes a result; `null`, which is what `()` becomes, counts as none.
fn written<T: Serialize>(value: &T) -> Result<Option<Bytes>, TaskError> {
    let json = serde_json::to_vec(value)
        .map_err(|error| TaskError::give_up(format!("the handler's value cannot be written as JSON: {error}")))?;
    Ok((json != b"null").then(|| json.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    fn text(outcome: impl IntoResult) -> Option<String> {
        outcome.into_result().unwrap().map(|json| String::from_utf8(json.to_vec()).unwrap())
    }

    #[test]
    fn values_become_json_and_nothing_stays_nothing() {
        assert_eq!(text(()), None);
        assert_eq!(text(Ok::<_, TaskError>(())), None);
        assert_eq!(text("done").as_deref(), Some("\"done\""));
        assert_eq!(text(String::from("done")).as_deref(), Some("\"done\""));
        assert_eq!(text(json!({"a": 1})).as_deref(), Some("{\"a\":1}"));
        assert_eq!(text(Json(vec![1, 2])).as_deref(), Some("[1,2]"));
        assert_eq!(text(Ok::<_, TaskError>(Json(7))).as_deref(), Some("7"));
    }

    #[test]
    fn any_error_becomes_a_task_error() {
        let error = "x".parse::<u8>().into_result().unwrap_err();
        assert_eq!(error.message(), "invalid digit found in string");
    }

    #[test]
    fn value_that_is_no_json_is_not_retried() {
        let error = Json(HashMap::from([(vec![1], 2)])).into_result().unwrap_err();
        assert_eq!(error.follow(), becket_tasks::retry::Follow::GiveUp);
    }
}
