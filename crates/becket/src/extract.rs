//! Extractors: how a handler says, by the types of its arguments, what it wants of a task.
//!
//! An extractor implements [`FromTask`]. Those here cover a delivery ([`Event`], [`Payload`], [`Delivery`],
//! [`Headers`], and for those of forges [the views](crate::normalised) that are the same for all), a task enqueued by hand ([`Json`], [`Parents`]), the application ([`State`],
//! [`Client`](becket_tasks::Client)) and the attempt ([`TaskContext`](becket_tasks::TaskContext)). What an extractor
//! needs the application to have is checked before the server listens.

mod body;
mod delivery;
mod parents;
mod state;
mod task;

pub use body::{Event, Json, Payload};
pub use delivery::{Delivery, Headers};
pub use parents::Parents;
pub use state::State;
pub use task::TaskInput;

pub(crate) use state::States;

use std::any::{TypeId, type_name};
use std::future::Future;

use becket_tasks::TaskError;

/// Something that a handler can take as an argument.
///
/// ```
/// use becket::{FromTask, Requirements, State, TaskError, TaskInput};
///
/// #[derive(Clone)]
/// struct Database;
///
/// /// The event's repository, as `owner/name`.
/// struct Repository(String);
///
/// impl FromTask for Repository {
///     async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
///         let body: serde_json::Value = serde_json::from_slice(&input.json()?)?;
///         let name = body["repository"]["full_name"].as_str();
///         name.map(|name| Self(name.to_owned())).ok_or_else(|| TaskError::give_up("the event has no repository"))
///     }
///
///     fn requirements(needs: &mut Requirements) {
///         needs.state::<Database>(); // the application does not start without it
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something that a handler can take as an argument",
    label = "not an extractor",
    note = "extractors are `Event<T>`, `Payload`, `Delivery`, `Headers`, `State<S>`, `Json<T>`, `Parents`, `TaskContext`, `Client`, those of `becket::normalised`, and your own types that implement `FromTask`",
    note = "`Event<T>`, `Payload<T>` and `Json<T>` need a `T: serde::de::DeserializeOwned + Send`, `State<S>` an `S: Clone + Send + Sync + 'static`"
)]
pub trait FromTask: Sized + Send {
    /// Takes itself out of a task.
    ///
    /// # Errors
    /// Ends the attempt as a handler's error would; [`TaskError::give_up`] where another attempt cannot help.
    fn from_task(input: &TaskInput) -> impl Future<Output = Result<Self, TaskError>> + Send;

    /// Says what the application must have for this to work; checked at the start.
    fn requirements(_needs: &mut Requirements) {}
}

/// What a handler's arguments need the application to have.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    states: Vec<(TypeId, &'static str)>,
}

impl Requirements {
    /// Needs a state of type `S`, given with [`App::state`](crate::App::state).
    pub fn state<S: 'static>(&mut self) {
        self.states.push((TypeId::of::<S>(), type_name::<S>()));
    }

    /// The names of the states that `states` lacks.
    pub(crate) fn missing<'a>(&'a self, states: &'a States) -> impl Iterator<Item = &'static str> + 'a {
        self.states.iter().filter(|(id, _)| !states.has(*id)).map(|(_, name)| *name)
    }
}
