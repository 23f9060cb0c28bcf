//! Requests that do not become deliveries, and how little their senders are told.

use becket_webhooks::{Secrets, Source};

use crate::world::{Answer, Post, SECRET, World, app, configured};

async fn world() -> World {
    World::start(app().on("*", || async {})).await
}

#[tokio::test]
async fn request_with_a_bad_or_missing_signature_is_401_and_not_told_why() {
    let world = world().await;
    let posts = [
        Post::github("push", "a-1").signed("another secret"),
        Post::github("push", "a-1").header("x-hub-signature-256", ""),
        Post::github("push", "a-1").header("x-hub-signature-256", "sha256=00"),
        Post { body: b"{} ".to_vec(), ..Post::github_body("push", "a-1", "{}") },
    ];
    for post in posts {
        let answer = world.post(post).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["detail"], "the signature could not be verified");
    }
    assert!(world.deliveries().await.is_empty());
}

#[tokio::test]
async fn request_that_cannot_be_read_is_400_and_one_of_another_type_415() {
    let world = world().await;
    assert_eq!(world.post(Post::github_body("push", "a-1", "{\"a\":")).await.status, 400);
    assert_eq!(world.post(Post::github_body("push", "a-1", "[]")).await.status, 400);
    assert_eq!(world.post(Post::github("push", "a-1").header("x-github-event", "")).await.status, 400);
    assert_eq!(world.post(Post::github("push", "a-1").header("content-type", "text/xml")).await.status, 415);
    assert!(world.deliveries().await.is_empty());
}

#[tokio::test]
async fn compressed_body_is_415_and_one_that_says_it_is_not_is_taken() {
    let world = world().await;
    for encoding in ["gzip", "GZIP", "identity, br", "x-unheard-of"] {
        let answer = world.post(Post::github("push", "a-1").header("content-encoding", encoding)).await;
        assert_eq!(answer.status, 415, "{encoding}");
        assert_eq!(answer.headers["accept-encoding"], "identity");
    }
    assert!(world.deliveries().await.is_empty());
    assert_eq!(world.post(Post::github("push", "a-1").header("content-encoding", "Identity")).await.status, 200);
}

#[tokio::test]
async fn unknown_source_is_404_and_another_method_405() {
    let world = world().await;
    let answer = world.post(Post::github("push", "a-1").path("/webhooks/gitlab")).await;
    assert_eq!((answer.status, &answer.body["title"]), (404, &"Not Found".into()));
    let answer = Answer::of(reqwest::get(world.running.url("/webhooks/github")).await.unwrap()).await;
    assert_eq!((answer.status, &answer.body["title"]), (405, &"Method Not Allowed".into()));
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn path_that_nothing_is_served_at_is_a_problem() {
    let world = world().await;
    for path in ["/nosuch", "/", "/webhooks"] {
        let answer = Answer::of(reqwest::get(world.running.url(path)).await.unwrap()).await;
        assert_eq!((answer.status, &answer.body["instance"]), (404, &path.into()));
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn trailing_slash_and_configured_path_lead_to_the_source() {
    let toml = format!("[sources.hub]\nkind = 'github'\nsecret = '{SECRET}'\npath = '/api/v1/github_webhooks'");
    let world = World::start(configured(&toml).on("push", || async {})).await;
    let paths = ["/webhooks/github/", "/webhooks/hub", "/api/v1/github_webhooks", "/api/v1/github_webhooks/"];
    for (number, path) in paths.into_iter().enumerate() {
        let answer = world.post(Post::github("push", &format!("a-{number}")).path(path)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let sources: Vec<_> = world.deliveries().await.into_iter().rev().map(|one| one.source.to_string()).collect();
    assert_eq!(sources, ["github", "hub", "hub", "hub"]);
}

#[tokio::test]
async fn source_that_accepts_unsigned_requests_says_so_in_code() {
    let open = Source::github("open", Secrets::insecure_accept_unsigned());
    let world = World::start(app().source(open).on("push", || async {})).await;
    let unsigned = Post::github("push", "a-1").header("x-hub-signature-256", "");
    assert_eq!(world.post(unsigned.clone().path("/webhooks/open")).await.status, 200);
    assert_eq!(world.post(unsigned).await.status, 401);
}

#[tokio::test]
async fn old_secret_is_good_until_it_is_taken_away() {
    let rotating = Source::github("rotating", Secrets::new(["new", "old"]).unwrap());
    let world = World::start(app().source(rotating).on("push", || async {})).await;
    for (id, secret, status) in [("a-1", "new", 200), ("a-2", "old", 200), ("a-3", "older", 401)] {
        let post = Post::github("push", id).signed(secret).path("/webhooks/rotating");
        assert_eq!(world.post(post).await.status, status, "{secret}");
    }
}
