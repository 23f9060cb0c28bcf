//! URLs with placeholders: only behind the host, and what is filled in is percent-encoded.
//!
//! So a delivery chooses neither whom a request goes to nor, by a slash or by dots, a path that was not meant.

use std::fmt;
use std::sync::Arc;

use becket_tasks::TaskError;
use becket_tasks::naming::{Piece, TextTemplate};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use super::super::TextError;
use super::super::template::{self, Label, Subject};

/// The longest URL that is made, in bytes.
const URL_BYTES_MAX: usize = 8 * 1_024;
/// All that is not unreserved: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL, or a template of one. Cloning is cheap; `Debug` shows the host alone.
///
/// ```
/// use becket::target::UrlTemplate;
///
/// let url = UrlTemplate::parse("https://example.org/hooks/{repository.name}?event={@event}")?;
/// assert_eq!(url.sample().host_str(), Some("example.org"));
/// assert!(UrlTemplate::parse("https://{host}/").is_err());
/// # Ok::<(), becket::target::UrlError>(())
/// ```
#[derive(Clone)]
pub struct UrlTemplate {
    sample: Url,
    /// `None` for a URL without placeholders.
    template: Option<Arc<TextTemplate<Label>>>,
}

/// Why a text is no URL and no template of one. It does not repeat the text, which may hold a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not a template.
    #[error("is not a template: {} at column {}; {}", .0.what(), .0.column(), .0.mend())]
    Template(TextError),
    /// It is not a URL.
    #[error("is not a URL ({0})")]
    Url(String),
    /// It does not say itself whom the request goes to.
    #[error("a placeholder stands before the path: a delivery must not choose whom it is sent to")]
    Host,
}

impl UrlError {
    /// What is wrong with the template, if that is.
    #[must_use]
    pub fn template(&self) -> Option<&TextError> {
        match self {
            Self::Template(error) => Some(error),
            Self::Url(_) | Self::Host => None,
        }
    }
}

impl UrlTemplate {
    /// Reads a URL in which placeholders may stand behind the host.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if !text.contains(['{', '}']) {
            let sample = Url::parse(text).map_err(|error| UrlError::Url(error.to_string()))?;
            return Ok(Self { sample, template: None });
        }
        let template = template::parse(text).map_err(UrlError::Template)?;
        let authority = text.find("://").map_or(text, |scheme| &text[scheme + 3..]);
        let authority_end = text.len() - authority.len() + authority.find(['/', '?', '#']).unwrap_or(authority.len());
        if text[..authority_end].contains(['{', '}']) {
            return Err(UrlError::Host);
        }
        let mut sample = String::new();
        template.fill(
            b"",
            |_| None,
            |piece| match piece {
                Piece::Text(text) | Piece::Value(text) => sample.push_str(text),
                Piece::Missing => sample.push('x'),
            },
        );
        let sample = Url::parse(&sample).map_err(|error| UrlError::Url(error.to_string()))?;
        Ok(Self { sample, template: Some(template) })
    }

    /// The URL; for a template one with an `x` for each placeholder.
    #[must_use]
    pub fn sample(&self) -> &Url {
        &self.sample
    }

    /// What was written, for a hash that tells targets apart.
    pub(crate) fn text(&self) -> &str {
        self.template.as_ref().map_or(self.sample.as_str(), |template| template.text())
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.template.is_none()
    }

    /// The URL for one task.
    pub(super) fn fill(&self, subject: &Subject<'_>) -> Result<Url, TaskError> {
        let Some(template) = &self.template else { return Ok(self.sample.clone()) };
        let (mut text, mut placeholder, mut missing) = (String::new(), 0, None);
        subject.fill(template, |piece| match piece {
            Piece::Text(plain) => text.push_str(plain),
            // An empty piece of a path would make another path of it.
            Piece::Missing | Piece::Value("") => {
                placeholder += 1;
                missing = missing.or(Some(placeholder));
            }
            Piece::Value(value) => {
                placeholder += 1;
                if text.len() + value.len() <= URL_BYTES_MAX {
                    text.extend(utf8_percent_encode(value, ENCODED));
                } else {
                    text.push_str(&"x".repeat(URL_BYTES_MAX));
                }
            }
        });
        if let Some(placeholder) = missing {
            let what = format!(
                "the URL cannot be made: its placeholder {placeholder} finds nothing in the delivery; \
                 give it another choice, as in `{{a.b|@event}}`"
            );
            return Err(TaskError::give_up(what));
        }
        if text.len() > URL_BYTES_MAX {
            return Err(TaskError::give_up(format!("the URL would be longer than {URL_BYTES_MAX} bytes")));
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            let what = "the URL cannot be made: what the delivery fills in is `.` or `..`, which would leave its path";
            return Err(TaskError::give_up(what));
        }
        let url = Url::parse(&text).map_err(|_| TaskError::give_up("the URL that was made is none"))?;
        if url.origin() != self.sample.origin() {
            return Err(TaskError::give_up("the URL that was made leads to another host"));
        }
        Ok(url)
    }
}

