//! Settings of a sender of one's own: any that puts an HMAC into a header.
//!
//! Only what is configured, checked when it is made; how a request is verified with it is in `source/custom.rs`.

mod template;

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

pub(crate) use self::template::{Part, Template};

use crate::body::Pointer;
use crate::signature::{Algorithm, Encoding, Spelling};

/// Where something is said: in a header, or in a field of the body.
///
/// A text that begins with `/` is a [JSON Pointer](https://www.rfc-editor.org/rfc/rfc6901), any other a header's name.
///
/// ```
/// use becket_webhooks::Place;
///
/// let header: Place = "X-Acme-Delivery".parse()?;
/// let field: Place = "/data/id".parse()?;
/// assert_eq!((header.to_string(), field.to_string()), ("x-acme-delivery".to_owned(), "/data/id".to_owned()));
/// assert!("no header".parse::<Place>().is_err());
/// # Ok::<_, becket_webhooks::PlaceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub(crate) In);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum In {
    Header(HeaderName),
    Body(Pointer),
}

/// A text is neither a header's name nor a JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is neither the name of a header nor a JSON Pointer", .0.escape_debug())]
pub struct PlaceError(String);

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let place =
            if text.starts_with('/') { text.parse().ok().map(In::Body) } else { text.parse().ok().map(In::Header) };
        place.map(Self).ok_or_else(|| PlaceError(text.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            In::Header(name) => f.write_str(name.as_str()),
            In::Body(pointer) => f.write_str(&pointer.written()),
        }
    }
}

/// How to verify and read the requests of a sender of one's own.
///
/// ```
/// use becket_webhooks::{Custom, Dialect, Secrets, Source};
///
/// let acme = Custom::new("X-Acme-Signature", "X-Acme-Delivery", "/type")?
///     .signed("{timestamp}.{body}")?
///     .timestamp("X-Acme-Timestamp")?
///     .checked()?;
/// let source = Source::new("acme", Dialect::Custom(acme.into()), Secrets::new(["secret"])?)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custom {
    pub(crate) signature: HeaderName,
    pub(crate) spelling: Spelling,
    pub(crate) signed: Template,
    pub(crate) timestamp: Option<HeaderName>,
    pub(crate) id: Place,
    pub(crate) event: Place,
    pub(crate) repository: Option<Place>,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}; {mend}")]
pub struct CustomError {
    key: &'static str,
    what: String,
    mend: &'static str,
}

impl CustomError {
    fn new(key: &'static str, what: impl Into<String>, mend: &'static str) -> Self {
        Self { key, what: what.into(), mend }
    }

    /// Returns the setting that is wrong, as it is called in configuration: `signed`.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Returns what is wrong with it.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns what to write.
    pub fn mend(&self) -> &'static str {
        self.mend
    }
}

impl Custom {
    /// A sender that puts the hex of an HMAC-SHA256 of the body into the header `signature`, its id of the delivery at
    /// `id`, and what happened at `event`; the last two as [`Place`]s.
    ///
    /// # Errors
    /// [`CustomError`] names the setting.
    pub fn new(signature: &str, id: &str, event: &str) -> Result<Self, CustomError> {
        let spelling = Spelling { prefix: "".into(), ..Spelling::BARE_HEX };
        Ok(Self {
            signature: header("signature", signature)?,
            spelling,
            signed: Template::body(),
            timestamp: None,
            id: place("id", id)?,
            event: place("event", event)?,
            repository: None,
        })
    }

