//! Chains and graphs of tasks, and what children learn of their parents.

use std::sync::Arc;

use becket_tasks::query::Family;
use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{
    Client, EnqueueError, EnqueueOptions, Error, Graph, GraphError, Policy, Registry, State, Store, TaskContext,
    TaskError, TaskId, WaitError,
};

use crate::world::World;

/// Kinds that add: `number` returns its argument, `sum` adds what its parents returned, `fail` fails, and `tell` tells
/// how its parents ended.
fn calculator() -> World {
    World::new().register(|registry: &mut Registry| {
        let policy = Policy::default;
        registry.task("number", policy(), |number: u64, _| async move { Ok::<_, TaskError>(number) }).unwrap();
        registry
            .task("fail", policy(), |(): (), _| async { Err::<(), _>(TaskError::give_up("it is broken")) })
            .unwrap();
        registry
            .task("sum", policy(), |own: u64, task| async move { Ok::<_, TaskError>(own + sum(&task).await?) })
            .unwrap();
        registry.task("tell", policy(), |(): (), task| async move { tell(&task).await }).unwrap();
        registry.task("twice", policy(), |number: u64, task| async move { twice(number, &task).await }).unwrap();
    })
}

async fn sum(task: &TaskContext) -> Result<u64, TaskError> {
    let mut sum = 0;
    for parent in task.parents().await? {
        sum += parent.result::<u64>()?;
    }
    Ok(sum)
}

async fn tell(task: &TaskContext) -> Result<Vec<String>, TaskError> {
    let parents = task.parents().await?;
    let text = parents.iter().map(|parent| match parent.result::<u64>() {
        Ok(number) => format!("{} {number}", parent.kind),
        Err(error) => format!("{} {}: {error}", parent.kind, parent.state),
    });
    Ok(text.collect())
}

/// Lets a task that runs after it read what it returns.
async fn twice(number: u64, task: &TaskContext) -> Result<u64, TaskError> {
    let follower = task.then("sum", &number).key(format!("{}-sum", task.id())).await?;
    assert_eq!(task.client().store().family(task.id()).await?.unwrap().children, [follower]);
    assert!(task.parents().await?.is_empty());
    Ok(number)
}

