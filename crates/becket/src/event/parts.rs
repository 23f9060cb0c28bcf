//! What many events carry: accounts, repositories, labels, the installation.

use serde::{Deserialize, Serialize};

use super::Extra;

/// A user, bot, organization or enterprise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The name in URLs; it can change, the id cannot.
    pub login: String,
    /// GitHub's number for it.
    pub id: u64,
    /// `User`, `Bot`, `Organization` …
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Repository {
    /// GitHub's number for it.
    pub id: u64,
    /// The name without the owner.
    pub name: String,
    /// `owner/name`.
    pub full_name: String,
    /// Whether only members see it.
    #[serde(default)]
    pub private: bool,
    /// Who owns it. `push` deliveries for some owners leave out the login, so it may be missing.
    #[serde(default, deserialize_with = "account_if_complete", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Account>,
    /// The branch that work lands on.
    #[serde(default)]
    pub default_branch: Option<String>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A label of an issue or pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Label {
    /// Its text.
    pub name: String,
    /// Six hexadecimal digits.
    #[serde(default)]
    pub color: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The App's installation that a delivery belongs to; webhooks that are not an App's have none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstallationRef {
    /// GitHub's number for it.
    pub id: u64,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Reads an account, or nothing where what is there lacks the fields of one.
pub(super) fn account_if_complete<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Account>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}
