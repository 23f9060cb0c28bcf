//! The client of a server's admin API.
//!
//! Answers are passed on as the bytes that came, so that `--json` prints the API's own JSON; whoever makes tables of them
//! reads them into the types of [`views`]. Everything that is not a success becomes a [`Complaint`].

pub(crate) mod server;
pub(crate) mod views;

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::views::Listing;
use crate::cli::Query;
use crate::complaint::Complaint;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many items of a list are asked for at once when all are wanted; the API's most.
const PAGE: u16 = 1_000;

/// One server's API.
#[derive(Clone)]
pub(crate) struct Api {
    base: Url,
    token: Option<String>,
    http: reqwest::Client,
}

/// A client for HTTP requests to one server. A loopback address is never asked for through a proxy.
///
/// # Errors
/// The system gives no TLS or no resolver.
pub(crate) fn http_client(to: &Url) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("becket/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if server::is_loopback(to) { builder.no_proxy().build() } else { builder.build() }
}

impl Api {
    /// The API of the server at `base`.
    ///
    /// # Errors
    /// As [`http_client`].
    pub(crate) fn new(base: Url, token: Option<String>) -> anyhow::Result<Self> {
        let http = http_client(&base)?;
        Ok(Self { base, token, http })
    }

    /// Reads what is at a path below `/api/v1`.
    pub(crate) async fn get(&self, path: &[&str], query: &Query) -> anyhow::Result<Bytes> {
        self.call(Method::GET, path, query, None::<&()>).await
    }

    /// Posts, with a JSON body or without one.
    pub(crate) async fn post<B: Serialize>(&self, path: &[&str], body: Option<&B>) -> anyhow::Result<Bytes> {
        self.call(Method::POST, path, &Query::new(), body).await
    }

    /// Posts a JSON body; answers with which success, too.
    pub(crate) async fn post_for_status<B: Serialize>(
        &self,
        path: &[&str],
        body: &B,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        self.call_for_status(Method::POST, path, &Query::new(), Some(body)).await
    }

    /// Makes it so that there is something at a path.
    pub(crate) async fn put(&self, path: &[&str]) -> anyhow::Result<Bytes> {
        self.call(Method::PUT, path, &Query::new(), None::<&()>).await
    }

    /// Deletes what is at a path.
    pub(crate) async fn delete(&self, path: &[&str]) -> anyhow::Result<Bytes> {
        self.call(Method::DELETE, path, &Query::new(), None::<&()>).await
    }

    /// Opens the stream of what happens to tasks.
    pub(crate) async fn events(&self, query: &Query) -> anyhow::Result<Response> {
        self.stream(&["events"], query).await
    }

    /// Opens the stream of server-sent events at a path.
    pub(crate) async fn stream(&self, path: &[&str], query: &Query) -> anyhow::Result<Response> {
        let url = self.url(path, query);
        let request = self.request(Method::GET, url.clone()).header(ACCEPT, "text/event-stream");
        let response = sent(&Method::GET, &url, request).await?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refused(&Method::GET, &url, response).await?.into())
        }
    }

    /// Walks all pages of a list, newest first.
    pub(crate) async fn walk<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &Query,
        mut visit: impl FnMut(T),
    ) -> anyhow::Result<()> {
        let mut cursor = None;
        loop {
            let mut query = query.clone();
            query.push(("limit", PAGE.to_string()));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page: Listing<T> = read(&self.get(path, &query).await?)?;
            page.items.into_iter().for_each(&mut visit);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn call<B: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        query: &Query,
        body: Option<&B>,
    ) -> anyhow::Result<Bytes> {
        self.call_for_status(method, path, query, body).await.map(|(_, answer)| answer)
    }

    async fn call_for_status<B: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        query: &Query,
        body: Option<&B>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let url = self.url(path, query);
        let mut request = self.request(method.clone(), url.clone());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(serde_json::to_vec(body)?);
        }
        let response = sent(&method, &url, request).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(&method, &url, response).await?.into());
        }
        Ok((status, response.bytes().await.map_err(|error| broken(&method, &url, &error))?))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Ids are escaped: a sender chooses those of its deliveries.
    fn url(&self, path: &[&str], query: &Query) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

async fn sent(method: &Method, url: &Url, request: RequestBuilder) -> Result<Response, Complaint> {
    request.send().await.map_err(|error| broken(method, url, &error))
}

async fn refused(method: &Method, url: &Url, response: Response) -> Result<Complaint, Complaint> {
    let status = response.status();
    let body = response.bytes().await.map_err(|error| broken(method, url, &error))?;
    Ok(Complaint::of_answer(&format!("{method} {url}"), status, body))
}

/// A request that got no whole answer.
pub(crate) fn broken(method: &Method, url: &Url, error: &reqwest::Error) -> Complaint {
    let place = format!("{method} {url}");
    if error.is_connect() {
        return Complaint::new(format!("cannot connect to {}: {}", url.authority(), cause(error)))
            .at(place)
            .mend("start the server with `becket serve`, or name another one");
    }
    Complaint::new(format!("no answer came: {}", cause(error))).at(place).mend("look into the server's log")
}

/// The innermost cause, which is what the system said.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Reads an answer for a table.
///
/// # Errors
/// Whatever answered is no becket of this version.
pub(crate) fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Complaint> {
    serde_json::from_slice(answer).map_err(|error| {
        Complaint::new(format!("the answer is not what was expected: {error}"))
            .mend("check the URL, and that the server has the version of this program; --json shows what it answers")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, path: &[&str], query: &Query) -> String {
        Api::new(base.parse().unwrap(), None).unwrap().url(path, query).to_string()
    }

    #[test]
    fn url_keeps_the_path_of_a_proxy_and_escapes_ids() {
        assert_eq!(url("http://h:1", &["tasks"], &Query::new()), "http://h:1/api/v1/tasks");
        assert_eq!(url("http://h:1/becket/", &["tasks", "a/b"], &Query::new()), "http://h:1/becket/api/v1/tasks/a%2Fb");
        let query = vec![("event", "a b".to_owned())];
        assert_eq!(url("http://h", &["tasks"], &query), "http://h/api/v1/tasks?event=a+b");
    }
}
