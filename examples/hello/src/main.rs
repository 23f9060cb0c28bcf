//! A GitHub App: greets whoever opens an issue, in the background, and answers GitHub's ping.

use becket::{App, Event, TaskContext, TaskError, background, event::IssuesEvent};

async fn greet(Event(event): Event<IssuesEvent>, task: TaskContext) -> Result<String, TaskError> {
    let (number, login) = (event.issue.number, event.sender.login);
    Ok(format!("Thank you for #{number}, {login}! (attempt {})", task.attempt()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    App::from_env()? // becket.toml, GITHUBAPP_WEBHOOK_SECRET, BECKET_…
        .on("issues.opened", background(greet).retries(3))
        .on("ping", || async { "pong" })
        .serve()
        .await?;
    Ok(())
}
