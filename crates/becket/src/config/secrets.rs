//! Parsers of secrets. Their messages say which rule is broken and never repeat a character of the input.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::error::Problem;
use super::layers::Value;
use super::values::{Parsed, text};

/// A secret shared with a sender: any text but the documentation's placeholder, without white space around it.
pub(super) fn shared(value: &Value) -> Parsed<SecretString> {
    let text = text(value, "the secret that the sender signs with")?;
    if text.trim().is_empty() {
        return Err(Problem::new("the secret is empty", "give the secret that the sender signs with, or unset it"));
    }
    if text.trim() != text {
        let what = "the secret begins or ends with white space";
        return Err(Problem::new(
            what,
            "remove it; it is often the line end of the file that the secret was read from",
        ));
    }
    if is_placeholder(text) {
        return Err(Problem::new("is the placeholder of the documentation", "give a secret of your own"));
    }
    Ok(SecretString::from(text))
}

/// A symmetric Standard Webhooks secret: `whsec_` and base64 of 24 to 64 bytes.
///
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme>
pub(super) fn whsec(value: &Value) -> Parsed<SecretString> {
    const RULE: &str = "write `whsec_` and then the base64 of 24 to 64 random bytes";
    let secret = shared(value)?;
    let text = text(value, RULE)?;
    let Some(encoded) = text.strip_prefix("whsec_") else {
        let asymmetric = text.starts_with("whpk_") || text.starts_with("whsk_");
        let what = if asymmetric { "asymmetric keys are not supported" } else { "does not begin with `whsec_`" };
        return Err(Problem::new(what, RULE));
    };
    match STANDARD.decode(encoded) {
        Ok(key) if (24..=64).contains(&key.len()) => Ok(secret),
        Ok(key) => Err(Problem::new(format!("holds {} bytes", key.len()), RULE)),
        Err(_) => Err(Problem::new("what follows `whsec_` is not base64", RULE)),
    }
}

/// One of GitLab's two: the signing token, which begins with `whsec_`, or the secret token, any text.
pub(super) fn gitlab(value: &Value) -> Parsed<SecretString> {
    let is_signing = text(value, "the secret token, or the signing token").is_ok_and(|text| text.starts_with("whsec_"));
    if is_signing { whsec(value) } else { shared(value) }
}

/// What is entered for HTTP basic authentication.
pub(super) fn basic(value: &Value) -> Parsed<SecretString> {
    const RULE: &str = "write `user:password`, as entered in the subscription, or set `header` too";
    let secret = shared(value)?;
    match text(value, RULE)?.split_once(':') {
        Some((user, _)) if user.contains(char::is_control) => {
            Err(Problem::new("the user name has odd characters", RULE))
        }
        Some((_, "")) => Err(Problem::new("the password is empty", RULE)),
        Some(_) => Ok(secret),
        None => Err(Problem::new("has no colon between a user name and a password", RULE)),
    }
}

/// The admin API's bearer token. It travels in a header, so it is visible ASCII; a short one could be guessed.
pub(super) fn token(value: &Value) -> Parsed<SecretString> {
    const RULE: &str = "write at least 16 visible ASCII characters, for instance from `openssl rand -hex 16`";
    let text = text(value, "a token of at least 16 characters")?;
    if text.is_empty() {
        return Err(Problem::new("the token is empty", format!("{RULE}, or leave the key out")));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::new("the token holds spaces or characters that are not ASCII", RULE));
    }
    if text.len() < 16 {
        return Err(Problem::new(format!("the token has only {} characters", text.len()), RULE));
    }
    Ok(SecretString::from(text))
}

/// PEM text. Environments that cannot hold line ends write them as `\n`, which is undone here.
pub(super) fn private_key(value: &Value) -> Parsed<SecretString> {
    const RULE: &str = "give the text of the .pem file itself, from \"-----BEGIN\" to the line with \"-----END\"";
    let text = text(value, "the private key's PEM text")?.trim();
    if !text.starts_with("-----BEGIN") {
        return Err(Problem::new("the private key does not begin with \"-----BEGIN\"", RULE));
    }
    if !text.contains("-----END") {
        return Err(Problem::new("the private key has no \"-----END\" line", RULE));
    }
    let lines = if text.contains('\n') { text.to_owned() } else { text.replace("\\n", "\n") };
    Ok(SecretString::from(lines))
}

