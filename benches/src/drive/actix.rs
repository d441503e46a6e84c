//! actix-web: the app, a call inside the process, a server.

use std::rc::Rc;

use actix_http::Request;
use actix_web::{
    App, Error, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse},
    http::{
        Uri,
        header::{HeaderName, HeaderValue},
    },
    test::init_service,
    web,
};
use tokio::runtime::Runtime;

use super::{ITEMS, Item, PATH, PEER, head};
use crate::{measure::Stack, rows::Subject};

/// An app's service factory, in one word. `B` is its response body, which most middleware changes.
pub(crate) trait Guarded<B>:
    ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<B>,
        Error = Error,
        InitError = (),
    > + 'static
{
}

impl<F, B> Guarded<B> for F where
    F: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static
{
}

pub(crate) fn app() -> App<impl Guarded<BoxBody>> {
    App::new().service(web::resource(PATH).route(web::get().to(items)))
}

async fn items() -> web::Json<[Item; 2]> {
    web::Json(ITEMS)
}

pub(crate) fn stack<B: MessageBody + 'static>(
    runtime: &Rc<Runtime>,
    subject: Subject,
    app: App<impl Guarded<B>>,
) -> Stack {
    let service = runtime.block_on(init_service(app));
    let uri = Uri::from_static(PATH);
    let lines: Vec<(HeaderName, HeaderValue)> = head(subject.row)
        .into_iter()
        .map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (
                name,
                HeaderValue::from_str(&value).expect("a plain header value"),
            )
        })
        .collect();
    Stack::new(runtime, subject, async move || {
        // Comes from actix's pool with an empty header map, which actix's parser fills line by line just so.
        let mut request = Request::new();
        let head = request.head_mut();
        head.uri = uri.clone();
        head.peer_addr = Some(PEER);
        for (name, value) in &lines {
            head.headers.append(name.clone(), value.clone());
        }
        match service.call(request).await {
            Ok(response) => response.status().as_u16(),
            // actix's dispatcher makes the response of an error, so that is part of its price.
            Err(error) => error.error_response().status().as_u16(),
        }
    })
}

pub(crate) async fn serve<F, B>(
    app: impl Fn() -> App<F> + Send + Clone + 'static,
    listener: std::net::TcpListener,
) where
    F: Guarded<B>,
    B: MessageBody + 'static,
{
    HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("a listener")
        .run()
        .await
        .expect("actix serves");
}
