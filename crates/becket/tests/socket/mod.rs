//! A WebSocket as far as the tests need one: it upgrades a connection and reads what the server says.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc6455>

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The key and its answer are those of the RFC's example, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Kinds of frames that a server sends by itself.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

pub(crate) struct Socket(TcpStream);

impl Socket {
    /// Opens one; `headers` are further lines of the request.
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(stream.read_u8().await.unwrap()));
        }
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(head);
        }
        assert!(head.to_lowercase().contains(&format!("sec-websocket-accept: {ACCEPT}").to_lowercase()), "{head}");
        Ok(Self(stream))
    }

    /// The name and data of the next event; `None` when the server says farewell.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let (kind, payload) = self.frame().await;
            match kind {
                CLOSE => return None,
                PING => {}
                TEXT => {
                    let mut message: Value = serde_json::from_slice(&payload).unwrap();
                    let data = message["data"].take();
                    return Some((message["event"].as_str().unwrap().to_owned(), data));
                }
                other => panic!("an unexpected kind of frame: {other}"),
            }
        }
    }

    /// Servers send whole, unmasked frames.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let (first, length) = (self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap());
        assert!(first & 0x80 != 0 && length & 0x80 == 0, "{first:#x} {length:#x}");
        let length = match length {
            126 => u64::from(self.0.read_u16().await.unwrap()),
            127 => self.0.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.unwrap();
        (first & 0x0f, payload)
    }
}
