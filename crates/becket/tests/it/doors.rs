//! Who is let in before a body is read: addresses, also behind proxies, and so many requests in a time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use becket::{App, Secrets, Source, background, received};
use becket_tasks::store::memory::{Limits, MemoryStore};
use becket_tasks::{Clock, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;

use crate::world::{Answer, Post, SECRET, World, app, configured, send};

/// Posts from another address of this machine.
async fn post_from(world: &World, from: &str, post: Post) -> Answer {
    let from: IpAddr = from.parse().unwrap();
    let client = reqwest::Client::builder().local_address(from).build().unwrap();
    Answer::of(send(&client, &world.running.url(&post.path), post).await.unwrap()).await
}

fn hub(id: &str) -> Post {
    Post::github("push", id).path("/webhooks/hub")
}

/// A source `hub`, beside GitHub's, with more keys.
fn with_hub(keys: &str) -> App {
    configured(&format!("{keys}\n[sources.hub]\nkind = 'github'\nsecret = '{SECRET}'\n"))
        .on("*", background(async || {}))
}

fn hub_with(keys: &str) -> App {
    let toml = format!("[sources.hub]\nkind = 'github'\nsecret = '{SECRET}'\n{keys}");
    configured(&toml).on("*", background(async || {}))
}

async fn json_of(world: &World, path: &str) -> Value {
    reqwest::get(world.running.url(path)).await.unwrap().json().await.unwrap()
}

async fn last_rejection(world: &World) -> Value {
    json_of(world, "/api/v1/rejections?limit=1").await["items"][0].clone()
}

#[tokio::test]
async fn address_that_is_not_allowed_is_403_and_the_operator_is_told_which() {
    let world = World::start(hub_with("allow = ['127.0.0.2', '2001:db8::/32']")).await;
    assert_eq!(post_from(&world, "127.0.0.2", hub("a-1")).await.status, 202);
    let refused = post_from(&world, "127.0.0.3", hub("a-2")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.body["detail"], "requests from this address are not taken");
    let told = last_rejection(&world).await;
    assert_eq!((&told["reason"], &told["remote"]), (&"address_not_allowed".into(), &"127.0.0.3".into()));
    assert_eq!(told["explanation"], "the address 127.0.0.3 is not one that `allow` of the source names");
    assert_eq!(told["source"], "hub");
    let page = reqwest::get(world.running.url("/metrics")).await.unwrap().text().await.unwrap();
    let line = "becket_rejections_total{source=\"hub\",status=\"403\",reason=\"address_not_allowed\"} 1";
    assert!(page.lines().any(|written| written == line), "{page}");
    let github = post_from(&world, "127.0.0.3", Post::github("push", "a-3")).await;
    assert_eq!(github.status, 202, "other sources are open to all");
    assert_eq!(world.deliveries().await.len(), 2);
}

#[tokio::test]
async fn sender_that_is_not_let_in_is_answered_before_it_sends_its_body() {
    let world = World::start(hub_with("allow = '127.0.0.2'\nrate = '1/1day'")).await;
    for (from, status) in [("127.0.0.3", "403"), ("127.0.0.2", "202"), ("127.0.0.2", "429")] {
        if status == "202" {
            assert_eq!(post_from(&world, from, hub("a-1")).await.status, 202);
            continue;
        }
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let mut stream = socket.connect(world.running.local_addr()).await.unwrap();
        let head = "POST /webhooks/hub HTTP/1.1\r\nhost: x\r\nx-github-event: push\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes());
    }
}

#[tokio::test]
async fn client_behind_a_trusted_proxy_is_the_one_that_is_asked_for_and_shown() {
    let app = with_hub("[server]\ntrusted_proxies = ['127.0.0.1', '10.0.0.0/8']").source(
        received(Source::github("narrow", Secrets::new([SECRET]).unwrap())).allow(["203.0.113.0/24", "2001:db8::7"]),
    );
    let world = World::start(app).await;
    let narrow = |id: &str| Post::github("push", id).path("/webhooks/narrow");
    for (id, header, value, status) in [
        ("a-1", "x-forwarded-for", "203.0.113.9", 202),
        ("a-2", "x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.1", 202),
        ("a-3", "forwarded", "for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https", 202),
        ("b-1", "x-forwarded-for", "203.0.113.9, 6.6.6.6", 403),
        ("b-2", "x-forwarded-for", "203.0.113.9, nonsense", 403),
        ("b-3", "x-forwarded-for", "", 403),
    ] {
        let answer = post_from(&world, "127.0.0.1", narrow(id).header(header, value)).await;
        assert_eq!(answer.status, status, "{value}");
    }
    let told = json_of(&world, "/api/v1/rejections").await;
    let remotes: Vec<_> = told["items"].as_array().unwrap().iter().map(|one| one["remote"].clone()).collect();
    assert_eq!(remotes, ["127.0.0.1", "127.0.0.1", "6.6.6.6"]);
    assert!(told["items"][1]["explanation"].as_str().unwrap().contains("server.trusted_proxies"));
    // Others are shown with it, too.
    post_from(&world, "127.0.0.1", hub("c-1").signed("another").header("x-forwarded-for", "203.0.113.9")).await;
    assert_eq!(last_rejection(&world).await["remote"], "203.0.113.9");
}

#[tokio::test]
async fn peer_that_is_no_proxy_cannot_say_that_it_is_another() {
    for proxies in ["", "[server]\ntrusted_proxies = '127.0.0.9'\n"] {
        let toml = format!("{proxies}[sources.hub]\nkind = 'github'\nsecret = '{SECRET}'\nallow = '203.0.113.0/24'");
        let world = World::start(configured(&toml).on("*", background(async || {}))).await;
        for (header, value) in [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "203.0.113.9, 127.0.0.9"),
            ("forwarded", "for=203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
        ] {
            let answer = post_from(&world, "127.0.0.3", hub("a-1").header(header, value)).await;
            assert_eq!(answer.status, 403, "{header}: {value}");
            assert_eq!(last_rejection(&world).await["remote"], "127.0.0.3");
        }
    }
}

#[tokio::test]
async fn admin_api_is_as_strict_behind_a_trusted_proxy_as_without() {
    let world = World::start(with_hub("[server]\ntrusted_proxies = '127.0.0.1'")).await;
    for (header, value) in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")] {
        let request = reqwest::Client::new().get(world.running.url("/api/v1/rejections")).header(header, value);
        assert_eq!(request.send().await.unwrap().status(), 403, "{header}");
    }
}

