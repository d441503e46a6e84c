//! Arrangements of routes and middleware in which the path or the method that was judged is not the one that is routed.
//! Over sockets, as applications write them: a caller without a credential never gets at the protected handler.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use palisade_core::Palisade;

/// What the protected handler answers.
const PROTECTED: &str = "protected";

/// What all others answer.
const OPEN: &str = "open";

/// Everything is public but what is under `/admin` and `/svc`, the second of two patterns for files, and `/docs/`.
const POLICY: &str = r#"
version = 1
[host]
allowed = ["localhost"]
[jwt.main]
issuer = "https://id.example.com"
audience = "urn:api"
secret = "file:{secret}"
[[rule]]
path = "/{*rest}"
require = "public"
[[rule]]
path = "/admin"
require = { role = "admin" }
[[rule]]
path = "/admin/{*rest}"
require = { role = "admin" }
[[rule]]
path = "/svc"
require = { role = "admin" }
[[rule]]
path = "/svc/{id}"
require = { role = "admin" }
[[rule]]
path = "/files/public/{name}"
require = "public"
[[rule]]
path = "/files/{dir}/{name}"
require = { role = "admin" }
[[rule]]
path = "/docs"
require = "public"
[[rule]]
path = "/docs/"
require = { role = "admin" }
"#;

/// The rule of this path is public, that of the only route that can take it is not.
const NARROW: [(&str, &str); 1] = [("GET", "/files/public/logo.png")];

fn palisade() -> Palisade {
    let secret = std::env::temp_dir().join(format!(
        "palisade-arrangements-{}-{:?}.secret",
        std::process::id(),
        thread::current().id()
    ));
    std::fs::write(
        &secret,
        "nobody signs with this secret: no caller has a token",
    )
    .unwrap();
    let policy = POLICY.replace("{secret}", &secret.display().to_string());
    let palisade = Palisade::from_toml_str(&policy).unwrap();
    std::fs::remove_file(&secret).unwrap();
    palisade
}

/// Serves `serve` on a thread that ends with the process.
fn start(serve: impl FnOnce(TcpListener) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener));
    address
}

/// The status and all that came.
fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    (status.unwrap(), answer)
}

/// The arrangement serves, its plain paths are judged as the policy says, and none of `tricks` opens anything.
#[track_caller]
fn check(address: SocketAddr, open: &str, closed: &str, tricks: &[(&str, &str)]) {
    let (status, answer) = ask(address, "GET", open);
    assert!(status == 200 && answer.ends_with(OPEN), "{open}: {answer}");
    let (status, answer) = ask(address, "GET", closed);
    assert_eq!(status, 401, "{closed}: {answer}");
    for (method, path) in tricks {
        let (status, answer) = ask(address, method, path);
        assert!(
            status >= 400 && !answer.ends_with(PROTECTED),
            "{method} {path}: {answer}"
        );
    }
}

mod on_axum {
    use axum::Router;
    use axum::extract::Request;
    use axum::middleware::{Next, from_fn};
    use axum::response::Response;
    use axum::routing::{delete, get};
    use palisade_tower::SecurityLayer;

    use super::*;

