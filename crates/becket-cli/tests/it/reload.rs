//! Another configuration while the server runs: by SIGHUP, by a change of the file, and over the API. No delivery is lost
//! meanwhile, and a configuration that is wrong changes nothing.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use becket_webhooks::signature;
use serde_json::Value;

use crate::world::{Server, World};

const SECRETS: [&str; 2] = ["the old secret", "the new secret"];

/// A configuration with these secrets, and `rest`.
fn config(secrets: &str, rest: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nwatch_config = false\n[store]\nurl = \"sqlite:becket.db\"\n\
         [sources.github]\nsecrets = [{secrets}]\n{rest}"
    )
}

fn watched(secrets: &str, rest: &str) -> String {
    config(secrets, rest).replace("watch_config = false\n", "")
}

fn route(name: &str) -> String {
    format!("[[routes]]\nname = \"{name}\"\non = \"*\"\nto = \"log\"\n")
}

/// The test's own half of a server: what it answers over HTTP.
struct Http {
    base: String,
    client: reqwest::Client,
}

impl Http {
    fn of(server: &Server<'_>) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(100)).build().unwrap();
        Self { base: server.url.clone(), client }
    }

    async fn get(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/config").await).unwrap()
    }

    /// Waits until so many reloads were applied or refused.
    async fn until(&self, what: &str, count: u64) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let status = self.status().await;
            if status[what] == count {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "in vain waited for {what} to be {count}: {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Posts a delivery signed with a secret; its status.
    async fn post(&self, secret: &str, id: &str) -> u16 {
        let body = r#"{"zen": "Keep it logically awesome."}"#;
        let request = self.client.post(format!("{}/webhooks/github", self.base)).header("x-github-event", "ping");
        let request = request.header("x-github-delivery", id).header("content-type", "application/json");
        let request = request.header("x-hub-signature-256", signature::github(secret.as_bytes(), body.as_bytes()));
        request.body(body).send().await.unwrap().status().as_u16()
    }
}

fn write(world: &World, text: &str) {
    // As editors do: a reader sees the one file or the other.
    let new = world.path().join("becket.toml.new");
    fs::write(&new, text).unwrap();
    fs::rename(new, world.path().join("becket.toml")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_is_rotated_under_load_and_no_delivery_is_refused_or_lost() {
    let world = World::new(&config("'the old secret'", &route("note")));
    let server = world.serve();
    let http = Arc::new(Http::of(&server));
    let (signing, sent, stop) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let posting: Vec<_> = (0..4)
        .map(|poster| {
            let (http, signing, sent) = (Arc::clone(&http), Arc::clone(&signing), Arc::clone(&sent));
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    let secret = SECRETS[signing.load(Ordering::SeqCst)];
                    let status = http.post(secret, &format!("{poster}-{number}")).await;
                    assert_eq!(status, 202, "signed with {secret}");
                    sent.fetch_add(1, Ordering::SeqCst);
                    number += 1;
                }
            })
        })
        .collect();
    let more = async || {
        let wanted = sent.load(Ordering::SeqCst) + 40;
        while sent.load(Ordering::SeqCst) < wanted {
            assert!(posting.iter().all(|one| !one.is_finished()), "a delivery was refused");
            // Each poster wakes the others' runtime as it goes; there is no more to wait for than their next answer.
            tokio::task::yield_now().await;
        }
    };

    more().await;
    write(&world, &config("'the new secret', 'the old secret'", &route("note")));
    server.hang_up();
    assert_eq!(http.until("applied", 1).await["last"]["trigger"], "signal");
    more().await;
    // Here somebody enters it at the sender. What is under way was signed with the old one.
    signing.store(1, Ordering::SeqCst);
    more().await;
    write(&world, &config("'the new secret'", &route("note")));
    server.ask("config reload").ok();
    more().await;
    stop.store(true, Ordering::SeqCst);
    for one in posting {
        one.await.unwrap();
    }

