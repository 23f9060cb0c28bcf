#![doc = include_str!("../README.md")]

mod answer;
mod body;
mod custom;
mod delivery;
mod dialect;
mod explain;
mod form;
mod header;
mod kind;
mod normalised;
mod rejection;
mod secret;
pub mod sender;
pub mod signature;
mod source;

pub use answer::Answer;
pub use custom::{Custom, CustomError, Place, PlaceError};
pub use delivery::Delivery;
pub use dialect::{AzureAuth, Dialect};
pub use explain::Explanation;
pub use kind::{Kind, UnknownKind};
pub use normalised::{
    Build, BuildResult, ChangeRequest, Comment, Issue, Moved, Normalised, Push, State, UnknownEvent, View, ViewError,
};
pub use rejection::{Rejection, RejectionKind};
pub use secret::{Secret, SecretError, Secrets, Validity, Window};
pub use sender::Sender;
pub use source::Source;
