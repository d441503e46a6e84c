//! axum: the router, a call inside the process, a server.

use std::{net::SocketAddr, rc::Rc};

use axum::{Json, Router, body::Body, extract::ConnectInfo, routing::get};
use http::{Request, Uri};
use tokio::{net::TcpListener, runtime::Runtime};
use tower_service::Service;

use super::{ITEMS, Item, PATH, PEER, header_map};
use crate::{measure::Stack, rows::Subject};

pub(crate) fn app() -> Router {
    Router::new().route(PATH, get(items))
}

async fn items() -> Json<[Item; 2]> {
    Json(ITEMS)
}

pub(crate) fn stack(runtime: &Rc<Runtime>, subject: Subject, mut app: Router) -> Stack {
    let uri = Uri::from_static(PATH);
    let headers = header_map(subject.row);
    Stack::new(runtime, subject, async move || {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        request.extensions_mut().insert(ConnectInfo(PEER));
        let Ok(response) = app.call(request).await;
        response.status().as_u16()
    })
}

pub(crate) async fn serve(app: Router, listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await
    .expect("axum serves");
}
