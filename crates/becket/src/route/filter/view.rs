//! A delivery as filters see it: the variables, and what of the payload they need.
//!
//! Made for a delivery when the first filter asks, and used by all of them.

use std::collections::BTreeSet;

use cel::common::types::{CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::check::listed;
use super::extract::{Extracted, Size, VALUE_BYTES_MAX, VALUES_MAX, extract, null};
use super::needs::{Need, Needs, Path, shown};
use super::{Cause, STEPS_BYTES_MAX, STEPS_MAX};
use crate::route::Sought;

/// What is shown of a value.
const SHOWN_CHARS_MAX: usize = 60;

/// A delivery as filters see it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    sought: &'a Sought<'a>,
    /// What filters need of the payload; `None` where it is no JSON, or is not known.
    extracted: Option<Extracted>,
}

impl<'a> View<'a> {
    pub(crate) fn new(sought: &'a Sought<'a>, needs: &Needs) -> Self {
        let nothing = || Extracted { payload: null(), sizes: Vec::new() };
        let extracted = match &sought.json {
            _ if needs.is_empty() => Some(nothing()),
            Some(json) => extract(json, needs).ok(),
            None => None,
        };
        Self { sought, extracted }
    }

    /// Whether what is needed can be looked at, by a filter of so many nodes.
    pub(super) fn check(&self, needs: &BTreeSet<Need>, nodes: usize) -> Result<(), Cause> {
        if needs.is_empty() {
            return Ok(());
        }
        let Some(extracted) = &self.extracted else {
            return Err(Cause::Failed("the payload cannot be read".to_owned()));
        };
        let mut total = Size::default();
        for (path, size) in &extracted.sizes {
            if !needs.iter().any(|need| need.value && need.path == *path) {
                continue;
            }
            let Some(size) = size else {
                let limits = format!("{VALUES_MAX} values or {VALUE_BYTES_MAX} bytes");
                return Err(Cause::Failed(format!("{} has more than {limits}", shown(path))));
            };
            total.values += size.values;
            total.bytes += size.bytes;
        }
        let (values_max, bytes_max) = (STEPS_MAX / nodes.max(1), STEPS_BYTES_MAX / nodes.max(1));
        if total.values > values_max || total.bytes > bytes_max {
            let Size { values, bytes } = total;
            let limits = format!("a condition of its length takes {values_max} and {bytes_max}");
            return Err(Cause::Failed(format!("{}: {values} values, {bytes} bytes; {limits}", listed(needs))));
        }
        Ok(())
    }

    /// What is not there of a path, if something is not; `value` says whether its end must be, too.
    pub(super) fn missing(&self, path: &[Box<str>], value: bool) -> Option<String> {
        let mut at: &(dyn Val + 'static) = &*self.extracted.as_ref()?.payload;
        for depth in 0..path.len() {
            let Some(map) = at.downcast_ref::<CelMap>() else {
                let is = if at.downcast_ref::<CelNull>().is_some() { "null" } else { "no object" };
                return Some(format!("{} is {is}", shown(&path[..depth])));
            };
            if !value && depth + 1 == path.len() {
                break;
            }
            match inside(map, &path[depth]) {
                Some(next) => at = next,
                None => return Some(format!("{} is not there", shown(&path[..=depth]))),
            }
        }
        None
    }

    /// What is at a path, in short; `None` where nothing is.
    pub(super) fn shown(&self, path: &Path) -> Option<String> {
        let mut at: &(dyn Val + 'static) = &*self.extracted.as_ref()?.payload;
        for step in path {
            at = inside(at.downcast_ref::<CelMap>()?, step)?;
        }
        let json = cel::Value::try_from(at).ok()?.json().ok()?.to_string();
        let mut chars = json.chars();
        let short: String = chars.by_ref().take(SHOWN_CHARS_MAX).collect();
        Some(if chars.next().is_some() { format!("{short}…") } else { short })
    }
}

fn inside<'m>(map: &'m CelMap<'static>, step: &str) -> Option<&'m (dyn Val + 'static)> {
    map.inner().get::<CelMapKey<'static>>(&CelMapKey::from(step.to_owned())).map(|value| &**value)
}

impl VariableResolver for View<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let text = |text: Option<&'b str>| {
            Some(text.map_or_else(|| CowVal::owned(CelNull), |text| CowVal::owned(CelString::from(text))))
        };
        match variable {
            "payload" => Some(CowVal::Borrowed(&*self.extracted.as_ref()?.payload)),
            "source" => text(Some(self.sought.source)),
            "event" => text(Some(self.sought.event)),
            "action" => text(self.sought.action),
            "normalised" => text(self.sought.normalised),
            "delivery_id" => text(self.sought.delivery_id),
            _ => None,
        }
    }
}