    assert_eq!(http.post(SECRETS[0], "too-late").await, 401);
    let page = http.get("/metrics").await;
    let accepted =
        format!("becket_deliveries_total{{source=\"github\",answer=\"accepted\"}} {}", sent.load(Ordering::SeqCst));
    assert!(page.lines().any(|line| line == accepted), "{accepted} is not in\n{page}");
    assert!(page.contains("becket_config_reloads_total{result=\"applied\"} 2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_file_is_applied_by_itself_and_a_wrong_one_is_not() {
    let world = World::new(&watched("'the old secret'", &route("note")));
    let server = world.serve();
    let http = Http::of(&server);
    assert_eq!(http.status().await["watched"], true);

    write(&world, &watched("'the old secret'", &(route("note") + &route("second"))));
    let status = http.until("applied", 1).await;
    assert_eq!(status["last"]["trigger"], "file");
    assert_eq!(http.post(SECRETS[0], "two-routes").await, 202);
    let kinds = server.ask_json("tasks list");
    let mut kinds: Vec<_> = kinds["items"].as_array().unwrap().iter().map(|task| task["kind"].clone()).collect();
    kinds.sort_by_key(Value::to_string);
    assert_eq!(kinds, ["note", "second"]);

    write(&world, &watched("''", "[workers]\nconcurrency = 3\n"));
    let status = http.until("refused", 1).await;
    assert_eq!(status["last"]["applied"], false);
    let check = world.run("config check --json");
    assert_eq!(status["last"]["errors"].as_array().unwrap().len(), check.json()["errors"].as_array().unwrap().len());
    for error in check.json()["errors"].as_array().unwrap() {
        let same = |told: &&Value| ["key", "what", "mend"].iter().all(|part| told[part] == error[part]);
        assert!(status["last"]["errors"].as_array().unwrap().iter().any(|told| same(&told)), "{error} in {status}");
    }
    assert_eq!(http.post(SECRETS[0], "still").await, 202, "the one before goes on");
    assert_eq!(http.client.get(format!("{}/readyz", http.base)).send().await.unwrap().status(), 200);

    write(&world, &watched("'the new secret'", &route("note")));
    http.until("applied", 2).await;
    assert_eq!(http.post(SECRETS[1], "mended").await, 202);
    drop(http);
    let (_, log) = server.stop();
    assert!(log.contains("the new configuration is refused, the old one stays: unknown key"), "{log}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_behind_links_that_are_swapped_is_seen_too() {
    let world = World::new("");
    let folder = |version: &str, secret: &str| {
        let folder = world.path().join(version);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("becket.toml"), watched(secret, &route("note"))).unwrap();
        // As Kubernetes does with a ConfigMap.
        let link = world.path().join("..new");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        fs::rename(link, world.path().join("..data")).unwrap();
    };
    folder("v1", "'the old secret'");
    fs::remove_file(world.path().join("becket.toml")).unwrap();
    std::os::unix::fs::symlink("..data/becket.toml", world.path().join("becket.toml")).unwrap();
    let server = world.serve();
    let http = Http::of(&server);
    assert_eq!(http.post(SECRETS[1], "early").await, 401);
    folder("v2", "'the new secret'");
    http.until("applied", 1).await;
    assert_eq!(http.post(SECRETS[1], "later").await, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_restart_is_refused_with_all_that_came_with_it() {
    let world = World::new(&config("'the old secret'", &route("note")));
    let server = world.serve();
    let http = Http::of(&server);
    let other = config("'the new secret'", &route("note")).replace("127.0.0.1:0", "127.0.0.1:9999");
    write(&world, &other.replace("becket.db", "other.db"));
    let printed = server.ask("config reload");
    assert_eq!(printed.code, 1);
    for part in [
        "becket.toml:2:1: server.listen: needs a restart: the server runs with 127.0.0.1:0, and here is 127.0.0.1:9999",
        "becket.toml:5:1: store.url: needs a restart",
    ] {
        assert!(printed.err.contains(part), "no {part} in {}", printed.err);
    }
    assert_eq!((http.post(SECRETS[0], "a").await, http.post(SECRETS[1], "b").await), (202, 401));
    assert!(http.get("/metrics").await.contains("becket_config_reloads_total{result=\"refused\"} 1"));

    fs::remove_file(world.path().join("becket.toml")).unwrap();
    let printed = server.ask("config reload");
    assert!(printed.err.contains("cannot read the configuration file"), "{}", printed.err);
    assert_eq!(http.post(SECRETS[0], "c").await, 202, "a file that is gone is no configuration without sources");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_route_that_is_gone_wait_for_it_to_come_back() {
    let world = World::new(&config("'the old secret'", &(route("note") + &route("going"))));
    let server = world.serve();
    let http = Http::of(&server);
    server.ask("pause kind going").ok();
    assert_eq!(http.post(SECRETS[0], "one").await, 202);
    let listed = server.ask_json("tasks list --kind going");
    let task = listed["items"][0]["id"].as_str().unwrap().to_owned();

    write(&world, &config("'the old secret'", &route("note")));
    let printed = server.ask("config reload").ok().out;
    assert!(printed.contains("have none any more, and stay queued: going"), "{printed}");
    server.ask("resume kind going").ok();
    assert_eq!(http.post(SECRETS[0], "two").await, 202);
    assert_eq!(server.ask_json(&format!("tasks show {task}"))["state"], "queued");
    assert_eq!(server.ask_json("tasks list --kind going")["items"].as_array().unwrap().len(), 1);

    write(&world, &config("'the old secret'", &(route("note") + &route("going"))));
    assert!(server.ask("config reload").ok().out.contains("have a handler now: going"));
    server.wait(&[&task]).ok();
    assert_eq!(server.ask_json(&format!("tasks show {task}"))["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_token_and_what_is_logged_change_too() {
    let world = World::new(&config("'the old secret'", "[log]\nfilter = \"error\"\n"));
    let server = world.serve();
    let http = Http::of(&server);
    let token = "0123456789abcdef0123456789abcdef";
    write(&world, &config("'the old secret'", &format!("[log]\nfilter = \"info\"\n[admin]\ntoken = \"{token}\"\n")));
    server.hang_up();
    // Whoever may not ask any more knows that it is in force.
    let begun = std::time::Instant::now();
    while http.client.get(format!("{}/api/v1/config", http.base)).send().await.unwrap().status() != 401 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the token is not asked for");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let printed = server.ask(&format!("config reload --token {token}"));
    printed.ok();
    drop(http);
    let (_, log) = server.stop();
    assert!(log.contains("the configuration was reloaded"), "{log}");
}
