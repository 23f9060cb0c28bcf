//! A target that sends requests.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use super::super::error::Problem;
use super::super::layers::Value;
use super::super::read::Section;
use super::super::values::{self, Parsed};
use super::super::{json, secrets};
use super::limits::{self, Limits};
use super::url;
use crate::target::{HeaderTemplate, TextError, UrlTemplate, check_json, check_text};

/// How long connecting may take where nothing else is said.
const CONNECT_TIMEOUT: (Duration, &str) = (Duration::from_secs(10), "10s");
/// How long an unused connection is kept where nothing else is said.
const POOL_IDLE_TIMEOUT: (Duration, &str) = (Duration::from_secs(90), "90s");
/// How many unused connections are kept where nothing else is said.
const POOL_IDLE_MAX: usize = 32;
/// How much of an answer is kept where nothing else is said, in bytes.
const KEEP_BODY: (usize, &str) = (16 * 1_024, "16KiB");

/// Where a request goes, what it says, and what is kept of the answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Http {
    /// Where to.
    pub url: UrlTemplate,
    /// Whether it may lead to a private, loopback or link-local address.
    pub allow_private: bool,
    /// Signs what is sent, as Standard Webhooks: `whsec_` and base64.
    pub secret: Option<SecretString>,
    /// The method.
    pub method: Method,
    /// Headers of its own, by their names in lower case; the values are templates.
    pub headers: BTreeMap<String, SecretString>,
    /// What is sent.
    pub body: Body,
    /// How long the request may take until its answer is there. `None`: as long as the attempt may.
    pub timeout: Option<Duration>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// A file of certificates in PEM that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Which HTTP is spoken.
    pub version: HttpVersion,
    /// How long an unused connection is kept.
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept.
    pub pool_idle_max: usize,
    /// How much of an answer's body is kept, in bytes.
    pub keep_body: usize,
    /// Which headers of an answer are kept, in lower case.
    pub keep_headers: Vec<String>,
    /// What it lets in.
    pub limits: Limits,
}

