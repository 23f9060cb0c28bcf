//! When to kill: chosen at random, and mostly tied to what happens, so that a slow machine is met in the same moments
//! as a quick one.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::receiver::Receiver;
use crate::server::{PATIENCE, Server};

/// A moment in the life of a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// So long after its start, whether it listens by then or not.
    AfterStart(Duration),
    /// When the clients began to post so many deliveries to it, and a little later.
    AtPost(usize, Duration),
    /// When so many of its tasks began to run, and a little later.
    AtRun(usize, Duration),
    /// When so many of its runs were answered, and a little later.
    AtAnswer(usize, Duration),
}

impl Moment {
    pub(super) fn choose(random: &mut fastrand::Rng) -> Self {
        let (count, later) = (random.usize(1..=40), Duration::from_micros(random.u64(0..4_000)));
        match random.u8(0..8) {
            0 => Self::AfterStart(Duration::from_millis(random.u64(0..150))),
            1..=3 => Self::AtPost(count, later),
            4..=5 => Self::AtRun(count, later),
            _ => Self::AtAnswer(count, later),
        }
    }

    /// Waits for it; `opens` is called once the process listens.
    pub(super) async fn come(
        self,
        life: usize,
        server: &mut Server,
        receiver: &Receiver,
        posts: &watch::Sender<usize>,
        opens: impl FnOnce(&Server),
    ) {
        if let Self::AfterStart(delay) = self {
            let end = sleep(delay);
            tokio::pin!(end);
            tokio::select! {
                biased;
                () = end.as_mut() => return,
                () = server.listens() => {}
            }
            opens(server);
            return end.await;
        }
        server.listens().await;
        posts.send_replace(0);
        opens(server);
        match self {
            Self::AfterStart(_) => {}
            Self::AtPost(count, later) => {
                let posted = timeout(PATIENCE, posts.subscribe().wait_for(|posts| *posts >= count)).await.is_ok();
                assert!(posted, "the clients do not post");
                sleep(later).await;
            }
            Self::AtRun(count, later) => {
                let begun = |run: &&crate::receiver::Run| run.life == life;
                let what = "tasks of this process ran";
                receiver.until(what, |runs| runs.iter().filter(begun).count() >= count).await;
                sleep(later).await;
            }
            Self::AtAnswer(count, later) => {
                let answered = |run: &&crate::receiver::Run| run.life == life && run.answered.is_some();
                let what = "runs of this process were answered";
                receiver.until(what, |runs| runs.iter().filter(answered).count() >= count).await;
                sleep(later).await;
            }
        }
    }
}
