//! The memory store passes the suite of every store.

becket_tasks::store_conformance!(becket_tasks::store::conformance::MemoryFactory);
