//! The decision in simulated worlds: handlers that wait, compute, or share something narrow.

use proptest::prelude::*;

use super::*;

const PROCESSORS: usize = 2;

/// What a pool of one size makes of a load; as many places are taken as there is work.
#[derive(Clone, Copy)]
struct Load {
    work: usize,
    /// Seconds of processor time in an attempt.
    computes: f64,
    /// Seconds of waiting in an attempt.
    waits: f64,
    /// How many attempts something elsewhere serves at once; what is more waits there.
    narrow: usize,
}

const LOAD: Load = Load { work: usize::MAX, computes: 0.0, waits: 0.0, narrow: usize::MAX };

impl Load {
    /// The window that a pool of `size` sees, in seconds.
    fn window(self, size: usize) -> Window {
        let taken = size.min(self.work);
        let alone = self.computes + self.waits;
        let by_cpu = self.computes * taken as f64 / PROCESSORS as f64;
        let by_the_narrow = self.waits * taken as f64 / self.narrow as f64;
        let seconds = alone.max(by_cpu).max(by_the_narrow);
        let cpu = if taken > 0 { (by_cpu / seconds).min(1.0) } else { 0.0 };
        let took = Took { attempts: taken as u64, seconds: seconds * taken as f64 };
        let took = if taken > 0 { HashMap::from([("kind".into(), took)]) } else { HashMap::new() };
        Window { took, ended: taken as u64, taken_max: taken, cpu: Some(cpu) }
    }
}

/// The sizes that so many windows of a load lead to.
fn run(pool: &mut Gradient, load: Load, windows: usize) -> Vec<usize> {
    let mut size = rounded(pool.size);
    let mut sizes = Vec::with_capacity(windows);
    for _ in 0..windows {
        size = pool.next(&load.window(size));
        sizes.push(size);
    }
    sizes
}

fn pool() -> Gradient {
    Gradient::new(4, 64, PROCESSORS)
}

#[test]
fn pool_grows_to_its_most_while_handlers_wait_and_work_is_left() {
    let sizes = run(&mut pool(), Load { waits: 0.2, ..LOAD }, 100);
    assert!(sizes.is_sorted(), "{sizes:?}");
    assert_eq!(sizes.last(), Some(&64), "{sizes:?}");
    let half = sizes.iter().position(|size| *size >= 32).unwrap();
    assert!((10..60).contains(&half), "half of it after {half} windows");
}

#[test]
fn pool_stays_small_while_handlers_compute() {
    let sizes = run(&mut Gradient::new(1, 64, PROCESSORS), Load { computes: 0.05, ..LOAD }, 1_000);
    assert!(sizes.iter().all(|size| *size <= PROCESSORS), "{sizes:?}");
}

#[test]
fn large_pool_shrinks_to_one_attempt_a_processor_when_handlers_begin_to_compute() {
    let mut pool = Gradient::new(1, 64, PROCESSORS);
    run(&mut pool, Load { waits: 0.2, ..LOAD }, 200);
    assert_eq!(rounded(pool.size), 64);
    let sizes = run(&mut pool, Load { computes: 0.05, ..LOAD }, 200);
    assert!(sizes.is_sorted_by(|before, after| before >= after), "{sizes:?}");
    assert_eq!(sizes.last(), Some(&PROCESSORS));
}

#[test]
fn pool_settles_where_processors_are_nearly_busy() {
    // 10 ms of work and 90 ms of waiting: two processors are full with 20.
    let sizes = run(&mut Gradient::new(1, 64, PROCESSORS), Load { computes: 0.01, waits: 0.09, ..LOAD }, 1_000);
    let settled = &sizes[200..];
    let (least, most) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
    assert!(*least >= 14 && *most <= 20 && most - least <= 2, "between {least} and {most}");
}

#[test]
fn pool_does_not_run_ahead_of_something_narrow_elsewhere() {
    // A database that serves 8 at a time: more than that wait there, and take longer.
    let sizes = run(&mut Gradient::new(1, 200, PROCESSORS), Load { waits: 0.1, narrow: 8, ..LOAD }, 400);
    let settled = &sizes[50..];
    let (least, most) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
    assert!(*least >= 8 && *most <= 40, "between {least} and {most}");
    let jumps = settled.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
    assert!(jumps <= Some(2), "{jumps:?}");
}

