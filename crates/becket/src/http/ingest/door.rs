//! Who is let in, before a byte of the body is read: addresses that a source allows, and so many requests in a time.
//!
//! A source without either has no door, and asking for it costs nothing. The address comes first: who may not come does not
//! use up the rate of those who may. The rate counts what is not verified yet, since that is what costs; so whoever may
//! reach a source can use it up.
//!
//! What is refused here is refused in the way that harms a sender least: some disable a webhook that is answered with most of
//! 4xx, and try again after a 503.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use becket_tasks::store::rate::Starts;
use becket_tasks::{Rate, Timestamp};
use becket_webhooks::Kind;
use http::StatusCode;

use super::Entry;
use super::refuse::Refusal;
use crate::http::allow_list::{Admission, AllowList};

/// The door of one source.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) allow: Option<AllowList>,
    pub(super) rate: Option<(Rate, Arc<Meter>)>,
    pub(super) kind: Kind,
}

/// When requests of one source came in lately.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Starts>);

/// The meters of all sources, by name: what was counted stays counted under the next configuration.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<BTreeMap<Arc<str>, Weak<Meter>>>);

/// A request at the doors.
pub(super) struct Knock {
    pub(super) address: Option<IpAddr>,
    /// Whether it says that it came through a proxy.
    pub(super) is_forwarded: bool,
    pub(super) now: Timestamp,
}

impl Meter {
    /// Lets one more in.
    ///
    /// # Errors
    /// For how long none is let in.
    fn pass(&self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        let mut starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed_at = starts.allowed_at(rate, now);
        if allowed_at > now {
            return Err(allowed_at.since(now));
        }
        starts.note(rate, now);
        Ok(())
    }
}

impl Meters {
    /// The meter of a source: the one that it has, as long as any configuration holds it.
    pub(crate) fn of(&self, source: &str) -> Arc<Meter> {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(source).and_then(Weak::upgrade) {
            return meter;
        }
        meters.retain(|_, meter| meter.strong_count() > 0);
        let meter = Arc::new(Meter::default());
        meters.insert(source.into(), Arc::downgrade(&meter));
        meter
    }
}

impl Door {
    fn knock(&self, knock: &Knock) -> Result<(), Refusal> {
        match self.allow.as_ref().map(|list| list.admits(knock.address)) {
            None | Some(Admission::Allowed) => {}
            Some(Admission::NotKnown) => return Err(Refusal::NoAllowList),
            Some(Admission::Refused) => {
                let (address, is_forwarded) = (knock.address, knock.is_forwarded);
                return Err(Refusal::NotAllowed { address, is_forwarded, status: self.status_of_not_allowed() });
            }
        }
        match &self.rate {
            None => Ok(()),
            Some((rate, meter)) => meter.pass(*rate, knock.now).map_err(|wait| Refusal::TooMany {
                rate: *rate,
                wait,
                status: self.status_of_too_many(),
            }),
        }
    }

    /// Azure DevOps disables a subscription after most of 4xx, and sends again after a 503.
    const fn status_of_not_allowed(&self) -> StatusCode {
        match self.kind {
            Kind::AzureDevops => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// Bitbucket Cloud sends again only after 5xx.
    const fn status_of_too_many(&self) -> StatusCode {
        match self.kind {
            Kind::AzureDevops | Kind::BitbucketCloud => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// The sources of a request that let it in, and one that would let it in later, if there is any.
pub(super) struct Admitted<'e> {
    pub(super) let_in: Vec<&'e Entry>,
    pub(super) put_off: Option<(&'e Entry, Refusal)>,
}

/// Asks the doors of a request's sources.
///
/// # Errors
/// Where none does, whose refusal to answer: one that would let it in later comes before one that would not.
pub(super) fn admitted<'e>(entries: &[&'e Entry], knock: &Knock) -> Result<Admitted<'e>, (&'e Entry, Refusal)> {
    let mut let_in = Vec::with_capacity(entries.len());
    let mut first: Option<(&Entry, Refusal)> = None;
    for entry in entries {
        match entry.door.as_ref().map_or(Ok(()), |door| door.knock(knock)) {
            Ok(()) => let_in.push(*entry),
            Err(refusal) if first.as_ref().is_none_or(|(_, first)| !first.is_for_now() && refusal.is_for_now()) => {
                first = Some((entry, refusal));
            }
            Err(_) => {}
        }
    }
    match first {
        Some(refused) if let_in.is_empty() => Err(refused),
        first => Ok(Admitted { let_in, put_off: first.filter(|(_, refusal)| refusal.is_for_now()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn meter_lets_in_as_many_as_the_rate_says_and_tells_when_the_next_may_come() {
        let rate = Rate { starts: 2, period: Duration::from_secs(10) };
        let meter = Meter::default();
        assert_eq!([meter.pass(rate, at(0)), meter.pass(rate, at(4_000))], [Ok(()), Ok(())]);
        for now in [4_000, 9_999] {
            let wait = Duration::from_millis(u64::try_from(10_000 - now).unwrap());
            assert_eq!(meter.pass(rate, at(now)), Err(wait), "those that are refused do not count");
        }
        assert_eq!(meter.pass(rate, at(10_000)), Ok(()));
        assert_eq!(meter.pass(rate, at(10_000)), Err(Duration::from_secs(4)));
    }

    #[test]
    fn meter_is_the_same_while_somebody_holds_it_also_for_another_rate() {
        let meters = Meters::default();
        let (slow, fast) =
            (Rate { starts: 1, period: Duration::from_secs(1) }, Rate { starts: 9, period: Duration::from_secs(1) });
        let first = meters.of("github");
        assert_eq!(first.pass(slow, at(0)), Ok(()));
        let second = meters.of("github");
        drop(first);
        assert!(second.pass(slow, at(1)).is_err() && second.pass(fast, at(1)).is_ok());
        assert!(meters.of("gitlab").pass(slow, at(1)).is_ok());
        drop(second);
        assert!(meters.of("github").pass(slow, at(2)).is_ok(), "nobody held it");
    }

    #[test]
    fn status_is_one_that_does_not_harm_the_sender() {
        for kind in Kind::ALL {
            let door = Door { allow: None, rate: None, kind };
            let statuses = [door.status_of_not_allowed(), door.status_of_too_many()].map(|status| status.as_u16());
            let expected = match kind {
                Kind::AzureDevops => [503, 503],
                Kind::BitbucketCloud => [403, 503],
                _ => [403, 429],
            };
            assert_eq!(statuses, expected, "{kind}");
        }
    }
}
