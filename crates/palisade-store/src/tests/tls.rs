//! A Postgres that must prove who it is, with URLs as users write them.

use super::{Folder, active, keys, node, server::Server, until};
use crate::{NewKey, Store, StoreError};
use palisade_core::Policy;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use std::fs;

/// An address that leads here without saying so, as the name of another machine might.
const ELSEWHERE: &str = "0.0.0.0";

const PASSWORD: &str = "swordfish";

/// One server for all, because it takes seconds to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_proves_who_it_is() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut place = Place::new(server);
    without_tls(&place).await;

    place.serve(&["localhost", "127.0.0.1"], 2100);
    everything_is_encrypted(&place).await;
    a_policy_names_the_authority_beside_it(&place).await;
    another_authority_is_refused(&place).await;
    another_host_is_refused(&place).await;

    place.serve(&["localhost", ELSEWHERE], 2001);
    a_certificate_that_expired_is_refused(&place).await;
}

/// Who asks for encryption does not go on without.
async fn without_tls(place: &Place) {
    for url in [
        place.url(ELSEWHERE, ""),
        place.url(ELSEWHERE, "?sslmode=require"),
        place.url("localhost", "?sslmode=require"),
        place.url("localhost", "?sslmode=verify-full"),
        place.url("localhost", "?sslrootcert=ca.pem"),
    ] {
        let why = place.refuses(&url).await;
        assert!(why.contains("does not support TLS"), "{why}");
    }
    for url in [
        place.url("localhost", ""),
        place.url("127.0.0.1", ""),
        place.url(ELSEWHERE, "?sslmode=disable"),
    ] {
        place.open(&url).await.unwrap();
    }
}

/// What is looked up, what is administered, and what is notified.
async fn everything_is_encrypted(place: &Place) {
    let parameters = format!(
        "?sslmode=verify-full&sslrootcert={}&application_name=sealed",
        place.folder.0.join("ca.pem").display()
    );
    let url = place.url("localhost", &parameters);
    let store = place.open(&url).await.unwrap();
    let node = node(&url);
    // So seldom does it ask by itself that only a notification can tell it.
    let keys = keys(&node, 3_600);
    let made = store
        .keys()
        .create(NewKey::new("partners", "shop", "service1"))
        .await
        .unwrap();
    assert!(active(&keys, made.id()).await);
    let listening = "SELECT COUNT(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                     WHERE application_name = 'sealed' AND query LIKE 'LISTEN%' AND ssl";
    until("both listen", async || {
        place.server.count(listening).await == 2
    })
    .await;
    store.keys().revoke(made.id()).await.unwrap();
    until("it is revoked here", async || {
        !active(&keys, made.id()).await
    })
    .await;
    let open = "SELECT COUNT(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                WHERE application_name = 'sealed' AND NOT ssl";
    assert_eq!(place.server.count(open).await, 0);

    // Nobody is verified here, and yet it is encrypted.
    for (host, parameters) in [
        ("localhost", "?application_name=sealed"),
        (ELSEWHERE, "?application_name=sealed&sslmode=require"),
    ] {
        let _store = place.open(&place.url(host, parameters)).await.unwrap();
        assert_eq!(place.server.count(open).await, 0);
    }
}

async fn a_policy_names_the_authority_beside_it(place: &Place) {
    let port = place.server.port();
    let url = format!("postgres://palisade@localhost:{port}/postgres?sslrootcert=ca.pem");
    let file = place.folder.0.join("palisade.toml");
    fs::write(&file, format!("[api_key.partners]\nstore = \"{url}\"\n")).unwrap();
    let policy = Policy::from_file(&file).unwrap();
    let palisade = policy.with(crate::companion()).build().unwrap();
    palisade.ready().await.unwrap();

    fs::write(
        &file,
        format!("[api_key.partners]\nstore = \"{url}&sslmode=require\"\n"),
    )
    .unwrap();
    let policy = Policy::from_file(&file).unwrap();
    let mistake = policy.with(crate::companion()).build().unwrap_err();
    let mistake = mistake.to_string();
    assert!(
        mistake.contains("api_key.partners.store") && mistake.contains("verify-full"),
        "{mistake}"
    );
}

async fn another_authority_is_refused(place: &Place) {
    fs::write(place.folder.0.join("other.pem"), authority().pem()).unwrap();
    for parameters in ["?sslrootcert=other.pem", "?sslmode=verify-full"] {
        let why = place.refuses(&place.url("localhost", parameters)).await;
        assert!(why.contains("not trusted"), "{why}");
    }
}

/// Also where the URL leaves the mode to us: whose name is not known to be here must prove it.
async fn another_host_is_refused(place: &Place) {
    let url = place.url(ELSEWHERE, "?sslrootcert=ca.pem");
    let why = place.refuses(&url).await;
    assert!(why.contains("for another host"), "{why}");
}

async fn a_certificate_that_expired_is_refused(place: &Place) {
    for host in ["localhost", ELSEWHERE] {
        let url = place.url(host, "?sslrootcert=ca.pem");
        let why = place.refuses(&url).await;
        assert!(why.contains("has expired"), "{why}");
    }
}

/// A server, and beside it the folder of a policy with the certificate of its authority.
struct Place {
    server: Server,
    folder: Folder,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Place {
    fn new(server: Server) -> Self {
        let (folder, authority) = (Folder::new(), authority());
        fs::write(folder.0.join("ca.pem"), authority.pem()).unwrap();
        Self {
            server,
            folder,
            authority,
        }
    }

    /// Serves TLS under these names until the end of a year.
    fn serve(&mut self, names: &[&str], year: i32) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.server
            .serve_tls(&certificate.pem(), &key.serialize_pem());
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        let port = self.server.port();
        format!("postgres://palisade:{PASSWORD}@{host}:{port}/postgres{parameters}")
    }

    async fn open(&self, url: &str) -> Result<Store, StoreError> {
        Store::open_in(&self.folder.0, url).await
    }

    /// Why nobody is let in, which names the database and not the password.
    async fn refuses(&self, url: &str) -> String {
        let error = self.open(url).await.unwrap_err().to_string();
        let name = format!(":{}/postgres: ", self.server.port());
        assert!(
            error.contains(&name) && !error.contains(PASSWORD),
            "{error}"
        );
        error
    }
}

/// Whom somebody trusts to say who is who.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
