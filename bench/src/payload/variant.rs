//! One variant of a sample: the same shape, with everything replaced that differs between two real deliveries.
//!
//! Works on any GitHub payload, by what a value looks like and the name of its key. It does not keep a payload's parts
//! consistent (a URL's issue number and the issue's `number` are drawn apart): nobody who reads it here minds.

use fastrand::Rng;
use serde_json::{Number, Value};

/// Draws a variant of `template`.
pub(super) fn of(template: &Value, random: &mut Rng) -> Value {
    let mut variant = template.clone();
    let names = Names::draw(template, random);
    vary(&mut variant, "", &names, random);
    variant
}

/// The template's people and repository with their new names.
struct Names(Vec<(String, String)>);

impl Names {
    fn draw(template: &Value, random: &mut Rng) -> Self {
        let pointers = ["/repository/owner/login", "/repository/name", "/sender/login"];
        let old = pointers.into_iter().filter_map(|pointer| template.pointer(pointer)?.as_str());
        Self(old.map(|old| (old.to_owned(), name(old.len(), random))).collect())
    }

    fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }
}

fn vary(value: &mut Value, key: &str, names: &Names, random: &mut Rng) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| vary(value, key, names, random)),
        Value::Array(items) => items.iter_mut().for_each(|item| vary(item, key, names, random)),
        Value::Number(number) if is_id(key) => *number = same_digits(number, random),
        Value::String(text) => *text = vary_text(text, key, names, random),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn is_id(key: &str) -> bool {
    matches!(key, "id" | "number") || key.ends_with("_id")
}

fn vary_text(text: &str, key: &str, names: &Names, random: &mut Rng) -> String {
    match key {
        "node_id" => random_like(text, ALPHANUMERIC, random),
        "title" | "body" | "message" | "description" => prose(text.len(), random),
        _ if is_hash(text) => random_like(text, HEX, random),
        _ if is_time(text) => time(text, random),
        _ if text.contains("://") => digits(&names.apply(text), random),
        _ => names.apply(text),
    }
}

const HEX: &[u8] = b"0123456789abcdef";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn random_like(text: &str, alphabet: &[u8], random: &mut Rng) -> String {
    text.chars().map(|_| char::from(alphabet[random.usize(..alphabet.len())])).collect()
}

fn is_hash(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `2026-01-31T12:00:00Z`
fn is_time(text: &str) -> bool {
    text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

fn time(text: &str, random: &mut Rng) -> String {
    let [month, day] = [random.u8(1..=12), random.u8(1..=28)];
    let [hour, minute, second] = [random.u8(..24), random.u8(..60), random.u8(..60)];
    format!("{}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", &text[..4])
}

fn same_digits(number: &Number, random: &mut Rng) -> Number {
    let Some(old) = number.as_u64() else { return number.clone() };
    let lowest = 10_u64.pow(old.max(1).ilog10());
    Number::from(random.u64(lowest..lowest.saturating_mul(10)))
}

/// Replaces each digit of numbers with two digits or more (ids in URLs), and each hash; `v3` and the like stay.
fn digits(url: &str, random: &mut Rng) -> String {
    let parts = url.split_inclusive(['/', '?', '=', ':']).map(|part| {
        let (word, end) = part.split_at(part.trim_end_matches(['/', '?', '=', ':']).len());
        let drawn = if is_hash(word) {
            random_like(word, HEX, random)
        } else if word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_digit()) {
            random_like(word, b"123456789", random)
        } else {
            word.to_owned()
        };
        drawn + end
    });
    parts.collect()
}

/// A name of about the given length: `rocket-build402`.
fn name(length: usize, random: &mut Rng) -> String {
    let mut name = word(random).to_owned();
    while name.len() + 5 < length {
        name.extend(["-", word(random)]);
    }
    name + &random.u16(..1000).to_string()
}

/// Words up to about the given length in bytes.
fn prose(length: usize, random: &mut Rng) -> String {
    let mut text = word(random).to_owned();
    while text.len() < length {
        // Numbers, line numbers and hashes are common in issues, and compress worse than words do.
        match random.u8(..12) {
            0 => text.push_str(&format!(" {}", random.u32(..100_000))),
            1 => text.push_str(&format!(" {:07x}", random.u32(..1 << 28))),
            _ => text.extend([" ", word(random)]),
        }
    }
    text
}

fn word(random: &mut Rng) -> &'static str {
    WORDS[random.usize(..WORDS.len())]
}

