//! Sources: fail closed, rotate, and do not take each other's paths.

use becket_tasks::Rate;
use becket_webhooks::signature::{Algorithm, Encoding};
use becket_webhooks::{Custom, Window};
use secrecy::ExposeSecret;

use super::super::test_layers::{Layers, file, file_errors};
use super::super::{Allow, Networks};
use super::*;

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn exposed(source: &Source) -> Vec<&str> {
    source.secrets.iter().map(ExposeSecret::expose_secret).collect()
}

#[test]
fn a_source_takes_its_kind_from_its_name() {
    let config = file(&format!("[sources.github]\nsecret = 'x'\n[sources.standard_webhooks]\nsecret = '{WHSEC}'"));
    assert_eq!(config.sources["github"].kind, SourceKind::Sender(Dialect::Github));
    assert_eq!(config.sources["standard_webhooks"].kind, SourceKind::Sender(Dialect::StandardWebhooks));
    for kind in Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::StandardWebhooks | Kind::Custom)) {
        let config = file(&format!("[sources.{kind}]\nsecret = 'user:password'"));
        assert_eq!(config.sources[kind.as_str()].kind.as_str(), kind.as_str());
    }
    let errors = file_errors("[sources.forge]\nkind = 'gitlap'\nsecret = 'x'");
    assert!(errors.len() == 1 && errors[0].contains("did you mean \"gitlab\"?"), "{errors:?}");
}

#[test]
fn gitlab_takes_either_of_its_secrets() {
    let config = file(&format!("[sources.gitlab]\nsecrets = ['any text', '{WHSEC}']\ntolerance = '1m'"));
    assert_eq!(exposed(&config.sources["gitlab"]), ["any text", WHSEC]);
    let errors = file_errors("[sources.gitlab]\nsecret = 'whsec_x'");
    assert!(errors.len() == 1 && errors[0].contains("what follows `whsec_` is not base64"), "{errors:?}");
}

#[test]
fn azure_devops_takes_credentials_or_a_header() {
    let auth = |text: &str| match file(text).sources["azure_devops"].kind.clone() {
        SourceKind::Sender(Dialect::AzureDevops(auth)) => auth,
        other => panic!("{other:?}"),
    };
    assert_eq!(auth("[sources.azure_devops]\nsecret = 'user:password'"), AzureAuth::Basic);
    let header = auth("[sources.azure_devops]\nsecret = 'x'\nheader = 'X-Secret'");
    assert_eq!(header, AzureAuth::Header(http::HeaderName::from_static("x-secret")));
    for (text, what) in [
        ("[sources.azure_devops]\nsecret = 'x'", "has no colon between a user name and a password"),
        ("[sources.azure_devops]\nsecret = 'x'\nheader = 'a b'", "`a b` is not the name of a header"),
        ("[sources.github]\nsecret = 'x'\nheader = 'X-Secret'", "is a key of `azure_devops` sources"),
    ] {
        let errors = file_errors(text);
        assert!(errors.iter().any(|error| error.contains(what)), "{text}: {errors:?}");
    }
}

#[test]
fn custom_source_is_all_that_its_keys_say() {
    let config = file(
        "[sources.acme]\nkind = 'custom'\nsecret = 'x'\nsignature = 'X-Sig'\nalgorithm = 'sha512'\nencoding = 'base64'\n\
         prefix = 'v1='\nsigned = '{id}.{timestamp}.{body}'\ntimestamp = 'X-Time'\ntolerance = '1m'\nid = 'X-Id'\n\
         event = '/type'\nrepository = '/repo'",
    );
    let expected = Custom::new("X-Sig", "X-Id", "/type")
        .and_then(|custom| custom.signed("{id}.{timestamp}.{body}"))
        .and_then(|custom| custom.timestamp("X-Time"))
        .and_then(|custom| custom.repository("/repo"))
        .unwrap()
        .algorithm(Algorithm::Sha512)
        .encoding(Encoding::Base64)
        .prefix("v1=");
    assert_eq!(config.sources["acme"].kind, SourceKind::Sender(Dialect::Custom(expected.into())));
    assert_eq!(config.sources["acme"].tolerance, Duration::from_secs(60));
}

