//! `becket demo`: everything at work on one screen, without configuration.
//!
//! A real server with a temporary SQLite store, two sources and four example handlers gets a stream of signed deliveries
//! over HTTP. What is shown at the end is what the server's API says, held against what the sender saw.

mod facts;
mod handlers;
mod stream;
mod summary;
mod tally;
mod view;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use becket::Running;
use tempfile::TempDir;

use self::facts::Facts;
use self::handlers::Secrets;
use self::stream::Stream;
use self::summary::Summary;
use self::tally::Shared;
use self::view::View;
use crate::api::Api;
use crate::cli::DemoArgs;
use crate::output;
use becket::Signals;

/// How often the live view is renewed.
const REFRESH: Duration = Duration::from_millis(100);
/// Waiting for tasks ends when so long nothing has changed; the longest wait that a handler causes is far below it.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Runs `becket demo`.
///
/// # Errors
/// The payloads cannot be read, or the server does not start.
pub(crate) async fn run(args: DemoArgs, json: bool) -> anyhow::Result<ExitCode> {
    crate::logging::start_if_asked()?;
    let payloads = stream::payloads(args.payloads.as_deref())?;
    let mut signals = Signals::listen()?;
    let (dir, secrets) = (temporary()?, Secrets::random());
    let store = dir.path().join("becket.db");
    let running = handlers::app(&secrets, &store).start().await?;
    let stream = Stream::new(payloads, args.count, &secrets, &running)?;

    let goes_on = args.keep || (!args.exit && io::stdout().is_terminal());
    let summary = tokio::select! {
        summary = present(&args, &running, &stream) => summary,
        signal = signals.next() => Err(anyhow::anyhow!("{signal} ended the demo")),
    };
    let code = summary.and_then(|summary| {
        if json {
            output::json(&summary)?;
        } else {
            summary.print(goes_on)?;
        }
        let failed = args.exit && !summary.missing.is_empty();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    });
    if code.is_ok() && goes_on {
        output::note("still serving; Ctrl-C ends it");
        signals.next().await;
    }
    running.shutdown().await;
    dir.close().context("remove the temporary folder")?;
    code
}

fn temporary() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("becket-demo-").tempdir().context("make a temporary folder for the store")
}

/// Posts the stream, shows it, waits for the last task, and sums up.
async fn present(args: &DemoArgs, running: &Running, stream: &Stream) -> anyhow::Result<Summary> {
    output::note(format_args!(
        "becket listens on {}: {} deliveries of {} payloads to /webhooks/github and /webhooks/billing",
        running.url(""),
        stream.count(),
        stream.payloads(),
    ));
    let tally = Shared::default();
    let started = Instant::now();
    let posting = async {
        stream.post_all(args.connections, args.rate, &tally).await;
        started.elapsed()
    };
    let took = watch(running, posting, &tally, View::new(stream.count())).await?;

    let api = Api::new(running.url("").parse()?, None)?;
    let (tally, facts) = (tally.into_inner(), Facts::of(&api).await?);
    Ok(Summary::new(&tally, &facts, took, &running.url("")))
}

/// Shows the work until the last delivery is posted and the last task has ended; answers how long posting took.
async fn watch(
    running: &Running,
    posting: impl Future<Output = Duration>,
    tally: &Shared,
    mut view: View,
) -> anyhow::Result<Duration> {
    let store = running.client().store();
    let mut posting = std::pin::pin!(posting);
    let mut refresh = tokio::time::interval(REFRESH);
    let (mut took, mut before, mut changed) = (None, None, Instant::now());
    loop {
        tokio::select! {
            posted_in = posting.as_mut(), if took.is_none() => took = Some(posted_in),
            _ = refresh.tick() => {}
        }
        let counts = store.counts().await.context("count the tasks")?;
        tally.with(|tally| view.show(tally, &counts));
        if let Some(took) = took
            && (counts.unfinished() == 0 || changed.elapsed() > STALLED_AFTER)
        {
            view.finish();
            return Ok(took);
        }
        if before.as_ref() != Some(&counts.by_state) {
            (before, changed) = (Some(counts.by_state), Instant::now());
        }
    }
}
