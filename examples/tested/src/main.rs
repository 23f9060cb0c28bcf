//! Runs the application.

use becket::App;
use tested::{Api, app};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let api = std::env::var("API_URL").unwrap_or_else(|_| "https://api.github.com".to_owned());
    app(App::from_env()?, Api::at(api)).serve().await?;
    Ok(())
}
