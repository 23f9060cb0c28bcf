//! A GitHub App that follows issues up: it comments, labels, sleeps for a day and reminds, each of them once, through
//! retries, crashes and restarts.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use becket::{App, Event, State, TaskContext, TaskError, background, event::IssuesEvent};

/// How long the App waits before it reminds.
#[derive(Clone)]
struct Pause(Duration);

async fn follow_up(
    Event(event): Event<IssuesEvent>,
    State(Pause(pause)): State<Pause>,
    task: TaskContext,
) -> Result<u64, TaskError> {
    let issue = event.issue.number;
    let comment = task.step("comment", || ask_github(format!("comment on #{issue}: thank you!"))).await?;

    let labels = ["bug", "needs-triage"];
    for (done, label) in labels.iter().enumerate() {
        task.progress(done as u64, labels.len() as u64, format!("adding the label {label}"));
        task.step(format!("label {label}"), || ask_github(format!("label #{issue} {label}"))).await?;
    }

    task.sleep(pause).await?;
    task.step("reminder", || ask_github(format!("comment on #{issue}: any news?"))).await?;
    Ok(comment)
}

/// Stands for a call of GitHub's API: writes down what was asked, and answers the id of what GitHub made of it.
async fn ask_github(what: String) -> Result<u64, TaskError> {
    let mut asked = OpenOptions::new().create(true).append(true).open("asked.txt")?;
    asked.write_all(format!("{what}\n").as_bytes())?;
    Ok(asked.metadata()?.len())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pause = std::env::var("PAUSE_SECS").map_or(Ok(24 * 3_600), |secs| secs.parse())?;
    App::from_env()?
        .state(Pause(Duration::from_secs(pause)))
        .on("issues.opened", background(follow_up).retries(3))
        .serve()
        .await?;
    Ok(())
}
