//! What a running server cannot take from another configuration: the address it listens on, its store, its pool.
//!
//! All other keys may change while it runs. A key that is not listed here is taken by whoever reads the configuration
//! again, so a new key of a part that is made once at the start belongs into [`FIXED`].

use super::error::{Error, Errors, Problem};
use super::{Config, Loaded, Origin};

/// A value of a configuration, as text.
type Shown = fn(&Config) -> String;

/// The keys of what is made once, with their values as text to compare.
const FIXED: [(&str, Shown); 14] = [
    ("server.listen", |config| config.server.listen.to_string()),
    ("server.max_connections", |config| config.server.max_connections.to_string()),
    ("server.header_timeout", |config| duration(config.server.header_timeout)),
    ("server.shutdown_grace", |config| duration(config.server.shutdown_grace)),
    ("server.watch_config", |config| config.server.watch_config.to_string()),
    ("store.url", |config| config.store.url.to_string()),
    ("store.durability", |config| config.store.durability.to_string()),
    ("worker.concurrency", |config| match (config.worker.concurrency, config.worker.concurrency_max) {
        (min, Some(max)) => format!("{{ min = {min}, max = {max} }}"),
        (all, None) => all.to_string(),
    }),
    ("worker.prefetch", |config| config.worker.prefetch.to_string()),
    ("worker.lease", |config| duration(config.worker.lease)),
    ("worker.weights", |config| {
        let weights = config.worker.weights.iter().map(|(tenant, weight)| format!("{tenant} = {weight}"));
        weights.collect::<Vec<_>>().join(", ")
    }),
    ("retention.age", |config| duration(config.retention.age)),
    ("retention.count", |config| config.retention.count.to_string()),
    ("log.format", |config| format!("{:?}", config.log.format).to_lowercase()),
];

fn duration(duration: std::time::Duration) -> String {
    humantime::format_duration(duration).to_string()
}

impl Loaded {
    /// Checks that a server that runs with `running` can go on with this configuration.
    ///
    /// # Errors
    /// Each key whose value it could take only at a start.
    pub fn fits(&self, running: &Config) -> Result<(), Errors> {
        let errors: Vec<Error> = FIXED.iter().filter_map(|(key, value)| self.changed(key, value, running)).collect();
        if errors.is_empty() { Ok(()) } else { Err(Errors::new(errors)) }
    }

    fn changed(&self, key: &str, value: &Shown, running: &Config) -> Option<Error> {
        let (before, now) = (value(running), value(&self.config));
        if before == now {
            return None;
        }
        let origin = self.origins.get(key).map_or(Origin::Default, |row| row.origin.clone());
        let problem = Problem::new(
            format!("needs a restart: the server runs with {}, and here is {}", shown(&before), shown(&now)),
            "restart the server, or set it back",
        );
        Some(problem.at(key, origin))
    }
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

#[cfg(test)]
mod tests {
    use super::super::test_layers::{Layers, file};

    fn misfits(before: &str, after: &str) -> Vec<String> {
        let after = Layers { file: after, ..Layers::default() }.loaded();
        after
            .fits(&file(before))
            .err()
            .map(|errors| errors.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    #[test]
    fn sources_routes_targets_and_defaults_of_tasks_may_change() {
        let after = "[sources.github]\nsecrets = ['a', 'b']\n[targets.x]\nhttp = 'https://example.org/'\n\
                     [[routes]]\non = '*'\nto = 'x'\n[tasks]\nretries = 9\n[server]\nbody_limit = '1MiB'\n\
                     [admin]\ntoken = '0123456789abcdef'\n[log]\nfilter = 'debug'";
        assert_eq!(misfits("", after), Vec::<String>::new());
    }

    #[test]
    fn what_is_written_otherwise_and_means_the_same_fits() {
        assert!(misfits("[worker]\nlease = '60s'", "[worker]\nlease = '1m'").is_empty());
    }

    #[test]
    fn each_key_of_what_is_made_once_is_refused_with_its_place() {
        // In the order of the layers.
        assert_eq!(
            misfits("", "[server]\nlisten = '127.0.0.1:9'\n[store]\nurl = 'memory:'"),
            [
                "default: store.durability: needs a restart: the server runs with power_loss, and here is memory; restart \
                 the server, or set it back",
                "becket.toml:2:1: server.listen: needs a restart: the server runs with 127.0.0.1:8080, and here is \
                 127.0.0.1:9; restart the server, or set it back",
                "becket.toml:4:1: store.url: needs a restart: the server runs with sqlite:becket.db, and here is memory:; \
                 restart the server, or set it back",
            ]
        );
        for (key, text) in [
            ("server.max_connections", "[server]\nmax_connections = 7"),
            ("server.header_timeout", "[server]\nheader_timeout = '7s'"),
            ("server.shutdown_grace", "[server]\nshutdown_grace = '7s'"),
            ("server.watch_config", "[server]\nwatch_config = false"),
            ("worker.concurrency", "[worker]\nconcurrency = { min = 16, max = 17 }"),
            ("worker.prefetch", "[worker]\nprefetch = 7"),
            ("worker.lease", "[worker]\nlease = '7s'"),
            ("worker.weights", "[worker]\nweights = { acme = 7 }"),
            ("retention.age", "[retention]\nage = '7h'"),
            ("retention.count", "[retention]\ncount = 7"),
            ("log.format", "[log]\nformat = 'json'"),
        ] {
            let misfits = misfits("", text);
            assert!(misfits.len() == 1 && misfits[0].contains(&format!(": {key}: needs a restart")), "{misfits:?}");
        }
    }
}
