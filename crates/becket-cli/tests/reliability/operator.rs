//! The operator: asks the admin API what became of deliveries and tasks.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::server::{PATIENCE, eventually};

/// A delivery as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) delivery_id: String,
    pub(crate) source: String,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) size: u64,
    pub(crate) task_ids: Vec<String>,
    /// Only where one delivery was asked for.
    #[serde(default)]
    pub(crate) repository: Option<String>,
}

/// A task as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) delivery_id: String,
    /// How many attempts count against it.
    pub(crate) attempt: u32,
    pub(crate) error: Option<String>,
    /// Only where one task was asked for.
    #[serde(default)]
    pub(crate) attempts: Vec<Attempt>,
}

/// An attempt as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) outcome: Option<String>,
}

#[derive(Deserialize)]
struct Listing<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// Asks one server.
pub(crate) struct Operator {
    http: reqwest::Client,
    url: String,
}

impl Operator {
    /// Of the server at `url`.
    pub(crate) fn of(url: &str) -> Self {
        Self { http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(), url: url.to_owned() }
    }

    /// The status of a path such as `/readyz`.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap().status().as_u16()
    }

    /// All deliveries, newest first, page by page.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        self.all("/api/v1/deliveries?limit=100").await
    }

    /// One delivery, by our id.
    pub(crate) async fn delivery(&self, id: &str) -> Delivery {
        self.get(&format!("/api/v1/deliveries/{id}")).await
    }

    /// All tasks, newest first, page by page.
    pub(crate) async fn tasks(&self) -> Vec<Task> {
        self.all("/api/v1/tasks?limit=1000").await
    }

    /// One task, with its attempts.
    pub(crate) async fn task(&self, id: &str) -> Task {
        self.get(&format!("/api/v1/tasks/{id}")).await
    }

    /// Waits until every task has ended.
    pub(crate) async fn until_all_ended(&self) {
        eventually("every task has ended", async || {
            let path = "/api/v1/tasks?state=queued,running,retrying&limit=1";
            let open: Listing<Task> = self.get(path).await;
            open.items.is_empty().then_some(())
        })
        .await;
    }

    async fn all<T: DeserializeOwned>(&self, path: &str) -> Vec<T> {
        let mut page: Listing<T> = self.get(path).await;
        let mut all = page.items;
        while let Some(cursor) = page.next_cursor {
            page = self.get(&format!("{path}&cursor={cursor}")).await;
            all.append(&mut page.items);
        }
        all
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("GET {path}: {status} {error}: {text}"))
    }
}
