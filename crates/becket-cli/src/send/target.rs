//! Where a delivery goes and who is said to have sent it: from the arguments, and the configuration for the rest.

use std::time::SystemTime;

use becket::Config;
use becket::config::{Source, SourceKind};
use becket_webhooks::{Dialect, Kind, Secret, Validity};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use crate::api::server::own_url;
use crate::cli::SendArgs;
use crate::complaint::Complaint;
use crate::sender::Sender;

/// Where a delivery goes, and as what.
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) sender: Sender,
}

impl Target {
    /// Reads the configuration only where the arguments leave something open.
    ///
    /// # Errors
    /// The configuration is wrong, or does not say which source is meant.
    pub(super) fn find(args: &SendArgs) -> anyhow::Result<Self> {
        if let (Some(url), Some(secret)) = (&args.to, &args.secret) {
            let kind = args.source_kind.unwrap_or(Kind::Github);
            let sender = Sender::new(dialect_of(kind)?, Some(secret.as_str().into()))?;
            let url = if has_path(url) { url.clone() } else { endpoint(url, name_without_configuration(args, kind)?)? };
            return Ok(Self { url, sender });
        }
        let config = crate::config::load(&args.config, Vec::new())?.config;
        Ok(Self::within(args, &config)?)
    }

    fn within(args: &SendArgs, config: &Config) -> Result<Self, Complaint> {
        let (name, source) = source(args, config)?;
        let own = dialect(source);
        let dialect = match args.source_kind {
            Some(kind) if own.is_none_or(|own| own.kind() != kind) => dialect_of(kind)?,
            _ => {
                own.cloned().ok_or_else(|| unclear(format!("the source `{name}` has no sender of its own"), config))?
            }
        };
        let secret = args.secret.as_deref().map(SecretString::from).or_else(|| usable(&source.secrets));
        let url = match &args.to {
            Some(url) if has_path(url) => url.clone(),
            Some(url) => endpoint(url, name)?,
            None => {
                let own = own_url(config.server.listen);
                endpoint(&own.map_err(|error| error.mend("say where to post to with --to URL"))?, name)?
            }
        };
        Ok(Self { url, sender: Sender::new(dialect, secret)? })
    }
}

/// The newest that counts now: it is the one that a sender is told first. Where none counts, the newest, to see it refused.
pub(crate) fn usable(secrets: &[Secret]) -> Option<SecretString> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let active = secrets.iter().find(|secret| secret.window().at(now_ms) == Validity::Active);
    active.or(secrets.first()).map(|secret| secret.expose_secret().into())
}

/// A server's URL is enough: what is missing is known.
fn has_path(url: &Url) -> bool {
    url.path() != "/"
}

/// Where a server receives this source.
fn endpoint(server: &Url, name: &str) -> Result<Url, Complaint> {
    server
        .join(&format!("/webhooks/{name}"))
        .map_err(|error| Complaint::new(format!("the source `{name}` has no URL: {error}")))
}

/// The source's name where no configuration is read: as given, or its kind, as most are called.
fn name_without_configuration(args: &SendArgs, kind: Kind) -> Result<&str, Complaint> {
    match (&args.source, kind) {
        (Some(name), _) => Ok(name),
        // One of many: its source is called as what it sends.
        (None, Kind::StandardWebhooks | Kind::Custom) => Err(Complaint::new("it is not clear which source is meant")
            .mend("name it with --source, or give --to the whole URL: http://HOST/webhooks/NAME")),
        (None, kind) => Ok(kind.as_str()),
    }
}

/// The source that is meant: named, or at the end of the URL, or the only one that it can be.
fn source<'c>(args: &SendArgs, config: &'c Config) -> Result<(&'c str, &'c Source), Complaint> {
    let named = |name: &str| config.sources.get_key_value(name).map(|(name, source)| (name.as_str(), source));
    if let Some(name) = &args.source {
        return named(name).ok_or_else(|| unclear(format!("there is no source `{name}`"), config));
    }
    let last = args.to.as_ref().and_then(|url| url.path().trim_end_matches('/').rsplit('/').next());
    if let Some(found) = last.and_then(named).filter(|(_, source)| dialect(source).is_some()) {
        return Ok(found);
    }
    let fits =
        |source: &Source| dialect(source).is_some_and(|own| args.source_kind.is_none_or(|kind| own.kind() == kind));
    let mut fitting = config.sources.iter().filter(|(_, source)| fits(source));
    match (fitting.next(), fitting.next()) {
        (Some((name, source)), None) => Ok((name, source)),
        (Some(_), Some(_)) => match named("github").filter(|(_, source)| fits(source)) {
            Some(github) => Ok(github),
            None => Err(unclear("it is not clear which source is meant".to_owned(), config)),
        },
        (None, _) => Err(unclear("no source is configured that could receive it".to_owned(), config)),
    }
}

