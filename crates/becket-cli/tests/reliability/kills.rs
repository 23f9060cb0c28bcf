//! G1: kill -9 at random moments, again and again, while several clients post.
//!
//! `BECKET_KILLS` says how often (default 50), `BECKET_SEED` repeats the choices of an earlier run; what the machine
//! does between them differs each time.

mod moment;
mod story;
mod verdict;

use self::story::{Story, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_acknowledged_deliveries_survive_kill_9() {
    let kills = setting("BECKET_KILLS").map_or(50, |kills| usize::try_from(kills).unwrap());
    let seed = setting("BECKET_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("BECKET_KILLS={kills} BECKET_SEED={seed}");

    let story = tell(kills, seed).await;
    verdict::none_was_lost(&story);
    verdict::none_was_accepted_twice(&story);
    verdict::every_task_completed(&story);
    verdict::no_attempt_ran_twice(&story);
    let overlap = verdict::only_runs_in_flight_were_repeated(&story);
    println!("{kills} kills, {} deliveries acknowledged, {overlap}", story.acknowledged.len());
    // A story in which nothing could have gone wrong shows nothing.
    assert!(story.acknowledged.len() >= 5 * kills, "too few deliveries to show anything");
    assert!(kills < 20 || overlap.in_flight > 0, "no kill met a run in flight");
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
