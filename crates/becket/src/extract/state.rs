//! What handlers share: values that the application was given, found by their type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use becket_tasks::TaskError;

use super::{FromTask, Requirements, TaskInput};

/// A clone of the state of type `S` that the application was given with [`App::state`](crate::App::state).
///
/// An application that lacks it does not start.
#[derive(Clone, Copy, Debug)]
pub struct State<S>(pub S);

impl<S: Clone + Send + Sync + 'static> FromTask for State<S> {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        // Only a `FromTask` that extracts a state without naming it in its requirements can miss it here.
        let missing = || TaskError::give_up(format!("the application has no state {}", std::any::type_name::<S>()));
        input.states().get().map(Self).ok_or_else(missing)
    }

    fn requirements(needs: &mut Requirements) {
        needs.state::<S>();
    }
}

/// Values by their type.
#[derive(Clone, Default)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    /// Adds a value; answers whether there was none of its type.
    pub(crate) fn insert<S: Send + Sync + 'static>(&mut self, state: S) -> bool {
        self.0.insert(TypeId::of::<S>(), Arc::new(state)).is_none()
    }

    pub(crate) fn has(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }

    fn get<S: Clone + 'static>(&self) -> Option<S> {
        self.0.get(&TypeId::of::<S>())?.downcast_ref::<S>().cloned()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").field("count", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_found_by_their_type() {
        let mut states = States::default();
        assert!(states.insert(7_u8));
        assert!(states.insert("text"));
        assert!(!states.insert(8_u8), "there is one already");
        assert_eq!(states.get::<u8>(), Some(8));
        assert_eq!(states.get::<&str>(), Some("text"));
        assert_eq!(states.get::<u16>(), None);
    }

    #[test]
    fn missing_states_are_named() {
        let mut needs = Requirements::default();
        State::<u8>::requirements(&mut needs);
        State::<String>::requirements(&mut needs);
        let mut states = States::default();
        states.insert(1_u8);
        assert_eq!(needs.missing(&states).collect::<Vec<_>>(), ["alloc::string::String"]);
    }
}
