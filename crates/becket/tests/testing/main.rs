//! `becket::testing`, tested as its users use it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod crashes;
mod deliveries;
mod outgoing;
mod schedules;
mod time;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

/// The message of an assertion that must fail.
async fn failure<T>(test: impl Future<Output = T>) -> String {
    let panic: Box<dyn Any + Send> = match AssertUnwindSafe(test).catch_unwind().await {
        Ok(_) => panic!("it should have failed"),
        Err(panic) => panic,
    };
    *panic.downcast::<String>().unwrap()
}