#[test]
fn custom_source_that_cannot_be_meant_is_refused_with_the_key() {
    const BASE: &str =
        "[sources.acme]\nkind = 'custom'\nsecret = 'x'\nsignature = 'X-Sig'\nid = 'X-Id'\nevent = '/type'\n";
    for (text, error) in [
        ("signed = 'body'", "becket.toml:7:1: sources.acme.signed: does not contain `{body}`"),
        ("signed = '{timestamp}{body}'", "becket.toml:2:1: sources.acme.timestamp: is not set, and `signed` has"),
        ("timestamp = 'X-T'", "becket.toml:7:1: sources.acme.timestamp: is not part of the signed text"),
        ("tolerance = '1m'", "becket.toml:7:1: sources.acme.tolerance: this source names no `timestamp` to compare"),
        ("algorithm = 'sha1'", "becket.toml:7:1: sources.acme.algorithm: `sha1` is not known here"),
        (
            "encoding = 'hexx'",
            "becket.toml:7:1: sources.acme.encoding: `hexx` is not known here; did you mean \"hex\"?",
        ),
    ] {
        let errors = file_errors(&format!("{BASE}{text}"));
        assert!(errors.len() == 1, "{text}: {errors:?}");
        let (key, what) = error.split_once(": ").unwrap().1.split_once(": ").unwrap();
        assert!(errors[0].contains(key) && errors[0].contains(what), "{text}: {errors:?}");
    }
    let bare = file_errors("[sources.acme]\nkind = 'custom'\nsecret = 'x'");
    assert_eq!(bare.len(), 3, "signature, id and event: {bare:?}");
    let errors = file_errors("[sources.gitlab]\nsecret = 'x'\nsignature = 'X-Sig'");
    let expected = "becket.toml:3:1: sources.gitlab.signature: is a key of `custom` sources, and this one is of the kind \
                    `gitlab`; remove it, or write kind = \"custom\"";
    assert_eq!(errors, [expected]);
}

