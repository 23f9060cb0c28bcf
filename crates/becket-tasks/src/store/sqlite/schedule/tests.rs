use super::*;

fn ready(id: u64, kind: KindNumber, priority: i8, run_at: i64) -> Ready {
    let run_at = Timestamp::from_millis(run_at);
    Ready {
        id: TaskId::from_u64(id),
        submission: SubmissionId::from_u64(1),
        kind,
        source: 1,
        priority,
        standing: Standing::queued(1, run_at),
        created_at: run_at,
        hold: Hold::Open,
        stream: 0,
        ties: None,
    }
}

fn of_tenant(tenant: &str, mut ready: Ready) -> Ready {
    ready.ties = Some(Arc::new(Ties { tenant: Some(tenant.into()), ..Ties::default() }));
    ready
}

/// Takes the best task out, which must be in memory.
fn take(schedule: &mut Schedule, kinds: &[KindNumber], now: i64) -> Option<Ready> {
    let kinds = kinds.iter().copied().collect();
    let Best::Task(ready) = schedule.best_due(&kinds, |_| true, Timestamp::from_millis(now))? else {
        panic!("the window is empty");
    };
    schedule.remove_ready(&ready);
    schedule.charge(ready.tenant(), 1);
    Some(ready)
}

fn take_all(schedule: &mut Schedule, kinds: &[KindNumber], now: i64) -> Vec<u64> {
    std::iter::from_fn(|| take(schedule, kinds, now)).map(|ready| ready.id.as_u64()).collect()
}

#[test]
fn best_is_highest_priority_then_longest_due_then_oldest() {
    let mut schedule = Schedule::default();
    for task in [ready(1, 1, 0, 5), ready(2, 2, 0, 4), ready(3, 1, 7, 9), ready(4, 2, 0, 4), ready(5, 3, 9, 0)] {
        schedule.add_ready(task);
    }
    assert_eq!(take_all(&mut schedule, &[1, 2], 100), [3, 2, 4, 1]);
    assert_eq!(take_all(&mut schedule, &[3], 100), [5]);
    assert!(schedule.streams.is_empty() && schedule.queues.is_empty() && schedule.in_windows == 0);
}

#[test]
fn lower_priority_is_due_while_higher_is_not() {
    let mut schedule = Schedule::default();
    schedule.add_ready(ready(1, 1, 9, 50));
    schedule.add_ready(ready(2, 1, 0, 1));
    let next_due = |schedule: &Schedule| schedule.next_due(&HashSet::from([1]), |_| Some(Timestamp::default()));
    assert_eq!(next_due(&schedule), Some(Timestamp::from_millis(1)));
    assert_eq!(take(&mut schedule, &[1], 10).map(|ready| ready.id.as_u64()), Some(2));
    assert_eq!(take(&mut schedule, &[1], 10), None);
    assert_eq!(next_due(&schedule), Some(Timestamp::from_millis(50)));
    assert_eq!(take_all(&mut schedule, &[1], 50), [1]);
}

#[test]
fn tenants_take_turns_whatever_they_have_queued() {
    let mut schedule = Schedule::default();
    for id in 1..=6 {
        schedule.add_ready(of_tenant("hog", ready(id, 1, 0, 1)));
    }
    schedule.add_ready(of_tenant("other", ready(7, 2, 0, 2)));
    schedule.add_ready(of_tenant("other", ready(8, 1, 0, 2)));
    schedule.add_ready(ready(9, 1, 0, 3));
    assert_eq!(take_all(&mut schedule, &[1, 2], 5), [1, 7, 9, 2, 8, 3, 4, 5, 6]);
}

#[test]
fn clock_that_goes_back_makes_nothing_due() {
    let mut schedule = Schedule::default();
    schedule.add_ready(ready(1, 1, 0, 50));
    schedule.add_ready(ready(2, 1, 0, 50));
    assert!(take(&mut schedule, &[1], 60).is_some());
    assert_eq!(take(&mut schedule, &[1], 40), None);
    assert!(take(&mut schedule, &[1], 60).is_some());
}

#[test]
fn kind_that_is_closed_or_paused_is_left_alone() {
    let mut schedule = Schedule::default();
    schedule.add_ready(ready(1, 1, 9, 1));
    schedule.add_ready(ready(2, 2, 0, 1));
    let kinds = HashSet::from([1, 2]);
    let now = Timestamp::from_millis(5);
    let best = |schedule: &mut Schedule, is_open: fn(KindNumber) -> bool| match schedule.best_due(&kinds, is_open, now)
    {
        Some(Best::Task(ready)) => ready.id.as_u64(),
        _ => 0,
    };
    assert_eq!(best(&mut schedule, |kind| kind == 2), 2);
    schedule.pause_kind(1, true);
    assert_eq!(best(&mut schedule, |_| true), 2);
    schedule.pause_source(1, true);
    assert_eq!(best(&mut schedule, |_| true), 0);
    assert!(!schedule.may_be_due(&kinds, now));
    schedule.pause_kind(1, false);
    schedule.pause_source(1, false);
    assert_eq!(best(&mut schedule, |_| true), 1);
}

