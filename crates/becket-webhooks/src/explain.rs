//! Why a request was refused: a word for machines, a sentence for people.
//!
//! Explanations are for the log and the admin API, never for the sender: to someone who guesses at signatures, each of
//! them would be a hint. They name headers and counts, and contain no secret and nothing from the body.

pub(crate) mod near_miss;

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Why a request was refused.
///
/// Serializes as an object with `reason` (stable, for metrics and filters), `sentence`, and what the reason carries:
///
/// ```
/// use becket_webhooks::Explanation;
///
/// let explanation = Explanation::MissingHeader { header: "x-github-event".into() };
/// assert_eq!(
///     serde_json::to_string(&explanation)?,
///     r#"{"reason":"missing_header","header":"x-github-event","sentence":"the header x-github-event is missing"}"#,
/// );
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// The request carries no signature at all.
    NoSignatureHeader,
    /// The request carries GitHub's legacy SHA-1 signature and no SHA-256 one.
    OnlySha1,
    /// None of the signatures has a version that is supported (Standard Webhooks: `v1`).
    OnlyOtherVersions,
    /// A header that decides about the delivery is there more than once.
    RepeatedHeader {
        /// Its name, lower case.
        header: Cow<'static, str>,
    },
    /// A header that is needed is missing.
    MissingHeader {
        /// Its name, lower case.
        header: Cow<'static, str>,
    },
    /// A header is empty, too long, or has characters that do not belong there.
    MalformedHeader {
        /// Its name, lower case.
        header: Cow<'static, str>,
    },
    /// The request is signed with GitLab's signing token, and the source has none to compare with.
    NoSigningToken,
    /// The token, password or secret that the request carries is none of those configured.
    WrongToken,
    /// The headers are those of no configured source (where one path takes the requests of several).
    UnknownSender,
    /// The signature is not written as the scheme writes signatures.
    MalformedSignature,
    /// The signature is right for a secret whose time has not come.
    SecretNotYetValid {
        /// Its place among the source's secrets, 0 being the newest.
        place: usize,
        /// Its name, where it has one.
        name: Option<Arc<str>>,
        /// From when on it counts.
        not_before: Box<str>,
    },
    /// The signature is right for a secret whose time is over.
    SecretExpired {
        /// Its place among the source's secrets, 0 being the newest.
        place: usize,
        /// Its name, where it has one.
        name: Option<Arc<str>>,
        /// Since when it counts no longer.
        not_after: Box<str>,
    },
    /// The signature is well-formed, and no configured secret gives it, nor any of the near misses below.
    WrongSecret,
    /// The signature is right for the body without its last line break: something added one on the way.
    MatchesWithoutTrailingNewline,
    /// The signature is right for the body with a line break at the end: something removed it on the way.
    MatchesWithTrailingNewline,
    /// The signature is right for the body without the byte-order mark at its start.
    MatchesWithoutByteOrderMark,
    /// The signature is right for the decoded `payload` field, not for the form body as it was sent.
    MatchesDecodedForm,
    /// The signature is right for a configured secret without the white space around it.
    MatchesTrimmedSecret,
    /// The signature is right for the text of a `whsec_` secret, used as the key without decoding it.
    MatchesUndecodedSecret,
    /// The signature is right, and its timestamp too far from this machine's clock.
    ClockSkew {
        /// Seconds from the receiver's clock to the timestamp; negative when the timestamp is in the past.
        skew_secs: i64,
        /// Seconds that are tolerated, either way.
        tolerance_secs: i64,
    },
    /// The body is of a type that the source does not send.
    UnsupportedContentType,
    /// The form body has no `payload` field, several, or one that cannot be decoded.
    MalformedForm,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not JSON, or nested deeper than 127 levels.
    InvalidJson {
        /// What the parser says, with line and column.
        detail: Box<str>,
    },
    /// The body does not begin as a JSON object does.
    NotAnObject,
    /// A field that decides about the delivery is in the body more than once.
    RepeatedField {
        /// Its name.
        field: Cow<'static, str>,
    },
    /// A field that is needed is missing in the body.
    MissingField {
        /// Its JSON Pointer.
        field: Cow<'static, str>,
    },
    /// A field of the body cannot be an id: it is too long, or has characters that do not belong there.
    MalformedField {
        /// Its JSON Pointer.
        field: Cow<'static, str>,
    },
    /// The event name or action in the body is longer than 256 bytes.
    EventTooLong,
}

