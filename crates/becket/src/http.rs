//! The HTTP surface: webhooks in, the admin API, and what both share.

pub mod access;
pub mod kept;
pub mod metrics;
pub mod problem;
pub mod rejections;