fn graph_error(error: EnqueueError) -> GraphError {
    match error {
        EnqueueError::Graph(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn links_of_a_chain_run_one_after_the_other_and_read_the_result_before_theirs() {
    let live = calculator().start().await;
    let chain = live.client.enqueue("number", &1).then("sum", &10).then("sum", &100).await.unwrap();
    assert_eq!(live.client.result::<u64>(chain[2]).await.unwrap(), 111);
    assert_eq!(live.store_family(chain[1]).await, Family { parents: vec![chain[0]], children: vec![chain[2]] });
}

#[tokio::test(start_paused = true)]
async fn chain_of_1000_links_runs_to_its_end_and_one_of_1001_is_refused() {
    let live = calculator().start().await;
    let mut chain = live.client.enqueue("number", &1).then("sum", &1);
    for _ in 2..Graph::TASKS_MAX {
        chain = chain.then("sum", &1);
    }
    let tasks = chain.await.unwrap();
    assert_eq!(tasks.len(), 1_000);
    assert_eq!(live.client.result::<u64>(tasks[999]).await.unwrap(), 1_000);

    let mut chain = live.client.enqueue("number", &1).then("sum", &1);
    for _ in 2..=Graph::TASKS_MAX {
        chain = chain.then("sum", &1);
    }
    assert_eq!(graph_error(chain.await.unwrap_err()), GraphError::TooMany(1_001));
}

#[tokio::test(start_paused = true)]
async fn diamond_in_any_order_joins_the_results_of_its_branches() {
    let live = calculator().start().await;
    let mut graph = Graph::new();
    graph.task("join", "sum", &0).after(["left", "right"]).after(["left"]);
    graph.task("right", "sum", &20).after(["root"]);
    graph.task("left", "sum", &10).after(["root"]);
    graph.task("root", "number", &1);
    assert_eq!((graph.len(), graph.is_empty()), (4, false));
    let tasks = graph.submit(&live.client).await.unwrap();
    assert_eq!(live.client.result::<u64>(tasks["join"]).await.unwrap(), 32);
    let mut parents = live.store_family(tasks["join"]).await.parents;
    parents.sort_by_key(|id| *id == tasks["right"]);
    assert_eq!(parents, [tasks["left"], tasks["right"]]);
    assert_eq!(tasks.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["join", "left", "right", "root"]);
    assert_eq!(tasks.get("nobody"), None);
}

#[tokio::test(start_paused = true)]
async fn graph_that_makes_no_sense_is_refused_as_a_whole() {
    let live = calculator().start().await;
    let mut circle = Graph::new();
    circle.task("alone", "number", &1);
    circle.task("a", "sum", &1).after(["c", "alone"]);
    circle.task("b", "sum", &1).after(["a"]);
    circle.task("c", "sum", &1).after(["b"]);
    circle.task("waits", "sum", &1).after(["c"]);
    let error = graph_error(circle.submit(&live.client).await.unwrap_err());
    let told = "tasks wait for each other in a circle: `a` waits for `c` waits for `b` waits for `a`";
    assert_eq!(error.to_string(), told);

    let mut unknown = Graph::new();
    unknown.task("a", "sum", &1).after(["nobody"]);
    let error = graph_error(unknown.submit(&live.client).await.unwrap_err());
    assert_eq!(error.to_string(), "`a` waits for `nobody`, and the graph has no such task");

    let mut same = Graph::new();
    same.task("a", "number", &1);
    same.task("a", "number", &2);
    let error = graph_error(same.submit(&live.client).await.unwrap_err());
    assert_eq!(error.to_string(), "two tasks have the name `a`");

    let mut large = Graph::new();
    for place in 0..=Graph::TASKS_MAX {
        large.task(place.to_string(), "number", &1);
    }
    let error = graph_error(large.submit(&live.client).await.unwrap_err());
    assert_eq!(error.to_string(), "a graph has at most 1000 tasks, and not 1001");

    let mut kinds = Graph::new();
    kinds.task("a", "number", &1);
    kinds.task("b", "nummer", &1);
    assert!(matches!(kinds.submit(&live.client).await, Err(EnqueueError::UnknownKind(kind)) if &*kind == "nummer"));

    let mut gone = Graph::new();
    gone.task("a", "number", &1);
    gone.task("b", "number", &1).after_tasks([TaskId::from_u64(7)]);
    assert!(matches!(gone.submit(&live.client).await, Err(EnqueueError::Store(Error::Invalid(_)))));

    assert_eq!(Graph::new().submit(&live.client).await.unwrap().iter().count(), 0);
    assert_eq!(live.store.counts().await.unwrap().by_state.iter().sum::<u64>(), 0, "nothing was accepted");
}

#[tokio::test(start_paused = true)]
async fn child_of_a_parent_that_ended_badly_is_cancelled_unless_it_survives_that() {
    let live = calculator().start().await;
    let chain = live.client.enqueue("fail", &()).then("sum", &1).then("tell", &()).survive().await.unwrap();
    let told: Vec<String> = live.client.result(chain[2]).await.unwrap();
    let why = "sum cancelled: the task was cancelled: a task that it waited for failed";
    assert_eq!(told, [why]);

    let mut graph = Graph::new();
    graph.task("bad", "fail", &());
    graph.task("good", "number", &7);
    graph.task("tell", "tell", &()).after(["bad", "good"]).survive();
    let tasks = graph.submit(&live.client).await.unwrap();
    let told: Vec<String> = live.client.result(tasks["tell"]).await.unwrap();
    assert_eq!(told, ["fail failed: the task failed: it is broken", "number 7"]);
}

#[tokio::test(start_paused = true)]
async fn task_can_wait_for_tasks_that_exist_already() {
    let live = calculator().start().await;
    let (one, two) =
        (live.client.enqueue("number", &1).await.unwrap(), live.client.enqueue("number", &2).await.unwrap());
    live.client.wait(one).await.unwrap();
    let sum = live.client.enqueue("sum", &10).after([one, two]).await.unwrap();
    assert_eq!(live.client.result::<u64>(sum).await.unwrap(), 13);
    let options = EnqueueOptions { after: vec![sum], ..EnqueueOptions::default() };
    let more = live.client.enqueue_with("sum", &100, options).await.unwrap();
    assert_eq!(live.client.result::<u64>(more).await.unwrap(), 113);
    let nobody = live.client.enqueue("sum", &1).after([TaskId::from_u64(7)]).await.unwrap_err();
    assert!(nobody.to_string().starts_with("there is no task"), "{nobody}");
}

#[tokio::test(start_paused = true)]
async fn handler_enqueues_what_waits_for_it() {
    let live = calculator().start().await;
    let task = live.client.enqueue("twice", &21).await.unwrap();
    live.client.wait(task).await.unwrap();
    let follower = live.store_family(task).await.children[0];
    assert_eq!(live.client.result::<u64>(follower).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn parent_with_a_result_of_another_type_says_so() {
    let live = calculator().start().await;
    let task = live.client.enqueue("number", &1).then("sum", &1).await.unwrap();
    live.client.wait(task[1]).await.unwrap();
    let parents = live.client.parents(task[1]).await.unwrap();
    assert_eq!((parents[0].id, &*parents[0].kind, parents[0].state), (task[0], "number", State::Completed));
    assert!(matches!(parents[0].result::<String>(), Err(WaitError::Result(_))));
    live.client.purge(&[task[0]]).await.unwrap();
    assert!(live.client.parents(task[1]).await.unwrap().is_empty(), "it is not kept any more");
    assert!(live.client.parents(task[0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn key_in_a_chain_stands_for_the_first_task_with_it() {
    let mut registry = Registry::new();
    registry.task("later", Policy::default(), |(): (), _| async { Ok::<_, TaskError>(()) }).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let client = Client::new(Arc::clone(&store), &registry);
    let first = client.enqueue("later", &()).key("once").await.unwrap();
    let chain = client.enqueue("later", &()).key("once").then("later", &()).await.unwrap();
    assert_eq!(chain[0], first);
    assert_eq!(store.family(chain[1]).await.unwrap().unwrap().parents, [first]);
}