#[tokio::test]
async fn azure_devops_is_answered_503_where_others_are_refused_for_good() {
    let toml = "[sources.azure_devops]\nsecret = 'user:password'\nallow = '127.0.0.9'";
    let world = World::start(configured(toml).on("*", background(async || {}))).await;
    let answer = post_from(&world, "127.0.0.2", Post::github("push", "a-1").path("/webhooks/azure_devops")).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
    assert_eq!(last_rejection(&world).await["reason"], "address_not_allowed");
}

#[tokio::test]
async fn at_a_path_for_all_only_sources_that_allow_the_address_are_asked() {
    let toml = format!(
        "[sources.any]\nkind = 'auto'\n[sources.near]\nkind = 'github'\nsecret = '{SECRET}'\nallow = '127.0.0.2'\n\
         [sources.far]\nkind = 'github'\nsecret = '{SECRET}'\nallow = '127.0.0.3'"
    );
    let config = becket::Config::from_toml(&toml).unwrap();
    let app = App::new().config(config).listen(([127, 0, 0, 1], 0)).on("*", background(async || {}));
    let world = World::start(app).await;
    let any = |id: &str| Post::github("push", id).path("/webhooks/any");
    assert_eq!(post_from(&world, "127.0.0.2", any("a-1")).await.status, 202);
    assert_eq!(post_from(&world, "127.0.0.3", any("a-2")).await.status, 202);
    assert_eq!(post_from(&world, "127.0.0.4", any("a-3")).await.status, 403);
    assert_eq!(last_rejection(&world).await["reason"], "address_not_allowed");
    let sources: Vec<_> = world.deliveries().await.into_iter().rev().map(|one| one.source.to_string()).collect();
    assert_eq!(sources, ["near", "far"]);
}

