//! What a filter may say: checked on its syntax tree when the application starts.
//!
//! All of CEL's operators, `has`, `exists`, `all` and `exists_one`, and a few functions. What is left out is what would make
//! the cost depend on more than the length of the filter plus the size of what it looks at: within a loop, whatever reads a
//! text or a list must begin at the loop's own variable, so that an element is read once for each time that the filter
//! names it, and loops within loops must go over what is inside of the outer one's element.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use regex::{Regex, RegexBuilder};

use super::FilterError;
use super::needs::{Need, Path, shown};
use crate::config::nearest;

/// What a filter can name, besides what it names itself in loops.
pub(super) const NAMES: [&str; 6] = ["payload", "source", "event", "action", "normalised", "delivery_id"];

const FUNCTIONS: [&str; 8] = ["size", "contains", "startsWith", "endsWith", "matches", "int", "double", "string"];
const MACROS: [&str; 4] = ["has", "exists", "all", "exists_one"];
const OPERATORS: [&str; 8] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
];
const COMPARISONS: [&str; 6] = [
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
];

/// The most names, literals and operators in a filter.
const NODES_MAX: usize = 256;
/// How deeply they may be nested, the steps of a path included.
const DEPTH_MAX: usize = 32;
/// A regular expression becomes at most so large.
const REGEX_BYTES_MAX: usize = 64 * 1024;

/// What was found while checking.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) needs: BTreeSet<Need>,
    pub(super) regexes: Vec<(String, Regex)>,
    /// How many operators, names and literals there are.
    pub(super) nodes: usize,
}

/// Checks the syntax tree of `text`.
///
/// # Errors
/// The first thing in it that a filter may not say.
pub(super) fn check(text: &str, tree: &IdedExpr) -> Result<Found, FilterError> {
    if !is_within(tree, DEPTH_MAX) {
        let what = format!("it is nested more deeply than {DEPTH_MAX} levels");
        return Err(FilterError::new(&what, None, "write parts of it beside each other, with `&&` or `||`"));
    }
    let mut check = Check { text, loops: Vec::new(), found: Found::default() };
    check.expression(tree)?;
    if check.found.nodes > NODES_MAX {
        let what = format!("it has {} names, literals and operators, and {NODES_MAX} are the most", check.found.nodes);
        return Err(FilterError::new(&what, None, "decide in the handler, or make several routes"));
    }
    Ok(check.found)
}

/// Whether a tree has no more levels than this: each is a call within a call when it is evaluated.
fn is_within(tree: &IdedExpr, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else { return false };
    let inner = |one: &IdedExpr| is_within(one, left);
    match &tree.expr {
        Expr::Select(select) => inner(&select.operand),
        Expr::Call(call) => call.target.iter().all(|target| inner(target)) && call.args.iter().all(inner),
        Expr::List(list) => list.elements.iter().all(inner),
        Expr::Comprehension(of) => {
            [&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result].into_iter().all(inner)
        }
        // The others have nothing in them, or are refused.
        _ => true,
    }
}

struct Check<'t> {
    text: &'t str,
    /// The variables of the loops around, innermost last.
    loops: Vec<&'t str>,
    found: Found,
}

type Checked = Result<(), FilterError>;

impl<'t> Check<'t> {
    fn expression(&mut self, tree: &'t IdedExpr) -> Checked {
        self.found.nodes += 1;
        match &tree.expr {
            Expr::Literal(LiteralValue::Bytes(_)) => self.refuse("b", "JSON has no bytes", "write a text, without `b`"),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(tree, select),
            Expr::Call(call) => self.call(tree, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let is_fixed = |one: &IdedExpr| matches!(one.expr, Expr::Literal(_));
                if !self.loops.is_empty() && !list.elements.iter().all(is_fixed) {
                    let what = "a list within a loop has something else than texts, numbers and the like";
                    return self.refuse("[", what, "compare one by one, with `==` and `||`");
                }
                list.elements.iter().try_for_each(|element| self.expression(element))
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.refuse("{", "objects cannot be written in a filter", "compare their fields one by one")
            }
            Expr::Unspecified => self.refuse("", "it is not complete", "write a condition"),
        }
    }

