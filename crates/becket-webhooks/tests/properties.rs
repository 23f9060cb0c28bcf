//! Properties over any input: nothing panics, and a request that was changed by one bit is never accepted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use becket_webhooks::{RejectionKind, Secrets, Source, signature};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_614_265_330;

fn github() -> Source {
    Source::github("github", Secrets::new(["another", SECRET]).unwrap())
}

fn standard_webhooks() -> Source {
    Source::standard_webhooks("billing", Secrets::new([SECRET]).unwrap()).unwrap()
}

/// Every header that a source looks at, with the name of its signature header.
fn signed(source: &Source, body: &[u8]) -> (HeaderMap, &'static str) {
    let github = signature::github(SECRET.as_bytes(), body);
    let standard = signature::standard_webhooks(SECRET, "msg_1", NOW, body).unwrap();
    let headers = [
        ("x-github-event", "issues".to_owned()),
        ("x-github-delivery", "72d3162e".to_owned()),
        ("x-hub-signature-256", github),
        ("webhook-id", "msg_1".to_owned()),
        ("webhook-timestamp", NOW.to_string()),
        ("webhook-signature", standard),
    ];
    let headers = headers
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap()))
        .into_iter()
        .collect();
    (headers, if source.name() == "github" { "x-hub-signature-256" } else { "webhook-signature" })
}

fn sources() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(github()),
        Just(standard_webhooks()),
        Just(Source::github("github", Secrets::insecure_accept_unsigned())),
        Just(Source::standard_webhooks("billing", Secrets::insecure_accept_unsigned()).unwrap()),
    ]
}

fn verifying_sources() -> impl Strategy<Value = Source> {
    prop_oneof![Just(github()), Just(standard_webhooks())]
}

/// Headers that a source looks at, with any values, each once or twice.
fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec![
        "content-type",
        "user-agent",
        "x-github-event",
        "x-github-delivery",
        "x-hub-signature",
        "x-hub-signature-256",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "svix-id",
        "svix-timestamp",
        "svix-signature",
    ]);
    let value = prop_oneof![
        vec(any::<u8>(), 0..80),
        "[0-9]{0,20}".prop_map(String::into_bytes),
        "sha256=[0-9a-f]{64}".prop_map(String::into_bytes),
        "v1a?,[0-9A-Za-z+/]{43}=".prop_map(String::into_bytes),
        Just(b"application/json".to_vec()),
        Just(b"application/x-www-form-urlencoded".to_vec()),
    ];
    vec((name, value), 0..12).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        headers
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        "\\{(\"(action|type|x)\":[\\[\\]{}\",:0-9a-z\\\\.-]{0,12},?){0,4}\\}?".prop_map(String::into_bytes),
        "payload=[%0-9A-F{}+&=a-z]{0,40}".prop_map(String::into_bytes),
    ]
}

fn json_object() -> impl Strategy<Value = Vec<u8>> {
    ("[a-z]{1,9}", any::<String>(), any::<i64>()).prop_map(|(action, text, number)| {
        serde_json::json!({"action": action, "type": action, "text": text, "n": number}).to_string().into_bytes()
    })
}

fn flip(bytes: &mut [u8], bit: prop::sample::Index) {
    let bit = bit.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

proptest! {
    #[test]
    fn no_request_panics(source in sources(), headers in any_headers(), body in any_body(), now_ms in any::<i64>()) {
        let _ = source.receive(&headers, Bytes::from(body), now_ms);
    }

    #[test]
    fn no_signed_body_panics(source in verifying_sources(), body in any_body(), form in any::<bool>()) {
        let (mut headers, _) = signed(&source, &body);
        if form {
            headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        if let Err(rejection) = source.receive(&headers, Bytes::from(body), NOW * 1000) {
            prop_assert_ne!(rejection.kind(), RejectionKind::Unauthorized);
        }
    }

    #[test]
    fn request_that_nobody_signed_is_unauthorized(
        source in verifying_sources(), headers in any_headers(), body in any_body(), now_ms in any::<i64>()
    ) {
        let rejection = source.receive(&headers, Bytes::from(body), now_ms).unwrap_err();
        prop_assert_eq!(rejection.kind(), RejectionKind::Unauthorized);
    }

    #[test]
    fn signed_object_is_accepted_and_its_json_can_be_read(source in verifying_sources(), body in json_object()) {
        let (headers, _) = signed(&source, &body);
        let delivery = source.receive(&headers, Bytes::from(body), NOW * 1000).unwrap();
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&delivery.json()).is_ok());
    }

    #[test]
    fn whatever_is_accepted_can_be_read_as_a_tree(source in verifying_sources(), body in any_body()) {
        let (headers, _) = signed(&source, &body);
        let accepted = source.receive(&headers, Bytes::from(body.clone()), NOW * 1000).is_ok();
        let object = serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|value| value.is_object());
        prop_assert!(!accepted || object);
    }

    #[test]
    fn flipping_any_bit_of_the_body_is_refused(
        source in verifying_sources(), mut body in json_object(), bit in any::<prop::sample::Index>()
    ) {
        let (headers, _) = signed(&source, &body);
        flip(&mut body, bit);
        let rejection = source.receive(&headers, Bytes::from(body), NOW * 1000).unwrap_err();
        prop_assert_eq!(rejection.kind(), RejectionKind::Unauthorized);
    }

    #[test]
    fn flipping_any_bit_of_the_signature_is_refused(
        source in verifying_sources(), body in json_object(), bit in any::<prop::sample::Index>()
    ) {
        let (mut headers, name) = signed(&source, &body);
        let mut signature = headers[name].as_bytes().to_vec();
        flip(&mut signature, bit);
        // A byte that no header can have never arrives.
        let Ok(signature) = HeaderValue::from_bytes(&signature) else { return Ok(()) };
        headers.insert(name, signature);
        let rejection = source.receive(&headers, Bytes::from(body), NOW * 1000).unwrap_err();
        prop_assert_eq!(rejection.kind(), RejectionKind::Unauthorized);
    }
}

#[test]
fn every_single_bit_of_one_request_matters() {
    let body = br#"{"action":"opened","type":"invoice.paid"}"#;
    for source in [github(), standard_webhooks()] {
        let (headers, name) = signed(&source, body);
        assert!(source.verify(&headers, body, NOW * 1000).is_ok());
        for bit in 0..body.len() * 8 {
            let mut changed = *body;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(source.verify(&headers, &changed, NOW * 1000).is_err(), "bit {bit} of the body");
        }
        let signature = headers[name].as_bytes();
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = HeaderValue::from_bytes(&changed) else { continue };
            let mut headers = headers.clone();
            headers.insert(name, changed);
            assert!(source.verify(&headers, body, NOW * 1000).is_err(), "bit {bit} of the signature");
        }
    }
}
