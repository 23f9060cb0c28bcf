//! Secrets with the time in which they count: text alone, or a table with `value`, `not_before`, `not_after` and `name`.

use becket_webhooks::{Secret, Window};
use secrecy::SecretString;

use super::super::error::Problem;
use super::super::layers::{Table, Value, parse_untyped};
use super::super::origin::Origin;
use super::super::read::Section;
use super::super::values::{Parsed, moment, name};

/// Reads the text of a secret of some kind.
type Parse = fn(&Value) -> Parsed<SecretString>;

const RULE: &str = "write { value = \"...\", not_before = 2026-12-01T00:00:00Z, not_after = 2027-12-01T00:00:00Z, name = \
                    \"...\" }; all but `value` may be left out";
const KEYS: [&str; 4] = ["value", "not_before", "not_after", "name"];

/// `secret`, which stands for a list of one. Text of a variable is never a table: a secret may look like one.
pub(super) fn one(section: &mut Section<'_>, parse: Parse) -> Option<Vec<Secret>> {
    let secret = |value: &Value| match value {
        Value::Table(table) => dated(table, parse),
        text => parse(text).map(Secret::new),
    };
    section.secret("secret", secret).map(|secret| vec![secret])
}

/// `secrets`. Of a variable, too: a list in it is written as in TOML, and so are its tables.
pub(super) fn several(section: &mut Section<'_>, parse: Parse) -> Option<Vec<Secret>> {
    let secrets = section.secrets("secrets", |value| match value {
        Value::Table(table) => dated(table, parse),
        Value::Untyped(text) if text.trim_start().starts_with('{') => match parse_untyped(text, &Origin::Default) {
            Some(Value::Table(table)) => dated(&table, parse),
            _ => parse(value).map(Secret::new),
        },
        text => parse(text).map(Secret::new),
    })?;
    let mut named: Vec<&str> = secrets.iter().filter_map(Secret::name).collect();
    named.sort_unstable();
    if let Some(pair) = named.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = Problem::new(format!("two of them have the name `{}`", pair[0]), "name them apart");
        section.problem("secrets", problem);
        return None;
    }
    Some(secrets)
}

fn dated(table: &Table, parse: Parse) -> Parsed<Secret> {
    if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Problem::new(format!("has a key `{unknown}`, which is unknown here"), RULE));
    }
    let of = |key: &str| table.get(key).map(|node| &node.value);
    let within = |key: &str, problem: Problem| Problem::new(format!("its `{key}` {}", problem.what), problem.mend);
    let time = |key: &'static str| of(key).map(moment).transpose().map_err(|problem| within(key, problem));
    let value = of("value").ok_or_else(|| Problem::new("is a table without `value`", RULE))?;
    let window = Window { not_before: time("not_before")?, not_after: time("not_after")? };
    if window.not_before.zip(window.not_after).is_some_and(|(begin, end)| end <= begin) {
        let what = "is never valid: its `not_after` is not after its `not_before`";
        return Err(Problem::new(what, "let it end after it begins"));
    }
    let secret = Secret::new(parse(value)?).within(window);
    match of("name") {
        None => Ok(secret),
        Some(Value::String(text) | Value::Untyped(text)) => {
            let known = name(text).map_err(|problem| within("name", problem))?;
            Ok(secret.named(known))
        }
        Some(_) => Err(Problem::new("its `name` is not text", RULE)),
    }
}
