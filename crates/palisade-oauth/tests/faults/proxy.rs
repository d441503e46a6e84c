//! A proxy of the environment is not asked: it could reach what `[outgoing]` forbids.

use palisade_conformance::loopback::Loopback;
use std::{env, process::Command};

/// As curl and its like read them.
const VARIABLES: [&str; 6] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// Tests that pass only if their own issuer is asked: over plain HTTP and TLS, by GET and POST.
const FETCHES: [&str; 3] = [
    "discovery::keys_are_found_in_the_metadata_of_openid",
    "introspection::the_client_proves_itself_in_the_body",
    "transport::a_private_authority_is_trusted_where_the_policy_names_it",
];

/// They run in a process of their own, because the environment belongs to all of one.
#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let proxy = Loopback::start().unwrap();
    let mut fetches = Command::new(env::current_exe().unwrap());
    fetches.arg("--exact").args(FETCHES);
    fetches.envs(VARIABLES.map(|name| (name, proxy.url())));
    fetches.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = fetches.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("3 passed; 0 failed"), "{shown}");
    assert_eq!(proxy.take_all(), []);
}