impl From<Url> for UrlTemplate {
    fn from(sample: Url) -> Self {
        Self { sample, template: None }
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths and queries of webhook URLs often hold a token.
        f.debug_struct("UrlTemplate").field("host", &self.sample.host_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::template::tests::task;
    use super::*;

    fn made(template: &str, payload: &str) -> Result<String, String> {
        let task = task(payload);
        let template = UrlTemplate::parse(template).map_err(|error| error.to_string())?;
        template.fill(&Subject::new(&task)).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_filled_in_is_percent_encoded() {
        let template = "https://example.org/a/{v}/b?q={v}&e={@event}";
        for (value, encoded) in [
            ("octo", "octo"),
            ("a/b", "a%2Fb"),
            ("a b&c=d#e?f", "a%20b%26c%3Dd%23e%3Ff"),
            ("x\\r\\nHost: evil", "x%0D%0AHost%3A%20evil"),
            ("@evil.example", "%40evil.example"),
            ("é%2e", "%C3%A9%252e"),
            ("\\\\..\\\\", "%5C..%5C"),
            ("../..", "..%2F.."),
        ] {
            let expected = format!("https://example.org/a/{encoded}/b?q={encoded}&e=issues");
            assert_eq!(made(template, &format!(r#"{{"v": "{value}"}}"#)).as_deref(), Ok(&*expected), "{value}");
        }
    }

    #[test]
    fn delivery_cannot_leave_the_path() {
        for template in ["https://example.org/a/{v}/b", "https://example.org/a/{v}", "https://example.org/a/.{w}"] {
            for v in ["..", "."] {
                let error = made(template, &format!(r#"{{"v": "{v}", "w": "."}}"#)).unwrap_err();
                assert!(error.contains("would leave its path"), "{template}: {error}");
            }
        }
        assert!(made("https://example.org/a?b={v}", r#"{"v": ".."}"#).is_ok());
    }

    #[test]
    fn delivery_cannot_choose_the_host() {
        for template in ["https://{h}/", "https://{h}.example.org/", "https://example.org:{p}/", "{u}", "http{s}://x/"]
        {
            assert!(made(template, "{}").unwrap_err().contains("before the path"), "{template}");
        }
    }

    #[test]
    fn placeholder_that_finds_nothing_gives_up_and_says_which() {
        let template = "https://example.org/{@event}/{a}/{@kind}";
        for payload in ["{}", r#"{"a": null}"#, r#"{"a": ""}"#, "no JSON"] {
            let error = made(template, payload).unwrap_err();
            assert!(error.contains("its placeholder 2 finds nothing"), "{error}");
        }
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(10_000));
        assert!(made(template, &long).unwrap_err().contains("longer than 8192 bytes"));
    }

    #[test]
    fn what_is_no_url_says_why_and_is_not_repeated() {
        for (text, why) in [
            ("t0ken", "relative URL without a base"),
            ("https://", "empty host"),
            ("https://example.org/t0ken/{", "a `{` is never closed at column 27"),
            ("https://example.org/t0ken/{@repo}", "there is no `@repo`"),
        ] {
            let error = UrlTemplate::parse(text).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("t0ken"), "{error}");
        }
        let debug = format!("{:?}", UrlTemplate::parse("https://example.org/t0ken/{a}").unwrap());
        assert!(debug.contains("example.org") && !debug.contains("t0ken"), "{debug}");
    }
}