impl Explanation {
    /// Returns the stable word for this reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoSignatureHeader => "no_signature_header",
            Self::OnlySha1 => "only_sha1",
            Self::OnlyOtherVersions => "only_other_versions",
            Self::RepeatedHeader { .. } => "repeated_header",
            Self::MissingHeader { .. } => "missing_header",
            Self::MalformedHeader { .. } => "malformed_header",
            Self::NoSigningToken => "no_signing_token",
            Self::WrongToken => "wrong_token",
            Self::UnknownSender => "unknown_sender",
            Self::MalformedSignature => "malformed_signature",
            Self::SecretNotYetValid { .. } => "secret_not_yet_valid",
            Self::SecretExpired { .. } => "secret_expired",
            Self::WrongSecret => "wrong_secret",
            Self::MatchesWithoutTrailingNewline => "matches_without_trailing_newline",
            Self::MatchesWithTrailingNewline => "matches_with_trailing_newline",
            Self::MatchesWithoutByteOrderMark => "matches_without_byte_order_mark",
            Self::MatchesDecodedForm => "matches_decoded_form",
            Self::MatchesTrimmedSecret => "matches_trimmed_secret",
            Self::MatchesUndecodedSecret => "matches_undecoded_secret",
            Self::ClockSkew { .. } => "clock_skew",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::MalformedForm => "malformed_form",
            Self::NotUtf8 => "not_utf8",
            Self::InvalidJson { .. } => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::RepeatedField { .. } => "repeated_field",
            Self::MissingField { .. } => "missing_field",
            Self::MalformedField { .. } => "malformed_field",
            Self::EventTooLong => "event_too_long",
        }
    }

    /// Says what happened, and what to do about it, in one sentence without a full stop.
    pub fn sentence(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NoSignatureHeader => "the request is not signed; set the secret at the sender too",
            Self::OnlySha1 => "the request has only a SHA-1 signature, which is no longer safe; SHA-256 is needed",
            Self::OnlyOtherVersions => "the request has no v1 signature; other versions are not supported",
            Self::NoSigningToken => {
                "the request is signed with GitLab's signing token, and no secret here begins with whsec_"
            }
            Self::WrongToken => "the token or password in the request is none of the configured secrets",
            Self::UnknownSender => "the headers are those of no source that is configured",
            Self::MalformedSignature => "the signature is not written as this kind of source writes it",
            Self::WrongSecret => {
                "no configured secret gives this signature; the secrets differ, or the body was changed"
            }
            Self::MatchesWithoutTrailingNewline => {
                "the signature is right without the body's last line break; something between added it"
            }
            Self::MatchesWithTrailingNewline => {
                "the signature is right with a line break after the body; something between removed it"
            }
            Self::MatchesWithoutByteOrderMark => {
                "the signature is right without the byte-order mark before the body; something between added it"
            }
            Self::MatchesDecodedForm => {
                "the signature is right for the decoded payload; the sender must sign the form as it is sent"
            }
            Self::MatchesTrimmedSecret => "the signature is right for the secret without the white space around it",
            Self::MatchesUndecodedSecret => {
                "the signature is right for the secret's text; the sender must decode the base64 after whsec_"
            }
            Self::UnsupportedContentType => "the content type is not one that this kind of source sends",
            Self::MalformedForm => "the form does not have exactly one readable payload field",
            Self::NotUtf8 => "the body is not UTF-8",
            Self::NotAnObject => "the body is not a JSON object",
            Self::EventTooLong => "the event name or action is longer than 256 bytes",
            Self::RepeatedHeader { header } => return format!("the header {header} is there more than once").into(),
            Self::MissingHeader { header } => return format!("the header {header} is missing").into(),
            Self::MalformedHeader { header } => {
                return format!("the header {header} is empty, too long, or has characters that do not belong").into();
            }
            Self::RepeatedField { field } => return format!("the body has the field {field} more than once").into(),
            Self::MissingField { field } => return format!("the body has no field {field}").into(),
            Self::MalformedField { field } => {
                return format!("the field {field} is too long for an id, or has characters that do not belong").into();
            }
            Self::SecretNotYetValid { place, name, not_before } => {
                let secret = secret(*place, name.as_deref());
                return format!("{secret} made the signature, and is valid from {not_before} on only").into();
            }
            Self::SecretExpired { place, name, not_after } => {
                let secret = secret(*place, name.as_deref());
                return format!("{secret} made the signature, and is no longer valid since {not_after}").into();
            }
            Self::InvalidJson { detail } => return format!("the body is not readable JSON: {detail}").into(),
            Self::ClockSkew { skew_secs, tolerance_secs } => return clock_skew(*skew_secs, *tolerance_secs).into(),
        })
    }
}

/// A secret as operators know it.
fn secret(place: usize, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the secret `{name}` (place {place})"),
        None => format!("the secret at place {place}"),
    }
}

