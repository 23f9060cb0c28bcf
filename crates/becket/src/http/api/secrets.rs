//! Secrets: when each was last used, and whether it can go. Never what it is.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use becket_tasks::Timestamp;
use becket_webhooks::{Secret, Source, Validity};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::params::Params;
use crate::http::problem::Problem;
use crate::http::secrets::droppable::{QUIET, Verdict, droppable};

/// One secret of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SecretView {
    /// Its place in the configuration, 0 being the newest; as in `becket_secret_matches_total`.
    #[schema(example = 1)]
    place: usize,
    /// Its name, where it has one.
    #[schema(example = "2026")]
    name: Option<String>,
    /// From when on it counts.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Timestamp>,
    /// Since when it counts no longer.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_after: Option<Timestamp>,
    /// `not_yet`, `active` or `expired`.
    #[schema(value_type = String, example = "active")]
    state: &'static str,
    /// Since when its uses are counted.
    #[schema(value_type = String, format = DateTime)]
    watched_since: Timestamp,
    /// When a request was last signed with it; `null` for never since then.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// How many requests were.
    used: u64,
    /// Whether it can be taken out of the configuration without refusing a sender.
    safe_to_drop: bool,
    /// Why, or why not.
    #[schema(example = "last used 2h ago; wait until it has been quiet for 7days")]
    reason: String,
}

/// The secrets of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceSecrets {
    /// The source's name.
    #[schema(example = "github")]
    source: String,
    /// How it signs.
    #[schema(value_type = String, example = "github")]
    kind: &'static str,
    /// Whether it accepts what nobody signed; it has no secrets then.
    accepts_unsigned: bool,
    /// Newest first.
    secrets: Vec<SecretView>,
}

/// The secrets of all sources.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed {
    /// A source each.
    items: Vec<SourceSecrets>,
}

/// How careful to be.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// How long a secret must have been quiet to be dropped, such as `3days`. Default: 7 days.
    #[param(example = "7days")]
    quiet: Option<String>,
}

/// Lists the secrets of all sources: when each counts, when it was last used, and whether it is safe to drop. What this process
/// has not written yet is written first.
#[utoipa::path(get, path = "/api/v1/secrets", tag = "configuration", operation_id = "list_secrets", params(Asked), responses(
    (status = 200, description = "All of them, on one page.", body = Listed),
    (status = "default", response = Problem),
))]
pub(super) async fn list(
    State(api): State<Shared>,
    Params(Asked { quiet }): Params<Asked>,
    uri: Uri,
) -> Result<Json<Listed>, Problem> {
    let quiet = quiet.as_deref().map_or(Ok(QUIET), duration).map_err(|problem| problem.at(uri.path()))?;
    let sources = &*api.context.senders;
    let seen = api.context.secrets.seen(sources).await?;
    let now = api.store().clock().now();
    let mut items = Vec::with_capacity(sources.len());
    for (source, marks) in sources.iter().zip(seen) {
        let all: Vec<_> = source.secrets().iter().map(Secret::window).zip(marks).collect();
        let view = |(place, secret): (usize, &Secret)| {
            let Verdict { safe, reason } = droppable(place, &all, now, quiet);
            let (window, mark) = &all[place];
            SecretView {
                place,
                name: secret.name().map(str::to_owned),
                not_before: window.not_before.map(Timestamp::from_millis),
                not_after: window.not_after.map(Timestamp::from_millis),
                state: match window.at(now.as_millis()) {
                    Validity::NotYet => "not_yet",
                    Validity::Active => "active",
                    Validity::Expired => "expired",
                },
                watched_since: mark.since,
                last_used_at: mark.last,
                used: mark.count,
                safe_to_drop: safe,
                reason,
            }
        };
        items.push(of(source, source.secrets().iter().enumerate().map(view).collect()));
    }
    Ok(Json(Listed { items }))
}

fn of(source: &Source, secrets: Vec<SecretView>) -> SourceSecrets {
    SourceSecrets {
        source: source.name().to_owned(),
        kind: source.kind().as_str(),
        accepts_unsigned: source.accepts_unsigned(),
        secrets,
    }
}

fn duration(text: &str) -> Result<Duration, Problem> {
    let shown: String = text.chars().take(40).collect();
    humantime::parse_duration(text)
        .map_err(|_| Problem::bad_request(format!("quiet: `{shown}` is not a duration; write one such as 7days")))
}
