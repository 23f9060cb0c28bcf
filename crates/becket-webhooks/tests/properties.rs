//! Properties over any input: nothing panics, and a request that was changed by one bit is never accepted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use becket_webhooks::{AzureAuth, Custom, Dialect, Kind, Normalised, RejectionKind, Secrets, Sender, Source, View};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_614_265_330;

/// Every dialect that signs the body, and the header that its signature is in.
fn signing() -> Vec<(Dialect, &'static str)> {
    let custom = Custom::new("x-signature", "x-id", "/type")
        .and_then(|custom| custom.signed("{id}:{timestamp}:{body}"))
        .and_then(|custom| custom.timestamp("x-timestamp"))
        .and_then(Custom::checked);
    vec![
        (Dialect::Github, "x-hub-signature-256"),
        (Dialect::Gitlab, "webhook-signature"),
        (Dialect::BitbucketServer, "x-hub-signature"),
        (Dialect::BitbucketCloud, "x-hub-signature"),
        (Dialect::Gitea, "x-gitea-signature"),
        (Dialect::Slack, "x-slack-signature"),
        (Dialect::Stripe, "stripe-signature"),
        (Dialect::StandardWebhooks, "webhook-signature"),
        (Dialect::Custom(custom.unwrap().into()), "x-signature"),
    ]
}

fn source(dialect: Dialect, secrets: Secrets) -> Source {
    Source::new("source", dialect, secrets).unwrap()
}

/// The headers of a signed request, with the name of its signature's.
fn signed(source: &Source, body: &[u8]) -> (HeaderMap, &'static str) {
    let sender = Sender::new(source.dialect().clone(), Some(SECRET.into())).unwrap();
    let headers = sender.headers("issues.opened", "msg_1", NOW, body).unwrap();
    let (_, name) = signing().into_iter().find(|(dialect, _)| dialect == source.dialect()).unwrap();
    (headers, name)
}

fn verifying_sources() -> impl Strategy<Value = Source> {
    prop::sample::select(signing()).prop_map(|(dialect, _)| {
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        source(dialect, Secrets::new([other, SECRET]).unwrap())
    })
}

/// Those that sign, those that send a secret as it is, and those that verify nothing.
fn sources() -> impl Strategy<Value = Source> {
    let tokens = [(Dialect::Gitlab, "a token"), (Dialect::AzureDevops(AzureAuth::Basic), "user:password")];
    let tokens = tokens.map(|(dialect, secret)| source(dialect, Secrets::new([secret]).unwrap()));
    let unsigned = signing().into_iter().map(|(dialect, _)| source(dialect, Secrets::insecure_accept_unsigned()));
    let azure = source(Dialect::AzureDevops(AzureAuth::Basic), Secrets::insecure_accept_unsigned());
    let all: Vec<Source> = unsigned.chain(tokens).chain([azure]).collect();
    prop_oneof![verifying_sources(), prop::sample::select(all)]
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
        "authorization",
        "x-gitlab-token",
        "idempotency-key",
        "x-event-key",
        "x-request-id",
        "x-request-uuid",
        "x-gitea-event",
        "x-gitea-delivery",
        "x-gitea-signature",
        "x-forgejo-signature",
        "x-slack-request-timestamp",
        "x-slack-signature",
        "stripe-signature",
        "x-signature",
        "x-timestamp",
        "x-id",
    ]);
    let value = prop_oneof![
        vec(any::<u8>(), 0..80),
        "[0-9]{0,20}".prop_map(String::into_bytes),
        "sha256=[0-9a-f]{64}".prop_map(String::into_bytes),
        "v1a?,[0-9A-Za-z+/]{43}=".prop_map(String::into_bytes),
        "(v0=)?[0-9a-f]{64}".prop_map(String::into_bytes),
        "t=[0-9]{0,12},v1=[0-9a-f]{64}".prop_map(String::into_bytes),
        "Basic [0-9A-Za-z+/=]{0,20}".prop_map(String::into_bytes),
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
        "\\{(\"(action|type|id|event|object_attributes|x)\":[\\[\\]{}\",:0-9a-z\\\\.-]{0,12},?){0,4}\\}?"
            .prop_map(String::into_bytes),
        "payload=[%0-9A-F{}+&=a-z]{0,40}".prop_map(String::into_bytes),
    ]
}

fn json_object() -> impl Strategy<Value = Vec<u8>> {
    ("[a-z]{1,9}", any::<String>(), any::<i64>()).prop_map(|(action, text, number)| {
        serde_json::json!({"id": "evt_1", "event_id": "Ev1", "action": action, "type": action, "text": text, "n": number}).to_string().into_bytes()
    })
}

/// Names of fields that views look for, in any arrangement.
fn any_payload() -> impl Strategy<Value = serde_json::Value> {
    const NAMES: &str = "(pull_request|pullRequest|pullrequest|resource|object_attributes|issue|comment|push|changes|refUpdates|\
        commits|head_commit|ref|refId|after|number|iid|id|pullRequestId|workItemId|title|url|state|status|0|repository|\
        project|name|new|old|type|target|hash|fields|run|object_kind|user|author_id|x)";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "(refs/(heads|tags)/)?[0a-zé\n/#]{0,12}".prop_map(Into::into),
        Just("note".into()),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((NAMES, inner), 0..6).prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn flip(bytes: &mut [u8], bit: prop::sample::Index) {
    let bit = bit.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

proptest! {
    #[test]
    fn no_request_panics(source in sources(), headers in any_headers(), body in any_body(), now_ms in any::<i64>()) {
        let _ = source.answer(&headers, &body, now_ms);
        let _ = source.recognises(&headers);
        let _ = source.receive(&headers, Bytes::from(body), now_ms);
    }

    #[test]
    fn no_payload_panics_as_a_view(
        kind in prop::sample::select(Kind::ALL.to_vec()), event in prop::sample::select(Normalised::ALL.to_vec()),
        payload in any_payload(), bytes in any_body()
    ) {
        let _ = View::read(kind, event, None, &bytes);
        if let Ok(view) = View::read(kind, event, Some("a/b"), payload.to_string().as_bytes()) {
            prop_assert_eq!(view.event(), event);
        }
    }

    #[test]
    fn no_payload_panics_as_a_delivery(source in verifying_sources(), payload in any_payload(), event in "[a-z_]{1,12}") {
        let body = payload.to_string();
        let sender = Sender::new(source.dialect().clone(), Some(SECRET.into())).unwrap();
        let headers = sender.headers(&event, "msg_1", NOW, body.as_bytes()).unwrap();
        if let Ok(delivery) = source.receive(&headers, body.into(), NOW * 1000) {
            prop_assert_eq!(delivery.view().is_some(), delivery.normalised().is_some());
        }
    }

    #[test]
    fn no_signed_body_panics(source in verifying_sources(), body in any_body(), form in any::<bool>()) {
        let (mut headers, _) = signed(&source, &body);
        // Gitea signs what is in a form, not the form.
        if form && source.kind() != Kind::Gitea {
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
    for (dialect, name) in signing() {
        let source = source(dialect, Secrets::new([SECRET]).unwrap());
        let (headers, _) = signed(&source, body);
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