    fn serve(app: Router) -> SocketAddr {
        start(|listener| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                axum::serve(listener, app).await.unwrap();
            });
        })
    }

    fn routes() -> Router {
        Router::new()
            .route("/open", get(async || OPEN))
            .route("/admin", get(async || PROTECTED))
    }

    #[test]
    fn the_root_of_a_nested_service_is_not_the_path_without_the_slash() {
        let inner = Router::new().route("/", get(async || PROTECTED));
        let app = routes().nest_service("/svc", inner);
        let app = SecurityLayer::new(palisade()).around(app);
        let address = serve(Router::new().fallback_service(app));
        check(address, "/open", "/svc", &[("GET", "/svc/")]);
    }

    #[test]
    fn a_slash_that_is_stripped_on_the_way_is_judged_as_it_was_sent() {
        async fn strip(mut request: Request, next: Next) -> Response {
            let path = request.uri().path().trim_end_matches('/').to_owned();
            *request.uri_mut() = path.parse().unwrap_or_default();
            next.run(request).await
        }
        let judged = SecurityLayer::new(palisade()).around(routes());
        let stripped = Router::new().fallback_service(judged).layer(from_fn(strip));
        // The outer router notes the target as it came.
        let address = serve(Router::new().fallback_service(stripped));
        check(address, "/open", "/admin", &[("GET", "/admin/")]);
    }

    #[test]
    fn a_path_that_is_changed_behind_the_judgement_runs_no_other_route() {
        async fn change(mut request: Request, next: Next) -> Response {
            if request.uri().path() == "/old" {
                *request.uri_mut() = axum::http::Uri::from_static("/admin");
            }
            next.run(request).await
        }
        let palisade = palisade();
        // The layer inside knows that the one outside has judged, but not this path.
        let inside = SecurityLayer::new(palisade.clone()).around(routes());
        let changed = Router::new()
            .fallback_service(inside)
            .layer(from_fn(change));
        let judged = SecurityLayer::new(palisade).around(changed);
        let address = serve(Router::new().fallback_service(judged));
        check(address, "/open", "/admin", &[("GET", "/old")]);
    }

    #[test]
    fn a_method_without_a_route_runs_no_other_route() {
        let app = routes()
            .route("/files/public/{name}", get(async || OPEN))
            .route("/files/{dir}/{name}", delete(async || PROTECTED));
        let app = SecurityLayer::new(palisade()).around(app);
        let address = serve(Router::new().fallback_service(app));
        let tricks = [("DELETE", "/files/public/logo.png")];
        check(address, "/files/public/logo.png", "/files/a/b", &tricks);
    }

    fn files() -> Router {
        Router::new().route("/{dir}/{name}", get(async || PROTECTED))
    }

    #[test]
    fn a_router_that_is_the_fallback_of_a_nested_one_runs_no_other_rules_route() {
        let nested = Router::new().fallback_service(files());
        let app = SecurityLayer::new(palisade()).around(routes().nest("/files", nested));
        let address = serve(Router::new().fallback_service(app));
        check(address, "/open", "/files/a/b", &NARROW);
    }

    #[test]
    fn an_application_beneath_a_prefix_is_confirmed_with_it() {
        let name = Router::new().route("/{name}", get(async || PROTECTED));
        let app = Router::new()
            .route("/open", get(async || OPEN))
            .nest_service("/{dir}", name);
        let app = SecurityLayer::new(palisade()).around(app);
        let address = serve(Router::new().nest_service("/files", app));
        check(address, "/files/open", "/files/a/b", &NARROW);
    }

    #[test]
    fn a_layer_inside_of_the_routing_takes_a_service_for_a_mount() {
        let app = routes().nest_service("/files", files());
        let address = serve(app.layer(SecurityLayer::new(palisade())));
        check(address, "/open", "/files/a/b", &NARROW);
    }
}

mod on_actix {
    use actix_web::body::MessageBody;
    use actix_web::dev::{ServiceRequest, ServiceResponse};
    use actix_web::http::Uri;
    use actix_web::middleware::{Next, NormalizePath, TrailingSlash, from_fn};
    use actix_web::web::{delete, get, resource, route, scope};
    use actix_web::{App, Error, HttpServer};
    use palisade_actix::{SecurityLayer, routes};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    macro_rules! serve {
        ($palisade:ident => $app:expr) => {{
            let shared = palisade();
            start(|listener| {
                let server = HttpServer::new(move || {
                    let $palisade = shared.clone();
                    $app
                });
                let server = server.workers(1).listen(listener).unwrap().run();
                actix_web::rt::System::new().block_on(server).unwrap();
            })
        }};
    }

    #[test]
    fn the_root_of_a_scope_is_not_the_path_without_the_slash() {
        let address = serve!(palisade => App::new()
            .route("/open", get().to(async || OPEN))
            .service(scope("/svc").route("/", get().to(async || PROTECTED)))
            .wrap(SecurityLayer::new(palisade)));
        check(address, "/open", "/svc", &[("GET", "/svc/")]);
    }

