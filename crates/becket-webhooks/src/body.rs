//! One look at a JSON body: is it a whole, readable object, and what do some of its fields say?
//!
//! A single pass that builds no tree and allocates nothing for what it skips (6 µs for GitHub's `issues.opened` of
//! 11.6 KB). It reads every value the way `serde_json` does when it builds a `Value`, with the same limits on nesting
//! and numbers, so a body that is accepted here cannot fail in a handler that asks for a `Value`.

mod pointer;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

pub(crate) use self::pointer::Pointer;

use crate::explain::Explanation;

/// Returns the body as text.
///
/// # Errors
/// [`Explanation::NotUtf8`].
pub(crate) fn text(body: &[u8]) -> Result<&str, Explanation> {
    std::str::from_utf8(body).map_err(|_| Explanation::NotUtf8)
}

/// The fields to look for, each by its JSON Pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)).
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    root: Node,
    count: usize,
    facts: Facts,
}

/// Fields that are asked for by their pointers, and where among the others they begin.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    pointers: &'static [&'static str],
    from: usize,
}

/// A place in the body: its name there, whether it is looked for itself, and places below it.
#[derive(Debug, Clone, Default)]
struct Node {
    name: Box<str>,
    wanted: Vec<usize>,
    below: Vec<Node>,
}

/// What was found, in the order of the pointers.
#[derive(Debug, Default)]
pub(crate) struct Found<'de> {
    values: Vec<Option<Scalar<'de>>>,
    facts: Facts,
    /// A place, of those that lead to a field, that is there twice.
    repeated: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone)]
enum Scalar<'de> {
    Text(Cow<'de, str>),
    Integer(i128),
    Flag(bool),
}

impl Fields {
    /// Looks for each of these; none may lead to the body itself.
    pub(crate) fn new(pointers: impl IntoIterator<Item = Pointer>) -> Self {
        let mut fields = Self::default();
        pointers.into_iter().for_each(|pointer| fields.add(&pointer));
        fields
    }

    fn add(&mut self, pointer: &Pointer) {
        let mut node = &mut self.root;
        for name in pointer.names() {
            let place = node.below.iter().position(|below| *below.name == **name).unwrap_or_else(|| {
                node.below.push(Node { name: name.clone(), ..Node::default() });
                node.below.len() - 1
            });
            node = &mut node.below[place];
        }
        node.wanted.push(self.count);
        self.count += 1;
    }

    /// The same for pointers that are written in the code.
    pub(crate) fn at(pointers: &[&'static str]) -> Self {
        Self::new(pointers.iter().filter_map(|pointer| pointer.parse().ok()))
    }

    /// Looks for these as well, which are asked for by their pointers: [`Found::fact`], [`Found::flag`].
    pub(crate) fn and(mut self, pointers: &'static [&'static str]) -> Self {
        self.facts = Facts { pointers, from: self.count };
        for pointer in pointers {
            // Each has its place, also one that could not be read.
            match pointer.parse() {
                Ok(pointer) => self.add(&pointer),
                Err(()) => self.count += 1,
            }
        }
        self
    }

    /// Checks that `json` is one object and returns the fields that are looked for.
    ///
    /// A field of a type that is not asked for counts as absent: senders add events and change fields without asking.
    ///
    /// # Errors
    /// [`Explanation::NotAnObject`], [`Explanation::InvalidJson`], and [`Explanation::RepeatedField`] when a field, or
    /// what it is in, is there twice, since readers differ on which of the two counts.
    pub(crate) fn read<'de>(&self, json: &'de str) -> Result<Found<'de>, Explanation> {
        if !json.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return Err(Explanation::NotAnObject);
        }
        let mut found = Found { values: vec![None; self.count], facts: self.facts, repeated: None };
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let look = Look { node: &self.root, found: &mut found };
        look.deserialize(&mut deserializer).map_err(|error| invalid(&error))?;
        deserializer.end().map_err(|error| invalid(&error))?;
        match found.repeated {
            Some(field) => Err(Explanation::RepeatedField { field }),
            None => Ok(found),
        }
    }
}

impl<'de> Found<'de> {
    /// The field at a place of the list, when it is a text that is not empty.
    pub(crate) fn text(&mut self, place: usize) -> Option<Cow<'de, str>> {
        match self.values.get_mut(place)?.take()? {
            Scalar::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The same for a text or a whole number.
    pub(crate) fn text_or_integer(&mut self, place: usize) -> Option<Cow<'de, str>> {
        match self.values.get_mut(place)?.take()? {
            Scalar::Text(text) if text.is_empty() => None,
            Scalar::Text(text) => Some(text),
            Scalar::Integer(number) => Some(number.to_string().into()),
            Scalar::Flag(_) => None,
        }
    }

    /// A field of those that were [added](Fields::and), when it is a text that is not empty.
    pub(crate) fn fact(&self, pointer: &str) -> Option<&str> {
        match self.at(pointer)? {
            Scalar::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Whether one of these is `true`.
    pub(crate) fn flag(&self, pointer: &str) -> bool {
        matches!(self.at(pointer), Some(Scalar::Flag(true)))
    }

    /// Whether one of these is a text, a whole number, `true` or `false`.
    pub(crate) fn has(&self, pointer: &str) -> bool {
        self.at(pointer).is_some()
    }

    fn at(&self, pointer: &str) -> Option<&Scalar<'de>> {
        let place = self.facts.pointers.iter().position(|one| *one == pointer);
        debug_assert!(place.is_some(), "{pointer} is not looked for");
        self.values.get(self.facts.from + place?)?.as_ref()
    }
}

/// `serde_json`'s texts about syntax name positions and expected characters, nothing from the body.
fn invalid(error: &serde_json::Error) -> Explanation {
    Explanation::InvalidJson { detail: error.to_string().into() }
}

/// Looks at a value that is, or leads to, what is looked for. All of it is checked either way.
struct Look<'n, 'f, 'de> {
    node: &'n Node,
    found: &'f mut Found<'de>,
}

impl<'de> Look<'_, '_, 'de> {
    fn keep(self, value: &Scalar<'de>) {
        for place in &self.node.wanted {
            self.found.values[*place] = Some(value.clone());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.keep(&Scalar::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.keep(&Scalar::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.keep(&Scalar::Flag(flag));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.keep(&Scalar::Integer(number.into()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.keep(&Scalar::Integer(number.into()));
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let leads = self.node.below.iter().find(|below| below.name.parse() == Ok(index));
            let item = match leads {
                Some(node) => items.next_element_seed(Look { node, found: &mut *self.found })?,
                None => items.next_element_seed(Skip)?,
            };
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.node.below.len()];
        while let Some(key) = fields.next_key_seed(Key)? {
            match self.node.below.iter().position(|below| *below.name == *key) {
                None => fields.next_value_seed(Skip)?,
                Some(place) => {
                    if std::mem::replace(&mut seen[place], true) {
                        self.found.repeated = Some(key.into_owned().into());
                    }
                    let node = &self.node.below[place];
                    fields.next_value_seed(Look { node, found: &mut *self.found })?;
                }
            }
        }
        Ok(())
    }
}

/// The name of a field.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Passes over a value, checking it.
#[derive(Clone, Copy)]
struct Skip;

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_entry_seed(Self, Self)?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests;
