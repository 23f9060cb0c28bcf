//! URLs: plain ones, and templates of them.

use reqwest::Url;

use super::super::error::Problem;
use super::super::layers::Value;
use super::super::origin::MASK;
use super::super::values::{self, Parsed};
use crate::target::UrlTemplate;

const RULE: &str = "write an http:// or https:// URL with a host, without user name or password";

/// An `http` or `https` URL.
pub(in super::super) fn plain_url(value: &Value) -> Parsed<Url> {
    let url = Url::parse(values::text(value, "a URL such as \"https://example.org/hook\"")?)
        .map_err(|error| Problem::new(format!("is not a URL ({error})"), RULE))?;
    check(&url)?;
    Ok(url)
}

/// The same that may have placeholders after its host.
pub(super) fn template(value: &Value) -> Parsed<UrlTemplate> {
    let text = values::text(value, "a URL such as \"https://example.org/hook\"")?;
    // It is not quoted: it may hold a password.
    let template = UrlTemplate::parse(text).map_err(|error| match error.template() {
        Some(error) => {
            Problem::new(format!("is not a template: {} at column {}", error.what(), error.column()), error.mend())
        }
        None => Problem::new(error.to_string(), RULE),
    })?;
    check(template.sample())?;
    Ok(template)
}

/// One with a password is refused and not quoted: URLs are logged, and it would be too.
fn check(url: &Url) -> Parsed<()> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new("the URL holds a user name or a password", RULE));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::new(format!("`{}:` is not a way to post", url.scheme()), RULE));
    }
    Ok(())
}

pub(super) fn shown(url: &UrlTemplate) -> String {
    masked(url.sample())
}

/// A URL as it is shown. Its path and query often hold a token.
pub(in super::super) fn masked(url: &Url) -> String {
    let (scheme, host) = (url.scheme(), url.authority());
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        return format!("{scheme}://{host}/");
    }
    format!("{scheme}://{host}/{MASK}")
}
