//! Log lines on the standard error stream, as the configuration says. Which are shown may change while the program runs.

use anyhow::Context as _;
use becket::config::{Loaded, LogFormat, Origin};
use tracing_subscriber::EnvFilter;

/// Overrides the default filter where the configuration names none, as Rust programs do.
const RUST_LOG: &str = "RUST_LOG";

/// Begins to log. `log.filter` decides what is shown; where nobody set it, the variable `RUST_LOG` does.
///
/// # Errors
/// `RUST_LOG` cannot be read; the configuration's filter has been checked already.
pub(crate) fn start(loaded: &Loaded) -> anyhow::Result<Levels> {
    let log = &loaded.config.log;
    let is_set = loaded.origins.get("log.filter").is_some_and(|row| row.origin != Origin::Default);
    let from_environment = std::env::var(RUST_LOG).ok().filter(|text| !is_set && !text.is_empty());
    let is_fixed = from_environment.is_some();
    let set = match from_environment {
        Some(text) => init(&text, log.format).context("read the variable RUST_LOG"),
        None => init(&log.filter, log.format).context("read log.filter"),
    }?;
    Ok(Levels { set, is_fixed })
}

/// What is shown of what is logged.
pub(crate) struct Levels {
    set: Set,
    /// The variable `RUST_LOG` decides, which a process cannot hear of anew.
    is_fixed: bool,
}

/// Puts another filter in the place of the one before.
type Set = Box<dyn Fn(EnvFilter) -> Result<(), tracing_subscriber::reload::Error> + Send + Sync>;

impl Levels {
    /// Shows what `filter` says from now on.
    pub(crate) fn set(&self, filter: &str) {
        if self.is_fixed {
            return;
        }
        // It has been checked with the rest of the configuration.
        let Ok(parsed) = EnvFilter::builder().parse(filter) else { return };
        if let Err(error) = (self.set)(parsed) {
            tracing::error!(%error, "cannot change what is logged");
        }
    }
}

/// Logs only what the variable `RUST_LOG` asks for: for commands whose own output is what people look at.
///
/// # Errors
/// `RUST_LOG` cannot be read.
pub(crate) fn start_if_asked() -> anyhow::Result<()> {
    match std::env::var(RUST_LOG).ok().filter(|text| !text.is_empty()) {
        Some(text) => init(&text, LogFormat::Text).map(drop).context("read the variable RUST_LOG"),
        None => Ok(()),
    }
}

fn init(filter: &str, format: LogFormat) -> anyhow::Result<Set> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr);
    // A line that cannot be written is dropped. Saying so would go to the same stream, and panic.
    let lines = lines.log_internal_errors(false);
    Ok(match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_env_filter(filter).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |filter| handle.reload(filter))
        }
        LogFormat::Text => {
            let lines = lines.with_ansi(crate::output::colours_on_stderr());
            let lines = lines.with_env_filter(filter).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |filter| handle.reload(filter))
        }
    })
}
