//! Headers and names that try to become something else: a second header, a line of the log, a command, markup.

use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::victim::{Victim, github};

/// What could do harm in a terminal, a log, a shell, a page, a header or a query.
const NASTY: &str = r#"\u001b[2J\u001b]0;owned\u0007\r\nbecket-admin: yes\n{\"level\":\"ERROR\"}\u2028$(touch owned)`touch owned`<script>alert(1)</script>' OR 1=1;--\u202e"#;

/// Path, headers and JSON of a request.
type Posted = (String, HeaderMap, Value);

/// A receiver of what an `http` target posts.
async fn receiver() -> (String, mpsc::UnboundedReceiver<Posted>) {
    let (tell, told) = mpsc::unbounded_channel();
    let receive =
        async |State(tell): State<mpsc::UnboundedSender<Posted>>, uri: Uri, headers: HeaderMap, body: Bytes| {
            let _ = tell.send((uri.to_string(), headers, serde_json::from_slice(&body).unwrap_or_default()));
        };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(receive).with_state(tell)).await });
    (url, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nasty_text_of_a_body_stays_text_in_every_target() {
    let (url, mut told) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let folder_text = folder.path().display().to_string();
    let victim = Victim::with(&format!(
        r#"
        [targets.post]
        http = '{url}posted?title={{title}}'
        allow_private = true
        json = {{ title = '{{title}}', action = '{{@action}}' }}
        [targets.titled]
        http = '{url}titled'
        allow_private = true
        headers = {{ x-title = '{{title}}' }}
        [targets.lines]
        log = '{folder_text}/lines.json'
        json = {{ title = '{{title}}', action = '{{@action}}' }}
        [targets.run]
        command = ['sh', '-c', 'cat; echo "$BECKET_ACTION" "$BECKET_DELIVERY_ID"']
        directory = '{folder_text}'
        [[routes]]
        on = '*'
        to = 'post'
        lane = '{{title}}'
        [[routes]]
        on = '*'
        to = 'titled'
        retries = 0
        [[routes]]
        on = '*'
        to = 'lines'
        [[routes]]
        on = '*'
        to = 'run'
        "#
    ))
    .await;
    let body = format!(r#"{{"action":"{NASTY}","title":"{NASTY}","repository":{{"full_name":"{NASTY}"}}}}"#);
    let heard = victim.answer(github("nasty", "connection: close\r\n", body.as_bytes())).await;
    assert_eq!(heard.status, 202, "{:?}", String::from_utf8_lossy(&heard.body));
    victim.operator.until_all_ended().await;

    // The header that would not have been one was never sent; what was sent has no more headers than it should.
    let (path, headers, posted) = told.recv().await.unwrap();
    assert!(path.starts_with("/posted?title=%1B%5B2J") && told.try_recv().is_err(), "{path}");
    assert!(headers.get("becket-admin").is_none(), "{headers:?}");
    assert!(
        headers.values().all(|value| value.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte))),
        "{headers:?}"
    );
    let text: String = serde_json::from_str(&format!("\"{NASTY}\"")).unwrap();
    assert_eq!(posted["title"], *text);
    let written = std::fs::read_to_string(folder.path().join("lines.json")).unwrap();
    assert_eq!(written.lines().count(), 1, "{written}");
    let line: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(line["title"], *text);
    assert!(!written.trim_end().chars().any(char::is_control), "{written:?}");
    assert!(!folder.path().join("owned").exists(), "a shell has read it");
    let mut ends = Vec::new();
    for task in victim.operator.tasks().await {
        let error = task.error.unwrap_or_default();
        assert!(!error.chars().any(char::is_control) && !error.contains("touch"), "{error:?}");
        ends.push(task.state);
    }
    ends.sort_unstable();
    assert_eq!(ends, ["completed", "completed", "completed", "completed", "failed"], "only the header's task fails");
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_that_carries_a_line_end_or_a_control_character_is_refused() {
    let victim = Victim::new().await;
    let plain = String::from_utf8(github("plain", "connection: close\r\n", b"{}")).unwrap();
    for (of, instead) in [
        ("x-github-event: push", "x-github-event: push\rbecket-admin: yes"),
        ("x-github-event: push", "x-github-event: pu\x1b[31msh"),
        ("x-github-event: push", "x-github-event: pu sh"),
        ("x-github-event: push", "x-github-event: \u{e4}"),
        ("x-github-event: push", "x-github-event: "),
        ("x-github-event: push", "x-github-event: push\r\nx-github-event: issues"),
        ("x-github-delivery: plain", "x-github-delivery: a\tb"),
        ("x-github-delivery: plain", "x-github-delivery: a\r\nx-github-delivery: b"),
        ("x-github-delivery: plain", "x-other: 1"),
    ] {
        let request = plain.replacen(of, instead, 1);
        assert_ne!(request, plain);
        let heard = victim.told(&request).await;
        assert!(heard.iter().all(|one| one.status == 400) && heard.len() <= 1, "{instead:?}: {heard:?}");
    }
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_a_refused_request_are_kept_for_the_operator_and_harm_nobody() {
    let victim = Victim::new().await;
    let refused = async || {
        let request = "POST /webhooks/github HTTP/1.1\r\nhost: becket\r\nconnection: close\r\ncontent-length: 2\r\n\
             x-github-event: <script>alert(1)</script>\r\nx-github-delivery: %0d%0a{\"level\":\"ERROR\"}\r\n\
             user-agent: \x1b]0;owned\x07\r\n\r\n{}";
        let heard = victim.told(request).await;
        assert!(heard.iter().all(|one| matches!(one.status, 400 | 401)), "{heard:?}");
        // Without the control characters, which HTTP does not allow.
        let heard = victim.answer(request.replace(['\x1b', '\x07'], "")).await;
        assert_eq!(heard.status, 401);
    };
    victim.bears(refused).await;
    victim.is_unharmed().await;
}