    #[test]
    fn a_slash_that_is_stripped_on_the_way_is_judged_as_it_was_sent() {
        let address = serve!(palisade => App::new()
            .route("/open", get().to(async || OPEN))
            .route("/admin", get().to(async || PROTECTED))
            .wrap(NormalizePath::trim())
            .wrap(SecurityLayer::new(palisade)));
        check(address, "/open", "/admin", &[("GET", "/admin/")]);
    }

    #[test]
    fn a_path_that_is_changed_behind_the_judgement_runs_no_other_route() {
        async fn change(
            mut request: ServiceRequest,
            next: Next<impl MessageBody>,
        ) -> Result<ServiceResponse<impl MessageBody>, Error> {
            if request.path() == "/old" {
                // As `NormalizePath` does it.
                let uri = Uri::from_static("/admin");
                request.match_info_mut().get_mut().update(&uri);
                request.head_mut().uri = uri;
            }
            next.call(request).await
        }
        let address = serve!(palisade => App::new()
            .route("/open", get().to(async || OPEN))
            .service(resource("/admin")
                .route(get().to(async || PROTECTED))
                .wrap(SecurityLayer::new(palisade.clone())))
            .wrap(from_fn(change))
            .wrap(SecurityLayer::new(palisade)));
        check(address, "/open", "/admin", &[("GET", "/old")]);
    }

    #[test]
    fn a_resource_whose_guard_fails_is_not_left_for_another_rule() {
        let address = serve!(palisade => App::new()
            .route("/open", get().to(async || OPEN))
            .route("/files/public/{name}", get().to(async || OPEN))
            .route("/files/{dir}/{name}", delete().to(async || PROTECTED))
            .wrap(SecurityLayer::new(palisade)));
        let tricks = [("DELETE", "/files/public/logo.png")];
        check(address, "/open", "/files/a/b", &tricks);
    }

    #[test]
    fn the_routes_of_each_part_confirm_themselves() {
        let address = serve!(palisade => App::new()
            .configure(routes(|routes| {
                routes.route("/files/public/{name}", get().to(async || OPEN));
            }))
            .configure(routes(|routes| {
                routes.route("/files/{dir}/{name}", delete().to(async || PROTECTED));
            }))
            .wrap(SecurityLayer::new(palisade)));
        let tricks = [("DELETE", "/files/public/logo.png")];
        check(address, "/files/public/logo.png", "/files/a/b", &tricks);
    }

    /// One that `routes` registered does not run, either; of a plain one, nothing tells before.
    #[test]
    fn what_answers_where_no_route_does_goes_by_the_path_that_was_judged() {
        static RAN: AtomicBool = AtomicBool::new(false);
        let address = serve!(palisade => App::new()
            .configure(routes(|routes| {
                routes.route("/open/", get().to(async || OPEN));
                routes.default_service(route().to(async || {
                    RAN.store(true, Ordering::Relaxed);
                    PROTECTED
                }));
            }))
            .wrap(NormalizePath::new(TrailingSlash::Always))
            .wrap(SecurityLayer::new(palisade)));
        check(address, "/open/", "/docs/", &[("GET", "/docs")]);
        assert!(!RAN.load(Ordering::Relaxed));
        let address = serve!(palisade => App::new()
            .route("/open/", get().to(async || OPEN))
            .default_service(route().to(async || PROTECTED))
            .wrap(NormalizePath::new(TrailingSlash::Always))
            .wrap(SecurityLayer::new(palisade)));
        check(address, "/open/", "/docs/", &[("GET", "/docs")]);
    }
}

mod on_poem {
    use palisade_poem::SecurityLayer;
    use poem::endpoint::make_sync;
    use poem::http::Uri;
    use poem::listener::TcpAcceptor;
    use poem::middleware::{NormalizePath, TrailingSlash};
    use poem::{Endpoint, EndpointExt as _, Request, Response, Result, Route, Server, delete, get};
    use std::sync::Arc;

    use super::*;