    /// Sets the hash function. Default: SHA-256.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.spelling.algorithm = algorithm;
        self
    }

    /// Sets how the signature is written. Default: lower-case hex.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.spelling.encoding = encoding;
        self
    }

    /// Sets what stands before the signature in its header, such as `sha256=`. Default: nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.spelling.prefix = prefix.into().into();
        self
    }

    /// Sets the text that is signed: `{body}` once, and `{id}` and `{timestamp}` where the sender signs them too. Any
    /// other text stands for itself. Default: `{body}`.
    ///
    /// # Errors
    /// [`CustomError`] when the template cannot be read.
    pub fn signed(mut self, template: &str) -> Result<Self, CustomError> {
        let mend = "write the signed text with `{body}` once and, where they are signed, `{id}` and `{timestamp}`";
        self.signed = template.parse().map_err(|what: &str| CustomError::new("signed", what, mend))?;
        Ok(self)
    }

    /// Sets the header with the time of sending, in whole seconds of Unix time. Default: none.
    ///
    /// # Errors
    /// [`CustomError`] when it is not the name of a header.
    pub fn timestamp(mut self, name: &str) -> Result<Self, CustomError> {
        self.timestamp = Some(header("timestamp", name)?);
        Ok(self)
    }

    /// Sets where the repository is named. Default: nowhere.
    ///
    /// # Errors
    /// [`CustomError`] when it is no [`Place`].
    pub fn repository(mut self, at: &str) -> Result<Self, CustomError> {
        self.repository = Some(place("repository", at)?);
        Ok(self)
    }

    /// Checks that the settings go together.
    ///
    /// # Errors
    /// [`CustomError`] when a timestamp is configured that nobody signs, or signed and not configured, and when an id is
    /// signed that stands in the body.
    pub fn checked(self) -> Result<Self, CustomError> {
        let signs = |part| self.signed.parts().contains(&part);
        match (&self.timestamp, signs(Part::Timestamp)) {
            (None, true) => {
                return Err(CustomError::new(
                    "timestamp",
                    "is not set, and `signed` has `{timestamp}`",
                    "name the header that the timestamp is in",
                ));
            }
            (Some(_), false) => {
                return Err(CustomError::new(
                    "timestamp",
                    "is not part of the signed text, so anybody could change it",
                    "write `{timestamp}` into `signed`, as the sender signs it, or remove this key",
                ));
            }
            _ => {}
        }
        if signs(Part::Id) && matches!(self.id.0, In::Body(_)) {
            return Err(CustomError::new(
                "id",
                "stands in the body, which is not read before the signature was found right",
                "name a header, or remove `{id}` from `signed`: the body is signed anyway",
            ));
        }
        Ok(self)
    }

    /// Whether the sender signs the time.
    pub fn signs_time(&self) -> bool {
        self.timestamp.is_some()
    }
}

fn header(key: &'static str, name: &str) -> Result<HeaderName, CustomError> {
    let mend = "write a header's name, such as \"X-Acme-Signature\"";
    name.parse()
        .map_err(|_| CustomError::new(key, format!("`{}` is not the name of a header", name.escape_debug()), mend))
}

fn place(key: &'static str, text: &str) -> Result<Place, CustomError> {
    let mend = "write a header's name, such as \"X-Acme-Event\", or a JSON Pointer, such as \"/data/id\"";
    text.parse().map_err(|error: PlaceError| CustomError::new(key, error.to_string(), mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> Custom {
        Custom::new("X-Signature", "X-Id", "/type").unwrap()
    }

    fn complaint(made: Result<Custom, CustomError>) -> String {
        made.and_then(Custom::checked).unwrap_err().to_string()
    }

    #[test]
    fn settings_that_cannot_be_meant_name_the_key() {
        assert!(
            complaint(Custom::new("a b", "X-Id", "/t")).starts_with("signature: `a b` is not the name of a header")
        );
        assert!(complaint(Custom::new("X-S", "", "/t")).starts_with("id: `` is neither the name of a header"));
        assert!(complaint(Custom::new("X-S", "X-Id", "/~2")).starts_with("event: `/~2` is neither"));
        assert!(complaint(acme().signed("{timestamp}.{body}")).starts_with("timestamp: is not set"));
        assert!(complaint(acme().timestamp("X-T")).starts_with("timestamp: is not part of the signed text"));
        assert!(complaint(acme().signed("{id}")).starts_with("signed: "));
        let id_in_body = Custom::new("X-S", "/id", "/type").and_then(|custom| custom.signed("{id}.{body}"));
        assert!(complaint(id_in_body).starts_with("id: stands in the body"));
    }

    #[test]
    fn settings_that_go_together_are_taken() {
        let made = acme().signed("{id}.{timestamp}.{body}").unwrap().timestamp("X-Time").unwrap();
        assert!(made.clone().checked().unwrap().signs_time());
        assert!(!acme().checked().unwrap().signs_time());
    }
}
