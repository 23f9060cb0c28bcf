//! `becket config`, and loading the configuration for every other command.

use std::process::ExitCode;
use std::time::SystemTime;

use becket::Config;
use becket::config::{self, Errors, Loaded, Loader, Origins};
use becket_webhooks::{Secret, Validity};
use serde_json::{Value, json};

use crate::api::{self, views};
use crate::cli::{ConfigAction, ConfigArgs, ConfigCommand, ServeArgs, ServerArgs};
use crate::output::{self, Table, cell};

/// Loads the configuration: defaults, file, environment, and these arguments.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(args: &ConfigArgs, named: Vec<(String, String)>) -> Result<Loaded, Errors> {
    Config::load(loader(args, named))
}

fn loader(args: &ConfigArgs, named: Vec<(String, String)>) -> Loader {
    let ConfigArgs { config: file, set } = args.clone();
    let flags = set.into_iter().chain(named).collect();
    Loader { file, env: config::environment(std::env::vars_os()), flags }
}

/// Loads the configuration that `becket serve` would use.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_for_serve(args: &ServeArgs) -> Result<Loaded, Errors> {
    Config::load(loader_for_serve(args))
}

/// From where that is read, now and again.
pub(crate) fn loader_for_serve(args: &ServeArgs) -> Loader {
    let given = [("--listen", &args.listen), ("--store", &args.store), ("--log", &args.log)];
    let given = given.into_iter().chain([("--concurrency", &args.concurrency)]);
    let named = given.filter_map(|(flag, value)| Some((flag.to_owned(), value.clone()?))).collect();
    loader(&args.config, named)
}

/// Runs `becket config`.
pub(crate) async fn run(args: ConfigCommand, json: bool) -> anyhow::Result<ExitCode> {
    match args.command {
        ConfigAction::Default => default(json),
        ConfigAction::Check(args) => check(&args, json),
        ConfigAction::Reload(server) => reload(&server, json).await,
    }
}

async fn reload(server: &ServerArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(server)?;
    let answer = api.post(&["config", "reload"], None::<&()>).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let views::Reloaded { sources, kinds_added, kinds_removed } = api::read(&answer)?;
    output::line(format_args!("reloaded: {} sources", sources.len()))?;
    if !kinds_added.is_empty() {
        output::line(format_args!("tasks of these kinds have a handler now: {}", kinds_added.join(", ")))?;
    }
    if !kinds_removed.is_empty() {
        output::line(format_args!(
            "tasks of these kinds have none any more, and stay queued: {}",
            kinds_removed.join(", ")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn default(json: bool) -> anyhow::Result<ExitCode> {
    if json {
        output::json(&json!({"toml": config::default_toml()}))?;
    } else {
        output::line(config::default_toml().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(args: &ServeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let loaded = match load_for_serve(args) {
        Ok(loaded) => loaded,
        Err(errors) if json => {
            output::json(&json!({"valid": false, "errors": wrong(&errors)}))?;
            return Ok(ExitCode::from(2));
        }
        Err(errors) => return Err(errors.into()),
    };
    if json {
        let Loaded { origins, ignored, .. } = &loaded;
        output::json(&json!({"valid": true, "values": values(origins), "ignored": ignored}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["KEY", "VALUE", "FROM"]);
    for row in loaded.origins.rows() {
        table.row([cell(&row.key), cell(&row.value), cell(&row.origin)]);
    }
    table.print()?;
    warn_of_ignored(&loaded);
    warn_of_secrets(&loaded.config);
    Ok(ExitCode::SUCCESS)
}

/// Says which variables are set and not read.
pub(crate) fn warn_of_ignored(loaded: &Loaded) {
    for name in &loaded.ignored {
        output::note(format_args!("warning: the variable {name} is set, and becket does not read it"));
    }
}

/// Says which sources refuse whoever sends, since the time of all their secrets is over or has not come.
pub(crate) fn warn_of_secrets(config: &Config) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let is_active = |secret: &Secret| secret.window().at(now_ms) == Validity::Active;
    for (name, source) in &config.sources {
        if !source.secrets.is_empty() && !source.secrets.iter().any(is_active) {
            output::note(format_args!(
                "warning: no secret of the source {name} is valid now, so whoever sends is refused"
            ));
        }
    }
}

fn values(origins: &Origins) -> Vec<Value> {
    let row = |row: &config::Row| json!({"key": row.key, "value": row.value, "origin": row.origin.to_string()});
    origins.rows().iter().map(row).collect()
}

fn wrong(errors: &Errors) -> Vec<Value> {
    let error = |error: &config::Error| {
        json!({
            "origin": error.origin().to_string(),
            "key": error.key(),
            "what": error.what(),
            "mend": error.mend(),
        })
    };
    errors.iter().map(error).collect()
}

#[cfg(test)]
mod tests {
    use becket::config::NAMED_FLAGS;

    use super::*;

    #[test]
    fn named_flags_are_those_that_the_configuration_knows() {
        let text = |text: &str| Some(text.to_owned());
        let args = ServeArgs {
            config: ConfigArgs::default(),
            listen: text("127.0.0.1:7"),
            store: text("memory:"),
            concurrency: text("3"),
            log: text("warn"),
        };
        let loaded = load_for_serve(&args).unwrap();
        for (flag, key) in NAMED_FLAGS {
            assert_eq!(loaded.origins.get(key).unwrap().origin.to_string(), flag);
        }
    }
}
