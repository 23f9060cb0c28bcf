//! From which addresses a source is received.

use becket_webhooks::Kind;
use reqwest::Url;

use super::super::error::Problem;
use super::super::layers::Value;
use super::super::read::Section;
use super::super::values::{Parsed, network, text};
use crate::http::allow_list::{Allow, META_URL};
use crate::http::networks::{Network, NetworkError};

/// The word for the addresses that GitHub publishes.
const META: &str = "github-meta";

/// One of `allow`.
enum Allowed {
    Network(Network),
    Meta,
}

/// `Some(None)` where nothing is said; `None` after an error.
pub(super) fn read(kind: Option<Kind>, section: &mut Section<'_>) -> Option<Option<Allow>> {
    let is_given = section.has("allow");
    let all = section.list("allow", allowed);
    let wants_meta = all.iter().flatten().any(|one| matches!(one, Allowed::Meta));
    if wants_meta && kind.is_some_and(|kind| kind != Kind::Github) {
        let what = format!("`{META}` is where GitHub's webhooks come from, and this source is another's");
        section.problem("allow", Problem::new(what, "name the networks of its sender"));
    }
    let has_url = section.has("meta_url");
    let url = match kind {
        // For others it would be a key that means nothing, with a value.
        Some(kind) if kind != Kind::Github && !has_url => section.optional("meta_url", url),
        _ => section.or("meta_url", (default_url(), META_URL), url),
    };
    if has_url && !wants_meta && (all.is_some() || !is_given) {
        let what = "says where to fetch a list of addresses, and nothing asks for one";
        section.problem("meta_url", Problem::new(what, format!("add allow = \"{META}\", or remove it")));
    }
    if !is_given {
        return Some(None);
    }
    let all = all?;
    let networks = all.iter().filter_map(|one| if let Allowed::Network(network) = one { Some(*network) } else { None });
    let networks = networks.collect();
    Some(Some(Allow { networks, meta: if wants_meta { url? } else { None } }))
}

fn allowed(value: &Value) -> Parsed<Allowed> {
    match text(value, "a network such as \"192.30.252.0/22\"")? {
        META => Ok(Allowed::Meta),
        _ => network(value).map(Allowed::Network).map_err(|problem| {
            let mend = format!("{}, or \"{META}\"", problem.mend);
            Problem::new(problem.what, mend)
        }),
    }
}

fn default_url() -> Option<Url> {
    Allow::meta_url(META_URL).ok()
}

fn url(value: &Value) -> Parsed<Option<Url>> {
    let text = text(value, "a URL such as \"https://api.github.com/meta\"")?;
    Allow::meta_url(text).map(Some).map_err(|error: NetworkError| Problem::new(error.what(), error.mend()))
}
