//! Ids of deliveries that are queries, paths, patterns or books.

use crate::victim::{Victim, github};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_is_only_a_name_whatever_it_looks_like() {
    let victim = Victim::new().await;
    let ids = [
        "';DROP/**/TABLE/**/tasks;--",
        "\"OR\"1\"=\"1",
        "../../../../etc/passwd",
        "..",
        "/",
        "a/b/replay",
        "%00",
        "%2e%2e%2f",
        "a?limit=1000#top",
        "*",
        "{id}",
        "$(id)",
        "<b>",
        "null",
        "0",
        "-1",
        "9223372036854775808",
        &"x".repeat(256),
    ];
    for id in ids {
        let heard = victim.answer(github(id, "connection: close\r\n", b"{}")).await;
        assert_eq!(heard.status, 202, "{id}: {heard:?}");
        let again = victim.answer(github(id, "connection: close\r\n", b"{}")).await;
        assert!(String::from_utf8(again.body).unwrap().contains("\"duplicate\":true"), "{id}");
    }
    let mut kept: Vec<String> = victim.taken().await.into_iter().map(|delivery| delivery.delivery_id).collect();
    let mut sent: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    kept.sort_unstable();
    sent.sort_unstable();
    assert_eq!(kept, sent, "each once, as it is");
    // Found by it, however it has to be written in a URL; `.` and `..` are no names there.
    for id in ids.iter().filter(|id| **id != "..") {
        let mut url: reqwest::Url = format!("{}/api/v1/webhook_status/", victim.url()).parse().unwrap();
        url.path_segments_mut().unwrap().pop_if_empty().push(id);
        let found = reqwest::get(url.clone()).await.unwrap();
        assert_eq!(found.status(), 200, "{url}");
        let found: serde_json::Value = serde_json::from_slice(&found.bytes().await.unwrap()).unwrap();
        assert_eq!(found["webhook_id"], **id);
    }
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_that_is_a_book_is_400() {
    let victim = Victim::new().await;
    for length in [257, 8 * 1024] {
        let request = github(&"x".repeat(length), "connection: close\r\n", b"{}");
        victim.bears(async || assert_eq!(victim.answer(&request).await.status, 400)).await;
    }
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}
