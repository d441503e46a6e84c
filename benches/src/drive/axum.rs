//! axum: the router, a call inside the process, a server.

use std::{convert::Infallible, net::SocketAddr, rc::Rc};

use axum::{
    Json, Router, ServiceExt,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
    routing::get,
};
use http::Uri;
use tokio::{net::TcpListener, runtime::Runtime};
use tower_service::Service;

use super::{ITEMS, Item, PATH, PEER, header_map};
use crate::{measure::Stack, rows::Subject};

/// A router's service, in one word.
pub(crate) trait App:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> App for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

pub(crate) fn app() -> Router {
    // As `axum::serve` does: routes are made once, not on each request.
    Router::new().route(PATH, get(items)).with_state(())
}

async fn items() -> Json<[Item; 2]> {
    Json(ITEMS)
}

pub(crate) fn stack(runtime: &Rc<Runtime>, subject: Subject, mut app: impl App) -> Stack {
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

pub(crate) async fn serve(app: impl App, listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await.expect("axum serves");
}