fn clock_skew(skew_secs: i64, tolerance_secs: i64) -> String {
    let direction = if skew_secs < 0 { "behind" } else { "ahead of" };
    let skew_secs = skew_secs.unsigned_abs();
    format!(
        "the signature is right, but {skew_secs} s {direction} this machine's clock; {tolerance_secs} s is tolerated"
    )
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("reason", self.reason())?;
        match self {
            Self::RepeatedHeader { header } | Self::MissingHeader { header } | Self::MalformedHeader { header } => {
                object.serialize_entry("header", header)?;
            }
            Self::RepeatedField { field } | Self::MissingField { field } | Self::MalformedField { field } => {
                object.serialize_entry("field", field)?;
            }
            Self::InvalidJson { detail } => object.serialize_entry("detail", detail)?,
            Self::SecretNotYetValid { place, name, not_before: time }
            | Self::SecretExpired { place, name, not_after: time } => {
                object.serialize_entry("place", place)?;
                object.serialize_entry("name", &name.as_deref())?;
                let key = if matches!(self, Self::SecretExpired { .. }) { "not_after" } else { "not_before" };
                object.serialize_entry(key, time)?;
            }
            Self::ClockSkew { skew_secs, tolerance_secs } => {
                object.serialize_entry("skew_secs", skew_secs)?;
                object.serialize_entry("tolerance_secs", tolerance_secs)?;
            }
            _ => {}
        }
        object.serialize_entry("sentence", &self.sentence())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Explanation> {
        use Explanation as E;
        vec![
            E::NoSignatureHeader,
            E::OnlySha1,
            E::OnlyOtherVersions,
            E::RepeatedHeader { header: "h".into() },
            E::MissingHeader { header: "h".into() },
            E::MalformedHeader { header: "h".into() },
            E::NoSigningToken,
            E::WrongToken,
            E::UnknownSender,
            E::MalformedSignature,
            E::SecretNotYetValid { place: 0, name: Some("new".into()), not_before: "t".into() },
            E::SecretExpired { place: 1, name: None, not_after: "t".into() },
            E::WrongSecret,
            E::MatchesWithoutTrailingNewline,
            E::MatchesWithTrailingNewline,
            E::MatchesWithoutByteOrderMark,
            E::MatchesDecodedForm,
            E::MatchesTrimmedSecret,
            E::MatchesUndecodedSecret,
            E::ClockSkew { skew_secs: 1, tolerance_secs: 2 },
            E::UnsupportedContentType,
            E::MalformedForm,
            E::NotUtf8,
            E::InvalidJson { detail: "d".into() },
            E::NotAnObject,
            E::RepeatedField { field: "f".into() },
            E::MissingField { field: "f".into() },
            E::MalformedField { field: "f".into() },
            E::EventTooLong,
        ]
    }

    #[test]
    fn each_reason_has_its_own_word_and_sentence() {
        let mut words: Vec<_> = all().iter().map(Explanation::reason).collect();
        let mut sentences: Vec<_> = all().iter().map(Explanation::sentence).collect();
        words.sort_unstable();
        words.dedup();
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!((words.len(), sentences.len()), (29, 29));
    }

    #[test]
    fn json_begins_with_the_word_and_ends_with_the_sentence() {
        for explanation in all() {
            let json = serde_json::to_string(&explanation).unwrap();
            assert!(json.starts_with(&format!("{{\"reason\":\"{}\",", explanation.reason())), "{json}");
            assert!(json.ends_with(&format!("\"sentence\":\"{}\"}}", explanation.sentence())), "{json}");
        }
    }

    #[test]
    fn clock_skew_says_how_much_and_in_which_direction() {
        let late = Explanation::ClockSkew { skew_secs: -600, tolerance_secs: 300 };
        assert_eq!(
            late.sentence(),
            "the signature is right, but 600 s behind this machine's clock; 300 s is tolerated"
        );
        let json = serde_json::to_value(&late).unwrap();
        assert_eq!((json["skew_secs"].as_i64(), json["tolerance_secs"].as_i64()), (Some(-600), Some(300)));

        let early = Explanation::ClockSkew { skew_secs: 301, tolerance_secs: 300 };
        assert!(early.sentence().contains("301 s ahead of"));
    }

    #[test]
    fn what_a_reason_carries_is_in_its_json() {
        let json = |explanation: Explanation| serde_json::to_value(&explanation).unwrap();
        assert_eq!(json(Explanation::RepeatedHeader { header: "h".into() })["header"], "h");
        assert_eq!(json(Explanation::RepeatedField { field: "f".into() })["field"], "f");
        assert_eq!(json(Explanation::InvalidJson { detail: "d".into() })["detail"], "d");
    }
}
