//! What happens to one task, until it has ended: server-sent events, or a WebSocket for whoever asks to upgrade.
//!
//! [`story`] decides what is said; here it is only written down, in the one way or the other.
//!
//! Sources: <https://html.spec.whatwg.org/multipage/server-sent-events.html>, <https://www.rfc-editor.org/rfc/rfc6455>

mod story;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use http::header::UPGRADE;
use http::{HeaderMap, Uri};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::story::{Said, Story};
use super::Shared;
use super::events::{KEEP_ALIVE, place};
use crate::http::problem::Problem;

/// The longest message that a listener may send over a WebSocket; what it says is not read.
const MESSAGE_BYTES_MAX: usize = 1_024;
/// A listener that has not taken a message by then is given up.
const SEND_DEADLINE: Duration = Duration::from_secs(30);

/// Streams what happens to a task until it has ended: where it stands (`task`), and from then on its transitions and its
/// progress.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/events", tag = "events", operation_id = "watch_task",
    params(("id" = String, Path, description = "The task's id, or the sender's id of a delivery that has one task.")),
    responses(
        (status = 200, description = "Events `task`, `transition` and `progress`, until the task has ended.",
            content_type = "text/event-stream", body = Said),
        (status = 101, description = "The same over a WebSocket, for a request to upgrade: texts `{\"event\", \"data\"}`."),
        (status = "default", response = Problem),
    ))]
pub(super) async fn watch(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = match upgrade {
        Ok(upgrade) => Some(upgrade),
        Err(rejection) if headers.contains_key(UPGRADE) => {
            return Err(Problem::bad_request(rejection.body_text()).at(uri.path()));
        }
        Err(_) => None,
    };
    let stop = api.context.shutdown.clone();
    let begun = async { Story::begin(&api, &id, place(&api)?).await };
    let story = begun.await.map_err(|problem| problem.at(uri.path()))?;
    Ok(match upgrade {
        Some(upgrade) => upgrade
            .max_message_size(MESSAGE_BYTES_MAX)
            .on_upgrade(move |socket| async move { tell(socket, story, &stop).await }),
        None => server_sent(story, stop),
    })
}

fn server_sent(story: Story, stop: CancellationToken) -> Response {
    let said = stream::unfold(story, |mut story| async { story.next().await.map(|said| (said, story)) });
    let events = said.take_until(stop.cancelled_owned()).map(|said| {
        // Plain data can be written as JSON.
        Ok::<_, Infallible>(Event::default().event(said.event()).json_data(&said).unwrap_or_default())
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive")).into_response()
}

async fn tell(mut socket: WebSocket, mut story: Story, stop: &CancellationToken) {
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => break,
            said = story.next() => match said {
                Some(said) => Message::text(text(&said)),
                None => break,
            },
            received = socket.recv() => match received {
                // Pings are answered by the socket itself.
                Some(Ok(message)) if !matches!(message, Message::Close(_)) => continue,
                Some(Ok(_) | Err(_)) | None => return,
            },
            () = sleep(KEEP_ALIVE) => Message::Ping("alive".into()),
        };
        if !matches!(timeout(SEND_DEADLINE, socket.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    // Whoever hung up meanwhile needs no farewell.
    let _ = timeout(SEND_DEADLINE, socket.send(Message::Close(None))).await;
}

fn text(said: &Said) -> String {
    serde_json::json!({"event": said.event(), "data": said}).to_string()
}
