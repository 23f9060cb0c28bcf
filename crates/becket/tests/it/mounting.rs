//! An application inside somebody else's.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::routing::get;
use becket::{App, background};
use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{State, Store};

use crate::world::{Answer, Post, SECRET, send};

#[tokio::test]
async fn application_is_mounted_in_another_axum_application() {
    let store = Arc::new(MemoryStore::default());
    let app = App::new().github(SECRET).store(Arc::clone(&store)).on("push", background(|| async { "done" }));
    let (router, mounted) = app.into_router().await.unwrap();
    let own = axum::Router::new().route("/about", get(|| async { "mine" })).nest("/hooks", router).fallback("nowhere");
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = own.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });

    let mine = reqwest::get(format!("http://{address}/about")).await.unwrap();
    assert_eq!(mine.text().await.unwrap(), "mine");
    for path in ["/nosuch", "/hooks/nosuch"] {
        let lost = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        assert_eq!(lost.text().await.unwrap(), "nowhere", "{path}");
    }
    let url = format!("http://{address}/hooks/webhooks/github");
    let post = Post::github("push", "a-1");
    let answer = Answer::of(send(&reqwest::Client::new(), &url, post).await.unwrap()).await;
    assert_eq!(answer.status, 202);
    let detail = mounted.client().wait(answer.tasks()[0]).await.unwrap();
    assert_eq!((&*detail.task.kind, detail.task.state()), ("push", State::Completed));

    server.abort();
    mounted.shutdown().await;
    store.counts().await.expect("a store that was given open stays open");
}