impl Http {
    /// A target with the defaults: posts the original body and headers.
    #[must_use]
    pub fn new(url: UrlTemplate) -> Self {
        Self {
            url,
            allow_private: false,
            secret: None,
            method: Method::Post,
            headers: BTreeMap::new(),
            body: Body::Original,
            timeout: None,
            connect_timeout: CONNECT_TIMEOUT.0,
            ca_file: None,
            version: HttpVersion::Any,
            pool_idle_timeout: POOL_IDLE_TIMEOUT.0,
            pool_idle_max: POOL_IDLE_MAX,
            keep_body: KEEP_BODY.0,
            keep_headers: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// The usual one.
    Post,
    /// Replaces what is there.
    Put,
    /// Changes what is there.
    Patch,
    /// Without a body.
    Delete,
}

impl Method {
    const WORDS: [(&'static str, Self); 5] = [
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("GET", Self::Get),
        ("DELETE", Self::Delete),
    ];

    /// Whether a request has a body.
    #[must_use]
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// What is sent. `Debug` shows none of it: it may hold a token.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// The bytes as they came, with the headers that came with them.
    Original,
    /// A template of a text, known to parse.
    Text(String),
    /// JSON whose texts are templates, known to parse.
    Json(Map<String, Json>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "Original",
            Self::Text(_) => "Text(a template)",
            Self::Json(_) => "Json(a table)",
        })
    }
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    Any,
    /// HTTP/1.1 alone.
    One,
    /// HTTP/2 alone, also without TLS.
    Two,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Http> {
    let url = section.wanted_as("http", "http = \"https://…\"", url::template, |_, url| url::shown(url));
    let allow_private = section.or("allow_private", (false, false), values::boolean);
    let secret = section.secret("secret", secrets::whsec);
    let method = section.or("method", (Method::Post, "POST"), |v| values::word(v, &Method::WORDS));
    let headers = section.secrets_by_name("headers", header);
    let body = body(&mut section, method);
    let timeout = section.optional("timeout", |v| values::duration(v, "1ms", "7days"));
    let connect_timeout = section.or("connect_timeout", CONNECT_TIMEOUT, |v| values::duration(v, "1ms", "10m"));
    let ca_file = section.optional("ca_file", |v| values::text(v, "the path of a PEM file").map(PathBuf::from));
    let version = section.or("http_version", (HttpVersion::Any, "any"), |v| {
        values::word(v, &[("any", HttpVersion::Any), ("1.1", HttpVersion::One), ("2", HttpVersion::Two)])
    });
    let idle = section.or("pool_idle_timeout", POOL_IDLE_TIMEOUT, |v| values::duration(v, "0s", "1day"));
    let pool_idle_max = section.or("pool_idle_max", (POOL_IDLE_MAX, POOL_IDLE_MAX), |v| values::integer(v, 0..=10_000));
    let keep_body = section.or("keep_body", KEEP_BODY, |v| values::size(v, "0B", "128KiB"));
    let keep_headers = if section.has("keep_headers") {
        section.list("keep_headers", |v| header_name(values::text(v, "the name of a header")?))
    } else {
        section.or("keep_headers", (Vec::new(), "(not set)"), |_| Ok(Vec::new()))
    };
    let limits = limits::read(&mut section);
    section.finish();
    Some(Http {
        url: url?,
        allow_private: allow_private?,
        secret,
        method: method?,
        headers,
        body: body?,
        timeout,
        connect_timeout: connect_timeout?,
        ca_file,
        version: version?,
        pool_idle_timeout: idle?,
        pool_idle_max: pool_idle_max?,
        keep_body: keep_body?,
        keep_headers: keep_headers?,
        limits: limits?,
    })
}

/// `json`, `body` or neither.
fn body(section: &mut Section<'_>, method: Option<Method>) -> Option<Body> {
    let (has_text, has_json) = (section.has("body"), section.has("json"));
    let text = section.optional_as("body", body_text, |_, _| "(a template)".to_owned());
    let json = json(section)?;
    if has_text && has_json {
        section.problem("json", Problem::new("cannot be given together with `body`", "remove one of the two"));
    }
    let bodiless = method.is_some_and(|method| !method.has_body());
    for (key, _) in [("body", has_text), ("json", has_json)].into_iter().filter(|(_, is_given)| *is_given && bodiless) {
        let what = "is never sent: GET and DELETE have no body";
        section.problem(key, Problem::new(what, "set method = \"POST\", or remove it"));
    }
    Some(match (text, json) {
        (Some(text), _) => Body::Text(text),
        (None, Some(json)) => Body::Json(json),
        (None, None) => Body::Original,
    })
}

fn body_text(value: &Value) -> Parsed<String> {
    let text = values::text(value, "a template such as \"{sender.login} opened {issue.html_url}\"")?;
    check_text(text).map_err(|error| problem(&error))?;
    Ok(text.to_owned())
}

/// A table whose texts are templates; `None` after an error.
pub(super) fn json(section: &mut Section<'_>) -> Option<Option<Map<String, Json>>> {
    let Some(node) = section.take("json") else {
        section.row("json", "(not set)", super::super::Origin::Default);
        return Some(None);
    };
    let origin = node.origin.clone();
    let checked = json::object(node).and_then(|object| match check_json(&object) {
        Ok(()) => Ok(object),
        Err(error) => Err(problem(&error)),
    });
    match checked {
        Ok(object) => {
            section.row("json", "(a table)", origin);
            Some(Some(object))
        }
        Err(problem) => {
            section.problem("json", problem);
            None
        }
    }
}

/// Without the template itself: it may hold a secret.
fn problem(error: &TextError) -> Problem {
    Problem::new(format!("is not a template: {} at column {}", error.what(), error.column()), error.mend())
}

/// The template of a header. Its value is never repeated: it is often a token.
fn header(name: &str, value: &Value) -> Parsed<SecretString> {
    const RULE: &str = "write the name of a header in lower case, such as \"authorization\"";
    let text = values::text(value, "the header's value")?;
    if header_name(name)? != name {
        return Err(Problem::new("is not written in lower case", RULE));
    }
    let template = HeaderTemplate::parse(name, text).map_err(|error| match error.template() {
        Some(error) => problem(error),
        None => Problem::new(error.to_string(), "choose another header, or mend the value"),
    })?;
    drop(template);
    Ok(SecretString::from(text))
}

fn header_name(text: &str) -> Parsed<String> {
    let parsed = text.parse::<::http::HeaderName>();
    let name = parsed.map_err(|_| Problem::new(format!("`{text}` is not the name of a header"), "write one"))?;
    Ok(name.as_str().to_owned())
}
