//! Taking out of a payload what filters need: one pass over the JSON text.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::needs::{Needs, Path};

/// The longest JSON text that a path may lead to.
pub(super) const VALUE_BYTES_MAX: usize = 1 << 20;
/// The most values (texts, numbers, lists, objects, …) that a path may lead to.
pub(super) const VALUES_MAX: usize = 20_000;

/// A value as the evaluation takes it.
pub(super) type Value = Box<dyn Val>;

/// What was taken out.
#[derive(Debug)]
pub(super) struct Extracted {
    pub(super) payload: Value,
    /// What each path leads to whose value is needed; `None` for more than may be.
    pub(super) sizes: Vec<(Path, Option<Size>)>,
}

/// How much a path leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) values: usize,
    /// Of JSON text.
    pub(super) bytes: usize,
}

/// Takes out what is needed.
///
/// # Errors
/// The text is no JSON.
pub(super) fn extract(json: &[u8], needs: &Needs) -> Result<Extracted, serde_json::Error> {
    let notes = RefCell::new(Notes::default());
    let mut reader = serde_json::Deserializer::from_slice(json);
    let payload = Part { needs, notes: &notes, whole: needs.whole }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(Extracted { payload, sizes: notes.into_inner().sizes })
}

#[derive(Default)]
struct Notes {
    at: Path,
    sizes: Vec<(Path, Option<Size>)>,
}

/// A value of which a part is needed.
#[derive(Clone, Copy)]
struct Part<'n> {
    needs: &'n Needs,
    notes: &'n RefCell<Notes>,
    whole: bool,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.whole {
            return self.all_of(<&RawValue>::deserialize(deserializer)?).map_err(D::Error::custom);
        }
        if self.needs.inner.is_empty() {
            // That it is there is all that is asked.
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| null());
        }
        deserializer.deserialize_any(self)
    }
}

impl Part<'_> {
    fn all_of(self, text: &RawValue) -> Result<Value, serde_json::Error> {
        let left = RefCell::new(VALUES_MAX);
        let whole = (text.get().len() <= VALUE_BYTES_MAX)
            .then(|| Whole(&left).deserialize(&mut serde_json::Deserializer::from_str(text.get())).ok())
            .flatten();
        let mut notes = self.notes.borrow_mut();
        let path = notes.at.clone();
        let size = Size { values: VALUES_MAX - *left.borrow(), bytes: text.get().len() };
        notes.sizes.push((path, whole.as_ref().map(|_| size)));
        drop(notes);
        match whole {
            Some(whole) => Ok(whole),
            // Other filters may need less of it.
            None => Part { whole: false, ..self }.deserialize(&mut serde_json::Deserializer::from_str(text.get())),
        }
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = HashMap::with_capacity(self.needs.inner.len());
        while let Some(found) = entries.next_key_seed(Step(self.needs))? {
            let Some((step, needs)) = found else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            self.notes.borrow_mut().at.push(step.into());
            let value = entries.next_value_seed(Part { needs, notes: self.notes, whole: needs.whole })?;
            self.notes.borrow_mut().at.pop();
            // Of keys that repeat the last counts.
            map.insert(CelMapKey::from(step.to_owned()), value);
        }
        Ok(Box::new(CelMap::from(map)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // What is needed is inside of an object, and this is none.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Box::new(CelList::from(Vec::new())))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Box::new(CelInt::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(integer(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value, E> {
        // It is long, perhaps, and nothing is inside of it.
        Ok(Box::new(CelString::from(String::new())))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(null())
    }
}

/// A key that may be needed.
struct Step<'n>(&'n Needs);

impl<'de, 'n> DeserializeSeed<'de> for Step<'n> {
    type Value = Option<(&'n str, &'n Needs)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Step<'n> {
    type Value = Option<(&'n str, &'n Needs)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.inner.get_key_value(key).map(|(step, needs)| (&**step, needs)))
    }
}

/// A value all of which is needed, as long as so many are left.
#[derive(Clone, Copy)]
struct Whole<'l>(&'l RefCell<usize>);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.borrow().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        *self.0.borrow_mut() = left;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map: HashMap<CelMapKey, Value> = HashMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(CelMapKey::from(key), entries.next_value_seed(self)?);
        }
        Ok(Box::new(CelMap::from(map)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list: Vec<Value> = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Box::new(CelList::from(list)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Box::new(CelInt::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(integer(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Box::new(CelString::from(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(null())
    }
}

/// Literals are signed: so are the numbers of JSON, as long as they fit.
fn integer(value: u64) -> Value {
    i64::try_from(value).map_or_else(|_| Box::new(CelUInt::from(value)) as Value, |value| Box::new(CelInt::from(value)))
}

pub(super) fn null() -> Value {
    Box::new(CelNull)
}
