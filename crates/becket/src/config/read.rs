//! Reading the merged tree into types, noting every error, every origin and every key that was asked for.
//!
//! The keys that exist are the keys that some section asks for: there is no second list to keep in step. A section
//! goes on after an error, so that all are found in one pass; what it returns then is never used, since
//! [`Report::into_result`] gives a configuration only when nothing was noted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::error::{Error, Errors, Problem};
use super::layers::{Node, Table, Value, parse_untyped};
use super::origin::{MASK, Origin, Origins, Row};
use super::suggest::nearest;
use super::values::{Parsed, kind_of};

/// What was noted while reading.
#[derive(Default)]
pub(super) struct Report {
    errors: Vec<Error>,
    rows: Vec<Row>,
    /// Every key that a section knows, with `<name>` and `<n>` for the names of sources and places of routes.
    known: BTreeSet<String>,
    unknown: Vec<Unknown>,
}

/// A key that its section did not ask for.
struct Unknown {
    section: String,
    key: String,
    origin: Origin,
    siblings: Vec<&'static str>,
}

impl Report {
    pub(super) fn error(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// Who set a key that has been read.
    pub(super) fn origin_of(&self, key: &str) -> Origin {
        self.rows.iter().find(|row| row.key == key).map_or(Origin::Default, |row| row.origin.clone())
    }

    /// The keys that exist, as documented: `sources.<name>.secret`.
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// The configuration and its origins, or all that is wrong.
    pub(super) fn into_result<T>(mut self, read: Option<T>) -> Result<(T, Origins), Errors> {
        for unknown in std::mem::take(&mut self.unknown) {
            let error = self.unknown_key(unknown);
            self.errors.push(error);
        }
        match read {
            Some(read) if self.errors.is_empty() => Ok((read, Origins(self.rows))),
            _ => Err(Errors::new(self.errors)),
        }
    }

    /// Looks for the meant key in the same section first, then for the same key in another one.
    fn unknown_key(&self, Unknown { section, key, origin, siblings }: Unknown) -> Error {
        let same = || self.known.iter().filter(|path| path.rsplit('.').next() == Some(&key));
        // A key that there is once is meant rather than one of each source or route.
        let elsewhere = || same().min_by_key(|path| path.contains('<')).map(String::as_str);
        let meant = nearest(&key, siblings.iter().copied()).or_else(elsewhere);
        let mend = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known here: {}", siblings.join(", ")),
        };
        Problem::new("unknown key", mend).at(join(&section, &key), origin)
    }
}

/// One table being read. Each key is asked for once; [`finish`](Section::finish) notes those that nobody asked for.
pub(super) struct Section<'r> {
    pub(super) report: &'r mut Report,
    /// The dotted path, as shown: `sources.github`.
    path: String,
    /// The same as documented: `sources.<name>`.
    pattern: String,
    origin: Origin,
    table: Table,
    siblings: Vec<&'static str>,
    origins: BTreeMap<&'static str, Origin>,
}

impl<'r> Section<'r> {
    pub(super) fn root(report: &'r mut Report, table: Table) -> Self {
        Self::new(report, String::new(), String::new(), Node { value: Value::Table(table), origin: Origin::Default })
    }

    /// A section from a node that should be a table (or its text); notes an error and reads nothing if it is not.
    fn new(report: &'r mut Report, path: String, pattern: String, node: Node) -> Self {
        let origin = node.origin.clone();
        let table = into_table(node).unwrap_or_else(|problem| {
            report.error(problem.at(path.clone(), origin.clone()));
            Table::new()
        });
        Self { report, path, pattern, origin, table, siblings: Vec::new(), origins: BTreeMap::new() }
    }

    /// The dotted path of a key of this section.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Who set a key that was asked for; the section itself for one that nobody set.
    pub(super) fn origin_of(&self, key: &str) -> Origin {
        self.origins.get(key).unwrap_or(&self.origin).clone()
    }

    /// Whether a key is set, without reading it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a key is set to a list, or to text written as one.
    pub(super) fn is_list(&self, key: &str) -> bool {
        self.is(key, |value| matches!(value, Value::List(_)))
    }