fn is_placeholder(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '.' | '…'))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn untyped(text: &str) -> Value {
        Value::Untyped(text.to_owned())
    }

    fn refusal(parse: fn(&Value) -> Parsed<SecretString>, text: &str) -> String {
        match parse(&untyped(text)) {
            Ok(_) => panic!("accepted"),
            Err(problem) => problem.what,
        }
    }

    #[test]
    fn shared_secret_is_taken_as_it_is() {
        for secret in ["It's a Secret to Everybody", "x", "[1]", "{a}"] {
            assert_eq!(shared(&untyped(secret)).unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn shared_secret_that_cannot_be_meant_is_refused() {
        for (secret, what) in [
            ("", "the secret is empty"),
            (" \n", "the secret is empty"),
            ("development\n", "the secret begins or ends with white space"),
            ("...", "is the placeholder of the documentation"),
        ] {
            assert_eq!(refusal(shared, secret), what);
        }
        assert_eq!(shared(&Value::Integer(7)).unwrap_err().what, "is a whole number");
    }

    #[test]
    fn whsec_holds_base64_of_24_to_64_bytes() {
        assert!(whsec(&untyped("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).is_ok());
        assert!(whsec(&untyped(&format!("whsec_{}", STANDARD.encode([7; 64])))).is_ok());
        for (secret, what) in [
            ("development", "does not begin with `whsec_`"),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "asymmetric keys are not supported"),
            ("whsec_***", "what follows `whsec_` is not base64"),
            ("whsec_c2hvcnQ=", "holds 5 bytes"),
            ("whsec_", "holds 0 bytes"),
        ] {
            assert_eq!(refusal(whsec, secret), what);
        }
        assert_eq!(refusal(whsec, &format!("whsec_{}", STANDARD.encode([7; 65]))), "holds 65 bytes");
    }

    #[test]
    fn gitlab_s_secret_is_a_signing_token_or_any_text() {
        for secret in ["any text", "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="] {
            assert!(gitlab(&untyped(secret)).is_ok(), "{secret}");
        }
        assert_eq!(refusal(gitlab, "whsec_any text"), "what follows `whsec_` is not base64");
        assert_eq!(refusal(gitlab, ""), "the secret is empty");
    }

    #[test]
    fn basic_secret_is_a_user_and_a_password() {
        assert!(basic(&untyped("becket:a:b")).is_ok());
        assert!(basic(&untyped(":a token")).is_ok(), "Azure DevOps needs no user name");
        assert_eq!(refusal(basic, "password"), "has no colon between a user name and a password");
        assert_eq!(refusal(basic, "user:"), "the password is empty");
    }

    #[test]
    fn token_has_16_visible_ascii_characters() {
        assert!(token(&untyped("0123456789abcdef")).is_ok());
        for (secret, what) in [
            ("", "the token is empty"),
            ("0123456789abcde", "the token has only 15 characters"),
            ("0123456789 abcdef", "the token holds spaces or characters that are not ASCII"),
        ] {
            assert_eq!(refusal(token, secret), what);
        }
    }

    #[test]
    fn private_key_with_written_line_ends_is_restored() {
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        assert_eq!(private_key(&untyped(pem)).unwrap().expose_secret(), pem);
        assert_eq!(private_key(&untyped(&pem.replace('\n', "\\n"))).unwrap().expose_secret(), pem);
    }

    #[test]
    fn private_key_that_is_no_pem_text_is_refused() {
        assert_eq!(refusal(private_key, "/etc/app.pem"), "the private key does not begin with \"-----BEGIN\"");
        assert_eq!(refusal(private_key, "-----BEGIN RSA PRIVATE KEY-----"), "the private key has no \"-----END\" line");
    }

    #[test]
    fn no_refusal_repeats_the_secret() {
        for parse in [shared, whsec, gitlab, basic, token, private_key] {
            for secret in [" hunter2", "hunter2 ", "whsec_hunter2", "whsk_hunter2", "hunter2", "hunter2 é"] {
                if let Err(problem) = parse(&untyped(secret)) {
                    assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
                }
            }
        }
    }
}
