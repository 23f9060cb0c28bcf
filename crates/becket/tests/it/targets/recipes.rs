//! The recipes of the guide: each is what the guide says, but for where it sends.

use serde_json::{Value, json};

use super::{Receiver, ok, result, send};
use crate::world::{World, configured};

const GUIDE: &str = include_str!("../../../../../docs/guides/targets.md");

/// The configuration in the guide that has this line.
fn recipe(line: &str) -> &'static str {
    let blocks = GUIDE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut found = blocks.filter(|block| block.lines().any(|one| one == line));
    found.next().unwrap_or_else(|| panic!("no recipe in the guide has `{line}`"))
}

fn payload() -> Value {
    json!({
        "action": "opened",
        "repository": {"full_name": "octo/hello"},
        "sender": {"login": "mona"},
        "issue": {"number": 7, "title": "<!channel> \"it\" \n breaks", "html_url": "https://example.org/7"},
    })
}

#[tokio::test]
async fn chat_is_told_and_a_title_cannot_call_everybody() {
    let mut receiver = Receiver::start(ok).await;
    let config = recipe("[targets.slack]").replace(
        "http = \"https://hooks.slack.com/services/...\"",
        &format!("http = \"http://{}/\"\nallow_private = true", receiver.address),
    );
    let world = World::start(configured(&config)).await;
    result(&world, send(&world, "d-1", &payload()).await).await;
    let (_, body) = receiver.received();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let block = &body["blocks"][0]["text"];
    assert_eq!(block["type"], "plain_text", "Slack reads no commands in it");
    assert_eq!(block["text"], "mona opened octo/hello#7: <!channel> \"it\" \n breaks");
    assert_eq!(body["text"], "octo/hello#7 was opened");
}

#[tokio::test]
async fn file_gets_a_line_for_each_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let config =
        recipe("[targets.audit]").replace("\"/var/log/becket/events.jsonl\"", &format!("'{}'", path.display()));
    let world = World::start(configured(&config)).await;
    for id in ["d-1", "d-2"] {
        world.ended(send(&world, id, &payload()).await).await;
    }
    let lines: Vec<Value> =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["delivery_id"], "d-1");
    assert_eq!(lines[1]["payload"], payload());
}

#[tokio::test]
async fn every_configuration_in_the_guide_is_valid() {
    let blocks: Vec<&str> = GUIDE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    for block in blocks {
        let text = block
            .replace("whsec_...", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .replace("secret = \"...\"", "secret = \"x\"");
        let text = if text.starts_with("to = ") { format!("[[routes]]\non = '*'\n{text}") } else { text };
        becket::Config::from_toml(&text).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    }
}
