//! Whom we ask, and whom we trust: real TLS, private addresses.

use crate::fixture::{Issuer, names, outgoing, wait};
use palisade_conformance::loopback::Reply;
use palisade_core::{
    Outgoing, Secret,
    companion::{AuthorizationServers, Endpoint, KeyFeed, Unfit},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};

/// TLS before an issuer, with a certificate of a private authority for `name`.
struct Tls {
    port: u16,
    ca: String,
    _runtime: tokio::runtime::Runtime,
}

impl Tls {
    fn start(issuer: &Issuer, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = issuer.server.url().replace("http://", "");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut behind = TcpStream::connect(&behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                }
            }
        });
        Self {
            port,
            ca: ca.pem(),
            _runtime: runtime,
        }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/jwks", self.port)
    }
}

fn feed(issuer: &Issuer, url: &str, outgoing: Outgoing) -> Result<Arc<dyn KeyFeed>, Unfit> {
    let mut source = issuer.source();
    source.endpoint = Endpoint::Url(url.to_owned());
    source.outgoing = outgoing;
    issuer.companion.keys(source)
}

/// Hosts that may have a private address, and an authority to trust.
fn private(hosts: &[&str], ca: Option<&str>) -> Outgoing {
    let mut outgoing = outgoing();
    outgoing.plain_http.clear();
    outgoing.private = hosts.iter().map(|host| (*host).to_owned()).collect();
    outgoing.ca = ca.map(Secret::value);
    outgoing
}

#[test]
fn a_private_authority_is_trusted_where_the_policy_names_it() {
    let issuer = Issuer::start();
    let tls = Tls::start(&issuer, "localhost");
    let outgoing = private(&["localhost"], Some(&tls.ca));
    let trusting = feed(&issuer, &tls.url("localhost"), outgoing).unwrap();
    wait(trusting.ready()).unwrap();
    assert_eq!(names(&trusting.keys().unwrap()), ["a"]);

    let outgoing = private(&["localhost"], None);
    let wary = feed(&issuer, &tls.url("localhost"), outgoing).unwrap();
    let error = wait(wary.ready()).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let issuer = Issuer::start();
    let tls = Tls::start(&issuer, "id.example.com");
    let outgoing = private(&["localhost"], Some(&tls.ca));
    let feed = feed(&issuer, &tls.url("localhost"), outgoing).unwrap();
    let error = wait(feed.ready()).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(issuer.asked(), 0);
}

#[test]
fn plain_http_is_asked_of_named_hosts_only() {
    let issuer = Issuer::start();
    let url = format!("{}/jwks", issuer.server.url());
    for outgoing in [Outgoing::default(), private(&["127.0.0.1"], None)] {
        let unfit = feed(&issuer, &url, outgoing).unwrap_err();
        assert_eq!(unfit.key, "keys");
        assert!(unfit.message.contains("outgoing.plain_http"));
    }
}

#[test]
fn private_addresses_are_asked_of_named_hosts_only() {
    let issuer = Issuer::start();
    let tls = Tls::start(&issuer, "localhost");
    let unfit = feed(&issuer, &tls.url("127.0.0.1"), Outgoing::default()).unwrap_err();
    assert!(unfit.message.contains("outgoing.private"));

    // What a name stands for shows only when it is looked up.
    let outgoing = private(&["other.example"], Some(&tls.ca));
    let feed = feed(&issuer, &tls.url("localhost"), outgoing).unwrap();
    let error = wait(feed.ready()).unwrap_err().to_string();
    assert!(error.contains("outgoing.private"), "{error}");
    assert_eq!(issuer.asked(), 0);
}

#[test]
fn a_redirect_to_a_private_address_is_not_followed() {
    let issuer = Issuer::start();
    issuer.server.set("/admin", Reply::json("{}"));
    let tls = Tls::start(&issuer, "localhost");
    issuer.publish(Reply::redirect(format!("{}/admin", issuer.server.url())));
    let outgoing = private(&["localhost"], Some(&tls.ca));
    let feed = feed(&issuer, &tls.url("localhost"), outgoing).unwrap();
    let error = wait(feed.ready()).unwrap_err().to_string();
    assert!(error.contains("redirects are not followed"), "{error}");
    assert_eq!(issuer.server.take("/admin").len(), 0);
}
