//! Sources: fail closed, rotate, and do not take each other's paths.

use secrecy::ExposeSecret;

use super::super::test_layers::{Layers, file, file_errors};
use super::*;

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn exposed(source: &Source) -> Vec<&str> {
    source.secrets.iter().map(ExposeSecret::expose_secret).collect()
}

#[test]
fn a_source_takes_its_kind_from_its_name() {
    let config = file(&format!("[sources.github]\nsecret = 'x'\n[sources.standard_webhooks]\nsecret = '{WHSEC}'"));
    assert_eq!(config.sources["github"].kind, SourceKind::Github);
    assert_eq!(config.sources["standard_webhooks"].kind, SourceKind::StandardWebhooks);
    assert_eq!(
        file_errors("[sources.gitlab]\nkind = 'gitlab'\nsecret = 'x'"),
        [
            "becket.toml:2:1: sources.gitlab.kind: `gitlab` sources are not built yet; built are \"github\" and \"standard_webhooks\""
        ]
    );
}

#[test]
fn a_source_without_a_secret_is_refused_unless_it_says_so() {
    assert_eq!(
        file_errors("[sources.github]\nbody_limit = '1MiB'"),
        ["becket.toml:1:10: sources.github: has no secret, so anyone could post to it; set `secret`, or write \
          insecure_accept_unsigned = true to accept unsigned requests"]
    );
    assert_eq!(file_errors("[sources.github]\ninsecure_accept_unsigned = false").len(), 1);
    assert_eq!(file_errors("[sources.github]\nsecrets = []").len(), 1);
    let config = file("[sources.github]\ninsecure_accept_unsigned = true");
    assert!(config.sources["github"].insecure_accept_unsigned && config.sources["github"].secrets.is_empty());
}

#[test]
fn a_secret_and_the_wish_for_none_contradict_each_other() {
    assert_eq!(
        file_errors("[sources.github]\nsecret = 'x'\ninsecure_accept_unsigned = true"),
        [
            "becket.toml:3:1: sources.github.insecure_accept_unsigned: contradicts the secret that is set for this source; \
          remove one of the two"
        ]
    );
}

#[test]
fn several_secrets_are_kept_in_order() {
    let config = file("[sources.github]\nsecrets = ['new', 'old']");
    assert_eq!(exposed(&config.sources["github"]), ["new", "old"]);
}

#[test]
fn secret_and_secrets_in_one_layer_are_an_error() {
    assert_eq!(
        file_errors("[sources.github]\nsecret = 'x'\nsecrets = ['y']"),
        [
            "becket.toml:3:1: sources.github.secret: is set beside `secrets`; keep one of the two; `secrets` takes several"
        ]
    );
}

#[test]
fn a_higher_layers_secret_overrides_lower_secrets_and_the_reverse() {
    let lower = Layers {
        file: "[sources.github]\nsecrets = ['a', 'b']",
        env: &[("BECKET_SOURCES__GITHUB__SECRET", "c")],
        ..Layers::default()
    };
    assert_eq!(exposed(&lower.loaded().config.sources["github"]), ["c"]);
    let upper = Layers {
        env: &[("GITHUBAPP_WEBHOOK_SECRET", "c"), ("BECKET_SOURCES__GITHUB__SECRETS", "['a', 'b']")],
        ..Layers::default()
    };
    let loaded = upper.loaded();
    assert_eq!(exposed(&loaded.config.sources["github"]), ["a", "b"]);
    assert!(loaded.origins.get("sources.github.secret").is_none());
}

#[test]
fn a_wrong_secret_among_several_is_named_by_its_place() {
    let text = format!("[sources.billing]\nkind = 'standard_webhooks'\nsecrets = [\n '{WHSEC}',\n 'hunter2',\n]");
    assert_eq!(
        file_errors(&text),
        [
            "becket.toml:5:2: sources.billing.secrets.1: does not begin with `whsec_`; write `whsec_` and then the base64 \
          of 24 to 64 random bytes"
        ]
    );
}

#[test]
fn a_path_is_kept_without_its_trailing_slash() {
    for (written, kept) in [
        ("/hooks/github/", Some("/hooks/github")),
        ("/", Some("/")),
        ("/api/v1/github_webhooks", Some("/api/v1/github_webhooks")),
        ("/webhooks/github/", None),
    ] {
        let config = file(&format!("[sources.github]\nsecret = 'x'\npath = '{written}'"));
        assert_eq!(config.sources["github"].path.as_deref(), kept, "{written}");
    }
}

#[test]
fn a_path_that_a_router_would_read_otherwise_is_refused() {
    for path in ["", "hooks", "//", "/a//b", "/{x}", "/*x", "/a b", "/a?b", "/a#b", "/../x", "/%2e", "/é"] {
        let errors = file_errors(&format!("[sources.github]\nsecret = 'x'\npath = '{path}'"));
        assert!(errors.len() == 1 && errors[0].contains("is not a path"), "{path}: {errors:?}");
    }
    for path in ["/metrics", "/healthz/", "/api/v1/tasks/x"] {
        let errors = file_errors(&format!("[sources.github]\nsecret = 'x'\npath = '{path}'"));
        assert!(errors.len() == 1 && errors[0].contains("is one of Becket's own paths"), "{path}: {errors:?}");
    }
}

#[test]
fn two_sources_at_one_path_are_refused() {
    let errors = file_errors(
        "[sources.github]\nsecret = 'x'\npath = '/webhooks/ghes'\n[sources.ghes]\nkind = 'github'\nsecret = 'y'\npath = '/a'\n\
         [sources.other]\nkind = 'github'\nsecret = 'z'\npath = '/a'",
    );
    assert_eq!(
        errors,
        [
            "becket.toml:3:1: sources.github.path: `/webhooks/ghes` leads to the source `ghes` as well; choose another path",
            "becket.toml:7:1: sources.ghes.path: `/a` leads to the source `other` as well; choose another path",
            "becket.toml:11:1: sources.other.path: `/a` leads to the source `ghes` as well; choose another path",
        ]
    );
}

#[test]
fn tolerance_is_for_senders_that_sign_a_timestamp() {
    let config = file(&format!("[sources.standard_webhooks]\nsecret = '{WHSEC}'\ntolerance = '1m'"));
    assert_eq!(config.sources["standard_webhooks"].tolerance, Duration::from_secs(60));
    assert_eq!(
        file_errors("[sources.github]\nsecret = 'x'\ntolerance = '1m'"),
        ["becket.toml:3:1: sources.github.tolerance: github signs no timestamp to compare; remove this key"]
    );
}

#[test]
fn a_source_has_a_name_that_fits_into_a_path() {
    let errors = file_errors("[sources.\"a/b\"]\nkind = 'github'\nsecret = 'x'");
    assert_eq!(
        errors,
        ["becket.toml:1:10: sources.a/b: `a/b` cannot be a name; use lower-case letters, digits, \"_\" and \"-\", \
          beginning with a letter, at most 64"]
    );
}
