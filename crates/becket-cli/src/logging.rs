//! Log lines on the standard error stream, as the configuration says.

use anyhow::Context as _;
use becket::config::{Loaded, LogFormat, Origin};
use tracing_subscriber::EnvFilter;

/// Overrides the default filter where the configuration names none, as Rust programs do.
const RUST_LOG: &str = "RUST_LOG";

/// Begins to log. `log.filter` decides what is shown; where nobody set it, the variable `RUST_LOG` does.
///
/// # Errors
/// `RUST_LOG` cannot be read; the configuration's filter has been checked already.
pub(crate) fn start(loaded: &Loaded) -> anyhow::Result<()> {
    let log = &loaded.config.log;
    let is_set = loaded.origins.get("log.filter").is_some_and(|row| row.origin != Origin::Default);
    let from_environment = std::env::var(RUST_LOG).ok().filter(|text| !is_set && !text.is_empty());
    match from_environment {
        Some(text) => init(&text, log.format).context("read the variable RUST_LOG"),
        None => init(&log.filter, log.format).context("read log.filter"),
    }
}

/// Logs only what the variable `RUST_LOG` asks for: for commands whose own output is what people look at.
///
/// # Errors
/// `RUST_LOG` cannot be read.
pub(crate) fn start_if_asked() -> anyhow::Result<()> {
    match std::env::var(RUST_LOG).ok().filter(|text| !text.is_empty()) {
        Some(text) => init(&text, LogFormat::Text).context("read the variable RUST_LOG"),
        None => Ok(()),
    }
}

fn init(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that cannot be written is dropped. Saying so would go to the same stream, and panic.
    let lines = lines.log_internal_errors(false);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines.with_ansi(crate::output::colours_on_stderr()).init(),
    }
    Ok(())
}
