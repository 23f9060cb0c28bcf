//! Whether a secret can be taken out of the configuration. Pure: what was seen and the time are arguments.
//!
//! A sender that still has it would be refused from then on. So it must have been quiet for long, and something must show
//! that its senders have gone on to another: requests signed with a newer one since. That nobody sent anything shows
//! nothing.

use std::time::Duration;

use becket_tasks::{Mark, Timestamp};
use becket_webhooks::{Validity, Window};

/// How long a secret must have been quiet where nobody says otherwise. Longer than any sender tries again: Stripe and
/// Standard Webhooks give up after about three days, and GitHub delivers nothing again that is older than three.
pub(crate) const QUIET: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Whether it can go, and why or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) safe: bool,
    pub(crate) reason: String,
}

/// Decides about the secret at `place` of a source whose secrets, newest first, are these.
pub(crate) fn droppable(place: usize, all: &[(Window, Mark)], now: Timestamp, quiet: Duration) -> Verdict {
    let stays = |reason: String| Verdict { safe: false, reason };
    let Some((window, seen)) = all.get(place) else { return stays("there is no such secret".to_owned()) };
    let time = |ms: Option<i64>| Timestamp::from_millis(ms.unwrap_or_default());
    let is_active = |window: &Window| window.at(now.as_millis()) == Validity::Active;
    match window.at(now.as_millis()) {
        Validity::Expired => {
            let reason = format!("it verifies nothing since {}", time(window.not_after));
            return Verdict { safe: true, reason };
        }
        Validity::NotYet => return stays(format!("its time comes at {}", time(window.not_before))),
        Validity::Active => {}
    }
    if !all.iter().enumerate().any(|(other, (window, _))| other != place && is_active(window)) {
        return stays("no other secret of the source verifies now".to_owned());
    }
    let quiet_since = seen.last.unwrap_or(seen.since);
    let newer = all.iter().take(place).filter(|(window, _)| is_active(window)).filter_map(|(_, seen)| seen.last).max();
    let Some(newer) = newer.filter(|newer| *newer > quiet_since) else {
        let reason = if place == 0 {
            "it is the newest"
        } else {
            "no newer one was used since, so its senders may still have it"
        };
        return stays(reason.to_owned());
    };
    let (was_quiet, wanted) = (shown(now.since(quiet_since)), shown(quiet));
    let what = if seen.last.is_some() { "last used" } else { "never used, and watched for" };
    if now.since(quiet_since) < quiet {
        let ago = if seen.last.is_some() { " ago" } else { "" };
        return stays(format!("{what} {was_quiet}{ago}; wait until it has been quiet for {wanted}"));
    }
    Verdict { safe: true, reason: format!("quiet for {was_quiet}, and a newer one was used at {newer}") }
}

/// Two units are enough.
fn shown(duration: Duration) -> String {
    let rounded = match duration.as_secs() {
        0..3_600 => duration.as_secs(),
        3_600..86_400 => duration.as_secs() / 60 * 60,
        secs => secs / 3_600 * 3_600,
    };
    humantime::format_duration(Duration::from_secs(rounded)).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: i64 = 100 * DAY;

    fn seen(last: Option<i64>) -> (Window, Mark) {
        let last = last.map(Timestamp::from_millis);
        (
            Window::default(),
            Mark { last, count: u64::from(last.is_some()), ..Mark::new("".into(), Timestamp::from_millis(0)) },
        )
    }

    fn verdict(place: usize, all: &[(Window, Mark)]) -> (bool, String) {
        let Verdict { safe, reason } = droppable(place, all, Timestamp::from_millis(NOW), QUIET);
        (safe, reason)
    }

    fn because(place: usize, all: &[(Window, Mark)]) -> String {
        let (safe, reason) = verdict(place, all);
        assert!(!safe, "{reason}");
        reason
    }

    #[test]
    fn old_secret_can_go_when_it_is_quiet_and_a_newer_one_is_used() {
        let all = [seen(Some(NOW - 1)), seen(Some(NOW - 8 * DAY))];
        let (safe, reason) = verdict(1, &all);
        assert!(safe && reason.starts_with("quiet for 8days, and a newer one was used at "), "{reason}");
        assert_eq!(because(0, &all), "it is the newest");
        assert!(verdict(1, &[seen(Some(NOW)), seen(None)]).0, "never used in a hundred days");
    }

    #[test]
    fn secret_that_was_used_lately_stays() {
        let all = [seen(Some(NOW)), seen(Some(NOW - DAY))];
        assert_eq!(because(1, &all), "last used 1day ago; wait until it has been quiet for 7days");
        let mut young = seen(None);
        young.1.since = Timestamp::from_millis(NOW - DAY / 2);
        let reason = because(1, &[seen(Some(NOW)), young]);
        assert_eq!(reason, "never used, and watched for 12h; wait until it has been quiet for 7days");
    }

    #[test]
    fn silence_of_all_shows_nothing() {
        let reason = because(1, &[seen(Some(NOW - 9 * DAY)), seen(Some(NOW - 8 * DAY))]);
        assert_eq!(reason, "no newer one was used since, so its senders may still have it");
    }

    #[test]
    fn only_secret_that_verifies_stays_and_one_that_is_over_can_go() {
        let mut expired = seen(Some(NOW - 1));
        expired.0.not_after = Some(NOW);
        let mut coming = seen(None);
        coming.0.not_before = Some(NOW + DAY);
        let all = [coming, seen(Some(NOW - 30 * DAY)), expired];
        assert!(because(0, &all).starts_with("its time comes at 1970-04-12"));
        assert_eq!(because(1, &all), "no other secret of the source verifies now");
        assert!(verdict(2, &all).0);
    }

    proptest! {
        #[test]
        fn of_secrets_that_verify_one_always_stays(
            lasts in prop::collection::vec(prop::option::of(0..NOW), 1..6),
        ) {
            let all: Vec<_> = lasts.into_iter().map(seen).collect();
            prop_assert!((0..all.len()).any(|place| !verdict(place, &all).0));
        }

        #[test]
        fn secret_that_was_used_within_the_quiet_time_never_goes(ago in 0..7 * DAY, newer in 0..7 * DAY) {
            let (safe, reason) = verdict(1, &[seen(Some(NOW - newer)), seen(Some(NOW - ago))]);
            prop_assert!(!safe, "{}", reason);
        }
    }
}