fn unclear(what: String, config: &Config) -> Complaint {
    let names: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    let mend = if names.is_empty() {
        "give --to URL and --secret SECRET, or configure a source".to_owned()
    } else {
        format!("name one with --source: {}", names.join(", "))
    };
    Complaint::new(what).at("[sources]").mend(mend)
}

/// How its sender signs; `None` for one that takes the requests of others.
fn dialect(source: &Source) -> Option<&Dialect> {
    match &source.kind {
        SourceKind::Sender(dialect) => Some(dialect),
        _ => None,
    }
}

fn dialect_of(kind: Kind) -> Result<Dialect, Complaint> {
    Dialect::of(kind).ok_or_else(|| {
        Complaint::new(format!("how a {kind} source signs is said in its configuration"))
            .mend("name it with --source, and let the configuration be read: leave out --secret or --to")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    const TWO: &str = "[sources.github]\nsecret = \"s\"\n[sources.billing]\nkind = \"standard_webhooks\"\n\
                       secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";

    fn target(toml: &str, args: &str) -> Result<(String, Kind), Complaint> {
        let Command::Send(args) = Cli::parse_from(format!("becket send {args}").split(' ')).command else {
            panic!("not `send`")
        };
        let target = Target::within(&args, &Config::from_toml(toml).unwrap())?;
        Ok((target.url.to_string(), target.sender.kind()))
    }

    #[test]
    fn source_is_found_by_name_by_url_by_kind_or_alone() {
        let (github, billing) = (Kind::Github, Kind::StandardWebhooks);
        for (args, url, kind) in [
            ("push", "http://127.0.0.1:8080/webhooks/github", github),
            ("paid --source billing", "http://127.0.0.1:8080/webhooks/billing", billing),
            ("paid --source-kind standard_webhooks", "http://127.0.0.1:8080/webhooks/billing", billing),
            ("paid --to http://h/webhooks/billing/", "http://h/webhooks/billing/", billing),
            ("push --to http://h:9", "http://h:9/webhooks/github", github),
            ("paid --to http://h:9/ --source billing", "http://h:9/webhooks/billing", billing),
        ] {
            assert_eq!(target(TWO, args).unwrap(), (url.to_owned(), kind), "{args}");
        }
    }

    #[test]
    fn url_of_a_server_alone_is_completed_without_a_configuration_too() {
        let find = |args: &str| {
            let Command::Send(args) = Cli::parse_from(format!("becket send {args}").split(' ')).command else {
                panic!("not `send`")
            };
            Target::find(&args).map(|target| target.url.to_string())
        };
        let secret = "--secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (args, url) in [
            ("push --to http://h:9", "http://h:9/webhooks/github"),
            ("push --to http://h:9/ --source other", "http://h:9/webhooks/other"),
            ("push --to http://h:9/hook", "http://h:9/hook"),
            ("paid --to http://h:9 --source-kind standard_webhooks --source billing", "http://h:9/webhooks/billing"),
        ] {
            assert_eq!(find(&format!("{args} {secret}")).unwrap(), url, "{args}");
        }
        let error = find(&format!("paid --to http://h:9 --source-kind standard_webhooks {secret}")).unwrap_err();
        assert_eq!(error.to_string(), "it is not clear which source is meant");
    }

    #[test]
    fn sender_is_posted_to_a_path_that_takes_those_of_all() {
        let toml = format!("{TWO}[sources.any]\nkind = \"auto\"\n");
        let all = "http://h/webhooks/any".to_owned();
        assert_eq!(target(&toml, "paid --source billing --to http://h/webhooks/any").unwrap().0, all);
        assert_eq!(target(&toml, "push --to http://h/webhooks/any").unwrap(), (all, Kind::Github));
        let error = target(&toml, "push --source any").unwrap_err();
        assert_eq!(error.to_string(), "the source `any` has no sender of its own");
    }

    #[test]
    fn custom_source_signs_as_its_configuration_says() {
        let toml =
            "[sources.acme]\nkind = \"custom\"\nsecret = \"s\"\nsignature = \"X-S\"\nid = \"X-I\"\nevent = \"/e\"\n";
        assert_eq!(target(toml, "order.paid").unwrap().1, Kind::Custom);
        assert!(target(TWO, "order.paid --source billing --source-kind custom").is_err());
    }

    #[test]
    fn source_that_is_not_clear_is_asked_for() {
        let error = target(TWO, "push --source gitlab").unwrap_err();
        assert_eq!(error.remedy(), Some("name one with --source: billing, github"));
        assert!(target("", "push").unwrap_err().remedy().unwrap().contains("--secret"));
    }
}
