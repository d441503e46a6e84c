//! PITFALLS 61: an adapter tells core of TLS that its own server ends, so that HSTS is sent and `https.mode = "refuse"`
//! lets the request in. Each framework is served the way its users would: axum by a listener of one's own and the
//! marker `Tls`, actix-web by its `rustls` feature, poem by an acceptor of one's own.

#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use palisade_core::Palisade;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const POLICY: &str = r#"
[host]
allowed = ["api.example.com"]

[https]
mode = "refuse"

[[rule]]
path = "/public"
require = "public"
"#;

/// Nothing is decided by how fast a machine is.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn axum_over_tls_is_https() {
    judge(axum_app::serve);
}

#[test]
fn actix_over_tls_is_https() {
    judge(actix_app::serve);
}

#[test]
fn poem_over_tls_is_https() {
    judge(poem_app::serve);
}

/// What a server is given: without a configuration it serves plain HTTP.
struct Given {
    listener: TcpListener,
    palisade: Palisade,
    tls: Option<Arc<ServerConfig>>,
}

/// Asks the same of the same application over TLS and over plain HTTP.
fn judge<F: Future<Output = io::Result<()>>>(
    serve: impl FnOnce(Given) -> F + Copy + Send + 'static,
) {
    let (server, client) = certificate();
    let start = |tls: Option<Arc<ServerConfig>>| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let given = Given {
            listener,
            palisade: Palisade::from_toml_str(POLICY).unwrap(),
            tls,
        };
        // Ends with the process.
        thread::spawn(move || runtime().block_on(serve(given)));
        address
    };
    let (over_tls, plain) = (start(Some(server)), start(None));
    runtime().block_on(async {
        let response = timeout(PATIENCE, ask_over_tls(over_tls, client))
            .await
            .unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert_eq!(
            header(&response, "strict-transport-security"),
            Some("max-age=31536000; includeSubDomains"),
            "{response}"
        );

        let response = timeout(PATIENCE, ask_plainly(plain)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
        assert!(response.contains("https_required"), "{response}");
        assert_eq!(header(&response, "strict-transport-security"), None);
    });
}

/// A certificate for `api.example.com`, as a server and as a client know it.
fn certificate() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

async fn ask_over_tls(address: SocketAddr, client: Arc<ClientConfig>) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("api.example.com").unwrap();
    ask(TlsConnector::from(client)
        .connect(name, stream)
        .await
        .unwrap())
    .await
}

async fn ask_plainly(address: SocketAddr) -> String {
    ask(TcpStream::connect(address).await.unwrap()).await
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = b"GET /public HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = Vec::new();
    // A server that closes TLS without saying so has answered all the same.
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap()
}

fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let lines = response.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(": "))
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The next connection whose handshake succeeds.
async fn accept(
    listener: &tokio::net::TcpListener,
    acceptor: &TlsAcceptor,
) -> (TlsStream<TcpStream>, SocketAddr) {
    loop {
        if let Ok((stream, peer)) = listener.accept().await
            && let Ok(stream) = acceptor.accept(stream).await
        {
            return (stream, peer);
        }
    }
}

mod axum_app {
    use super::*;
    use axum::extract::Request;
    use axum::routing::get;
    use axum::serve::{Listener, ListenerExt};
    use axum::{Extension, Router, ServiceExt};
    use palisade_tower::{SecurityLayer, Tls};
    use tower::Layer;

    pub(super) async fn serve(given: Given) -> io::Result<()> {
        let tcp = tokio::net::TcpListener::from_std(given.listener)?;
        let routes = Router::new().route("/public", get(async || "public"));
        let app = SecurityLayer::new(given.palisade).around(routes);
        let Some(tls) = given.tls else {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            return axum::serve(tcp, app).await;
        };
        let listener = Encrypted {
            tcp,
            acceptor: TlsAcceptor::from(tls),
        };
        let app = Extension(Tls).layer(app);
        let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
        // axum tells the peer of a listener of one's own through `tap_io`.
        axum::serve(listener.tap_io(|_| ()), app).await
    }

    struct Encrypted {
        tcp: tokio::net::TcpListener,
        acceptor: TlsAcceptor,
    }

    impl Listener for Encrypted {
        type Io = TlsStream<TcpStream>;
        type Addr = SocketAddr;

        async fn accept(&mut self) -> (Self::Io, SocketAddr) {
            super::accept(&self.tcp, &self.acceptor).await
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.tcp.local_addr()
        }
    }
}

mod actix_app {
    use super::*;
    use actix_web::{App, HttpServer, web};
    use palisade_actix::SecurityLayer;

    pub(super) async fn serve(given: Given) -> io::Result<()> {
        let palisade = given.palisade;
        let server = HttpServer::new(move || {
            App::new()
                .route("/public", web::get().to(async || "public"))
                .wrap(SecurityLayer::new(palisade.clone()))
        })
        .workers(1)
        .disable_signals();
        let server = match given.tls {
            Some(tls) => server.listen_rustls_0_23(given.listener, (*tls).clone())?,
            None => server.listen(given.listener)?,
        };
        server.run().await
    }
}

mod poem_app {
    use super::*;
    use palisade_poem::SecurityLayer;
    use poem::http::uri::Scheme;
    use poem::listener::{Acceptor, TcpAcceptor};
    use poem::web::{LocalAddr, RemoteAddr};
    use poem::{Addr, EndpointExt, Route, Server, get, handler};

    #[handler]
    fn public() -> &'static str {
        "public"
    }

    pub(super) async fn serve(given: Given) -> io::Result<()> {
        let app = Route::new()
            .at("/public", get(public))
            .with(SecurityLayer::new(given.palisade));
        let Some(tls) = given.tls else {
            let acceptor = TcpAcceptor::from_std(given.listener)?;
            return Server::new_with_acceptor(acceptor).run(app).await;
        };
        let acceptor = Encrypted {
            local: given.listener.local_addr()?,
            tcp: tokio::net::TcpListener::from_std(given.listener)?,
            acceptor: TlsAcceptor::from(tls),
        };
        Server::new_with_acceptor(acceptor).run(app).await
    }

    struct Encrypted {
        local: SocketAddr,
        tcp: tokio::net::TcpListener,
        acceptor: TlsAcceptor,
    }

    impl Acceptor for Encrypted {
        type Io = TlsStream<TcpStream>;

        fn local_addr(&self) -> Vec<LocalAddr> {
            vec![LocalAddr(Addr::SocketAddr(self.local))]
        }

        async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
            let (stream, peer) = super::accept(&self.tcp, &self.acceptor).await;
            let local = LocalAddr(Addr::SocketAddr(self.local));
            let peer = RemoteAddr(Addr::SocketAddr(peer));
            Ok((stream, local, peer, Scheme::HTTPS))
        }
    }
}
