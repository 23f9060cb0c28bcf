//! Tasks that tell how others ended: what the engine does for them. How somebody is reached is not for here.

use std::sync::{Arc, Mutex};

use becket_tasks::client::{Address, notify};
use becket_tasks::{EnqueueError, EnqueueOptions, Graph, Policy, Registry, Run, TaskError};

use crate::world::World;

type Heard = Arc<Mutex<Vec<String>>>;

/// Tasks that go well or not, and somebody who listens.
fn world() -> (World, Heard) {
    let heard = Heard::default();
    let listener = Arc::clone(&heard);
    let world = World::new().register(move |registry: &mut Registry| {
        registry.task("good", Policy::default(), |(): (), _| async { Ok::<_, TaskError>(()) }).unwrap();
        let policy = Policy { notify: true, ..Policy::default() };
        registry.task("bad", policy, |(): (), _| async { Err::<(), _>(TaskError::give_up("broken")) }).unwrap();
        let tell = move |run: Run| {
            let heard = Arc::clone(&listener);
            async move {
                let parents = run.context.parents().await?;
                let whom = Address::kept_in(&run.task.meta);
                let whom = whom.as_ref().map_or("somebody", Address::as_str);
                heard.lock().unwrap().push(format!("{whom}: {} {}", parents[0].kind, parents[0].state));
                Ok(None)
            }
        };
        registry.insert(notify::KIND, Policy::default(), tell).unwrap();
    });
    (world, heard)
}

#[tokio::test(start_paused = true)]
async fn end_is_told_to_whom_the_task_or_its_kind_says_however_it_ends() {
    let (world, heard) = world();
    let live = world.start().await;
    let quiet = live.client.enqueue("good", &()).await.unwrap();
    let good = live.client.enqueue("good", &()).notify("mona").await.unwrap();
    let bad = live.client.enqueue("bad", &()).await.unwrap();
    let options = EnqueueOptions { notify: Some("hubot".into()), ..EnqueueOptions::default() };
    let worse = live.client.enqueue_with("bad", &(), options).await.unwrap();
    for task in [good, bad, worse] {
        let teller = live.store_family(task).await.children[0];
        live.client.result::<()>(teller).await.unwrap();
    }
    assert!(live.store_family(quiet).await.children.is_empty());
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    assert_eq!(heard, ["hubot: bad failed", "mona: good completed", "somebody: bad failed"]);
}

#[tokio::test(start_paused = true)]
async fn cancelled_task_of_a_graph_is_told_of_too() {
    let (world, heard) = world();
    let live = world.start().await;
    let mut graph = Graph::new();
    graph.task("after", "good", &()).after(["first"]).notify("mona");
    graph.task("first", "bad", &());
    let tasks = graph.submit(&live.client).await.unwrap();
    let teller = live.store_family(tasks["after"]).await.children[0];
    live.client.result::<()>(teller).await.unwrap();
    assert!(heard.lock().unwrap().contains(&"mona: good cancelled".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn second_task_with_a_key_is_not_told_of_and_one_that_is_gone_is_not_mistaken_for_its_teller() {
    let (world, heard) = world();
    let live = world.start().await;
    let enqueue = || live.client.enqueue("good", &()).key("once").notify("mona");
    let first = enqueue().await.unwrap();
    let teller = live.store_family(first).await.children[0];
    live.client.wait(teller).await.unwrap();
    assert_eq!(enqueue().await.unwrap(), first);
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert_eq!(live.client.purge(&[first]).await.unwrap(), [first]);
    assert!(matches!(enqueue().await, Err(EnqueueError::Gone(_))));
}

#[tokio::test(start_paused = true)]
async fn without_a_handler_that_tells_nothing_is_accepted() {
    let live = World::new().task("good", |_| async { Ok(1) }).start().await;
    let error = live.client.enqueue("good", &()).notify("mona").await.unwrap_err();
    assert_eq!(error.to_string(), "no handler is registered for tasks of kind `becket.notify`");
    assert!(!format!("{:?}", live.client.enqueue("good", &()).notify("t0ken")).contains("t0ken"));
}
