//! Schedules, over a manual clock: each tick once, whoever fires it.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::query::{Page, SubmissionFilter, SubmissionInfo};
use becket_tasks::schedule::{Missed, Schedule};
use becket_tasks::{Clock, Engine, EngineOptions, Error, Policy, Registry, State, Store, Timestamp};

use crate::store::{Mood, Unsteady};
use crate::world::{Live, SOON, World, idle};

const HOUR: Duration = Duration::from_secs(3_600);

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Half past two.
fn clock() -> Clock {
    Clock::manual(time("2026-11-22T02:30:00Z"))
}

/// Fires on the hour.
fn hourly(missed: Missed) -> Schedule {
    Schedule::new("hourly", "0 * * * *".parse().unwrap(), "work").missed(missed)
}

fn with(world: World, schedule: Schedule) -> World {
    world.task("work", |_| async { Ok(1) }).register(|registry| registry.schedule(schedule).unwrap())
}

/// A running world that has looked once.
async fn started(world: World) -> Live {
    let live = world.start().await;
    settled(&*live.store).await;
    live
}

/// Waits until an engine has seen its schedule.
async fn settled(store: &dyn Store) {
    let seen = async {
        while store.schedule_states().await.unwrap().iter().all(|state| state.settled_until.is_none()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, seen).await.expect("the schedule is never seen");
}

async fn submissions(store: &dyn Store) -> Vec<SubmissionInfo> {
    let filter = SubmissionFilter { source: Some("schedule".into()), ..SubmissionFilter::default() };
    let mut items = store.submissions(filter, Page::first(1_000)).await.unwrap().items;
    items.reverse();
    items
}

/// Which ticks were fired, as `HH:MM`, in the order of their submissions.
async fn fired(store: &dyn Store) -> Vec<String> {
    let name = |info: SubmissionInfo| info.key.unwrap().split_once('T').unwrap().1[..5].to_owned();
    submissions(store).await.into_iter().map(name).collect()
}

/// Waits until so many ticks were fired.
async fn until_fired(store: &dyn Store, count: usize) -> Vec<String> {
    let mut changes = store.events().subscribe();
    let all = async {
        loop {
            let fired = fired(store).await;
            if fired.len() >= count {
                return fired;
            }
            changes.next().await.expect("the store is open");
        }
    };
    tokio::time::timeout(SOON, all).await.expect("ticks are not fired")
}

#[tokio::test(start_paused = true)]
async fn schedule_fires_at_its_tick_and_not_before() {
    let mut live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    live.clock.set(time("2026-11-22T02:59:59.999Z"));
    idle(Duration::from_secs(60)).await;
    assert_eq!(fired(&*live.store).await, [""; 0]);
    live.clock.set(time("2026-11-22T03:00:00Z"));
    assert_eq!(until_fired(&*live.store, 1).await, ["03:00"]);
    let submission = submissions(&*live.store).await.remove(0);
    assert_eq!((&*submission.source, &*submission.event), ("schedule", "hourly"));
    assert_eq!(submission.key.as_deref(), Some("hourly/2026-11-22T03:00:00.000Z"));
    live.until(submission.tasks[0], State::Completed).await;
    let payload = live.store.payload(submission.id).await.unwrap().unwrap().payload;
    assert_eq!(payload, r#"{"schedule":"hourly","tick":"2026-11-22T03:00:00.000Z"}"#);
    let info = live.engine.schedules().list().await.unwrap().remove(0);
    assert_eq!(info.last_at, Some(time("2026-11-22T03:00:00Z")));
    assert_eq!(info.next_at, Some(time("2026-11-22T04:00:00Z")));
}

#[tokio::test(start_paused = true)]
async fn task_is_due_after_the_delay_of_its_tick() {
    let jittered = hourly(Missed::Skip).jitter(Duration::from_secs(600));
    let (tick, delay) = (time("2026-11-22T03:00:00Z"), jittered.delay_of(time("2026-11-22T03:00:00Z")));
    assert!(!delay.is_zero());
    let mut live = started(with(World::with_clock(&clock()), jittered)).await;
    live.clock.set(tick);
    until_fired(&*live.store, 1).await;
    let task = submissions(&*live.store).await[0].tasks[0];
    let detail = live.detail(task).await.task;
    assert_eq!((detail.state(), detail.standing.run_at), (State::Queued, tick.after(delay)));
    live.clock.advance(delay);
    live.store.wake();
    live.until(task, State::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn g2_tick_is_fired_once_by_all_processes_that_share_a_store() {
    let store = Arc::new(Unsteady::new(memory(&clock())));
    let mut lives = Vec::new();
    for _ in 0..3 {
        let world = with(World::over(Arc::clone(&store)), hourly(Missed::catch_up()));
        lives.push(started(world).await);
    }
    for hour in ["03", "04", "05"] {
        // All of them submit it, before the first of them is answered.
        store.insert.is(Mood::Waits);
        store.clock().set(time(&format!("2026-11-22T{hour}:00:00Z")));
        store.insert.called(3).await;
        store.insert.is(Mood::Fine);
        idle(Duration::from_secs(30)).await;
    }
    assert_eq!(fired(&*store).await, ["03:00", "04:00", "05:00"]);
}

#[tokio::test(start_paused = true)]
async fn clock_that_jumps_forwards_loses_no_single_tick() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    live.clock.set(time("2026-11-22T03:45:00Z"));
    assert_eq!(until_fired(&*live.store, 1).await, ["03:00"]);
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_set_back_fires_no_tick_twice_and_goes_on() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    live.clock.set(time("2026-11-22T03:00:00Z"));
    until_fired(&*live.store, 1).await;
    for back_and_forth in ["2026-11-22T02:10:00Z", "2026-11-22T03:00:01Z"] {
        live.clock.set(time(back_and_forth));
        idle(Duration::from_secs(30)).await;
    }
    assert_eq!(fired(&*live.store).await, ["03:00"]);
    live.clock.set(time("2026-11-22T04:00:00Z"));
    assert_eq!(until_fired(&*live.store, 2).await, ["03:00", "04:00"]);
}

#[tokio::test(start_paused = true)]
async fn tick_during_an_outage_of_the_store_is_fired_after_it() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    live.store.insert.is(Mood::Down);
    live.clock.set(time("2026-11-22T03:00:00Z"));
    live.store.insert.called(3).await;
    live.clock.advance(Duration::from_secs(900));
    live.store.insert.is(Mood::Fine);
    assert_eq!(until_fired(&*live.store, 1).await, ["03:00"]);
}

#[tokio::test(start_paused = true)]
async fn paused_schedule_does_not_fire_nor_what_was_missed_after_it_is_resumed() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    let schedules = live.engine.schedules();
    let paused = schedules.pause("hourly").await.unwrap().unwrap();
    assert!(paused.paused && paused.next_at.is_none());
    live.clock.set(time("2026-11-22T03:00:10Z"));
    idle(Duration::from_secs(30)).await;
    let resumed = schedules.resume("hourly").await.unwrap().unwrap();
    assert_eq!((resumed.paused, resumed.next_at), (false, Some(time("2026-11-22T04:00:00Z"))));
    idle(Duration::from_secs(30)).await;
    assert_eq!(fired(&*live.store).await, [""; 0]);
    live.clock.set(time("2026-11-22T04:00:00Z"));
    assert_eq!(until_fired(&*live.store, 1).await, ["04:00"]);
}

#[tokio::test(start_paused = true)]
async fn schedule_that_catches_up_fires_what_was_missed_while_it_was_paused() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::catch_up()))).await;
    live.engine.schedules().pause("hourly").await.unwrap().unwrap();
    live.clock.set(time("2026-11-22T05:10:00Z"));
    idle(Duration::from_secs(30)).await;
    assert_eq!(fired(&*live.store).await, [""; 0]);
    live.engine.schedules().resume("hourly").await.unwrap().unwrap();
    assert_eq!(until_fired(&*live.store, 3).await, ["03:00", "04:00", "05:00"]);
}