const WORDS: &[&str] = &[
    "about", "after", "again", "agent", "allow", "amber", "answer", "archive", "array", "async", "badge", "balance",
    "basic", "batch", "beacon", "before", "below", "binary", "block", "border", "branch", "bridge", "broken", "bucket",
    "buffer", "build", "cache", "call", "cannot", "carry", "cedar", "change", "check", "clean", "client", "clone",
    "cloud", "cobalt", "collect", "commit", "compare", "config", "copper", "counter", "crash", "create", "cursor",
    "daemon", "deadline", "debug", "default", "delta", "deploy", "detail", "device", "docker", "document", "drift",
    "driver", "during", "early", "echo", "editor", "empty", "engine", "error", "event", "every", "expect", "export",
    "failed", "falcon", "feature", "field", "filter", "final", "flag", "folder", "format", "frame", "garden", "gate",
    "glass", "grammar", "graph", "handle", "harbor", "header", "helper", "hidden", "hollow", "image", "import",
    "index", "input", "install", "invalid", "island", "issue", "join", "kernel", "label", "lantern", "large", "later",
    "layer", "leaves", "limit", "linux", "listen", "local", "logger", "longer", "macro", "maple", "match", "memory",
    "merge", "method", "missing", "mirror", "module", "narrow", "native", "nested", "never", "node", "north", "number",
    "object", "offset", "older", "option", "order", "output", "packet", "panic", "parse", "patch", "pattern", "people",
    "phase", "pipeline", "please", "plugin", "pointer", "policy", "prefix", "print", "process", "proxy", "quartz",
    "query", "quiet", "random", "reader", "recent", "record", "reduce", "region", "release", "remote", "render",
    "request", "result", "retry", "river", "rocket", "router", "runner", "sample", "schema", "script", "search",
    "second", "server", "session", "shadow", "should", "signal", "silent", "simple", "socket", "source", "spring",
    "stable", "stack", "status", "stone", "store", "stream", "string", "summer", "switch", "symbol", "system", "table",
    "target", "template", "thread", "timber", "timeout", "token", "trace", "update", "upload", "vector", "version",
    "warning", "water", "when", "window", "winter", "without", "worker", "writer", "yellow",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_between_deliveries_is_replaced_and_the_rest_is_kept() {
        let template = json!({
            "action": "opened",
            "issue": {
                "id": 2_147_483, "number": 7, "node_id": "I_kwDOABCD", "created_at": "2026-03-04T05:06:07Z",
                "title": "The title", "locked": false, "sha": "0123456789abcdef0123456789abcdef01234567",
                "url": "https://api.example.com/v3/repos/octo/hello/issues/123456"
            },
            "repository": {"name": "hello", "full_name": "octo/hello", "owner": {"login": "octo"}},
            "sender": {"login": "octo", "type": "User"}
        });
        let variant = of(&template, &mut Rng::with_seed(1));

        assert_eq!(variant["action"], "opened");
        assert_eq!(variant["issue"]["locked"], false);
        assert_eq!(variant["sender"]["type"], "User");
        for field in ["id", "node_id", "created_at", "title", "sha", "url"] {
            assert_ne!(variant["issue"][field], template["issue"][field], "{field}");
        }
        let id = variant["issue"]["id"].as_u64().unwrap();
        assert!((1_000_000..10_000_000).contains(&id));
        let (name, owner) = (&variant["repository"]["name"], &variant["repository"]["owner"]["login"]);
        let full_name = format!("{}/{}", owner.as_str().unwrap(), name.as_str().unwrap());
        assert_eq!(variant["repository"]["full_name"], full_name);
        assert_eq!(variant["sender"]["login"], *owner);
        let url = variant["issue"]["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("https://api.example.com/v3/repos/{full_name}/issues/")), "{url}");
    }

    #[test]
    fn a_drawn_time_is_a_time() {
        let drawn = time("2026-03-04T05:06:07Z", &mut Rng::with_seed(1));
        assert!(is_time(&drawn) && drawn.starts_with("2026-"), "{drawn}");
    }
}
