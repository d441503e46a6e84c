//! What the server says at its start: where it listens, and how to try it.

use crate::{
    DEMO_USERS,
    keys::{API_KEY_OWNER, KeyError, Keys, TOKEN_LIFETIME},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first line on stdout; programs wait for it.
pub(crate) fn listening(address: SocketAddr) -> String {
    format!("listening on http://{address}\n")
}

/// A token for each demo user, and curl lines that work as they stand.
pub(crate) fn demo_users(address: SocketAddr, keys: &Keys, now: u64) -> Result<String, KeyError> {
    let mut text = format!("\nTokens for {} minutes:\n\n", TOKEN_LIFETIME / 60);
    let mut bearers = Vec::new();
    for user in &DEMO_USERS {
        let token = keys.token_for(user, now)?;
        let (name, roles, scopes) = (user.name, user.roles.join(" "), user.scopes.join(" "));
        text.push_str(&format!(
            "# {name}, role {roles}, scopes {scopes}\n{token}\n"
        ));
        bearers.push(format!("-H 'Authorization: Bearer {token}'"));
    }
    if let [john, alice] = bearers.as_slice() {
        text.push_str(&try_it(&base(address), john, alice));
    }
    Ok(text)
}

fn try_it(base: &str, john: &str, alice: &str) -> String {
    let json = "-H 'Content-Type: application/json'";
    format!(
        "
Try it:

# for everybody: look at the headers, then try without a token what needs one
curl -i {base}/api/data
curl -i {base}/users/me
# who the service thinks you are
curl -i {base}/users/me {john}
# public items and john's own
curl -i '{base}/items?search=for' {john}
# refused: john may not write items; this one is alice's
curl -i -X POST {base}/items -d '{{\"name\":\"Lamp\"}}' {json} {john}
curl -i {base}/items/4 {john}
# alice may
curl -i -X POST {base}/items -d '{{\"name\":\"Lamp\",\"public\":true}}' {json} {alice}
curl -i -X DELETE {base}/items/3 {alice}
# all that is wrong with an input at once
curl -i -X POST {base}/users -d '{{\"username\":\"b\",\"email\":\"b\",\"password\":\"b\"}}' {json} {alice}
# ten times a minute, then no more
curl -i -X POST {base}/api/sensitive {john}
"
    )
}

/// The API key, at the start that made it: nobody can show it later.
pub(crate) fn api_key(address: SocketAddr, keys: &Keys) -> String {
    let Some(key) = keys.new_api_key() else {
        return "\nThe API key was shown at the first start; nobody can show it again.\n".into();
    };
    let base = base(address);
    format!(
        "
The API key of {API_KEY_OWNER}, shown this once; only its digest is kept:

{key}

curl -i {base}/api/resource -H 'X-API-Key: {key}'
curl -i '{base}/api/resource?api-key={key}'
curl -i {base}/api/resource --cookie 'api-key={key}'
"
    )
}

/// Where a client on this machine finds the server, one that listens on all addresses too.
fn base(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_lines_reach_a_server_that_listens_everywhere() {
        let keys = Keys::open(None, &"sqlite::memory:".parse().unwrap()).unwrap();
        let everywhere = "0.0.0.0:80".parse().unwrap();
        let text = demo_users(everywhere, &keys, 0).unwrap() + &api_key(everywhere, &keys);
        assert!(text.contains("curl -i http://127.0.0.1:80/users/me -H 'Authorization: Bearer ey"));
        assert!(!text.contains("0.0.0.0"));
        assert_eq!(listening(everywhere), "listening on http://0.0.0.0:80\n");
    }
}