#[test]
fn auto_source_has_a_path_and_nothing_of_a_sender() {
    let config = file("[sources.github]\nsecret = 'x'\n[sources.any]\nkind = 'auto'\npath = '/hooks'");
    let any = &config.sources["any"];
    assert_eq!((&any.kind, any.path.as_deref(), any.secrets.len()), (&SourceKind::Auto, Some("/hooks"), 0));
    for key in
        ["secret = 'x'", "insecure_accept_unsigned = true", "tolerance = '1m'", "body_limit = '1MiB'", "id = 'x'"]
    {
        let errors = file_errors(&format!("[sources.any]\nkind = 'auto'\n{key}"));
        assert!(errors.len() == 1 && errors[0].contains("`auto` source takes the requests"), "{key}: {errors:?}");
    }
    let errors = file_errors("[sources.any]\nkind = 'auto'\n[[routes]]\non = '*'\nsource = 'any'\nto = 'log'");
    assert!(errors.len() == 1 && errors[0].contains("routes.0.source"), "{errors:?}");
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

#[test]
fn a_secret_may_have_a_window_and_a_name() {
    let config = file(
        "[sources.github]\nsecrets = [\n { value = 'new', not_before = 2026-12-01T00:00:00Z, name = 'y2027' },\n \
         { value = 'old', not_after = '2026-12-08T01:00:00+01:00' },\n 'plain' ]\n\
         [sources.gitea]\n[sources.gitea.secret]\nvalue = 'x'\nnot_after = 2026-12-01 00:00:00Z",
    );
    let secrets = &config.sources["github"].secrets;
    assert_eq!(exposed(&config.sources["github"]), ["new", "old", "plain"]);
    let (december, week) = (1_796_083_200_000, 7 * 86_400_000);
    assert_eq!(secrets[0].window(), Window { not_before: Some(december), not_after: None });
    assert_eq!(secrets[1].window(), Window { not_before: None, not_after: Some(december + week) });
    assert_eq!(secrets[2].window(), Window::default());
    assert_eq!((secrets[0].name(), secrets[1].name()), (Some("y2027"), None));
    assert_eq!(config.sources["gitea"].secrets[0].window().not_after, Some(december));
}

#[test]
fn a_window_can_be_set_by_variables_too() {
    let layers = Layers {
        file: "[sources.gitea]\nsecrets = [{ value = 'x' }]",
        env: &[
            ("BECKET_SOURCES__GITHUB__SECRETS", "['new', { value = 'old', not_after = 2026-12-01T00:00:00Z }]"),
            ("BECKET_SOURCES__GITEA__SECRETS__0__NOT_AFTER", "2026-12-01T00:00:00Z"),
            ("BECKET_SOURCES__SLACK__SECRET", "{ value = 'x' }"),
        ],
        ..Layers::default()
    };
    let config = layers.loaded().config;
    let ends = |name: &str| config.sources[name].secrets.iter().map(|one| one.window().not_after).collect::<Vec<_>>();
    assert_eq!(ends("github"), [None, Some(1_796_083_200_000)]);
    assert_eq!(ends("gitea"), [Some(1_796_083_200_000)]);
    assert_eq!(exposed(&config.sources["slack"]), ["{ value = 'x' }"], "a secret may look like a table");
}

#[test]
fn a_window_that_makes_no_sense_is_refused_without_showing_the_secret() {
    for (secret, what) in [
        ("{ not_after = 2026-12-01T00:00:00Z }", "is a table without `value`"),
        ("{ value = 'hunter2', until = 1 }", "has a key `until`, which is unknown here"),
        (
            "{ value = 'hunter2', not_after = 2026-12-01T00:00:00 }",
            "its `not_after` `2026-12-01T00:00:00` is not a moment",
        ),
        ("{ value = 'hunter2', not_before = 7 }", "its `not_before` is a whole number"),
        (
            "{ value = 'hunter2', not_before = 2027-01-01T00:00:00Z, not_after = 2026-12-01T00:00:00Z }",
            "is never valid",
        ),
        ("{ value = ' hunter2' }", "the secret begins or ends with white space"),
        ("{ value = 'hunter2', name = 'A B' }", "its `name` `A B` cannot be a name"),
        ("{ value = 'hunter2', name = 'a' }, { value = 'x', name = 'a' }", "two of them have the name `a`"),
    ] {
        let errors = file_errors(&format!("[sources.github]\nsecrets = [{secret}]"));
        assert!(errors.len() == 1 && errors[0].contains(what), "{secret}: {errors:?}");
        assert!(!errors[0].contains("hunter2"), "{errors:?}");
    }
}

#[test]
fn no_path_of_the_api_can_be_that_of_a_source() {
    let document = serde_json::to_value(crate::http::api::document()).unwrap();
    for described in document["paths"].as_object().unwrap().keys().filter(|path| !path.starts_with("/webhooks/")) {
        let path = described.split("/{").next().unwrap();
        let errors = file_errors(&format!("[sources.github]\nsecret = 'x'\npath = '{path}'"));
        assert!(errors.len() == 1 && errors[0].contains("is one of Becket's own paths"), "{path}: {errors:?}");
    }
}

#[test]
fn addresses_may_be_a_list_one_alone_and_those_that_github_publishes() {
    let allow = |text: &str| file(&format!("[sources.github]\nsecret = 'x'\n{text}")).sources["github"].allow.clone();
    let networks = |all: &[&str]| Networks::parse(all).unwrap();
    assert_eq!(allow(""), None);
    let plain = |all| Some(Allow { networks: networks(all), meta: None });
    assert_eq!(allow("allow = '10.0.0.0/8'"), plain(&["10.0.0.0/8"]));
    assert_eq!(allow("allow = ['10.0.0.0/8', '2001:db8::1']"), plain(&["10.0.0.0/8", "2001:db8::1"]));
    let meta = |url: &str, all| Some(Allow { networks: networks(all), meta: Some(url.parse().unwrap()) });
    assert_eq!(allow("allow = 'github-meta'"), meta("https://api.github.com/meta", &[]));
    let both = allow("allow = ['127.0.0.1', 'github-meta']\nmeta_url = 'http://ghes.example/api/v3/meta'");
    assert_eq!(both, meta("http://ghes.example/api/v3/meta", &["127.0.0.1"]));

    let env =
        [("BECKET_SOURCES__GITHUB__ALLOW", "['10.0.0.0/8', 'github-meta']"), ("BECKET_SERVER__TRUSTED_PROXIES", "::1")];
    let loaded = Layers { file: "[sources.github]\nsecret = 'x'", env: &env, ..Layers::default() }.loaded();
    assert_eq!(loaded.config.sources["github"].allow, meta("https://api.github.com/meta", &["10.0.0.0/8"]));
    assert_eq!(loaded.config.server.trusted_proxies, networks(&["::1"]));
    assert_eq!(loaded.origins.get("sources.github.allow").unwrap().value, "10.0.0.0/8, github-meta");
}

#[test]
fn addresses_that_cannot_be_meant_are_refused_with_their_place() {
    for (text, errors) in [
        ("allow = []", &["sources.x.allow: is an empty list"][..]),
        (
            "allow = ['10.0.0.0/8', 'github.com']",
            &["sources.x.allow.1: `github.com` is neither a network nor an address"],
        ),
        (
            "allow = '10.0.0.1/8'",
            &["sources.x.allow.0: `10.0.0.1/8` names an address within a network; write \"10.0.0.0/8\""],
        ),
        ("allow = 7", &["sources.x.allow.0: is a whole number"]),
        (
            "meta_url = 'https://x/meta'",
            &["sources.x.meta_url: says where to fetch a list of addresses, and nothing asks"],
        ),
        ("allow = 'github-meta'\nmeta_url = 'x'", &["sources.x.meta_url: is not a URL"]),
        ("allow = 'github-meta'\nmeta_url = 'ftp://x/'", &["sources.x.meta_url: is not the URL of a list"]),
        ("rate = '0/s'", &["sources.x.rate: `0/s` is out of range"]),
        ("rate = '5'", &["sources.x.rate: `5` is not a rate"]),
    ] {
        let found = file_errors(&format!("[sources.x]\nkind = 'github'\nsecret = 'x'\n{text}"));
        assert_eq!(found.len(), errors.len(), "{text}: {found:?}");
        assert!(found.iter().zip(errors).all(|(found, error)| found.contains(error)), "{text}: {found:?}");
    }
    let errors = file_errors("[sources.gitlab]\nsecret = 'x'\nallow = 'github-meta'");
    assert!(errors.len() == 1 && errors[0].contains("this source is another's"), "{errors:?}");
    let errors = file_errors("[sources.auto]\nallow = '::1'\nrate = '1/s'\n[sources.github]\nsecret = 'x'");
    assert!(errors.len() == 2 && errors.iter().all(|error| error.contains("belongs to one sender")), "{errors:?}");
    let errors = file_errors("[server]\ntrusted_proxies = ['10.0.0.0/8', 'nginx']");
    assert!(errors.len() == 1 && errors[0].contains("server.trusted_proxies.1: `nginx` is neither"), "{errors:?}");
}

#[test]
fn rate_of_a_source_is_written_as_that_of_a_target_and_its_one_may_be_left_out() {
    for (text, starts, secs) in [("100/s", 100, 1), ("30/1m", 30, 60), ("5/ h", 5, 3_600)] {
        let config = file(&format!("[sources.github]\nsecret = 'x'\nrate = '{text}'"));
        let rate = Rate { starts, period: Duration::from_secs(secs) };
        assert_eq!(config.sources["github"].rate, Some(rate), "{text}");
    }
}
