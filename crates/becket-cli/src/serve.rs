//! `becket serve`: the server that a configuration describes, until it is told to stop.

use std::process::ExitCode;

use becket::App;
use becket::config::{Config, Loaded};
use serde_json::json;

use crate::cli::ServeArgs;
use crate::{config, logging, output};
use becket::Signals;

/// Runs `becket serve`.
///
/// # Errors
/// The configuration is wrong, or what it names is not to be had: the address, the store.
pub(crate) async fn run(args: ServeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let loaded = config::load_for_serve(&args)?;
    logging::start(&loaded)?;
    config::warn_of_ignored(&loaded);
    let Loaded { config, .. } = loaded;
    warn_of_sources(&config);
    let store = config.store.url.to_string();

    // Before the server says that it is ready: whoever reads that line may stop it at once.
    let mut signals = Signals::listen()?;
    let running = App::new().config(config).start().await?;
    let url = running.url("");
    if json {
        output::json(&json!({"url": url, "store": store}))?;
    } else {
        output::line(format_args!("becket listens on {url}"))?;
    }

    let signal = signals.next().await;
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
