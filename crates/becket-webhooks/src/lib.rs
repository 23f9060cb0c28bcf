#![doc = include_str!("../README.md")]

mod body;
mod delivery;
mod explain;
mod form;
mod header;
mod kind;
mod rejection;
mod secret;
pub mod sender;
pub mod signature;
mod source;

pub use delivery::Delivery;
pub use explain::Explanation;
pub use kind::{Kind, UnknownKind};
pub use rejection::{Rejection, RejectionKind};
pub use secret::{SecretError, Secrets};
pub use sender::Sender;
pub use source::Source;
