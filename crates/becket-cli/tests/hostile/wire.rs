//! A connection on which anything can be said: no client library stands between the test and the server.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::PATIENCE;

/// The most that one answer may be.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What has come and was not looked at.
    rest: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Wire {
    /// Connects to `host:port`.
    pub(crate) async fn to(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), rest: Vec::new() }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The server has closed the connection.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Reads the next answer; `None` once the server has closed the connection.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        timeout(PATIENCE, self.answer()).await.expect("neither an answer nor an end of the connection")
    }

    /// Reads all answers until the server closes the connection, which it has to.
    pub(crate) async fn hear_out(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(one) = self.hear().await {
            heard.push(one);
        }
        heard
    }

    /// Whether the server closes the connection within `time` without a word.
    pub(crate) async fn is_cut_off_within(&mut self, time: Duration) -> bool {
        matches!(timeout(time, self.more()).await, Ok(false))
    }

    async fn answer(&mut self) -> Option<Heard> {
        let head = loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more().await {
                assert!(self.rest.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.rest));
                return None;
            }
        };
        let text = String::from_utf8(self.rest[..head].to_vec()).expect("headers are text");
        let mut lines = text.trim_end().lines();
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: Vec<_> = lines.map(|line| pair(line).unwrap_or_else(|| panic!("no header: {line:?}"))).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
        while self.rest.len() < head + length && self.more().await {}
        let end = (head + length).min(self.rest.len());
        let body = self.rest[head..end].to_vec();
        self.rest.drain(..end);
        Some(Heard { status, headers, body })
    }

    /// Reads what comes next; answers whether there was any. A connection that is reset has ended too.
    async fn more(&mut self) -> bool {
        assert!(self.rest.len() < ANSWER_BYTES_MAX, "an endless answer");
        let read = self.stream.read_buf(&mut self.rest).await;
        read.is_ok_and(|bytes| bytes > 0)
    }
}
