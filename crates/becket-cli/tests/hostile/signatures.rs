//! Signatures, tokens and passwords that are missing, empty, cut, repeated, made up or not even text.

use std::sync::Arc;

use becket_webhooks::{AzureAuth, Custom, Dialect, Sender};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::sender::SECRET;
use crate::victim::Victim;
use crate::wire::Heard;

const BODY: &[u8] = br#"{"id":"evt_1","type":"push","object_kind":"push","eventType":"git.push","subscriptionId":"s",
    "notificationId":1,"event_id":"E1","event":{"type":"push"},"repository":{"full_name":"octo/hello"}}"#;

/// A source, how its sender signs, and the headers that carry the proof.
fn senders() -> Vec<(&'static str, Dialect, &'static str, &'static [&'static str])> {
    let custom = Custom::new("x-shop-signature", "x-shop-id", "x-shop-event").unwrap();
    vec![
        ("github", Dialect::Github, SECRET, &["x-hub-signature-256"]),
        ("gitlab", Dialect::Gitlab, SECRET, &["x-gitlab-token"]),
        ("bitbucket_server", Dialect::BitbucketServer, SECRET, &["x-hub-signature"]),
        ("bitbucket_cloud", Dialect::BitbucketCloud, SECRET, &["x-hub-signature"]),
        ("azure_devops", Dialect::AzureDevops(AzureAuth::Basic), "user:pass", &["authorization"]),
        ("gitea", Dialect::Gitea, SECRET, &["x-gitea-signature", "x-gogs-signature", "x-hub-signature-256"]),
        ("slack", Dialect::Slack, SECRET, &["x-slack-signature"]),
        ("stripe", Dialect::Stripe, SECRET, &["stripe-signature"]),
        (
            "standard_webhooks",
            Dialect::StandardWebhooks,
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &["webhook-signature"],
        ),
        ("shop", Dialect::Custom(Arc::new(custom)), SECRET, &["x-shop-signature"]),
    ]
}

/// Seconds of Unix time.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

fn request(path: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("POST {path} HTTP/1.1\r\nhost: becket\r\nconnection: close\r\ncontent-length: {}\r\n", body.len())
            .into_bytes();
    for (name, value) in headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    [bytes.as_slice(), b"\r\n", body].concat()
}

/// What becomes of a value that proves something, once it is spoilt.
fn spoilt(value: &HeaderValue) -> Vec<(&'static str, Vec<HeaderValue>)> {
    let bytes = value.as_bytes();
    let of = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
    let mut other = bytes.to_vec();
    let last = other.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    vec![
        ("missing", Vec::new()),
        ("empty", vec![of(b"")]),
        ("cut in half", vec![of(&bytes[..bytes.len() / 2])]),
        ("without its last letter", vec![of(&bytes[..bytes.len() - 1])]),
        ("with another last letter", vec![of(&other)]),
        ("twice", vec![value.clone(), value.clone()]),
        ("after a made-up one", vec![of(b"sha256=00"), value.clone()]),
        ("before a made-up one", vec![value.clone(), of(b"sha256=00")]),
        ("with 8 KB behind it", vec![of(&[bytes, &[b'x'; 8 * 1024]].concat())]),
        ("not text", vec![of(b"\xff\xfe\xfd")]),
        ("said to be none", vec![of(b"none")]),
    ]
}

fn refused(what: &str, heard: &Heard) {
    assert!(matches!(heard.status, 400 | 401), "{what}: {heard:?}");
    let said = String::from_utf8(heard.body.clone()).unwrap();
    assert!(!said.contains(SECRET) && !said.contains("sha256"), "{what}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoilt_proof_of_any_sender_proves_nothing() {
    let victim = Victim::new().await;
    let mut proven = 0;
    for (source, dialect, secret, proofs) in senders() {
        let sender = Sender::new(dialect, Some(secret.into())).unwrap();
        let signed = sender.headers("push", &format!("{source}-1"), now(), BODY).unwrap();
        let path = format!("/webhooks/{source}");
        // Each header that carries the proof is spoilt in the same way.
        for place in 0..spoilt(&HeaderValue::from_static("any")).len() {
            let mut headers = signed.clone();
            let mut how = "";
            for proof in proofs {
                let values = spoilt(&signed[*proof]).remove(place);
                how = values.0;
                headers.remove(*proof);
                for value in values.1 {
                    headers.append(HeaderName::from_static(proof), value);
                }
            }
            for path in [path.as_str(), "/webhooks/any"] {
                let heard = victim.answer(request(path, &headers, BODY)).await;
                refused(&format!("{source} at {path}, {how}"), &heard);
            }
        }
        let other = [BODY, b" "].concat();
        if !matches!(source, "gitlab" | "azure_devops") {
            refused(source, &victim.answer(request(&path, &signed, &other)).await);
        }
        assert!(victim.taken().await.len() == proven, "{source}: something was taken");
        // And yet it is the proof that was wanting.
        let heard = victim.answer(request(&path, &signed, BODY)).await;
        assert!((200..300).contains(&heard.status), "{source}: {heard:?}");
        proven += 1;
        assert_eq!(victim.taken().await.len(), proven, "{source}");
    }
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proof_of_one_sender_is_none_at_the_source_of_another() {
    let victim = Victim::new().await;
    let senders = senders();
    for (source, dialect, secret, _) in &senders {
        let sender = Sender::new(dialect.clone(), Some((*secret).into())).unwrap();
        let signed = sender.headers("push", "one", now(), BODY).unwrap();
        for (other, ..) in &senders {
            // Gitea sends what GitHub would, under GitHub's names; the two of Bitbucket sign alike; and here all have one
            // secret.
            let is_same = other == source
                || (*source, *other) == ("gitea", "github")
                || source.starts_with("bitbucket") && other.starts_with("bitbucket");
            if !is_same {
                let heard = victim.answer(request(&format!("/webhooks/{other}"), &signed, BODY)).await;
                refused(&format!("{source}'s at {other}"), &heard);
            }
        }
    }
    victim.is_unharmed().await;
}
