//! The keys of a source that only some kinds have: what makes its dialect.

use std::sync::Arc;

use becket_webhooks::signature::{Algorithm, Encoding};
use becket_webhooks::{AzureAuth, Custom, CustomError, Dialect, Kind};

use super::super::error::Problem;
use super::super::layers::Value;
use super::super::read::Section;
use super::super::values::{Parsed, text, word};

/// Those of `custom`.
const OF_CUSTOM: [&str; 9] =
    ["signature", "algorithm", "encoding", "prefix", "signed", "timestamp", "id", "event", "repository"];
/// That of `azure_devops`.
const HEADER: &str = "header";

/// Reads the dialect of a kind. `None` after an error, and without a kind.
pub(super) fn read(kind: Option<Kind>, section: &mut Section<'_>) -> Option<Dialect> {
    let azure = if kind == Some(Kind::AzureDevops) {
        section.optional(HEADER, header).map_or(AzureAuth::Basic, AzureAuth::Header)
    } else {
        refuse(section, HEADER, kind, "azure_devops");
        AzureAuth::Basic
    };
    if kind == Some(Kind::Custom) {
        return custom(section).map(|custom| Dialect::Custom(Arc::new(custom)));
    }
    for key in OF_CUSTOM {
        refuse(section, key, kind, "custom");
    }
    match kind? {
        Kind::AzureDevops => Some(Dialect::AzureDevops(azure)),
        kind => Dialect::of(kind),
    }
}

/// Refuses all of these keys.
pub(super) fn foreign(section: &mut Section<'_>, why: &str) {
    for key in OF_CUSTOM.into_iter().chain([HEADER]) {
        if section.take(key).is_some() {
            section.problem(key, Problem::new(format!("does not belong here: {why}"), "remove this key"));
        }
    }
}

/// Refuses a key of another kind; without a kind it may be the right one.
fn refuse(section: &mut Section<'_>, key: &'static str, kind: Option<Kind>, owner: &str) {
    if section.take(key).is_some()
        && let Some(kind) = kind
    {
        let what = format!("is a key of `{owner}` sources, and this one is of the kind `{kind}`");
        section.problem(key, Problem::new(what, format!("remove it, or write kind = \"{owner}\"")));
    }
}

fn header(value: &Value) -> Parsed<http::HeaderName> {
    const RULE: &str = "a header's name, such as \"X-Becket-Secret\"";
    let name = text(value, RULE)?;
    name.parse().map_err(|_| {
        Problem::new(format!("`{}` is not the name of a header", name.escape_debug()), format!("write {RULE}"))
    })
}

fn custom(section: &mut Section<'_>) -> Option<Custom> {
    let written = |wanted: &'static str| move |value: &Value| text(value, wanted).map(str::to_owned);
    let place = "a header's name or a JSON Pointer";
    let signature = section.wanted("signature", "signature = \"X-Acme-Signature\"", written("a header's name"));
    let algorithm = section.or("algorithm", (Algorithm::Sha256, "sha256"), algorithm);
    let encoding = section.or("encoding", (Encoding::Hex, "hex"), encoding);
    let prefix = section.optional("prefix", written("what stands before the signature"));
    let signed = section.or("signed", ("{body}".to_owned(), "{body}"), written("the signed text, such as \"{body}\""));
    let timestamp = section.optional("timestamp", written("a header's name"));
    let id = section.wanted("id", "id = \"X-Acme-Delivery\", or a JSON Pointer such as \"/id\"", written(place));
    let event =
        section.wanted("event", "event = \"X-Acme-Event\", or a JSON Pointer such as \"/type\"", written(place));
    let repository = section.optional("repository", written(place));

    let (signature, signed, id, event) = (signature?, signed?, id?, event?);
    let made = Custom::new(&signature, &id, &event)
        .and_then(|custom| custom.signed(&signed))
        .and_then(|custom| timestamp.iter().try_fold(custom, |custom, name| custom.timestamp(name)))
        .and_then(|custom| repository.iter().try_fold(custom, |custom, at| custom.repository(at)));
    let made = made.and_then(|custom| {
        custom
            .algorithm(algorithm.unwrap_or(Algorithm::Sha256))
            .encoding(encoding.unwrap_or(Encoding::Hex))
            .prefix(prefix.unwrap_or_default())
            .checked()
    });
    made.map_err(|error: CustomError| section.problem(error.key(), Problem::new(error.what(), error.mend()))).ok()
}

fn algorithm(value: &Value) -> Parsed<Algorithm> {
    word(value, &[("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)])
}

fn encoding(value: &Value) -> Parsed<Encoding> {
    word(value, &[("hex", Encoding::Hex), ("base64", Encoding::Base64)])
}
