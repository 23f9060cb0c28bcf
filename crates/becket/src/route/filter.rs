//! Filters: what a handler says about the payload, in CEL.
//!
//! `payload.pull_request.draft == false && payload.sender.type != 'Bot'`. A filter is parsed and checked when the application
//! starts: its syntax, its names, its functions, and that its cost is bounded. At run time it is true or it is not: where
//! something that it names is not in the payload, or values do not fit together, the handler does not get the delivery, and
//! nothing else happens to it. Such a case is told apart from a filter that is just false, and counted.
//!
//! The language is evaluated by the crate `cel`; `check` says what of it a filter may use, `needs` and `extract` take out of
//! a payload what filters name, `split` finds the parts that are explained one by one. See ADR 0016.
//!
//! Source: <https://github.com/google/cel-spec/blob/master/doc/langdef.md>

mod check;
mod extract;
mod needs;
mod split;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, IdedExpr, operators};
use cel::common::types::CelBool;
use cel::extractors::This;
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError};
use regex::Regex;

pub(crate) use self::needs::Needs;
pub(crate) use self::view::View;

use self::check::{Found, check};
use self::needs::Need;

/// The longest filter.
pub(crate) const BYTES_MAX: usize = 4_096;
/// How deeply the parser goes into a filter. What it makes of one has limits of its own.
const PARSED_DEPTH_MAX: u16 = 32;
/// The longest text that a regular expression is tried on.
const MATCHED_BYTES_MAX: usize = 16 * 1_024;
/// The values that a part of a filter looks at, times its nodes. A step takes about 0.1 µs.
const STEPS_MAX: usize = 250_000;
/// The same for the bytes: to look for one long text in another costs the most, about 10 ns a byte.
const STEPS_BYTES_MAX: usize = 16 << 20;

/// What all filters know: CEL's own functions. `matches` comes with each filter.
static LANGUAGE: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// A text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterError {
    what: String,
    mend: String,
}

impl FilterError {
    /// `place` is line and column.
    fn new(what: &str, place: Option<(usize, usize)>, mend: &str) -> Self {
        let what = match place {
            Some((1, column)) => format!("{what} (at column {column})"),
            Some((line, column)) => format!("{what} (at line {line}, column {column})"),
            None => what.to_owned(),
        };
        Self { what, mend: mend.to_owned() }
    }

    /// What is wrong, and where.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What to write.
    pub(crate) fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

/// A filter that makes sense.
pub(crate) struct Filter {
    text: Box<str>,
    /// What stands between `&&`.
    parts: Vec<Part>,
    /// The language, with the regular expressions of this filter.
    root: Context<'static, 'static>,
}

struct Part {
    text: Box<str>,
    tree: IdedExpr,
    found: Found,
}

/// What a filter says of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is true.
    True,
    /// A part of it is not, by its place, and why.
    Not(usize, Cause),
}

/// Why a filter is not true. No value of a payload is in it: it may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is false.
    False,
    /// Something that it names is not there.
    Missing(String),
    /// It cannot be said.
    Failed(String),
}

impl Filter {
    /// Parses and checks a filter.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        let whole = Part::parse(text)?;
        let is_and = matches!(&whole.tree.expr, Expr::Call(call) if call.func_name == operators::LOGICAL_AND);
        let parts = if is_and { split::conjuncts(text) } else { None };
        let parts: Option<Vec<Part>> =
            parts.and_then(|parts| parts.into_iter().map(|part| Part::parse(part).ok()).collect());
        let parts = parts.unwrap_or_else(|| vec![whole]);

