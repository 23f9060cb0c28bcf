//! `ping`: GitHub tries a new webhook. <https://docs.github.com/webhooks/webhook-events-and-payloads#ping>

use serde::{Deserialize, Serialize};

use super::{Account, Extra, Repository};

/// GitHub tries a webhook that was just made. It may belong to a repository, an organization or an App.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PingEvent {
    /// A sentence of GitHub wisdom.
    #[serde(default)]
    pub zen: Option<String>,
    /// The webhook's number.
    #[serde(default)]
    pub hook_id: Option<u64>,
    /// How the webhook is set up.
    #[serde(default)]
    pub hook: Option<serde_json::Value>,
    /// Its repository, where it is one's.
    #[serde(default)]
    pub repository: Option<Repository>,
    /// Who made it.
    #[serde(default)]
    pub sender: Option<Account>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}
