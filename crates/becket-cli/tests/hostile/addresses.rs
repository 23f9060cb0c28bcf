//! Requests that claim another address than theirs.

use crate::victim::{Victim, github};

const GUARDED: &str = "[sources.guarded]\nkind = 'github'\nsecret = 'a secret for tests'\nallow = '203.0.113.0/24'\n";

/// What a client may put before what a proxy writes, and alone where there is none.
const CLAIMS: [&str; 9] = [
    "203.0.113.9",
    "203.0.113.9, 203.0.113.9",
    "203.0.113.9, 127.0.0.1",
    "::ffff:203.0.113.9",
    "for=203.0.113.9",
    "for=203.0.113.9;x=\"",
    "\\\",\"203.0.113.9\"",
    "\u{00e9}, 203.0.113.9",
    ",,,,",
];

fn guarded(headers: &str) -> String {
    let request = github("claimed", &format!("connection: close\r\n{headers}"), b"{}");
    String::from_utf8(request).unwrap().replacen("/webhooks/github", "/webhooks/guarded", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claim_of_a_peer_that_is_no_proxy_is_worth_nothing() {
    let victim = Victim::with(GUARDED).await;
    let tricks = async || {
        for claim in CLAIMS {
            for header in ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"] {
                let heard = victim.answer(guarded(&format!("{header}: {claim}\r\n"))).await;
                assert_eq!(heard.status, 403, "{header}: {claim}");
            }
        }
    };
    victim.bears(tricks).await;
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claim_that_a_proxy_passes_on_is_worth_nothing_either() {
    // Whoever connects is the proxy here, and writes its client's address behind the claim.
    let victim = Victim::behind_proxies(GUARDED).await;
    for claim in CLAIMS {
        for (header, appended) in [("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=\"6.6.6.6:80\";proto=https")] {
            for headers in
                [format!("{header}: {claim}, {appended}\r\n"), format!("{header}: {claim}\r\n{header}: {appended}\r\n")]
            {
                let heard = victim.answer(guarded(&headers)).await;
                assert_eq!(heard.status, 403, "{headers}");
            }
        }
    }
    let many = "203.0.113.9,".repeat(2_000);
    let heard = victim.answer(guarded(&format!("x-forwarded-for: {many}6.6.6.6\r\n"))).await;
    assert_eq!(heard.status, 403);
    assert!(victim.taken().await.is_empty());
    let heard = victim.answer(guarded("x-forwarded-for: 6.6.6.6, 203.0.113.9\r\n")).await;
    assert_eq!(heard.status, 202, "what the proxy itself wrote counts");
    victim.is_unharmed().await;
}