#[test]
fn pool_shrinks_when_it_is_idle_and_no_further_than_its_least() {
    let mut pool = pool();
    run(&mut pool, Load { waits: 0.2, ..LOAD }, 200);
    let sizes = run(&mut pool, Load { work: 0, ..LOAD }, 400);
    assert!(sizes.is_sorted_by(|before, after| before >= after));
    assert_eq!(sizes.last(), Some(&4));
    assert!(sizes[20] > 32, "a pause of a few seconds costs little: {}", sizes[20]);
}

#[test]
fn pool_that_is_half_used_keeps_twice_what_it_uses() {
    let mut pool = pool();
    run(&mut pool, Load { waits: 0.2, ..LOAD }, 200);
    let sizes = run(&mut pool, Load { waits: 0.2, work: 12, ..LOAD }, 1_000);
    assert_eq!(sizes.last(), Some(&24));
}

#[test]
fn pool_that_is_used_but_not_full_stays() {
    let mut pool = pool();
    run(&mut pool, Load { waits: 0.2, ..LOAD }, 200);
    assert!(run(&mut pool, Load { waits: 0.2, work: 50, ..LOAD }, 100).iter().all(|size| *size == 64));
}

#[test]
fn pool_whose_attempts_do_not_end_grows_slowly() {
    let mut pool = pool();
    let mut size = 4;
    for _ in 0..40 {
        size = pool.next(&Window { taken_max: size, cpu: Some(0.0), ..Window::default() });
    }
    assert_eq!(size, 14, "one for each four windows");
    for _ in 0..40 {
        size = pool.next(&Window { taken_max: size, cpu: Some(0.8), ..Window::default() });
    }
    assert_eq!(size, 14, "not while the processors are busy");
}

#[test]
fn failures_teach_nothing() {
    let mut pool = pool();
    let failing = Window { ended: 100, taken_max: 4, cpu: Some(0.1), ..Window::default() };
    assert!((0..100).all(|_| pool.next(&failing) == 4));
}

#[test]
fn change_of_the_mix_is_not_taken_for_a_change_of_the_load() {
    let took = |attempts: u64, seconds| Took { attempts, seconds: seconds * attempts as f64 };
    let mut pool = pool();
    for turn in 0..400_u64 {
        // Now mostly quick ones, now mostly slow ones, each as quick as ever.
        let quick = if turn % 20 < 10 { 90 } else { 1 };
        let took = HashMap::from([("quick".into(), took(quick, 0.01)), ("slow".into(), took(91 - quick, 2.0))]);
        pool.next(&Window { took, ended: 91, taken_max: 64, cpu: Some(0.1) });
    }
    assert_eq!(rounded(pool.size), 64);
}

#[test]
fn without_processor_time_latency_alone_decides() {
    let mut pool = Gradient::new(1, 500, PROCESSORS);
    let mut size = 1;
    for _ in 0..200 {
        let window = Load { computes: 0.05, ..LOAD }.window(size);
        size = pool.next(&Window { cpu: None, ..window });
    }
    assert!(size < 50, "{size}");
}

#[test]
fn pool_of_one_size_keeps_it() {
    let mut pool = Gradient::new(7, 7, PROCESSORS);
    for load in [LOAD, Load { computes: 1.0, ..LOAD }, Load { waits: 1.0, ..LOAD }] {
        assert!(run(&mut pool, load, 50).iter().all(|size| *size == 7));
    }
}

proptest! {
    /// Whatever comes in, and however absurd, the size stays within its bounds and moves in small steps.
    #[test]
    fn size_never_leaves_its_bounds(
        (min, span, processors) in (0..40_usize, 0..100_usize, 0..9_usize),
        windows in prop::collection::vec(
            (0..200_u64, 0.0..1e15_f64, 0..200_u64, 0..200_usize, prop::option::of(0.0..=1.0_f64)), 1..100),
    ) {
        let (least, most) = (min.max(1), (min + span).max(1));
        let mut pool = Gradient::new(min, min + span, processors);
        let mut before = least;
        for (attempts, seconds, ended, taken_max, cpu) in windows {
            let took = HashMap::from([("kind".into(), Took { attempts, seconds })]);
            let size = pool.next(&Window { took, ended, taken_max, cpu });
            prop_assert!((least..=most).contains(&size), "{}", size);
            let step = 3 + before / 8;
            prop_assert!(size.abs_diff(before) <= step, "{} after {}", size, before);
            before = size;
        }
    }
}
