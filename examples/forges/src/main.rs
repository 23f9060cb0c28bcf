//! Runs the application, for the forges that `becket.toml` has a source for.

use becket::App;
use forges::app;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    app(App::from_env()?).serve().await?;
    Ok(())
}
