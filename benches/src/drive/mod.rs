//! How each framework is driven: its bare application, a call inside the process, and a real server.
//!
//! The request is built anew for each call, as the framework's own server would after parsing the head, so its cost is
//! part of every row and cancels out in the differences. Every stack of a framework gets the same head.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;

use crate::{
    rows::Row,
    tokens::{API_KEY, Signing},
};

pub(crate) mod actix;
pub(crate) mod axum;
pub(crate) mod poem;

pub(crate) const PATH: &str = "/items";
pub(crate) const ORIGIN: &str = "https://shop.example.com";
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 50_123);

/// What the one route answers with.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Item {
    id: u64,
    name: &'static str,
    price_cents: u32,
    in_stock: bool,
}

pub(crate) const ITEMS: [Item; 2] = [
    Item {
        id: 1,
        name: "Darjeeling, first flush",
        price_cents: 1490,
        in_stock: true,
    },
    Item {
        id: 2,
        name: "Assam, second flush",
        price_cents: 990,
        in_stock: false,
    },
];

/// The header lines of a request: what a browser's `fetch` sends from a page of another origin.
pub(crate) fn head(row: Row) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("host", "api.example.com".to_owned()),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
        ),
        ("accept", "application/json".to_owned()),
        ("origin", ORIGIN.to_owned()),
    ];
    lines.extend(
        row.credential()
            .map(|credential| match Signing::of(credential) {
                Some(signing) => ("authorization", format!("Bearer {}", signing.token())),
                None => ("x-api-key", API_KEY.reveal().to_owned()),
            }),
    );
    lines
}

/// The same lines as an `http` header map.
fn header_map(row: Row) -> http::HeaderMap {
    head(row)
        .into_iter()
        .map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (
                name,
                http::HeaderValue::from_str(&value).expect("a plain header value"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Credential;

    #[test]
    fn only_the_401_row_comes_without_a_credential() {
        for row in Row::GUARDED {
            let anonymous = head(row)
                .iter()
                .all(|(name, _)| !matches!(*name, "authorization" | "x-api-key"));
            assert_eq!(anonymous, row == Row::Unauthenticated, "{}", row.name());
        }
        assert!(
            head(Row::Full(Credential::ApiKey))
                .iter()
                .any(|(name, _)| *name == "x-api-key")
        );
    }
}
