//! Wrong methods, wrong paths, and more at once than is polite.

use crate::victim::{Victim, github};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_405_and_change_nothing() {
    let victim = Victim::new().await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "post", "Post"] {
        let request = String::from_utf8(github("method", "connection: close\r\n", b"{}")).unwrap();
        // An answer to HEAD has the length of a body, and none.
        let heard = victim.answer(request.replacen("POST", method, 1)).await;
        assert_eq!((heard.status, heard.header("allow")), (405, Some("POST")), "{method}");
        if method == "TRACE" {
            assert!(!String::from_utf8_lossy(&heard.body).contains("x-hub-signature"), "nothing is echoed");
        }
    }
    let heard = victim.told("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n").await;
    assert!(heard.iter().all(|one| (400..500).contains(&one.status)), "{heard:?}");
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn path_that_only_looks_like_a_source_s_is_none() {
    let victim = Victim::new().await;
    for path in [
        "/webhooks",
        "/webhooks/GitHub",
        "/webhooks/github%2f",
        "/webhooks/github%00",
        "/webhooks//github",
        "//webhooks/github",
        "/webhooks/../webhooks/github",
        "/webhooks/./github",
        "/webhooks/github/../../api/v1/tasks",
        "/webhooks/github;x=1",
        "/webhooks/git%68ub/x",
        "/webhooks/*",
    ] {
        let request = String::from_utf8(github("path", "connection: close\r\n", b"{}")).unwrap();
        let heard = victim.answer(request.replacen("/webhooks/github", path, 1)).await;
        assert_eq!(heard.status, 404, "{path}");
    }
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_sent_without_waiting_are_answered_in_order() {
    let victim = Victim::new().await;
    let mut all = Vec::new();
    for number in 0..100 {
        // Every third is refused.
        let mut one = github(&format!("many-{number}"), "", b"{}");
        if number % 3 == 0 {
            let last = one.len() - 1;
            one[last] = b'!';
        }
        all.extend(one);
    }
    let heard = victim.told(all).await;
    assert_eq!(heard.len(), 100);
    for (number, one) in heard.iter().enumerate() {
        assert_eq!(one.status, if number % 3 == 0 { 401 } else { 202 }, "{number}");
        let said = String::from_utf8_lossy(&one.body);
        assert!(number % 3 == 0 || said.contains(&format!("\"many-{number}\"")), "{number}: {said}");
    }
    assert_eq!(victim.taken().await.len(), 66);
    victim.is_unharmed().await;
}
