//! An application that reads its configuration again: what began ends as it began, and code stays.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use becket::config::Loader;
use becket::{App, Config, ReloadTrigger, inline};
use tokio::sync::Semaphore;

use crate::world::{Post, SECRET, World};

/// A configuration file that can be written again. Nobody watches it.
struct File(tempfile::TempDir);

impl File {
    fn new(rest: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(rest);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("becket.toml")
    }

    fn write(&self, rest: &str) {
        std::fs::write(self.path(), format!("[server]\nwatch_config = false\n{rest}")).unwrap();
    }

    fn app(&self) -> App {
        let loader = Loader { file: Some(self.path()), ..Loader::default() };
        let config = Config::load(loader.clone()).unwrap().config;
        App::new().config(config).reload_from(loader).listen((Ipv4Addr::LOCALHOST, 0))
    }
}

fn github(secret: &str) -> String {
    format!("[sources.github]\nsecret = '{secret}'\n")
}

#[tokio::test]
async fn request_that_has_begun_ends_under_the_configuration_to_which_it_came() {
    let file = File::new(&github(SECRET));
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (began, going) = (Arc::clone(&begun), Arc::clone(&go));
    let handler = inline(move || {
        let (began, going) = (Arc::clone(&began), Arc::clone(&going));
        async move {
            began.add_permits(1);
            going.acquire().await.unwrap().forget();
            "done"
        }
    });
    let world = Arc::new(World::start(file.app().on("push", handler)).await);
    let asking = Arc::clone(&world);
    let asked = tokio::spawn(async move { asking.post(Post::github("push", "1")).await });
    begun.acquire().await.unwrap().forget();

    file.write(&github("another secret"));
    let reloaded = world.running.reload(ReloadTrigger::Program).await.unwrap();
    assert_eq!((reloaded.sources, reloaded.kinds_added), (vec!["github".to_owned()], Vec::new()));
    assert_eq!(world.post(Post::github("push", "2")).await.status, 401, "who comes now meets the new one");
    go.add_permits(1);
    assert_eq!(asked.await.unwrap().status, 200);

    let again = Arc::clone(&world);
    let asked = tokio::spawn(async move { again.post(Post::github("push", "3").signed("another secret")).await });
    begun.acquire().await.unwrap().forget();
    go.add_permits(1);
    assert_eq!(asked.await.unwrap().status, 200, "the handler in code is there as before");
}

#[tokio::test]
async fn what_does_not_fit_the_code_is_refused_and_changes_nothing() {
    let file = File::new(&github(SECRET));
    let world = World::start(file.app().on("push", || async { "fine" })).await;
    file.write("");
    let faults = world.running.reload(ReloadTrigger::Program).await.unwrap_err();
    assert!(faults[0].what.contains("there is no source that could send any"), "{faults:?}");
    assert_eq!(world.post(Post::github("push", "1")).await.status, 200);
    file.write("[sources.github]\nsecret = ''\n");
    let faults = world.running.reload(ReloadTrigger::Program).await.unwrap_err();
    assert_eq!(faults[0].key.as_deref(), Some("sources.github.secret"));
    assert!(faults[0].origin.as_deref().is_some_and(|origin| origin.ends_with("becket.toml:4:1")), "{faults:?}");
    assert_eq!(world.post(Post::github("push", "2")).await.status, 200);
}

#[tokio::test]
async fn rate_goes_on_counting_where_it_was_and_addresses_are_those_of_the_new_configuration() {
    let limited = |rate: &str| format!("{}rate = '{rate}'\n", github(SECRET));
    let file = File::new(&limited("2/1day"));
    let world = World::start(file.app().on("push", || async { "fine" })).await;
    assert_eq!(world.post(Post::github("push", "1")).await.status, 200);
    file.write(&(limited("2/1day") + "[tasks]\nretries = 9\n"));
    world.running.reload(ReloadTrigger::Program).await.unwrap();
    assert_eq!(world.post(Post::github("push", "2")).await.status, 200);
    assert_eq!(world.post(Post::github("push", "3")).await.status, 429, "the one before the reload counts");
    file.write(&limited("3/1day"));
    world.running.reload(ReloadTrigger::Program).await.unwrap();
    assert_eq!(world.post(Post::github("push", "3")).await.status, 200, "also towards another rate");
    assert_eq!(world.post(Post::github("push", "4")).await.status, 429);

    file.write(&(github(SECRET) + "allow = '203.0.113.0/24'\n"));
    world.running.reload(ReloadTrigger::Program).await.unwrap();
    assert_eq!(world.post(Post::github("push", "5")).await.status, 403);
    file.write(&format!("trusted_proxies = '127.0.0.1'\n{}allow = '203.0.113.0/24'\n", github(SECRET)));
    world.running.reload(ReloadTrigger::Program).await.unwrap();
    let forwarded = Post::github("push", "5").header("x-forwarded-for", "203.0.113.9");
    assert_eq!(world.post(forwarded).await.status, 200);
}

#[tokio::test]
async fn application_is_told_of_what_came_into_force_and_only_of_that() {
    let file = File::new(&github(SECRET));
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let app = file.app().on_reload(move |config| telling.lock().unwrap().push(config.tasks.retries));
    let world = World::start(app.on("push", || async {})).await;
    file.write(&format!("{}[tasks]\nretries = 9\n", github(SECRET)));
    world.running.reload(ReloadTrigger::Program).await.unwrap();
    file.write("nonsense");
    world.running.reload(ReloadTrigger::Program).await.unwrap_err();
    assert_eq!(*told.lock().unwrap(), [9]);
}

#[tokio::test]
async fn route_that_comes_with_a_target_works_and_the_default_of_tasks_counts() {
    let file = File::new(&github(SECRET));
    let world = World::start(file.app()).await;
    assert_eq!(world.post(Post::github("push", "1")).await.status, 200, "nobody wants it");
    file.write(&(github(SECRET) + "[tasks]\nretries = 6\n[[routes]]\nname = 'note'\non = '*'\nto = 'log'\n"));
    let reloaded = world.running.reload(ReloadTrigger::Program).await.unwrap();
    assert_eq!(reloaded.kinds_added, ["note"]);
    let answer = world.post(Post::github("push", "2")).await;
    assert_eq!(answer.status, 202);
    let task = world.ended(answer.tasks()[0]).await.task;
    assert_eq!((&*task.kind, task.standing.max_attempts), ("note", 7));
}

#[tokio::test]
async fn application_that_was_not_told_from_where_says_so() {
    let world = World::start(crate::world::app()).await;
    let faults = world.running.reload(ReloadTrigger::Program).await.unwrap_err();
    assert!(faults[0].mend.contains(".reload_from"), "{faults:?}");
    let url = world.running.url("/api/v1/config/reload");
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().post(url).send().await.unwrap();
    assert_eq!(answer.status(), 409);
}
