//! `becket tasks show` and `watch`, of a task that does steps and tells its progress.

use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use becket::{App, TaskContext, TaskError, background};
use tokio::sync::Notify;

use crate::world::World;

/// Tells its progress again and again, since a listener hears only what follows, until it may end.
async fn import(task: TaskContext, begun: Arc<Notify>, may_end: Arc<AtomicBool>) -> Result<(), TaskError> {
    task.step("download", async || Ok(4711)).await?;
    task.step("unpack", async || Ok(())).await?;
    while !may_end.load(Ordering::Relaxed) {
        task.progress(3, 10, "importing rows");
        begun.notify_one();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn task_is_shown_and_watched_with_its_steps_and_its_progress() {
    let (begun, may_end) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (tell, end) = (Arc::clone(&begun), Arc::clone(&may_end));
    let handler = move |task: TaskContext| import(task, Arc::clone(&tell), Arc::clone(&end));
    let app = App::new().listen((Ipv4Addr::LOCALHOST, 0)).store("memory:").github("a secret for tests");
    let running = app.task("import", background(handler)).start().await.unwrap();
    let id = running.client().enqueue("import", &()).await.unwrap();
    begun.notified().await;

    let url = running.url("");
    let asking = tokio::task::spawn_blocking(move || {
        let world = World::new("");
        let shown = world.run(&format!("tasks show {id} --url {url}")).ok().out;
        let has = |line: &[&str]| shown.lines().any(|shown| line.iter().all(|word| shown.contains(word)));
        assert!(has(&["progress", "3 of 10 (30 %): importing rows"]), "{shown}");
        assert!(has(&["STEP", "STORED", "RESULT"]), "{shown}");
        assert!(has(&["download", "4711"]) && has(&["unpack", "null"]), "{shown}");

        let watch = format!("tasks watch {id} --url {url}");
        let mut watch = world.becket(watch.split(' ')).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        assert!(first.contains("import  3 of 10 (30 %): importing rows"), "{first}");
        may_end.store(true, Ordering::Relaxed);
        let last = lines.last().unwrap();
        assert!(last.contains("running -> completed"), "{last}");
        assert!(watch.wait().unwrap().success());
    });
    asking.await.unwrap();
    running.shutdown().await;
}
