//! Routes: which handlers get a delivery.
//!
//! A handler says what it wants by [patterns](Pattern) over the event, patterns over the source, and a filter on the
//! payload. A `table` finds the handlers whose patterns match, `filter` evaluates what they say of the payload, `routes`
//! makes tasks of those that are left, in the order of registration, and [`explain`] tells why not of the others. Nothing
//! here knows what a handler does.

pub mod explain;
pub(crate) mod filter;
mod guard;
mod pattern;
pub(crate) mod routes;
mod sought;
pub(crate) mod table;

pub(crate) use self::pattern::names_source;
pub use self::pattern::{IntoPatterns, Pattern, PatternError};
pub use self::sought::Sought;