        let regexes: HashMap<String, Regex> = parts.iter().flat_map(|part| part.found.regexes.clone()).collect();
        let mut root = Context::with_env(Arc::clone(&LANGUAGE));
        if !regexes.is_empty() {
            let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| matches(&regexes, &text, &pattern);
            let added = root.add_function("matches", matches);
            debug_assert!(added.is_ok(), "the language has none of this name: {added:?}");
        }
        Ok(Self { text: text.trim().into(), parts, root })
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The parts, as they are written.
    pub(crate) fn parts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parts.iter().map(|part| &*part.text)
    }

    /// Adds what it needs of a payload.
    pub(crate) fn add_needs(&self, needs: &mut Needs) {
        self.parts.iter().flat_map(|part| &part.found.needs).for_each(|need| needs.add(need));
    }

    /// What it says of a delivery. A part that is false decides, whatever the others are; otherwise one that cannot be said
    /// does.
    pub(crate) fn verdict(&self, view: &View<'_>) -> Verdict {
        let mut first = None;
        for place in 0..self.parts.len() {
            match self.part(place, view) {
                Ok(()) => {}
                Err(Cause::False) => return Verdict::Not(place, Cause::False),
                Err(cause) => _ = first.get_or_insert((place, cause)),
            }
        }
        first.map_or(Verdict::True, |(place, cause)| Verdict::Not(place, cause))
    }

    /// Whether one part is true.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn part(&self, place: usize, view: &View<'_>) -> Result<(), Cause> {
        let Some(Part { text, tree, found }) = self.parts.get(place) else { return Ok(()) };
        view.check(&found.needs, found.nodes)?;
        let mut context = self.root.new_inner_scope();
        context.set_variable_resolver(view);
        // The crate is meant not to panic, and nothing would be lost here if it did.
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let value = cel::Value::resolve_val(tree, &context)?;
            let is = value.downcast_ref::<CelBool>().map(|is| *is.inner());
            Ok(is.ok_or_else(|| value.get_type().name().to_owned()))
        }));
        match evaluated {
            Ok(Ok(Ok(true))) => Ok(()),
            Ok(Ok(Ok(false))) => Err(Cause::False),
            Ok(Ok(Err(kind))) => {
                Err(Cause::Failed(format!("it is {}, and neither true nor false", with_article(&kind))))
            }
            Ok(Err(error)) => Err(cause(&error, text, &found.needs, view)),
            Err(_) => Err(Cause::Failed("its evaluation broke off".to_owned())),
        }
    }

    /// The paths of a part whose values matter, each with what is there.
    pub(crate) fn values(&self, place: usize, view: &View<'_>) -> Vec<(String, Option<String>)> {
        let needs = self.parts.get(place).map(|part| &part.found.needs);
        let values = needs.into_iter().flatten().filter(|need| need.value);
        values.map(|need| (needs::shown(&need.path), view.shown(&need.path))).collect()
    }

    /// Whether a part says something of the payload.
    pub(crate) fn needs_payload(&self, place: usize) -> bool {
        self.parts.get(place).is_some_and(|part| !part.found.needs.is_empty())
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Err(FilterError::new("it is empty", None, "write a condition, or leave it out"));
        }
        if text.len() > BYTES_MAX {
            let what = format!("it is longer than {BYTES_MAX} bytes");
            return Err(FilterError::new(&what, None, "decide in the handler, or make several routes"));
        }
        let parser = PrattParser::new().max_recursion_depth(PARSED_DEPTH_MAX);
        let tree = parser.parse(text).map_err(|errors| syntax_error(&errors))?;
        let found = check(text, &tree)?;
        Ok(Self { text: text.trim().into(), tree, found })
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

fn matches(regexes: &HashMap<String, Regex>, text: &str, pattern: &str) -> Result<bool, ExecutionError> {
    let refused = |why: &str| Err(ExecutionError::function_error("matches", why));
    if text.len() > MATCHED_BYTES_MAX {
        return refused("the text is longer than 16384 bytes");
    }
    regexes
        .get(pattern)
        .map_or_else(|| refused("the regular expression is not known"), |regex| Ok(regex.is_match(text)))
}

fn syntax_error(errors: &cel::ParseErrors) -> FilterError {
    const MEND: &str = "write a condition such as \"payload.sender.type != 'Bot'\"";
    let Some(error) = errors.errors.first() else { return FilterError::new("it cannot be read", None, MEND) };
    let place = |at: isize| usize::try_from(at).ok().filter(|at| *at > 0);
    let place = place(error.pos.0).zip(place(error.pos.1));
    let told = error.msg.trim_start_matches("Syntax error: ").replace("'<EOF>'", "the end").replace("<EOF>", "the end");
    let told = match told.strip_prefix("mismatched input ").and_then(|rest| rest.split_once(" expecting ")) {
        Some((found, wanted)) => format!("there is {found} where {wanted} is wanted"),
        None => told,
    };
    // The commonest slip.
    let mend = if told.contains("'='") { "compare with `==`" } else { MEND };
    FilterError::new(&told, place, mend)
}

/// Why an evaluation ended without a value. What errors say of values is left out.
fn cause(error: &ExecutionError, text: &str, needs: &BTreeSet<Need>, view: &View<'_>) -> Cause {
    let missing = || needs.iter().find_map(|need| view.missing(&need.path, need.value));
    match error {
        ExecutionError::NoSuchKey(key) => Cause::Missing(missing().unwrap_or_else(|| {
            // A key may itself come from the payload.
            if text.contains(key.as_str()) { format!("`{key}` is not there") } else { "a key is not there".to_owned() }
        })),
        ExecutionError::IndexOutOfBounds(_) => Cause::Missing("a list has not so many elements".to_owned()),
        error => match missing() {
            Some(what) => Cause::Missing(what),
            None => Cause::Failed(told(error)),
        },
    }
}

fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(error) => {
            let kinds: Vec<String> = error.argument_types().iter().map(|kind| with_article(kind)).collect();
            format!("`{}` does not take {}", error.function().replace(['_', '@'], ""), kinds.join(" and "))
        }
        ExecutionError::UnexpectedType { want, .. } => format!("something is not {}", with_article(want)),
        ExecutionError::FunctionError { function, message } if function == "matches" => {
            format!("`matches`: {message}")
        }
        ExecutionError::FunctionError { function, .. } => format!("`{function}` cannot convert what it is given"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "a division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        _ => "values do not fit together".to_owned(),
    }
}

/// A type of CEL, as people say it.
fn with_article(kind: &str) -> String {
    match kind {
        "string" | "Arc<String>" => "a text",
        "int" | "uint" | "i64" | "u64" => "a whole number",
        "double" | "f64" => "a number",
        "bool" => "true or false",
        "null_type" => "null",
        "list" | "iterable" => "a list",
        "map" => "an object",
        other => return other.to_owned(),
    }
    .to_owned()
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
