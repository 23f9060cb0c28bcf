//! Marks.

use super::factory::Factory;
use super::world::{HOUR, START, World};
use crate::error::Error;
use crate::mark::{Mark, NAME_BYTES_MAX};

/// What several processes saw of one thing is added up.
pub async fn marks_of_one_name_are_added_up(factory: &dyn Factory) {
    let world = World::new(factory).await;
    assert_eq!(world.marks().await.unwrap(), []);
    let (early, late) = (START, START.after(HOUR));
    let seen = |since, last, count| Mark { last, count, ..Mark::new("b".into(), since) };
    world.mark(vec![seen(late, None, 0), Mark::new("a".into(), early)]).await.unwrap();
    world.mark(vec![seen(late, Some(late), 2)]).await.unwrap();
    world.mark(vec![seen(early, Some(early), 3), seen(late, None, 0)]).await.unwrap();
    assert_eq!(world.marks().await.unwrap(), [Mark::new("a".into(), early), seen(early, Some(late), 5)]);
}

/// A name that is too long is refused, and with it all that came with it.
pub async fn mark_with_a_name_that_is_too_long_is_refused(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let long = Mark::new("x".repeat(NAME_BYTES_MAX + 1).into(), START);
    let error = world.mark(vec![Mark::new("a".into(), START), long]).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert_eq!(world.marks().await.unwrap(), []);
}
