//! The place in a lane that a task is given by hand: what its handler says of lanes, but for what is said here.

use std::time::Duration;

use becket_tasks::{Debounce, Lane, Latest, OnRetry, Policy};
use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use crate::config::{DEBOUNCE_MAX, DEBOUNCE_MAX_MAX, DEBOUNCES};
use crate::http::problem::Problem;

/// What a task that waits for its retry means for those behind it in its lane.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnRetryWord {
    /// They wait as well.
    Hold,
    /// They pass.
    Pass,
}

/// What was said of a lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InLane<'a> {
    pub(super) lane: Option<&'a str>,
    pub(super) on_retry: Option<OnRetryWord>,
    /// Which older tasks of its lane it replaces; `Some(None)`: none, whatever the handler says.
    pub(super) latest: Option<Option<Latest>>,
    pub(super) debounce: Option<Duration>,
    pub(super) debounce_max: Option<Duration>,
}

impl InLane<'_> {
    /// Whether it makes sense.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let said = [
            ("on_retry", self.on_retry.is_some()),
            ("latest", self.latest.is_some()),
            ("debounce", self.debounce.is_some()),
        ];
        if let Some((field, _)) = said.into_iter().find(|(_, is_said)| *is_said && self.lane.is_none()) {
            return Err(Problem::unprocessable(format!("{field}: says what happens in a lane; give `lane`, too")));
        }
        if self.debounce_max.is_some() && self.debounce.is_none() {
            return Err(Problem::unprocessable("debounce_max: bounds a wait for quiet; give `debounce`, too"));
        }
        for (field, given, most) in
            [("debounce", self.debounce, DEBOUNCE_MAX), ("debounce_max", self.debounce_max, DEBOUNCE_MAX_MAX)]
        {
            if given.is_some_and(|given| given < Duration::from_millis(1) || given > most) {
                let most = humantime::format_duration(most);
                return Err(Problem::unprocessable(format!("{field}: not from 1ms to {most}")));
            }
        }
        if self.debounce_max.zip(self.debounce).is_some_and(|(max, quiet)| max < quiet) {
            return Err(Problem::unprocessable("debounce_max: is shorter than `debounce`"));
        }
        Ok(())
    }

    /// The place; `None` where the handler is to say which.
    pub(super) fn lane(&self, policy: Option<&Policy>) -> Option<Lane> {
        let of_handler = policy.and_then(|policy| policy.lane.as_ref());
        let name = self.lane?;
        let mut lane = of_handler.map_or_else(|| Lane::new(name), |lane| lane.lane(name.into()));
        lane.on_retry = match self.on_retry {
            Some(OnRetryWord::Hold) => OnRetry::Hold,
            Some(OnRetryWord::Pass) => OnRetry::Pass,
            None => lane.on_retry,
        };
        lane.latest = self.latest.unwrap_or(lane.latest);
        if let Some(quiet) = self.debounce {
            let max = self.debounce_max.unwrap_or_else(|| quiet.saturating_mul(DEBOUNCES));
            lane.debounce = Some(Debounce { quiet, max });
        }
        Some(lane)
    }
}

/// Reads `latest`: `true`, `false` or `stop_running`.
pub(super) fn latest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Latest>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Word {
        Flag(bool),
        Text(String),
    }
    match Option::<Word>::deserialize(deserializer) {
        Ok(None) => Ok(None),
        Ok(Some(Word::Flag(yes))) => Ok(Some(yes.then_some(Latest::Waiting))),
        Ok(Some(Word::Text(text))) if text == "stop_running" => Ok(Some(Some(Latest::Running))),
        _ => Err(de::Error::custom("write true, false or \"stop_running\"")),
    }
}
