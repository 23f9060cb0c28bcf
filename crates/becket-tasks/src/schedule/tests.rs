use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::registry::Policy;
use crate::submission::Due;

fn schedule(pattern: &str, zone: &str) -> Schedule {
    Schedule::new("s", pattern.parse().unwrap(), "k").zone(zone.parse().unwrap())
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The first ticks after `after`, without their `:00.000Z`.
fn ticks(pattern: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(pattern, zone);
    let ticks = std::iter::successors(schedule.next_after(time(after)), |tick| schedule.next_after(*tick));
    ticks.take(count).map(|tick| tick.to_string().trim_end_matches(":00.000Z").to_owned()).collect()
}

#[test]
fn ticks_follow_the_clock_of_the_zone() {
    for (pattern, zone, after, expected) in [
        ("0 3 * * *", "UTC", "2026-11-22T03:00:00Z", ["2026-11-23T03:00", "2026-11-24T03:00"]),
        ("0 3 * * *", "Europe/Berlin", "2026-11-22T00:00:00Z", ["2026-11-22T02:00", "2026-11-23T02:00"]),
        ("0 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", ["2026-07-01T01:00", "2026-07-02T01:00"]),
        ("*/20 * * * *", "Asia/Kolkata", "2026-11-22T00:00:00Z", ["2026-11-22T00:10", "2026-11-22T00:30"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 L * *", "UTC", "2028-02-01T00:00:00Z", ["2028-02-29T00:00", "2028-03-31T00:00"]),
        ("0 9 * * FRI#L", "UTC", "2026-11-01T00:00:00Z", ["2026-11-27T09:00", "2026-12-25T09:00"]),
        ("@monthly", "UTC", "2026-11-22T00:00:00Z", ["2026-12-01T00:00", "2027-01-01T00:00"]),
        ("30 0 0 * * *", "UTC", "2026-11-22T00:00:30Z", ["2026-11-23T00:00:30.000Z", "2026-11-24T00:00:30.000Z"]),
    ] {
        assert_eq!(ticks(pattern, zone, after, 2), expected, "{pattern} {zone}");
    }
}

/// Berlin: at 01:00Z of 2027-03-28 the clocks go from 02:00 to 03:00. New York: at 07:00Z of 2027-03-14.
#[test]
fn skipped_time_of_day_has_its_tick_after_the_gap() {
    let berlin = ticks("30 2 * * *", "Europe/Berlin", "2027-03-27T00:00:00Z", 3);
    assert_eq!(berlin, ["2027-03-27T01:30", "2027-03-28T01:00", "2027-03-29T00:30"]);
    let new_york = ticks("30 2 * * *", "America/New_York", "2027-03-13T00:00:00Z", 3);
    assert_eq!(new_york, ["2027-03-13T07:30", "2027-03-14T07:00", "2027-03-15T06:30"]);
}

#[test]
fn several_times_of_day_have_no_tick_where_they_are_skipped() {
    let berlin = ticks("30 1,2,3 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", 3);
    assert_eq!(berlin, ["2027-03-28T00:30", "2027-03-28T01:30", "2027-03-28T23:30"]);
    let new_york = ticks("*/30 * * * *", "America/New_York", "2027-03-14T06:00:00Z", 3);
    assert_eq!(new_york, ["2027-03-14T06:30", "2027-03-14T07:00", "2027-03-14T07:30"]);
}

/// Berlin: at 01:00Z of 2026-10-25 the clocks go from 03:00 back to 02:00. New York: at 06:00Z of 2026-11-01.
#[test]
fn repeated_time_of_day_has_one_tick() {
    let berlin = ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    assert_eq!(berlin, ["2026-10-25T00:30", "2026-10-26T01:30"]);
    let new_york = ticks("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2);
    assert_eq!(new_york, ["2026-11-01T05:30", "2026-11-02T06:30"]);
}

#[test]
fn several_times_of_day_have_a_tick_each_time_they_are_repeated() {
    let berlin = ticks("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 5);
    assert_eq!(
        berlin,
        ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"]
    );
    let new_york = ticks("0 1,2 * * *", "America/New_York", "2026-11-01T04:00:00Z", 3);
    assert_eq!(new_york, ["2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T07:00"]);
}

#[test]
fn pattern_that_cannot_be_says_what_is_wrong_and_how_to_mend_it() {
    for (pattern, what) in [
        ("", "`` has 0 and not five fields"),
        ("0 3 * *", "`0 3 * *` has 4 and not five fields"),
        ("0 25 * * *", "`0 25 * * *`: `25` is no hour"),
        ("0 0 0 32 * *", "`0 0 0 32 * *`: `32` is no day of the month"),
        ("0 3 * * MOO", "`0 3 * * MOO`: `MOO` is no day of the week"),
        ("*/0 * * * *", "`*/0 * * * *`: `*/0` is no minute"),
        ("0 0 30 2 *", "`0 0 30 2 *` never comes"),
        ("@nightly", "`@nightly` is not a name of a pattern"),
        ("0 3 * * * * 2030", "`0 3 * * * * 2030` has 7 and not five fields"),
    ] {
        let error = pattern.parse::<Pattern>().unwrap_err();
        assert_eq!(error.what(), what);
        assert!(!error.mend().is_empty());
    }
    let error = "0 25 * * *".parse::<Pattern>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`0 25 * * *`: `25` is no hour; write 0 to 23, a range, a list, steps such as `*/2`, or `*`"
    );
}

#[test]
fn zone_is_known_by_its_name_and_nothing_else() {
    assert_eq!("europe/berlin".parse::<Zone>().unwrap().as_str(), "Europe/Berlin");
    assert_eq!("utc".parse::<Zone>().unwrap().as_str(), "UTC");
    for name in ["", "Berlin", "CET-1CEST", "../etc/passwd", "/etc/localtime"] {
        let error = name.parse::<Zone>().unwrap_err();
        assert!(error.what().contains("is not a time zone") && error.mend().contains("Europe/Berlin"), "{error}");
    }
}

#[test]
fn schedule_that_cannot_be_is_refused_with_its_name() {
    let good = || schedule("@daily", "UTC");
    assert_eq!(good().check(), Ok(()));
    let named = |name: &str| Schedule::new(name, "@daily".parse().unwrap(), "k");
    let payload = json!({"tick": 1}).as_object().unwrap().clone();
    for (bad, what) in [
        (named(""), "cannot have this name"),
        (named("a/b"), "cannot have this name"),
        (named(&"a".repeat(65)), "cannot have this name"),
        (good().jitter(JITTER_MAX + Duration::from_millis(1)), "longer than a day"),
        (good().missed(Missed::CatchUp { max: 0 }), "catch up with 0 ticks"),
        (good().missed(Missed::CatchUp { max: CATCH_UP_MAX + 1 }), "catch up with 10001 ticks"),
        (good().payload(payload), "has the key `tick`"),
    ] {
        let error = bad.check().unwrap_err().to_string();
        assert!(error.starts_with("the schedule `") && error.contains(what), "{error}");
    }
}

#[test]
fn firing_is_named_by_its_tick_and_due_after_its_delay() {
    let payload = json!({"full": true}).as_object().unwrap().clone();
    let nightly = Schedule::new("nightly", "0 3 * * *".parse().unwrap(), "reindex")
        .jitter(Duration::from_secs(300))
        .payload(payload);
    let tick = time("2026-11-22T03:00:00Z");
    let firing = nightly.firing(tick, &Policy { priority: 3, ..Policy::default() });
    assert_eq!((&*firing.source, &*firing.event), ("schedule", "nightly"));
    assert_eq!(firing.key.as_deref(), Some("nightly/2026-11-22T03:00:00.000Z"));
    assert_eq!(firing.payload, r#"{"full":true,"schedule":"nightly","tick":"2026-11-22T03:00:00.000Z"}"#);
    let [task] = &firing.tasks[..] else { panic!("one task") };
    assert_eq!((&*task.kind, task.priority), ("reindex", 3));
    assert_eq!(task.due, Due::At(tick.after(nightly.delay_of(tick))));
    // Processes of different releases must agree on it.
    assert_eq!(nightly.delay_of(tick), Duration::from_millis(248_494));
}

#[test]
fn firings_by_hand_have_keys_that_no_tick_has() {
    let schedule = schedule("@daily", "UTC");
    let now = time("2026-11-22T00:00:00Z");
    let [one, other] = [1, 2].map(|salt| schedule.firing_by_hand(now, salt, &Policy::default()));
    assert_ne!(one.key, other.key);
    assert_ne!(one.key, schedule.firing(now, &Policy::default()).key);
    assert_eq!(one.tasks[0].due, Due::Now);
}

/// A state that is settled until then.
fn settled(until: &str) -> ScheduleState {
    ScheduleState { settled_until: Some(time(until)), ..ScheduleState::new("s".into()) }
}

fn due_of(missed: Missed, state: &ScheduleState, looked: &str, now: &str) -> Vec<String> {
    let hourly = schedule("0 * * * *", "UTC").missed(missed);
    due(&hourly, state, time(looked), time(now)).fire.into_iter().map(hour_of).collect()
}

fn hour_of(tick: Timestamp) -> String {
    tick.to_string()[11..16].to_owned()
}

#[test]
fn due_ticks_are_those_that_nobody_settled() {
    let skip = |state: &ScheduleState, looked, now| due_of(Missed::Skip, state, looked, now);
    let state = settled("2026-11-22T03:00:00Z");
    assert_eq!(skip(&state, "2026-11-22T03:59:58Z", "2026-11-22T03:59:59Z"), [""; 0], "not yet");
    assert_eq!(skip(&state, "2026-11-22T03:59:59Z", "2026-11-22T04:00:00Z"), ["04:00"], "on time");
    assert_eq!(skip(&state, "2026-11-22T04:00:30Z", "2026-11-22T04:00:30Z"), ["04:00"], "after a quick restart");
    assert_eq!(skip(&state, "2026-11-22T04:02:00Z", "2026-11-22T04:02:00Z"), [""; 0], "after a slow restart");
    assert_eq!(skip(&state, "2026-11-22T03:30:00Z", "2026-11-22T04:30:00Z"), ["04:00"], "after a pause of the process");
    assert_eq!(skip(&state, "2026-11-22T03:30:00Z", "2026-11-22T09:30:00Z"), ["09:00"], "after a long one");
    let paused = ScheduleState { paused: true, ..state };
    assert_eq!(skip(&paused, "2026-11-22T03:59:59Z", "2026-11-22T04:00:00Z"), [""; 0]);
    let unknown = ScheduleState::new("s".into());
    assert_eq!(skip(&unknown, "2026-11-22T03:59:59Z", "2026-11-22T04:00:00Z"), [""; 0]);
}

#[test]
fn catching_up_takes_the_latest_ticks_oldest_first() {
    let state = settled("2026-11-22T03:00:00Z");
    let (looked, now) = ("2026-11-22T07:30:00Z", "2026-11-22T07:30:00Z");
    assert_eq!(due_of(Missed::catch_up(), &state, looked, now), ["04:00", "05:00", "06:00", "07:00"]);
    assert_eq!(due_of(Missed::CatchUp { max: 2 }, &state, looked, now), ["06:00", "07:00"]);
    let paused = ScheduleState { paused: true, ..state };
    assert_eq!(due_of(Missed::catch_up(), &paused, looked, now), [""; 0]);
}

#[test]
fn ticks_that_are_never_fired_are_told() {
    let state = settled("2026-11-22T03:00:00Z");
    let passed_by = |missed, looked: &str, now: &str| {
        due(&schedule("0 * * * *", "UTC").missed(missed), &state, time(looked), time(now)).passed_by.map(hour_of)
    };
    let (skip, two) = (Missed::Skip, Missed::CatchUp { max: 2 });
    assert_eq!(passed_by(skip, "2026-11-22T07:30:00Z", "2026-11-22T07:30:00Z").as_deref(), Some("07:00"));
    assert_eq!(passed_by(skip, "2026-11-22T03:30:00Z", "2026-11-22T07:30:00Z").as_deref(), Some("06:00"));
    assert_eq!(passed_by(skip, "2026-11-22T03:30:00Z", "2026-11-22T04:00:00Z"), None);
    assert_eq!(passed_by(two, "2026-11-22T07:30:00Z", "2026-11-22T07:30:00Z").as_deref(), Some("05:00"));
    assert_eq!(passed_by(Missed::catch_up(), "2026-11-22T07:30:00Z", "2026-11-22T07:30:00Z"), None);
}

#[test]
fn clock_that_was_set_back_does_not_silence_a_schedule() {
    let state = settled("2031-01-01T00:00:00Z");
    for missed in [Missed::Skip, Missed::catch_up()] {
        let (back, later) = ("2026-11-22T03:59:59Z", "2026-11-22T04:00:00Z");
        assert_eq!(due_of(missed, &state, "2031-01-01T00:00:00Z", back), [""; 0]);
        assert_eq!(due_of(missed, &state, back, later), ["04:00"]);
    }
}

/// The search backwards begins a millisecond before a tick, in the middle of a second.
#[test]
fn ticks_of_a_repeated_hour_are_found_from_behind() {
    let schedule = schedule("0 1-3 * * *", "Europe/Berlin");
    let found = schedule.ticks(time("2026-10-24T12:00:00Z"), time("2026-10-25T02:00:00Z"), 9);
    let shown: Vec<String> = found.into_iter().map(hour_of).collect();
    assert_eq!(shown, ["23:00", "00:00", "01:00", "02:00"]);
}

fn patterns() -> impl Strategy<Value = String> {
    let minute = prop_oneof![(0..60_u32).prop_map(|m| m.to_string()), Just("*/7".to_owned()), Just("5,35".to_owned())];
    let hour = prop_oneof![(0..24_u32).prop_map(|h| h.to_string()), Just("*".to_owned()), Just("1-3".to_owned())];
    let day =
        prop_oneof![3 => Just("* * *".to_owned()), 1 => Just("L * *".to_owned()), 1 => Just("* * SUN".to_owned())];
    (minute, hour, day).prop_map(|(minute, hour, day)| format!("{minute} {hour} {day}"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ticks_come_in_order_and_are_the_same_from_either_side(
        pattern in patterns(),
        zone in zones(),
        // Two days around the four changes of 2026 and 2027 above, or any time.
        from in prop_oneof![
            prop::sample::select(vec![1_792_800_000_i64, 1_793_400_000, 1_804_900_000, 1_806_100_000]),
            0..4_000_000_000_i64,
        ],
        past in 0..200_000_i64,
    ) {
        let schedule = schedule(&pattern, zone);
        let start = Timestamp::from_millis((from + past) * 1_000 + past % 1_000);
        let forwards: Vec<Timestamp> =
            std::iter::successors(schedule.next_after(start), |tick| schedule.next_after(*tick)).take(40).collect();
        prop_assert_eq!(forwards.len(), 40);
        prop_assert!(forwards[0] > start);
        prop_assert!(forwards.is_sorted_by(|one, next| one < next));
        let backwards = schedule.ticks(start, forwards[39], 1_000);
        prop_assert_eq!(&backwards, &forwards, "{} in {}", pattern, zone);
    }

    #[test]
    fn delay_stays_within_the_jitter_and_is_the_same_each_time(secs in 0..86_400_u64, millis in 0..4_000_000_000_000_i64) {
        let jitter = Duration::from_secs(secs);
        let tick = Timestamp::from_millis(millis);
        let one = schedule("@daily", "UTC").jitter(jitter);
        prop_assert!(one.delay_of(tick) <= jitter);
        let again = schedule("@daily", "Europe/Berlin").jitter(jitter);
        prop_assert_eq!(one.delay_of(tick), again.delay_of(tick));
    }
}

#[test]
fn delays_spread_over_the_whole_jitter() {
    let jitter = Duration::from_secs(100);
    let daily = schedule("@daily", "UTC").jitter(jitter);
    let mut tenths = [0; 10];
    for day in 0..1_000 {
        let delay = daily.delay_of(Timestamp::from_millis(day * 86_400_000));
        tenths[usize::try_from(delay.as_millis() / 10_001).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|count| (50..150).contains(count)), "{tenths:?}");
}
