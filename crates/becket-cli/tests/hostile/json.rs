//! Bodies that are signed and are no JSON, no JSON object, or JSON of the worst kind. Forms as well.

use becket_webhooks::signature;

use crate::sender::SECRET;
use crate::victim::{Victim, github};

async fn status(victim: &Victim, id: &str, body: &[u8]) -> u16 {
    victim.answer(github(id, "connection: close\r\n", body)).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_json_object_is_400() {
    let victim = Victim::new().await;
    let deep = |open: &str, close: &str, levels: usize| format!("{}{}", open.repeat(levels), close.repeat(levels));
    let bodies: Vec<Vec<u8>> = vec![
        deep(r#"{"a":"#, "}", 100_000).replace(":}", ":1}").into(),
        format!(r#"{{"a":{}}}"#, deep("[", "]", 100_000)).into(),
        "[".repeat(100_000).into(),
        b"".to_vec(),
        b" ".to_vec(),
        b"null".to_vec(),
        b"true".to_vec(),
        b"42".to_vec(),
        b"\"text\"".to_vec(),
        b"[]".to_vec(),
        b"[{}]".to_vec(),
        b"{".to_vec(),
        b"{}{}".to_vec(),
        b"{} x".to_vec(),
        b"{'a':1}".to_vec(),
        b"{a:1}".to_vec(),
        b"{\"a\":1,}".to_vec(),
        b"{\"a\":01}".to_vec(),
        b"{\"a\":NaN}".to_vec(),
        b"{\"a\":1e400}".to_vec(),
        b"{\"a\":1}\0".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"{\"a\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"a\":\"line\nend\"}".to_vec(),
        b"{\"a\":\"\\x\"}".to_vec(),
        b"{\"a\":\"\\ud800\"}".to_vec(),
        b"{\"\\udc00\":1}".to_vec(),
        b"\xff\xfe{\x00}\x00".to_vec(),
        b"<xml/>".to_vec(),
        // Two programs in a row may each believe another one of them.
        br#"{"action":"opened","action":"closed"}"#.to_vec(),
    ];
    for (place, body) in bodies.iter().enumerate() {
        let status = status(&victim, &format!("bad-{place}"), body).await;
        assert_eq!(status, 400, "body {place}: {:?}", String::from_utf8_lossy(&body[..body.len().min(40)]));
    }
    assert!(victim.taken().await.is_empty());
    victim.bears(async || assert_eq!(status(&victim, "deep", &bodies[0]).await, 400)).await;
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_json_that_is_an_object_is_taken_and_kept_as_it_is() {
    let victim = Victim::new().await;
    let many: Vec<String> = (0..20_000).map(|number| format!("\"{number}\":{number}")).collect();
    let bodies: Vec<Vec<u8>> = vec![
        b"{}".to_vec(),
        b" \r\n\t{ } \n".to_vec(),
        br#"{"a":1,"a":2,"a":{"a":3}}"#.to_vec(),
        br#"{"action":{"action":"opened"},"repository":7}"#.to_vec(),
        br#"{"action":["opened"],"repository":{"full_name":["a"]}}"#.to_vec(),
        br#"{"a":1e300,"b":-0.0,"c":123456789012345678901234567890}"#.to_vec(),
        br#"{"a":"\ud83d\ude00","":"","\u0000":"\u0000"}"#.to_vec(),
        format!("{{\"a\":\"{}\"}}", "\\u0041".repeat(100_000)).into(),
        format!("{{{}}}", many.join(",")).into(),
        format!("{{\"a\":0.{}}}", "1".repeat(100_000)).into(),
    ];
    for (place, body) in bodies.iter().enumerate() {
        let status = status(&victim, &format!("odd-{place}"), body).await;
        assert_eq!(status, 202, "body {place}: {:?}", String::from_utf8_lossy(&body[..body.len().min(60)]));
    }
    let mut taken = victim.taken().await;
    taken.sort_by_key(|delivery| delivery.size);
    let mut sizes: Vec<u64> = bodies.iter().map(|body| body.len() as u64).collect();
    sizes.sort_unstable();
    assert_eq!(taken.iter().map(|delivery| delivery.size).collect::<Vec<_>>(), sizes);
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_that_hold_no_json_are_400_and_those_of_other_types_415() {
    let victim = Victim::new().await;
    let of = |content_type: &str, body: &[u8]| {
        let head = format!(
            "POST /webhooks/github HTTP/1.1\r\nhost: becket\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
             x-github-event: push\r\nx-github-delivery: form\r\nx-hub-signature-256: {}\r\ncontent-length: {}\r\n\r\n",
            signature::github(SECRET.as_bytes(), body),
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    let fields = "a=1&".repeat(100_000);
    let deep = format!("payload={}", "%5B".repeat(50_000));
    for body in [
        "",
        "payload",
        "payload=",
        "payload=%",
        "payload=%7",
        "payload=%zz",
        "payload=%ff",
        "payload=[]",
        "{}",
        &fields,
        &deep,
    ] {
        let heard = victim.answer(of(FORM, body.as_bytes())).await;
        assert_eq!(heard.status, 400, "{:?}", &body[..body.len().min(40)]);
    }
    for content_type in
        ["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/json\u{e4}", "x"]
    {
        assert_eq!(victim.answer(of(content_type, b"{}")).await.status, 415, "{content_type}");
    }
    assert!(victim.taken().await.is_empty());
    assert_eq!(victim.answer(of(FORM, b"payload=%7B%7D")).await.status, 202);
    victim.is_unharmed().await;
}