#[test]
fn full_window_keeps_the_earliest_and_knows_of_more() {
    let mut schedule = Schedule::default();
    for number in (0..WINDOW_MAX as u64 + 10).rev() {
        schedule.add_ready(ready(number + 1, 1, 0, 5));
    }
    let stream = StreamKey::of(&ready(1, 1, 0, 5));
    assert_eq!(schedule.in_windows, WINDOW_MAX);
    schedule.add_ready(ready(999_999, 1, 0, 5));
    assert_eq!(schedule.in_windows, WINDOW_MAX, "what lies beyond stays on disk");
    for id in 1..=WINDOW_MAX as u64 {
        assert_eq!(take(&mut schedule, &[1], 5).map(|ready| ready.id.as_u64()), Some(id));
    }
    let unread = |schedule: &mut Schedule| {
        let best = schedule.best_due(&HashSet::from([1]), |_| true, Timestamp::from_millis(5));
        matches!(best, Some(Best::Unread(unread)) if unread.stream == stream && unread.after.1.as_u64() == WINDOW_MAX as u64)
    };
    assert!(unread(&mut schedule));
    schedule.add_ready(ready(999_998, 1, 0, 5));
    assert!(unread(&mut schedule), "an empty window takes nothing before it is filled");
    schedule.fill(&stream, vec![ready(WINDOW_MAX as u64 + 1, 1, 0, 5)], false);
    assert_eq!(take_all(&mut schedule, &[1], 5), [WINDOW_MAX as u64 + 1]);
    assert!(schedule.streams.is_empty());
}

#[test]
fn windows_of_many_streams_are_bounded_together() {
    let mut schedule = Schedule::default();
    for id in 0..200_000 {
        schedule.add_ready(of_tenant(&(id % 1_000).to_string(), ready(id + 1, 1, 0, 5)));
    }
    assert!(schedule.in_windows <= WINDOWS_MAX + 1_000 * WINDOW_MIN, "{}", schedule.in_windows);
}

#[test]
fn unread_streams_are_served_in_the_order_of_their_first_tasks() {
    let streams = [("late", 9_i64), ("early", 3)].map(|(tenant, run_at)| {
        let first = of_tenant(tenant, ready(run_at.unsigned_abs(), 1, 0, run_at));
        (StreamKey::of(&first), run_at, first.key())
    });
    let mut schedule = Schedule::new(streams.clone(), Turns::default());
    let best = schedule.best_due(&HashSet::from([1]), |_| true, Timestamp::from_millis(20));
    assert!(
        matches!(best, Some(Best::Unread(unread)) if (&unread.stream, unread.number, unread.after) == (&streams[1].0, 3, Key::MIN))
    );
    schedule.fill(&streams[1].0, Vec::new(), false);
    let best = schedule.best_due(&HashSet::from([1]), |_| true, Timestamp::from_millis(20));
    assert!(matches!(best, Some(Best::Unread(unread)) if unread.stream == streams[0].0));
}

#[test]
fn stream_keeps_its_number_while_a_task_of_it_is_aside() {
    let mut schedule = Schedule::default();
    let [first, second] = [1, 2].map(|id| of_tenant("a", ready(id, 1, 0, 5)));
    let number = schedule.number_of(&first);
    assert_eq!(number, 1, "the first gives the number");
    let first = Ready { stream: number, ..first };
    schedule.add_ready(first.clone());
    assert_eq!(schedule.number_of(&second), 1);
    schedule.set_aside(&first);
    assert_eq!(schedule.number_of(&second), 1, "its row is still there");
    schedule.take_back(first.clone());
    schedule.set_aside(&first);
    schedule.forget_aside(&first);
    assert!(schedule.streams.is_empty());
    assert_eq!(schedule.number_of(&second), 2);
    assert_eq!(schedule.number_of(&Ready { stream: 9, ..second }), 9, "one that returns keeps its own");
    assert_eq!(schedule.number_of(&ready(3, 1, 0, 5)), 0, "without a tenant there is none");
}

#[test]
fn streams_beside_one_that_is_first_read_are_read_along() {
    let of = |tenant: &str, id: u64, number: i64| Ready { stream: number, ..of_tenant(tenant, ready(id, 1, 0, 5)) };
    let [a, b, c] = [of("a", 1, 1), of("b", 2, 2), of("c", 3, 3)];
    let streams = [&a, &b, &c].map(|first| (StreamKey::of(first), first.stream, first.key()));
    let mut schedule = Schedule::new(streams, Turns::default());
    let now = Timestamp::from_millis(9);
    let best = |schedule: &mut Schedule| schedule.best_due(&HashSet::from([1]), |_| true, now);
    let Some(Best::Unread(unread)) = best(&mut schedule) else { panic!("nothing is in memory") };
    assert!(unread.stream == StreamKey::of(&a) && unread.along > 8);
    schedule.fill(&unread.stream, vec![a.clone()], false);
    // All of b, and of c as much as one reading may hold: more may follow.
    schedule.fill_along(vec![b.clone(), c.clone()], true);
    assert_eq!(take_all_in_memory(&mut schedule), [1, 2, 3]);
    let Some(Best::Unread(unread)) = best(&mut schedule) else { panic!("c may have more") };
    assert_eq!((unread.number, unread.after, unread.along), (3, c.key(), 0));
    // What was touched is not taken in again.
    schedule.fill_along(vec![c.clone()], false);
    assert!(matches!(best(&mut schedule), Some(Best::Unread(_))));
    schedule.fill(&unread.stream, Vec::new(), false);
    assert!(best(&mut schedule).is_none() && schedule.streams.is_empty());
}

fn take_all_in_memory(schedule: &mut Schedule) -> Vec<u64> {
    let mut taken = Vec::new();
    while let Some(Best::Task(ready)) = schedule.best_due(&HashSet::from([1]), |_| true, Timestamp::from_millis(9)) {
        schedule.remove_ready(&ready);
        schedule.charge(ready.tenant(), 1);
        taken.push(ready.id.as_u64());
    }
    taken
}
