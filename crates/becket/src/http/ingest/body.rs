//! Reading a body: never more than the limit, never longer than the time allowed.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::refuse::Refusal;

/// Room that is made before the body has come, whatever its declared length: a claim costs its sender nothing.
const RESERVED_BYTES_MAX: usize = 64 * 1024;
/// How much of a body that is too large is read and thrown away; a rest that is smaller ends well.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;
/// How long the connection then stays open. Closing it while its sender still writes would reset it, and a reset takes
/// the answer away that the sender has not read yet.
const LINGER: Duration = Duration::from_secs(1);

/// Reads a body.
///
/// One whose declared length is over the limit is refused before anything is read of it, and one that grows over the
/// limit when it does.
pub(super) async fn read(body: Body, limit: usize, timeout: Duration) -> Result<Bytes, Refusal> {
    let declared = body.size_hint().lower();
    if usize::try_from(declared).unwrap_or(usize::MAX) > limit {
        discard(body);
        return Err(Refusal::TooLarge { limit, size: declared });
    }
    tokio::time::timeout(timeout, collect(body, limit)).await.map_err(|_| Refusal::Timeout)?
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Broken)?;
        // Trailers say nothing that a source reads.
        let Ok(data) = frame.into_data() else { continue };
        let size = first.len() + whole.len() + data.len();
        if size > limit {
            discard(body);
            return Err(Refusal::TooLarge { limit, size: u64::try_from(size).unwrap_or(u64::MAX) });
        }
        if first.is_empty() && whole.is_empty() {
            first = data; // A body that comes in one piece is not copied.
            continue;
        }
        if whole.is_empty() {
            let remaining = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            whole.reserve(size.saturating_add(remaining.min(RESERVED_BYTES_MAX)));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Lets the sender read its answer, which does not wait for this, before the connection is closed.
fn discard(mut body: Body) {
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut discarded = 0;
        while let Some(Ok(frame)) = body.frame().await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > DISCARDED_BYTES_MAX {
                // The rest stays unread, and the body undropped: hyper closes the connection when it is dropped.
                std::future::pending::<()>().await;
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn streamed(pieces: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(
            pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))),
        ))
    }

    #[tokio::test]
    async fn body_arrives_whole_in_one_piece_or_many() {
        assert_eq!(read(Body::empty(), 9, HOUR).await.unwrap(), "");
        assert_eq!(read(Body::from("one piece"), 9, HOUR).await.unwrap(), "one piece");
        assert_eq!(read(streamed(&["th", "", "ree ", "x"]), 9, HOUR).await.unwrap(), "three x");
    }

    #[tokio::test]
    async fn body_of_declared_length_over_the_limit_is_refused() {
        let refused = read(Body::from("0123456789"), 9, HOUR).await.unwrap_err();
        assert!(matches!(refused, Refusal::TooLarge { limit: 9, size: 10 }), "{refused:?}");
    }

    #[tokio::test]
    async fn body_that_grows_over_the_limit_is_refused() {
        let refused = read(streamed(&["01234", "56789"]), 9, HOUR).await.unwrap_err();
        assert!(matches!(refused, Refusal::TooLarge { limit: 9, size: 10 }), "{refused:?}");
        assert_eq!(read(streamed(&["01234", "5678"]), 9, HOUR).await.unwrap().len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_does_not_come_is_given_up() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert!(matches!(read(never, 9, HOUR).await, Err(Refusal::Timeout)));
    }
}