    fn name(&self, name: &str) -> Checked {
        if name == "payload" {
            let mend = "name what is in it: `payload.sender.type`";
            return self.refuse(name, "the payload as a whole cannot be used", mend);
        }
        if name.starts_with('@') || NAMES.contains(&name) || self.loops.contains(&name) {
            return Ok(());
        }
        let known = || NAMES.iter().copied().chain(self.loops.iter().copied());
        let what = format!("there is no variable `{name}`");
        match nearest(name, known()) {
            Some(near) => self.refuse(name, &what, &format!("did you mean `{near}`?")),
            None => self.refuse(name, &what, &format!("there are {}", known().collect::<Vec<_>>().join(", "))),
        }
    }

    fn select(&mut self, tree: &'t IdedExpr, select: &'t SelectExpr) -> Checked {
        if let Some(path) = payload_path(tree) {
            self.found.needs.insert(Need { path, value: !select.test });
            return Ok(());
        }
        if let Expr::Ident(name) = &select.operand.expr
            && NAMES.contains(&name.as_str())
            && !self.loops.contains(&name.as_str())
        {
            let what = format!("`{name}` is a text, and has no `{}`", select.field);
            return self.refuse(name, &what, &format!("did you mean `payload.{}`?", select.field));
        }
        self.expression(&select.operand)
    }

    fn call(&mut self, tree: &'t IdedExpr, call: &'t CallExpr) -> Checked {
        if let Some(path) = payload_path(tree) {
            self.found.needs.insert(Need { path, value: true });
            return Ok(());
        }
        let name = call.func_name.as_str();
        let arguments = || call.target.iter().map(|target| &**target).chain(&call.args);
        match name {
            operators::NEGATE | operators::NOT_STRICTLY_FALSE => {}
            operators::IN if call.args.get(1).is_some_and(|list| matches!(list.expr, Expr::List(_))) => {}
            operators::IN => self.within_loop("in", call)?,
            operators::ADD => self.within_loop("+", call)?,
            operators::INDEX => self.within_loop("[", call)?,
            _ if COMPARISONS.contains(&name) => self.comparison(name, call)?,
            _ if OPERATORS.contains(&name) => {}
            _ if FUNCTIONS.contains(&name) => self.function(name, call)?,
            _ => return self.unknown_function(name),
        }
        arguments().try_for_each(|argument| self.expression(argument))
    }

    /// Comparing takes as long as the shorter of both: within a loop, one of them is to be the element's.
    fn comparison(&self, name: &str, call: &CallExpr) -> Checked {
        match self.loops.last() {
            Some(innermost) if !call.args.iter().any(|one| begins_at(one, innermost)) => {
                let sign = name.replace('_', "");
                let what =
                    format!("within a loop over `{innermost}`, `{sign}` compares what has nothing to do with it");
                self.refuse(&sign, &what, "take it out of the loop, with `&&`")
            }
            _ => Ok(()),
        }
    }

    fn function(&mut self, name: &'t str, call: &'t CallExpr) -> Checked {
        let others = if call.target.is_some() { call.args.len() } else { call.args.len().saturating_sub(1) };
        let (wanted, example) = match name {
            "contains" | "startsWith" | "endsWith" | "matches" => (1, format!("`text.{name}('…')`")),
            _ => (0, format!("`{name}(…)`")),
        };
        let subject = call.target.as_deref().or(call.args.first());
        if others != wanted || subject.is_none() {
            let what = format!("`{name}` has not the arguments that it takes");
            return self.refuse(name, &what, &format!("write {example}"));
        }
        self.within_loop(name, call)?;
        if name != "matches" {
            return Ok(());
        }
        let Some(Expr::Literal(LiteralValue::String(pattern))) = call.args.last().map(|one| &one.expr) else {
            let what = "the regular expression of `matches` does not stand in the filter itself";
            return self.refuse(name, what, "write it in quotes: `text.matches('^v[0-9]+$')`");
        };
        let pattern = pattern.inner();
        match RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build() {
            Ok(regex) => self.found.regexes.push((pattern.to_owned(), regex)),
            Err(error) => {
                // The first lines of the error draw what the last one says.
                let error = error.to_string();
                let told = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let what = format!("`{pattern}` is not a regular expression that can be used: {told}");
                return self.refuse(pattern, &what, "see https://docs.rs/regex/latest/regex/#syntax");
            }
        }
        Ok(())
    }

    /// Refuses what would read a value from outside of the innermost loop once for each of its elements.
    fn within_loop(&self, name: &str, call: &CallExpr) -> Checked {
        let arguments = call.target.iter().map(|target| &**target).chain(&call.args);
        self.begin_within_loop(name, arguments)
    }

