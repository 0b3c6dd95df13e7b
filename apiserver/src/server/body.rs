//! Reads a request body whole, within a limit of size and of patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("request body is longer than {limit} bytes")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// Nothing came for a while.
    #[error("request body stalled")]
    Stalled,
    /// The connection or the stream broke.
    #[error("read request body")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads a body of at most `limit` bytes whose parts come no more than `patience` apart. A body that comes in one
/// part is not copied.
pub async fn read<B>(body: B, limit: usize, patience: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(BodyError::TooLarge { limit });
    }
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| BodyError::Stalled)?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| BodyError::Broken(error.into()))?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        match (first.is_empty(), rest.is_empty()) {
            (true, true) => first = data,
            (false, true) => {
                // What was announced is not allocated before it comes.
                rest.reserve((first.len() + data.len()).max(announced.min(64 * 1024) as usize));
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
            (_, false) => rest.extend_from_slice(&data),
        }
    }
    match rest.is_empty() {
        true => Ok(first),
        false => Ok(rest.freeze()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::convert::Infallible;

    fn parts(parts: &[&'static [u8]]) -> impl Body<Data = Bytes, Error = Infallible> + use<> {
        let frames: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part)))).collect();
        StreamBody::new(stream::iter(frames))
    }

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn parts_are_joined_up_to_the_limit() {
        assert_eq!(read(parts(&[]), 4, PATIENCE).await.unwrap(), "");
        assert_eq!(read(parts(&[b"ab"]), 4, PATIENCE).await.unwrap(), "ab");
        assert_eq!(read(parts(&[b"", b"ab", b"c", b"d"]), 4, PATIENCE).await.unwrap(), "abcd");
        assert!(matches!(read(parts(&[b"abc", b"de"]), 4, PATIENCE).await, Err(BodyError::TooLarge { limit: 4 })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_not_waited_for() {
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        assert!(matches!(read(silent, 4, PATIENCE).await, Err(BodyError::Stalled)));
    }
}