    /// Whether a key is set to a table, or to text written as one.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.is(key, |value| matches!(value, Value::Table(_)))
    }

    fn is(&self, key: &str, test: impl Fn(&Value) -> bool) -> bool {
        let parsed = |node: &Node| match &node.value {
            Value::Untyped(text) => parse_untyped(text, &node.origin).is_some_and(|value| test(&value)),
            value => test(value),
        };
        self.table.get(key).is_some_and(parsed)
    }

    /// The keys of the table under a key, whether or not they can be read.
    pub(super) fn names(&self, key: &str) -> BTreeSet<String> {
        let entries = self.table.get(key).cloned().and_then(|node| into_table(node).ok());
        entries.unwrap_or_default().into_keys().collect()
    }

    /// Who set a key, without reading it.
    pub(super) fn peek_origin(&self, key: &str) -> Option<&Origin> {
        self.table.get(key).map(|node| &node.origin)
    }

    /// Notes that something is wrong with a key.
    pub(super) fn problem(&mut self, key: &str, problem: Problem) {
        let error = problem.at(self.path_of(key), self.origin_of(key));
        self.report.error(error);
    }

    /// Notes that something is wrong with a key that is missing; `beside` is the key that asks for it.
    pub(super) fn problem_beside(&mut self, key: &str, beside: &str, problem: Problem) {
        let error = problem.at(self.path_of(key), self.origin_of(beside));
        self.report.error(error);
    }

    /// Notes that something is wrong with the section itself.
    pub(super) fn problem_here(&mut self, problem: Problem) {
        self.report.error(problem.at(self.path.clone(), self.origin.clone()));
    }

    /// Takes a key out of the tree, and notes that it exists.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.siblings.push(key);
        self.report.known.insert(join(&self.pattern, key));
        let node = self.table.remove(key)?;
        self.origins.insert(key, node.origin.clone());
        Some(node)
    }

    /// Notes what a key was found to be.
    pub(super) fn row(&mut self, key: &str, value: impl Into<String>, origin: Origin) {
        let key = self.path_of(key);
        self.report.rows.push(Row { key, value: value.into(), origin });
    }

    /// A key that the defaults file sets. `None` after an error.
    pub(super) fn required<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value) -> Parsed<T>) -> Option<T> {
        self.wanted(key, key, parse)
    }

    /// A key that the user must set; `example` shows how. `None` after an error.
    pub(super) fn wanted<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        self.wanted_as(key, example, parse, |value, _| shown(value))
    }

    /// The same for a key that is not shown as it was written.
    pub(super) fn wanted_as<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
        show: impl FnOnce(&Value, &T) -> String,
    ) -> Option<T> {
        if !self.has(key) {
            self.take(key);
            self.problem(key, Problem::new("is not set", format!("add {example}")));
            return None;
        }
        self.read(key, parse, show)
    }

    /// A key that may be missing. `None` when it is, and after an error.
    pub(super) fn optional<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value) -> Parsed<T>) -> Option<T> {
        self.read(key, parse, |value, _| shown(value))
    }

    /// The same for a key that is not shown as it was written.
    pub(super) fn optional_as<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
        show: impl FnOnce(&Value, &T) -> String,
    ) -> Option<T> {
        self.read(key, parse, show)
    }

    /// A key with a default that depends on others. `None` after an error.
    pub(super) fn or<T: Clone>(
        &mut self,
        key: &'static str,
        default: (T, impl Display),
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        if self.has(key) {
            return self.optional(key, parse);
        }
        self.take(key);
        self.row(key, default.1.to_string(), Origin::Default);
        Some(default.0)
    }

    /// A key whose value is never shown.
    pub(super) fn secret<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value) -> Parsed<T>) -> Option<T> {
        self.read(key, parse, |_, _| MASK.to_owned())
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
        show: impl FnOnce(&Value, &T) -> String,
    ) -> Option<T> {
        let Some(Node { value, origin }) = self.take(key) else {
            self.row(key, "(not set)", Origin::Default);
            return None;
        };
        match parse(&value) {
            Ok(parsed) => {
                self.row(key, show(&value, &parsed), origin);
                Some(parsed)
            }
            Err(problem) => {
                self.problem(key, problem);
                None
            }
        }
    }

    /// A list, or a single value standing for a list of one. Notes an error for each element that is wrong.
    pub(super) fn list<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<Vec<T>> {
        let node = self.take(key)?;
        let origin = node.origin.clone();
        let items = elements(node);
        self.row(key, shown(&Value::List(items.clone())), origin);
        self.each(key, &items, parse)
    }

    /// A list of secrets.
    pub(super) fn secrets<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<Vec<T>> {
        let node = self.take(key)?;
        let origin = node.origin.clone();
        let items = elements(node);
        self.row(key, vec![MASK; items.len()].join(", "), origin);
        self.each(key, &items, parse)
    }

    /// The values of a table whose keys are names of the user's, by name; none when it is missing. Notes an error for each
    /// value that is wrong.
    pub(super) fn by_name<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Parsed<T>) -> BTreeMap<String, T> {
        self.by_name_as(key, |_, value| parse(value), shown)
    }

    /// The same for values that are never shown, whose names have rules, too.
    pub(super) fn secrets_by_name<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str, &Value) -> Parsed<T>,
    ) -> BTreeMap<String, T> {
        self.by_name_as(key, parse, |_| MASK.to_owned())
    }

    fn by_name_as<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str, &Value) -> Parsed<T>,
        show: impl Fn(&Value) -> String,
    ) -> BTreeMap<String, T> {
        let Some(node) = self.take(key) else {
            self.row(key, "(not set)", Origin::Default);
            return BTreeMap::new();
        };
        let origin = node.origin.clone();
        let entries = into_table(node).unwrap_or_else(|problem| {
            self.problem(key, problem);
            Table::new()
        });
        let written = entries.iter().map(|(name, node)| format!("{name} = {}", show(&node.value)));
        self.row(key, written.collect::<Vec<_>>().join(", "), origin);
        let mut parsed = BTreeMap::new();
        for (name, node) in entries {
            match parse(&name, &node.value) {
                Ok(value) => _ = parsed.insert(name, value),
                Err(problem) => {
                    let path = self.path_of(&format!("{key}.{name}"));
                    self.report.error(problem.at(path, node.origin));
                }
            }
        }
        parsed
    }

    fn each<T>(&mut self, key: &str, items: &[Node], parse: impl Fn(&Value) -> Parsed<T>) -> Option<Vec<T>> {
        if items.is_empty() {
            self.problem(key, Problem::new("is an empty list", "give at least one, or leave the key out"));
        }
        let mut parsed = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            match parse(&item.value) {
                Ok(value) => parsed.push(value),
                Err(problem) => {
                    let path = self.path_of(&format!("{key}.{place}"));
                    self.report.error(problem.at(path, item.origin.clone()));
                }
            }
        }
        (parsed.len() == items.len() && !items.is_empty()).then_some(parsed)
    }

    /// The section under a key; an empty one when it is missing.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'_> {
        let absent = || Node { value: Value::Table(Table::new()), origin: Origin::Default };
        let node = self.take(key).unwrap_or_else(absent);
        let (path, pattern) = (join(&self.path, key), join(&self.pattern, key));
        Section::new(self.report, path, pattern, node)
    }

    /// The sections under a key, by name, each read by `read`.
    pub(super) fn named<T>(&mut self, key: &'static str, mut read: impl FnMut(&str, Section<'_>) -> T) -> Vec<T> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let entries = into_table(node).unwrap_or_else(|problem| {
            self.problem(key, problem);
            Table::new()
        });
        let pattern = join(&join(&self.pattern, key), "<name>");
        let path = join(&self.path, key);
        let mut all = Vec::new();
        for (name, node) in entries {
            let section = Section::new(self.report, join(&path, &name), pattern.clone(), node);
            all.push(read(&name, section));
        }
        all
    }

    /// The sections of a list of tables, each read by `read`.
    pub(super) fn numbered<T>(&mut self, key: &'static str, mut read: impl FnMut(Section<'_>) -> T) -> Vec<T> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let pattern = join(&join(&self.pattern, key), "<n>");
        let path = join(&self.path, key);
        let mut all = Vec::new();
        for (place, node) in elements(node).into_iter().enumerate() {
            let section = Section::new(self.report, join(&path, &place.to_string()), pattern.clone(), node);
            all.push(read(section));
        }
        all
    }

    /// Notes the keys that were not asked for.
    pub(super) fn finish(self) {
        for (key, node) in self.table {
            let siblings = self.siblings.clone();
            self.report.unknown.push(Unknown { section: self.path.clone(), key, origin: node.origin, siblings });
        }
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

fn into_table(node: Node) -> Parsed<Table> {
    let refused = |what: &str| Problem::new(format!("is {what}"), "a table is wanted here, with keys of its own");
    match node.value {
        Value::Table(entries) => Ok(entries),
        Value::Untyped(text) => match parse_untyped(&text, &node.origin) {
            Some(Value::Table(entries)) => Ok(entries),
            _ => Err(refused("text")),
        },
        other => Err(refused(kind_of(&other))),
    }
}

/// The elements of a list; a single value is a list of one, and text may be a list written as in TOML.
fn elements(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        Value::Untyped(ref text) => match parse_untyped(text, &node.origin) {
            Some(Value::List(items)) => items,
            _ => vec![node],
        },
        _ => vec![node],
    }
}

/// A value as `becket config check` shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Untyped(text) | Value::Datetime(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::List(items) => items.iter().map(|item| shown(&item.value)).collect::<Vec<_>>().join(", "),
        Value::Table(_) => "(a table)".to_owned(),
        Value::Other(name) => (*name).to_owned(),
    }
}
