//! Reading a body: never more than the limit, never longer than the time allowed, and never into memory that is not
//! there.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::memory::{Room, UNCOUNTED_BYTES_MAX};
use super::refuse::Refusal;

/// How much of a refused body is read and thrown away. A sender whose rest is smaller can write it to the end before it
/// reads its answer.
const DISCARDED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long the connection then stays open. Closing it while its sender still writes would reset it, and a reset takes
/// the answer away that the sender has not read yet.
const LINGER: Duration = Duration::from_secs(1);

/// Reads a body, and answers it with the room that it takes.
///
/// One whose declared length is over the limit is refused before anything is read of it, and one that grows over the
/// limit, or the memory that is left, when it does.
pub(super) async fn read(
    body: Body,
    limit: usize,
    timeout: Duration,
    room: Room<'_>,
) -> Result<(Bytes, Room<'_>), Refusal> {
    let declared = body.size_hint().lower();
    if usize::try_from(declared).unwrap_or(usize::MAX) > limit {
        discard(body);
        return Err(Refusal::TooLarge { limit, size: declared });
    }
    tokio::time::timeout(timeout, collect(body, limit, room)).await.map_err(|_| Refusal::Timeout)?
}

async fn collect(mut body: Body, limit: usize, mut room: Room<'_>) -> Result<(Bytes, Room<'_>), Refusal> {
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Broken)?;
        // Trailers say nothing that a source reads.
        let Ok(data) = frame.into_data() else { continue };
        let size = first.len() + whole.len() + data.len();
        if size > limit {
            discard(body);
            return Err(Refusal::TooLarge { limit, size: u64::try_from(size).unwrap_or(u64::MAX) });
        }
        let alone = first.is_empty() && whole.is_empty();
        let capacity = if alone { size } else { grown(whole.capacity(), size, body.size_hint().upper(), limit) };
        if !room.grow(capacity) {
            discard(body);
            return Err(Refusal::NoRoom);
        }
        if alone {
            first = data; // A body that comes in one piece is not copied.
            continue;
        }
        whole.reserve_exact(capacity - whole.len());
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&data);
    }
    Ok((if whole.is_empty() { first } else { whole.into() }, room))
}

/// The capacity for `size` bytes: grows by doubling, whatever length is declared, since a claim costs its sender
/// nothing; but not beyond what may still come.
fn grown(capacity: usize, size: usize, rest: Option<u64>, limit: usize) -> usize {
    if size <= capacity {
        return capacity;
    }
    let rest = rest.and_then(|rest| usize::try_from(rest).ok()).unwrap_or(usize::MAX);
    let most = size.saturating_add(rest).min(limit);
    capacity.saturating_mul(2).max(UNCOUNTED_BYTES_MAX).min(most).max(size)
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{StreamExt as _, stream};
    use http::Version;

    use super::super::memory::BodyMemory;
    use super::*;

    const MIB: usize = 1024 * 1024;
    const HOUR: Duration = Duration::from_secs(3_600);

    fn streamed(pieces: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(
            pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))),
        ))
    }

    async fn read(body: Body, limit: usize, timeout: Duration) -> Result<Bytes, Refusal> {
        super::read(body, limit, timeout, BodyMemory::new(0).room(Version::HTTP_11)).await.map(|(body, _)| body)
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

    /// A body of 16 pieces, the first of them there at once and the others too.
    fn large(bytes: usize) -> Body {
        let piece = Bytes::from(vec![b'x'; bytes / 16]);
        Body::from_stream(stream::iter(std::iter::repeat_n(piece, 16).map(Ok::<_, Infallible>)))
    }

    #[tokio::test]
    async fn large_bodies_share_what_memory_there_is() {
        let memory = BodyMemory::new(MIB);
        let (body, room) = super::read(large(MIB / 2 + 16), MIB, HOUR, memory.room(Version::HTTP_11)).await.unwrap();
        assert_eq!(body.len(), MIB / 2 + 16);
        let refused = super::read(large(MIB / 2 + 16), MIB, HOUR, memory.room(Version::HTTP_11)).await.unwrap_err();
        assert!(matches!(refused, Refusal::NoRoom), "{refused:?}");
        let (small, _) = super::read(large(64 * 1024), MIB, HOUR, memory.room(Version::HTTP_11)).await.unwrap();
        assert_eq!(small.len(), 64 * 1024, "a small body passes whatever others take");
        drop(room);
        assert!(
            super::read(large(MIB), MIB, HOUR, memory.room(Version::HTTP_11)).await.is_ok(),
            "the largest body passes alone"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_is_given_up_gives_its_room_back() {
        let memory = BodyMemory::new(MIB);
        let most = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b'x'; MIB]))]).chain(stream::pending());
        assert!(matches!(
            super::read(Body::from_stream(most), MIB, HOUR, memory.room(Version::HTTP_11)).await,
            Err(Refusal::Timeout)
        ));
        assert!(super::read(large(MIB), MIB, HOUR, memory.room(Version::HTTP_11)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn rest_of_a_refused_body_is_thrown_away_if_it_is_small_and_not_read_whole_if_it_is_large() {
        for (rest, discarded) in [(2 * MIB, 2 * MIB), (100 * MIB, 2 * MIB + 1024)] {
            let sent = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&sent);
            let pieces = stream::iter((0..(MIB + rest) / 1024).map(move |_| {
                counter.fetch_add(1024, Ordering::Relaxed);
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]))
            }));
            let memory = BodyMemory::new(MIB);
            let refused = super::read(Body::from_stream(pieces), MIB - 1024, HOUR, memory.room(Version::HTTP_11))
                .await
                .unwrap_err();
            assert!(matches!(refused, Refusal::TooLarge { .. }), "{refused:?}");
            tokio::time::sleep(2 * LINGER).await; // The clock is stopped: this only lets the other task run.
            assert_eq!(sent.load(Ordering::Relaxed), MIB + discarded);
        }
    }

    #[test]
    fn room_doubles_up_to_what_may_still_come() {
        let small = UNCOUNTED_BYTES_MAX;
        assert_eq!(grown(0, 10, None, MIB), small);
        assert_eq!(grown(0, 10, Some(20), MIB), 30);
        assert_eq!(grown(small, small, None, MIB), small);
        assert_eq!(grown(small, small + 1, None, MIB), 2 * small);
        assert_eq!(grown(small, 3 * small, None, MIB), 3 * small);
        assert_eq!(grown(MIB - 1, MIB, None, MIB), MIB);
    }
}