#[tokio::test(start_paused = true)]
async fn schedule_that_was_paused_elsewhere_does_not_fire_here() {
    let store = Arc::new(Unsteady::new(memory(&clock())));
    let here = started(with(World::over(Arc::clone(&store)), hourly(Missed::Skip))).await;
    let elsewhere = started(with(World::over(Arc::clone(&store)), hourly(Missed::Skip))).await;
    elsewhere.engine.schedules().pause("hourly").await.unwrap().unwrap();
    here.clock.set(time("2026-11-22T03:00:00Z"));
    idle(Duration::from_secs(30)).await;
    assert_eq!(fired(&*store).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn firing_by_hand_submits_at_once_besides_the_ticks() {
    let mut live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    let schedules = live.engine.schedules().clone();
    schedules.pause("hourly").await.unwrap().unwrap();
    let first = schedules.fire("hourly").await.unwrap().unwrap();
    let second = schedules.fire("hourly").await.unwrap().unwrap();
    assert!(!first.duplicate && !second.duplicate && first.submission != second.submission);
    live.until_many(&[first.tasks[0], second.tasks[0]], State::Completed).await;
    let key = live.store.submission(first.submission).await.unwrap().unwrap().key.unwrap();
    assert!(key.starts_with("hourly/by-hand/2026-11-22T02:30:00.000Z/"), "{key}");
    assert_eq!(schedules.get("hourly").await.unwrap().unwrap().last_at, None);
}

#[tokio::test(start_paused = true)]
async fn unknown_names_are_answered_with_none() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::Skip))).await;
    let schedules = live.engine.schedules();
    assert_eq!(schedules.get("daily").await.unwrap(), None);
    assert_eq!(schedules.pause("daily").await.unwrap(), None);
    assert_eq!(schedules.resume("daily").await.unwrap(), None);
    assert!(schedules.fire("daily").await.unwrap().is_none());
    assert_eq!(live.store.schedule_states().await.unwrap().len(), 1);
}

