//! Certificates of one's own.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use super::{error, result, send};
use crate::world::{World, configured};

/// Takes connections over TLS; those that do not speak it are left out.
struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[tokio::test]
async fn certificate_of_ones_own_is_trusted_only_where_it_is_named() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router =
        Router::new().fallback(|request: axum::extract::Request| async move { format!("{:?}", request.version()) });
    let tls = Tls(listener, TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move { axum::serve(tls, router).await });

    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("ca.pem");
    std::fs::write(&pem, cert.pem()).unwrap();
    let world = async |rest: &str| {
        let app = configured(&format!(
            "[targets.x]\nhttp = 'https://localhost:{port}/'\nallow_private = true\n{rest}\n\
             [[routes]]\non = '*'\nto = 'x'\nretries = 0"
        ));
        World::start(app).await
    };
    let stranger = world("").await;
    let error = error(&stranger, send(&stranger, "d-1", &json!({})).await).await;
    assert!(error.starts_with("cannot connect to the receiver") && error.contains("ertificate"), "{error}");
    let ca_file = format!("ca_file = '{}'", pem.display());
    let friend = world(&ca_file).await;
    assert_eq!(result(&friend, send(&friend, "d-1", &json!({})).await).await["body"], "HTTP/2.0", "as TLS agrees");
    let older = world(&format!("{ca_file}\nhttp_version = '1.1'")).await;
    assert_eq!(result(&older, send(&older, "d-1", &json!({})).await).await["body"], "HTTP/1.1");
}
