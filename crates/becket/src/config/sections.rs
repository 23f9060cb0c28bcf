//! The sections with fixed keys: server, store, worker, tasks, retention, admin, handlers, log, github_app.
//!
//! Each function reads one table. It reads every key before it gives up on any (`?` only at the end), so that all
//! errors of a section are noted. Defaults are in `default.toml`; only those that depend on another key are here.

use becket_tasks::Rules;

use super::error::Problem;
use super::read::Section;
use super::values;
use super::{
    Admin, Durability, GithubApp, Handlers, Log, Notify, Retention, Server, Store, StoreUrl, Tasks, Worker, secrets,
};

pub(super) fn server(mut section: Section<'_>) -> Option<Server> {
    let listen = section.required("listen", values::listen);
    let max_connections = section.required("max_connections", |v| values::integer(v, 1..=100_000));
    let header_timeout = section.required("header_timeout", |v| values::duration(v, "100ms", "10m"));
    let body_timeout = section.required("body_timeout", |v| values::duration(v, "100ms", "1h"));
    let body_limit = section.required("body_limit", body_limit);
    let body_memory = section.required("body_memory", |v| values::size(v, "1KiB", "1GiB"));
    let shutdown_grace = section.required("shutdown_grace", |v| values::duration(v, "0s", "1h"));
    let inline_deadline = section.required("inline_deadline", |v| values::duration(v, "10ms", "1m"));
    let watch_config = section.required("watch_config", values::boolean);
    let has_proxies = section.has("trusted_proxies");
    let trusted_proxies = section.list("trusted_proxies", values::network);
    section.finish();
    Some(Server {
        listen: listen?,
        max_connections: max_connections?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        body_limit: body_limit?,
        body_memory: body_memory?,
        shutdown_grace: shutdown_grace?,
        inline_deadline: inline_deadline?,
        watch_config: watch_config?,
        trusted_proxies: if has_proxies { trusted_proxies?.into_iter().collect() } else { Default::default() },
    })
}

/// A limit on bodies: the server's, or a source's.
pub(super) fn body_limit(value: &super::layers::Value) -> values::Parsed<usize> {
    values::size(value, "1KiB", "256MiB")
}

pub(super) fn store(mut section: Section<'_>) -> Option<Store> {
    let url = section.required("url", values::store_url);
    let in_memory = url == Some(StoreUrl::Memory);
    let default = if in_memory { Durability::Memory } else { Durability::PowerLoss };
    let durability = section.or("durability", (default, default), values::durability);
    if in_memory && durability.is_some_and(|durability| durability != Durability::Memory) {
        let mend = "remove this key, or set store.url to \"sqlite:PATH\"";
        section.problem("durability", Problem::new("a `memory:` store survives nothing", mend));
    }
    section.finish();
    Some(Store { url: url?, durability: durability? })
}

pub(super) fn worker(mut section: Section<'_>) -> Option<Worker> {
    let concurrency = section.wanted_as("concurrency", "concurrency", values::concurrency, |_, (min, max)| match max {
        Some(max) => format!("{{ min = {min}, max = {max} }}"),
        None => min.to_string(),
    });
    let prefetch = section.required("prefetch", |v| values::integer(v, 0..=10_000));
    let lease = section.required("lease", |v| values::duration(v, "1s", "1h"));
    let weights = section.by_name("weights", |v| values::integer(v, 1..=Rules::WEIGHT_MAX.into()));
    section.finish();
    let (concurrency, concurrency_max) = concurrency?;
    Some(Worker { concurrency, concurrency_max, prefetch: prefetch?, lease: lease?, weights })
}

pub(super) fn tasks(mut section: Section<'_>) -> Option<Tasks> {
    let timeout = section.required("timeout", |v| values::duration(v, "1ms", "7days"));
    let retries = section.required("retries", |v| values::integer(v, 0..=100));
    let retry_delay = section.required("retry_delay", |v| values::duration(v, "1ms", "1day"));
    let retry_max_delay = section.required("retry_max_delay", |v| values::duration(v, "1ms", "7days"));
    let result_ttl = section.required("result_ttl", |v| values::duration(v, "1s", "365days"));
    if let (Some(first), Some(most)) = (retry_delay, retry_max_delay)
        && first > most
    {
        section.problem("retry_delay", delay_above_maximum("tasks.retry_max_delay"));
    }
    section.finish();
    Some(Tasks {
        timeout: timeout?,
        retries: retries?,
        retry_delay: retry_delay?,
        retry_max_delay: retry_max_delay?,
        result_ttl: result_ttl?,
    })
}

pub(super) fn delay_above_maximum(maximum: &str) -> Problem {
    Problem::new(format!("is longer than {maximum}"), format!("lower it, or raise {maximum}"))
}

pub(super) fn retention(mut section: Section<'_>) -> Option<Retention> {
    let age = section.required("age", |v| values::duration(v, "1m", "3650days"));
    let count = section.required("count", |v| values::integer(v, 1..=1_000_000_000));
    section.finish();
    Some(Retention { age: age?, count: count? })
}

pub(super) fn admin(mut section: Section<'_>) -> Admin {
    let token = section.secret("token", secrets::token);
    section.finish();
    Admin { token }
}

pub(super) fn handlers(mut section: Section<'_>) -> Option<Handlers> {
    let mode = section.required("mode", values::mode);
    section.finish();
    Some(Handlers { mode: mode? })
}

pub(super) fn notify(mut section: Section<'_>) -> Option<Notify> {
    let secret = section.secret("secret", secrets::whsec);
    let allow_private = section.required("allow_private", values::boolean);
    let timeout = section.required("timeout", |v| values::duration(v, "1ms", "1h"));
    let retries = section.required("retries", |v| values::integer(v, 0..=100));
    section.finish();
    Some(Notify { secret, allow_private: allow_private?, timeout: timeout?, retries: retries? })
}

pub(super) fn log(mut section: Section<'_>) -> Option<Log> {
    let filter = section.required("filter", values::log_filter);
    let format = section.required("format", values::log_format);
    section.finish();
    Some(Log { filter: filter?, format: format? })
}

/// The App's identity. Half of it is an error: nothing can be done with it, and it was surely meant to be whole.
pub(super) fn github_app(mut section: Section<'_>) -> Option<GithubApp> {
    let (has_id, has_key) = (section.has("id"), section.has("private_key"));
    let id = section.optional("id", |v| values::integer(v, 1..=i64::MAX));
    let private_key = section.secret("private_key", secrets::private_key);
    if has_id && !has_key {
        let problem = Problem::new("is not set, but github_app.id is", "set both (GITHUBAPP_PRIVATE_KEY), or neither");
        section.problem_beside("private_key", "id", problem);
    }
    if has_key && !has_id {
        let problem = Problem::new("is not set, but github_app.private_key is", "set both (GITHUBAPP_ID), or neither");
        section.problem_beside("id", "private_key", problem);
    }
    section.finish();
    Some(GithubApp { id: id?, private_key: private_key? })
}
