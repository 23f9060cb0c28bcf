//! Whom an application tells how its tasks ended.

use std::collections::HashMap;
use std::sync::Arc;

use becket_tasks::{Backoff, Policy, RetryPolicy};
use secrecy::SecretString;

use super::Mistake;
use super::plan::Named;
use crate::config::Config;
use crate::notify::Notifier;

/// What tells; `None` without a secret to sign with, which is a mistake where a handler names somebody.
pub(super) fn notifier(
    named: &[Named],
    config: &Config,
    secret: Option<SecretString>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Notifier> {
    let mut telling = named.iter().filter_map(|one| Some((&one.kind, one.handler.notify.as_ref()?))).peekable();
    let Some(secret) = secret.or_else(|| config.notify.secret.clone()) else {
        if let Some((kind, _)) = telling.next() {
            let what =
                format!("the handler `{kind}` tells how its tasks ended, and there is no secret to sign that with");
            mistakes.push(Mistake::new(what, "set notify.secret, or give one with `.notify_secret(…)`"));
        }
        return None;
    };
    let notifier = match Notifier::new(&secret, config.notify.allow_private) {
        Ok(notifier) => notifier,
        Err(error) => {
            mistakes
                .push(Mistake::new(format!("the secret of completion webhooks: {error}"), "give `whsec_` and base64"));
            return None;
        }
    };
    let mut by_kind = HashMap::new();
    for (kind, url) in telling {
        match notifier.target(url.as_str()) {
            Ok(target) => drop(by_kind.insert(Arc::from(kind.as_str()), target)),
            Err(error) => {
                let what = format!("the handler `{kind}` cannot tell how its tasks ended: {error}");
                mistakes.push(Mistake::new(
                    what,
                    "name an http:// or https:// URL that is public, or see notify.allow_private",
                ));
            }
        }
    }
    Some(notifier.with_kinds(by_kind))
}

/// How the tasks that tell are run.
pub(super) fn policy(config: &Config) -> Policy {
    let backoff = Backoff::Exponential { first: config.tasks.retry_delay, max: config.tasks.retry_max_delay };
    Policy {
        timeout: config.notify.timeout,
        retry: RetryPolicy { max_attempts: config.notify.retries.saturating_add(1), backoff },
        result_ttl: config.tasks.result_ttl,
        ..Policy::default()
    }
}
