//! `becket serve`: the server that a configuration describes, until it is told to stop; it reads that again when it is told
//! to, or when the file changes.

use std::process::ExitCode;

use becket::config::{Config, Loaded};
use becket::{App, Hangups, ReloadTrigger, Signals};
use serde_json::json;

use crate::cli::ServeArgs;
use crate::{config, logging, output};

/// Runs `becket serve`.
///
/// # Errors
/// The configuration is wrong, or what it names is not to be had: the address, the store.
pub(crate) async fn run(args: ServeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let loaded = config::load_for_serve(&args)?;
    let levels = logging::start(&loaded)?;
    config::warn_of_ignored(&loaded);
    let Loaded { config, .. } = loaded;
    warn_of_sources(&config);
    config::warn_of_secrets(&config);
    let loader = config::loader_for_serve(&args);
    let store = config.store.url.to_string();

    // Before the server says that it is ready: whoever reads that line may stop it at once.
    let (mut signals, mut hangups) = (Signals::listen()?, Hangups::listen()?);
    let app = App::new().config(config).reload_from(loader).on_reload(move |config| levels.set(&config.log.filter));
    let running = app.start().await?;
    let url = running.url("");
    if json {
        output::json(&json!({"url": url, "store": store}))?;
    } else {
        output::line(format_args!("becket listens on {url}"))?;
    }

    let signal = loop {
        tokio::select! {
            signal = signals.next() => break signal,
            // It is logged how it went.
            () = hangups.next() => drop(running.reload(ReloadTrigger::Signal).await),
        }
    };
    tracing::info!(signal, "stopping; a second signal ends at once");
    let report = tokio::select! {
        report = running.shutdown() => report,
        signal = signals.next() => anyhow::bail!("{signal} came twice: what was running will run again"),
    };
    tracing::info!(completed = report.completed, released = report.released, "stopped");
    Ok(ExitCode::SUCCESS)
}

/// Says loudly what is dangerous, and what is surely not meant.
fn warn_of_sources(config: &Config) {
    for (name, _) in config.sources.iter().filter(|(_, source)| source.insecure_accept_unsigned) {
        output::note(format_args!(
            "WARNING: anyone who reaches /webhooks/{name} can post to it: the source accepts webhooks that nobody \
             signed. Give it a secret, and remove insecure_accept_unsigned."
        ));
    }
    if config.sources.is_empty() {
        output::note("warning: no source is configured, so no webhook can be received; see `becket config default`");
    }
}
