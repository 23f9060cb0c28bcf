//! The SQLite store passes the suite of every store, and the suite of those that outlive their process.

mod sqlite;

becket_tasks::store_conformance!(crate::sqlite::SqliteFactory::new());
becket_tasks::store_crash_conformance!(crate::sqlite::SqliteFactory::new());