#[tokio::test]
async fn schedule_of_a_kind_without_a_handler_keeps_the_engine_from_starting() {
    let mut registry = Registry::new();
    registry.schedule(hourly(Missed::Skip)).unwrap();
    let store = Arc::new(memory(&clock()));
    let error = Engine::start(store, registry, EngineOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    assert!(error.to_string().contains("`hourly` wants tasks of kind `work`"), "{error}");
}

#[test]
fn second_schedule_of_a_name_is_refused() {
    let mut registry = Registry::new();
    registry.schedule(hourly(Missed::Skip)).unwrap();
    let error = registry.schedule(hourly(Missed::catch_up())).unwrap_err();
    assert_eq!(error.to_string(), "the schedule `hourly`: another schedule has this name; choose another");
}

fn memory(clock: &Clock) -> becket_tasks::store::memory::MemoryStore {
    becket_tasks::store::memory::MemoryStore::new(clock.clone(), 1, becket_tasks::store::memory::Limits::default())
}

/// Runs one process over a file until it has fired so many ticks; the next one opens the file again.
#[cfg(feature = "sqlite")]
async fn process(path: &std::path::Path, now: &str, missed: Missed, fires: usize) -> Vec<String> {
    use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
    let options = SqliteOptions { clock: Clock::manual(time(now)), ..SqliteOptions::new(path) };
    let store = Arc::new(SqliteStore::open(options).await.unwrap());
    let mut registry = Registry::new();
    registry.task("work", Policy::default(), |_: serde_json::Value, _| async { Ok(()) }).unwrap();
    registry.schedule(hourly(missed)).unwrap();
    let engine = Engine::start(Arc::clone(&store) as _, registry, EngineOptions::default()).await.unwrap();
    settled(&*store).await;
    until_fired(&*store, fires).await;
    // Whatever it would fire besides, it has: a later tick comes after it.
    let next = engine.schedules().list().await.unwrap()[0].next_at.unwrap();
    store.clock().set(next);
    until_fired(&*store, fires + 1).await;
    let all = fired(&*store).await;
    engine.shutdown(Duration::ZERO).await;
    store.close().await.unwrap();
    all
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn ticks_missed_while_nobody_ran_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    assert_eq!(process(&path, "2026-11-22T02:30:00Z", Missed::Skip, 0).await, ["03:00"]);
    assert_eq!(process(&path, "2026-11-22T07:30:00Z", Missed::Skip, 1).await, ["03:00", "08:00"]);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn tick_of_the_last_minute_is_fired_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    assert_eq!(process(&path, "2026-11-22T02:30:00Z", Missed::Skip, 0).await, ["03:00"]);
    assert_eq!(process(&path, "2026-11-22T04:00:20Z", Missed::Skip, 2).await, ["03:00", "04:00", "05:00"]);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn ticks_missed_while_nobody_ran_are_caught_up_with_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    assert_eq!(process(&path, "2026-11-22T02:30:00Z", Missed::catch_up(), 0).await, ["03:00"]);
    let all = process(&path, "2026-11-22T06:30:00Z", Missed::catch_up(), 4).await;
    assert_eq!(all, ["03:00", "04:00", "05:00", "06:00", "07:00"]);
    let all = process(&path, "2026-11-22T23:30:00Z", Missed::CatchUp { max: 2 }, 7).await;
    assert_eq!(all[5..], ["22:00", "23:00", "00:00"]);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn pause_holds_over_a_restart() {
    use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    assert_eq!(process(&path, "2026-11-22T02:30:00Z", Missed::Skip, 0).await, ["03:00"]);
    let store = SqliteStore::open(SqliteOptions::new(&path)).await.unwrap();
    store.pause_schedule("hourly".into(), true).await.unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::open(SqliteOptions::new(&path)).await.unwrap();
    let state = store.schedule_states().await.unwrap().remove(0);
    assert!(state.paused);
    assert_eq!(state.last_tick, Some(time("2026-11-22T03:00:00Z")));
    store.close().await.unwrap();
}

/// The tick of an hour is fired in that hour even if the clock moves on at once.
#[tokio::test(start_paused = true)]
async fn each_tick_is_fired_when_the_clock_moves_in_steps() {
    let live = started(with(World::with_clock(&clock()), hourly(Missed::catch_up()))).await;
    for _ in 0..5 {
        live.clock.advance(HOUR);
    }
    let fired = until_fired(&*live.store, 5).await;
    assert_eq!(fired, ["03:00", "04:00", "05:00", "06:00", "07:00"]);
}
