//! Handlers: the user's async functions, and how they become something that the engine can run.
//!
//! Any async function whose arguments are [extractors](crate::FromTask) and whose value is an [`IntoResult`] is a handler.
//! The check is split into three bounds (shape, arguments, value) so that the compiler names the one type that is
//! wrong, and not just the function. [`background`] and [`inline`] wrap a handler to say how it runs.

mod batch;
mod choice;
mod configured;
mod name;
mod order;
mod result;

pub use batch::batch;
pub use configured::{Configured, IntoHandler, background, inline};
pub use result::IntoResult;

#[cfg(feature = "testing")]
pub(crate) use batch::RunBatch;
pub(crate) use batch::{Around, Batch};
pub(crate) use choice::Choice;
pub(crate) use configured::RunTask;
pub(crate) use order::{Given, Order};

use std::future::Future;

use becket_tasks::TaskError;

use crate::extract::{FromTask, Requirements, TaskInput};

/// An async function with the arguments `A`, a tuple of at most twelve.
///
/// It says nothing about whether a task can provide the arguments; that is [`Arguments`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not an async function that a handler can be made of",
    note = "a handler is an `async fn` or a closure that returns a future, with at most 12 arguments, each of them an extractor such as `Event<T>`, `Payload`, `Delivery`, `State<S>` or `TaskContext`",
    note = "captured values must be `Send + Sync + 'static`"
)]
pub trait Handler<A>: Send + Sync + 'static {
    /// What calling it gives.
    type Future: Future;

    /// Calls it.
    fn call(&self, arguments: A) -> Self::Future;
}

/// The arguments of a handler: a tuple of extractors.
#[diagnostic::on_unimplemented(
    message = "a task cannot provide the arguments `{Self}`",
    note = "each argument of a handler is an extractor such as `Event<T>`, `Payload`, `Delivery`, `State<S>` or `TaskContext`"
)]
pub trait Arguments: Sized + Send {
    /// Takes the arguments out of a task, first to last.
    fn extract(input: &TaskInput) -> impl Future<Output = Result<Self, TaskError>> + Send;

    /// What they need the application to have.
    fn requirements(needs: &mut Requirements);
}

macro_rules! tuples {
    ($($argument:ident)*) => {
        impl<F, Fut, $($argument),*> Handler<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future,
        {
            type Future = Fut;

            #[allow(non_snake_case, reason = "values are named after their types, where there are any")]
            fn call(&self, ($($argument,)*): ($($argument,)*)) -> Fut {
                self($($argument),*)
            }
        }

        impl<$($argument: FromTask),*> Arguments for ($($argument,)*) {
            #[allow(unused_variables, reason = "a handler may have no arguments")]
            async fn extract(input: &TaskInput) -> Result<Self, TaskError> {
                Ok(($($argument::from_task(input).await?,)*))
            }

            #[allow(unused_variables, reason = "a handler may have no arguments")]
            fn requirements(needs: &mut Requirements) {
                $($argument::requirements(needs);)*
            }
        }
    };
}

tuples!();
tuples!(A1);
tuples!(A1 A2);
tuples!(A1 A2 A3);
tuples!(A1 A2 A3 A4);
tuples!(A1 A2 A3 A4 A5);
tuples!(A1 A2 A3 A4 A5 A6);
tuples!(A1 A2 A3 A4 A5 A6 A7);
tuples!(A1 A2 A3 A4 A5 A6 A7 A8);
tuples!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
tuples!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
tuples!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
tuples!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
