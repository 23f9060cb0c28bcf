//! Which store an application uses, and opening it.

use std::path::PathBuf;
use std::sync::Arc;

use becket_tasks::Store;
use becket_tasks::store::Durability;
use becket_tasks::store::memory::MemoryStore;

use super::{Mistake, StartError};
use crate::config::{self, StoreUrl};

/// A store that is open, or where to open one.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    /// To be opened here and closed at the end.
    Url(String),
    /// To be opened here and closed at the end.
    Place(StoreUrl, Durability),
    /// Open already; stays open at the end.
    Open(Arc<dyn Store>),
}

/// Something that says which store to use: a URL, or a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which store to use",
    label = "write `\"sqlite:becket.db\"`, `\"memory:\"`, or give an `Arc<dyn Store>`"
)]
pub trait IntoStore {
    /// The choice.
    #[doc(hidden)]
    fn into_store(self) -> StoreChoice;
}

impl IntoStore for &str {
    fn into_store(self) -> StoreChoice {
        StoreChoice::Url(self.to_owned())
    }
}

impl IntoStore for String {
    fn into_store(self) -> StoreChoice {
        StoreChoice::Url(self)
    }
}

impl IntoStore for Arc<dyn Store> {
    fn into_store(self) -> StoreChoice {
        StoreChoice::Open(self)
    }
}

impl<S: Store> IntoStore for Arc<S> {
    fn into_store(self) -> StoreChoice {
        StoreChoice::Open(self)
    }
}

/// A store in use.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// Whether it is ours to close.
    pub(super) owned: bool,
}

impl StoreChoice {
    pub(super) fn of_config(store: &config::Store) -> Self {
        let durability = match store.durability {
            config::Durability::PowerLoss => Durability::PowerLoss,
            config::Durability::ProcessCrash => Durability::ProcessCrash,
            config::Durability::Memory => Durability::Memory,
        };
        Self::Place(store.url.clone(), durability)
    }

    /// Reads a URL.
    pub(super) fn checked(self) -> Result<Self, Mistake> {
        let Self::Url(url) = self else { return Ok(self) };
        if url == "memory:" {
            return Ok(Self::Place(StoreUrl::Memory, Durability::Memory));
        }
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => {
                Ok(Self::Place(StoreUrl::Sqlite(PathBuf::from(path)), Durability::PowerLoss))
            }
            _ => Err(Mistake::new(format!("`{url}` is not a store"), "write `sqlite:PATH` or `memory:`")),
        }
    }

    pub(super) async fn open(self) -> Result<Opened, StartError> {
        let (url, durability) = match self {
            Self::Open(store) => return Ok(Opened { store, owned: false }),
            Self::Place(url, durability) => (url, durability),
            Self::Url(url) => return Err(StartError::Store(becket_tasks::Error::Invalid(url))),
        };
        let store: Arc<dyn Store> = match url {
            StoreUrl::Memory => Arc::new(MemoryStore::default()),
            StoreUrl::Sqlite(path) => open_sqlite(path, durability).await.map_err(StartError::Store)?,
        };
        Ok(Opened { store, owned: true })
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: PathBuf, durability: Durability) -> becket_tasks::Result<Arc<dyn Store>> {
    use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
    let options = SqliteOptions { durability, ..SqliteOptions::new(path) };
    Ok(Arc::new(SqliteStore::open(options).await?))
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_: PathBuf, _: Durability) -> becket_tasks::Result<Arc<dyn Store>> {
    Err(becket_tasks::Error::Invalid("this program was built without the feature `sqlite`".to_owned()))
}