    fn serve(app: impl Endpoint + 'static) -> SocketAddr {
        start(|listener| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let acceptor = TcpAcceptor::from_std(listener).unwrap();
                Server::new_with_acceptor(acceptor).run(app).await.unwrap();
            });
        })
    }

    fn routes() -> Route {
        Route::new()
            .at("/open", get(make_sync(|_| OPEN)))
            .at("/admin", get(make_sync(|_| PROTECTED)))
    }

    #[test]
    fn the_root_of_a_nest_is_not_the_path_without_the_slash() {
        let inner = Route::new().at("/", get(make_sync(|_| PROTECTED)));
        let app = routes().nest("/svc", inner);
        let address = serve(app.with(SecurityLayer::new(palisade())));
        check(address, "/open", "/svc", &[("GET", "/svc/")]);
    }

    #[test]
    fn a_slash_that_is_stripped_on_the_way_is_judged_as_it_was_sent() {
        let judged = routes().with(SecurityLayer::new(palisade()));
        let address = serve(judged.with(NormalizePath::new(TrailingSlash::Trim)));
        check(address, "/open", "/admin", &[("GET", "/admin/")]);
    }

    #[test]
    fn a_path_that_is_changed_behind_the_judgement_runs_no_other_route() {
        async fn change<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<E::Output> {
            if request.uri().path() == "/old" {
                *request.uri_mut() = Uri::from_static("/admin");
            }
            next.call(request).await
        }
        let palisade = palisade();
        let inside = routes().with(SecurityLayer::new(palisade.clone()));
        let judged = inside.around(change).with(SecurityLayer::new(palisade));
        check(serve(judged), "/open", "/admin", &[("GET", "/old")]);
    }

    #[test]
    fn a_method_without_a_route_runs_no_other_route() {
        let app = routes()
            .at("/files/public/:name", get(make_sync(|_| OPEN)))
            .at("/files/:dir/:name", delete(make_sync(|_| PROTECTED)));
        let address = serve(app.with(SecurityLayer::new(palisade())));
        let tricks = [("DELETE", "/files/public/logo.png")];
        check(address, "/files/public/logo.png", "/files/a/b", &tricks);
    }

    /// A middleware that keeps nothing of a response but its body: not the route, either.
    async fn anew<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
        let body = next.get_response(request).await.into_body();
        Ok(Response::builder().body(body))
    }

    #[test]
    fn an_answer_that_lost_its_route_is_withheld_where_a_route_may_need_more() {
        let routes = || {
            let files = get(make_sync(|_| PROTECTED));
            routes().at("/files/:dir/:name", files).around(anew)
        };
        let address = serve(routes().with(SecurityLayer::new(palisade())));
        for (method, path) in NARROW {
            let (status, answer) = ask(address, method, path);
            assert!(status == 500 && !answer.ends_with(PROTECTED), "{answer}");
        }
        // One that confirms before needs no answer that tells.
        let routes = palisade_poem::Route::new()
            .at("/open", get(make_sync(|_| OPEN)))
            .at("/files/:dir/:name", get(make_sync(|_| PROTECTED)))
            .around(anew);
        let address = serve(routes.with(SecurityLayer::new(palisade())));
        let (status, answer) = ask(address, "GET", "/open");
        assert!(status == 200 && answer.ends_with(OPEN), "{answer}");
        for (method, path) in NARROW {
            let (_, answer) = ask(address, method, path);
            assert!(!answer.ends_with(PROTECTED), "{answer}");
        }
    }

    /// poem keeps what stands behind a regular expression at the shorter of two literals that begin alike: `/se7` takes the
    /// route of `/secret/:id`.
    #[test]
    fn a_route_that_cannot_match_the_path_opens_nothing() {
        fn own() -> Route {
            Route::new()
                .at("/secret/:id<\\d+>", get(make_sync(|_| PROTECTED)))
                .at("/see", get(make_sync(|_| OPEN)))
        }
        let confirmed = palisade_poem::Route::new()
            .at("/secret/:id<\\d+>", get(make_sync(|_| PROTECTED)))
            .at("/see", get(make_sync(|_| OPEN)));
        let layer = SecurityLayer::new(palisade());
        let within = palisade_poem::Route::new().nest("/files", own());
        let all = palisade_poem::Route::new().nest("/files", confirmed);
        for address in [
            serve(Route::new().nest("/files", own()).with(layer.clone())),
            serve(within.with(layer.clone())),
            serve(all.with(layer)),
        ] {
            let tricks = [("GET", "/files/se7")];
            check(address, "/files/see", "/files/secret/7", &tricks);
        }
    }
}
