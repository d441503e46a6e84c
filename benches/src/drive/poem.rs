//! poem: the route, a call inside the process, a server.

use std::rc::Rc;

use http::Uri;
use poem::{
    Addr, Body, Endpoint, IntoEndpoint, Request, RequestParts, Route, Server, get, handler,
    http::uri::Scheme,
    listener::TcpAcceptor,
    web::{Json, LocalAddr, RemoteAddr},
};
use tokio::runtime::Runtime;

use super::{ITEMS, Item, PATH, PEER, header_map};
use crate::{measure::Stack, rows::Subject};

pub(crate) fn app() -> Route {
    Route::new().at(PATH, get(items))
}

#[handler]
async fn items() -> Json<[Item; 2]> {
    Json(ITEMS)
}

pub(crate) fn stack(
    runtime: &Rc<Runtime>,
    subject: Subject,
    app: impl IntoEndpoint<Endpoint: 'static>,
) -> Stack {
    let endpoint = app.into_endpoint();
    let uri = Uri::from_static(PATH);
    let headers = header_map(subject.row);
    Stack::new(runtime, subject, async move || {
        let mut request = http::Request::new(());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        let (parts, ()) = request.into_parts();
        let local = LocalAddr(Addr::SocketAddr(PEER));
        let remote = RemoteAddr(Addr::SocketAddr(PEER));
        let parts = RequestParts::from((parts, local, remote, Scheme::HTTP));
        let response = endpoint
            .get_response(Request::from_parts(parts, Body::empty()))
            .await;
        response.status().as_u16()
    })
}

pub(crate) async fn serve(
    app: impl IntoEndpoint<Endpoint: 'static>,
    listener: std::net::TcpListener,
) {
    let acceptor = TcpAcceptor::from_std(listener).expect("a listener");
    Server::new_with_acceptor(acceptor)
        .run(app)
        .await
        .expect("poem serves");
}