#[tokio::test]
async fn published_addresses_are_waited_for_with_503_and_then_asked_for() {
    let go = Arc::new(Semaphore::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let meta = format!("http://{}/meta", listener.local_addr().unwrap());
    let gate = Arc::clone(&go);
    let publish = move || {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Json(json!({"hooks": ["127.0.0.2/32"]}))
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/meta", get(publish))).await });

    let world = World::start(hub_with(&format!("allow = ['github-meta', '127.0.0.7']\nmeta_url = '{meta}'"))).await;
    let early = post_from(&world, "127.0.0.2", hub("a-1")).await;
    assert_eq!((early.status, early.headers.contains_key("retry-after")), (503, true));
    assert_eq!(last_rejection(&world).await["reason"], "allow_list_missing");
    assert_eq!(post_from(&world, "127.0.0.7", hub("a-2")).await.status, 202, "this one needs no list");
    let shown = json_of(&world, "/api/v1/config").await["allow_lists"][0].clone();
    assert_eq!(shown, json!({"source": "hub", "networks": null, "checked_at": null, "error": null}));

    go.add_permits(1);
    while json_of(&world, "/api/v1/config").await["allow_lists"][0]["networks"].is_null() {
        tokio::task::yield_now().await;
    }
    assert_eq!(post_from(&world, "127.0.0.2", hub("a-1")).await.status, 202);
    assert_eq!(post_from(&world, "127.0.0.3", hub("a-3")).await.status, 403);
    let page = reqwest::get(world.running.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(page.contains("becket_allow_list_networks{source=\"hub\"} 1"), "{page}");
}

/// A world whose clock only the test moves.
async fn with_clock(app: App) -> (World, Clock) {
    let clock = Clock::manual(Timestamp::from_millis(1_767_225_600_000));
    let store = Arc::new(MemoryStore::new(clock.clone(), 0, Limits::default()));
    (World::start_on(app, store).await, clock)
}

#[tokio::test]
async fn requests_beyond_the_rate_are_429_and_told_when_to_come_again() {
    let (world, clock) = with_clock(hub_with("rate = '2/10s'")).await;
    assert_eq!(world.post(hub("a-1")).await.status, 202);
    clock.advance(Duration::from_millis(2_500));
    let wrong = world.post(hub("a-2").signed("another")).await;
    assert_eq!(wrong.status, 401, "what is not verified counts, too");
    let beyond = world.post(hub("a-3")).await;
    assert_eq!((beyond.status, &beyond.headers["retry-after"]), (429, &"8".parse().unwrap()));
    assert_eq!(beyond.body["detail"], "too many requests; send it again later");
    assert_eq!(last_rejection(&world).await["reason"], "rate_limited");
    assert_eq!(world.post(Post::github("push", "b-1")).await.status, 202, "another source has its own");
    clock.advance(Duration::from_millis(7_500));
    assert_eq!(world.post(hub("a-3")).await.status, 202);
    assert_eq!(world.post(hub("a-4")).await.status, 429);
}

/// Which of two sources of a kind a delivery is for is known by its secret; the other one's 401 would end it for good.
#[tokio::test]
async fn at_a_path_for_all_the_one_that_would_have_it_later_is_heard() {
    let toml = "[sources.any]\nkind = 'auto'\n[sources.busy]\nkind = 'github'\nsecret = 'of the busy one'\nrate = '1/10s'\n\
                [sources.idle]\nkind = 'github'\nsecret = 'of the idle one'";
    let app = App::new().config(becket::Config::from_toml(toml).unwrap()).listen(([127, 0, 0, 1], 0));
    let (world, _clock) = with_clock(app.on("*", background(async || {}))).await;
    let any = |id: &str, secret: &str| Post::github("push", id).path("/webhooks/any").signed(secret);
    assert_eq!(world.post(any("a-1", "of the busy one")).await.status, 202);
    let later = world.post(any("a-2", "of the busy one")).await;
    assert_eq!((later.status, later.headers.contains_key("retry-after")), (429, true));
    assert_eq!(world.post(any("a-3", "of the idle one")).await.status, 202, "the other is open");
}

#[tokio::test]
async fn at_a_path_for_all_a_source_that_takes_unsigned_requests_comes_last() {
    let toml = format!(
        "[sources.any]\nkind = 'auto'\n[sources.a_trial]\nkind = 'github'\ninsecure_accept_unsigned = true\n\
         [sources.hub]\nkind = 'github'\nsecret = '{SECRET}'"
    );
    let app = App::new().config(becket::Config::from_toml(&toml).unwrap()).listen(([127, 0, 0, 1], 0));
    let world = World::start(app.on("*", background(async || {}))).await;
    assert_eq!(world.post(Post::github("push", "a-1").path("/webhooks/any")).await.status, 202);
    assert_eq!(world.post(Post::github("push", "a-2").path("/webhooks/any").signed("another")).await.status, 202);
    let sources: Vec<_> = world.deliveries().await.into_iter().rev().map(|one| one.source.to_string()).collect();
    assert_eq!(sources, ["hub", "a_trial"]);
}

#[tokio::test]
async fn those_who_may_not_come_do_not_use_up_the_rate() {
    let (world, _clock) = with_clock(hub_with("rate = '1/10s'\nallow = '127.0.0.2'")).await;
    for _ in 0..3 {
        assert_eq!(post_from(&world, "127.0.0.3", hub("a-1")).await.status, 403);
    }
    assert_eq!(post_from(&world, "127.0.0.2", hub("a-1")).await.status, 202);
    assert_eq!(post_from(&world, "127.0.0.2", hub("a-2")).await.status, 429);
}

#[tokio::test]
async fn rate_and_addresses_may_be_given_in_code() {
    let source = Source::github("coded", Secrets::new([SECRET]).unwrap());
    let coded = received(source).allow(["127.0.0.2"]).allow(["127.0.0.3"]).rate(2, Duration::from_secs(10));
    let (world, _clock) = with_clock(app().source(coded).on("*", background(async || {}))).await;
    let coded = |id: &str| Post::github("push", id).path("/webhooks/coded");
    for (from, id, status) in
        [("127.0.0.4", "a-1", 403), ("127.0.0.2", "a-2", 202), ("127.0.0.3", "a-3", 202), ("127.0.0.2", "a-4", 429)]
    {
        assert_eq!(post_from(&world, from, coded(id)).await.status, status, "{from}");
    }
    let wrong = received(Source::github("wrong", Secrets::new([SECRET]).unwrap()));
    let wrong = wrong.allow(["github.com"]).allow_github_at("ftp://x/").rate(0, Duration::ZERO);
    let error = app().source(wrong).trusted_proxies(["nginx"]).start().await.unwrap_err().to_string();
    for part in [
        "the addresses that the source `wrong` allows: `github.com` is neither a network nor an address",
        "the addresses that the source `wrong` allows: is not the URL of a list of addresses",
        "the source `wrong` may take 0 requests in 0s",
        "trusted proxies: `nginx` is neither a network nor an address",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[tokio::test]
async fn peer_that_is_not_known_is_not_let_in_where_addresses_count() {
    use tower::ServiceExt as _;
    let (router, mounted) = hub_with("allow = ['0.0.0.0/0', '::/0']").store("memory:").into_router().await.unwrap();
    let post = hub("a-1");
    let request = post
        .headers
        .iter()
        .fold(http::Request::post(&post.path), |request, (name, value)| request.header(*name, value));
    let answer = router.oneshot(request.body(axum::body::Body::from(post.body)).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 403);
    mounted.shutdown().await;
}
