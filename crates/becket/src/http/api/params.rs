//! Reading a query string, so that an error names the parameter.

use axum::extract::{FromRequestParts, Query};
use becket_tasks::State;
use http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::http::problem::Problem;

/// The parameters of a query. Unknown ones are errors: a filter that is misspelt must not mean "all".
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(params) = Query::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = rejection.body_text();
            // `Failed to deserialize query string: limit: …`; what matters begins with the parameter's name.
            let detail = text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail);
            Problem::bad_request(detail).at(parts.uri.path())
        })?;
        Ok(Self(params))
    }
}

/// Several states, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct States(pub(super) Vec<State>);

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(str::parse).collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

/// An event as people write it, `issues` or `issues.opened`, apart into event and action.
pub(super) fn event_and_action<'t>(
    event: Option<&'t str>,
    action: Option<&'t str>,
) -> (Option<&'t str>, Option<&'t str>) {
    match (event, action) {
        (Some(event), None) => match event.split_once('.') {
            Some((event, action)) => (Some(event), Some(action)),
            None => (Some(event), None),
        },
        both => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_taken_apart_at_its_first_full_stop() {
        assert_eq!(event_and_action(Some("issues"), None), (Some("issues"), None));
        assert_eq!(event_and_action(Some("issues.opened"), None), (Some("issues"), Some("opened")));
        assert_eq!(event_and_action(Some("invoice.paid.late"), None), (Some("invoice"), Some("paid.late")));
        assert_eq!(event_and_action(Some("a.b"), Some("c")), (Some("a.b"), Some("c")));
        assert_eq!(event_and_action(Some(""), None), (Some(""), None), "matches nothing, rather than everything");
    }
}