    fn begin_within_loop<'e>(&self, name: &str, mut all: impl Iterator<Item = &'e IdedExpr>) -> Checked {
        match self.loops.last() {
            Some(innermost) if !all.all(|one| begins_at(one, innermost)) => {
                let what =
                    format!("within a loop over `{innermost}`, `{name}` is used on something else than `{innermost}`");
                self.refuse(name, &what, "take it out of the loop, with `&&`")
            }
            _ => Ok(()),
        }
    }

    fn comprehension(&mut self, comprehension: &'t ComprehensionExpr) -> Checked {
        let ComprehensionExpr { iter_range, iter_var, iter_var2, accu_init, loop_cond, loop_step, result, .. } =
            comprehension;
        if matches!(accu_init.expr, Expr::List(_)) || iter_var2.is_some() {
            let mend = "use `exists`, `all` or `exists_one`";
            return self.refuse(
                "",
                "`map` and `filter` are not there: they make lists, and a filter says yes or no",
                mend,
            );
        }
        if NAMES.contains(&iter_var.as_str()) || self.loops.contains(&iter_var.as_str()) {
            let what = format!("the loop's variable `{iter_var}` has a name that is taken");
            return self.refuse(iter_var, &what, "choose another");
        }
        self.begin_within_loop("a loop", std::iter::once(iter_range))?;
        self.expression(iter_range)?;
        self.loops.push(iter_var);
        let inner = [accu_init, loop_cond, loop_step, result].into_iter().try_for_each(|one| self.expression(one));
        self.loops.pop();
        inner
    }

    fn unknown_function(&self, name: &str) -> Checked {
        if MACROS.contains(&name) {
            let what = format!("`{name}` has not the arguments that it takes");
            return self.refuse(name, &what, "write `payload.labels.exists(label, label.name == 'bug')`");
        }
        if let "map" | "filter" = name {
            let what = format!("there is no function `{name}`: a filter says yes or no, and makes no lists");
            return self.refuse(name, &what, "use `exists`, `all` or `exists_one`");
        }
        let known = || FUNCTIONS.into_iter().chain(MACROS);
        let what = format!("there is no function `{name}`");
        match nearest(name, known()) {
            Some(near) => self.refuse(name, &what, &format!("did you mean `{near}`?")),
            None => self.refuse(name, &what, &format!("there are {}", known().collect::<Vec<_>>().join(", "))),
        }
    }

    /// Refuses, at the first place where the text has `word`.
    fn refuse(&self, word: &str, what: &str, mend: &str) -> Checked {
        let at = self.text.find(word).filter(|_| !word.is_empty());
        Err(FilterError::new(what, at.map(|at| place_of(self.text, at)), mend))
    }
}

/// Line and column of a byte, both from 1.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The path that an expression is, if it is one from the payload inwards that does not depend on a delivery.
fn payload_path(tree: &IdedExpr) -> Option<Path> {
    fn steps(tree: &IdedExpr) -> Option<Path> {
        match &tree.expr {
            Expr::Ident(name) if name == "payload" => Some(Path::new()),
            Expr::Select(select) => {
                let mut path = steps(&select.operand)?;
                path.push(select.field.as_str().into());
                Some(path)
            }
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
                let [operand, index] = args.as_slice() else { return None };
                let Expr::Literal(LiteralValue::String(step)) = &index.expr else { return None };
                let mut path = steps(operand)?;
                path.push(step.inner().into());
                Some(path)
            }
            _ => None,
        }
    }
    steps(tree).filter(|path| !path.is_empty())
}

/// Whether what an expression reads is a literal, or begins at a variable.
fn begins_at(tree: &IdedExpr, variable: &str) -> bool {
    match &tree.expr {
        Expr::Literal(_) => true,
        Expr::Ident(name) => name == variable || name.starts_with('@'),
        Expr::Select(select) => begins_at(&select.operand, variable),
        Expr::Call(call) => {
            call.target.iter().all(|target| begins_at(target, variable))
                && call.args.iter().all(|one| begins_at(one, variable))
        }
        _ => false,
    }
}

/// The paths as they are written, for a message.
pub(super) fn listed(needs: &BTreeSet<Need>) -> String {
    needs.iter().filter(|need| need.value).map(|need| shown(&need.path)).collect::<Vec<_>>().join(", ")
}
