//! What is kept of schedules.

use std::time::Duration;

use super::factory::Factory;
use super::world::{HOUR, START, World, keep};
use crate::schedule::ScheduleState;

/// Advanced or paused, known before or not: each is there once.
pub async fn what_is_kept_of_schedules_is_listed_by_name(factory: &dyn Factory) {
    let world = World::new(factory).await;
    assert_eq!(world.schedule_states().await.unwrap(), []);
    world.advance_schedule("b".into(), START, None).await.unwrap();
    world.pause_schedule("a".into(), true).await.unwrap();
    world.advance_schedule("b".into(), START.after(HOUR), Some(START.after(HOUR))).await.unwrap();
    let paused = ScheduleState { paused: true, ..ScheduleState::new("a".into()) };
    let later = Some(START.after(HOUR));
    let advanced = ScheduleState { settled_until: later, last_tick: later, ..ScheduleState::new("b".into()) };
    assert_eq!(world.schedule_states().await.unwrap(), [paused, advanced]);
}

/// A process that is behind does not make the others fire again.
pub async fn schedule_only_ever_moves_forwards(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (early, late) = (START, START.after(HOUR));
    world.advance_schedule("a".into(), late, Some(early)).await.unwrap();
    world.advance_schedule("a".into(), early, None).await.unwrap();
    world.advance_schedule("a".into(), early, Some(START.before(HOUR))).await.unwrap();
    let expected =
        ScheduleState { settled_until: Some(late), last_tick: Some(early), ..ScheduleState::new("a".into()) };
    assert_eq!(world.schedule_states().await.unwrap(), [expected]);
}

/// Whether it is paused, and how far it has come, are two things.
pub async fn paused_schedule_stays_paused_while_it_advances(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.pause_schedule("a".into(), true).await.unwrap();
    world.advance_schedule("a".into(), START, Some(START)).await.unwrap();
    let state = || async { world.schedule_states().await.unwrap().remove(0) };
    assert!(state().await.paused);
    world.pause_schedule("a".into(), false).await.unwrap();
    let resumed = state().await;
    assert_eq!((resumed.paused, resumed.settled_until, resumed.last_tick), (false, Some(START), Some(START)));
}

/// Retention is for submissions and tasks.
pub async fn what_is_kept_of_schedules_outlives_pruning(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.advance_schedule("a".into(), START, None).await.unwrap();
    world.clock.advance(1_000 * HOUR);
    world.prune_all(keep(Duration::ZERO, 0)).await;
    assert_eq!(world.schedule_states().await.unwrap().len(), 1);
}
