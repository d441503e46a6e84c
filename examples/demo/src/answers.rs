//! What the routes say that need no domain.

use crate::User;
use palisade_core::Principal;
use serde::Serialize;

/// The headers that send callers of `/api/v1/users` on to its successor (RFC 9745, RFC 8288).
pub const V1_USERS_HEADERS: [(&str, &str); 2] = [
    ("deprecation", "@1767225600"),
    ("link", "</api/v2/users>; rel=\"successor-version\""),
];

/// The answer of `/health`.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
}

/// The answer of a route that only shows who gets through.
#[derive(Debug, Serialize)]
pub struct Message {
    message: &'static str,
}

/// The answer of `/api/user-specific`.
#[derive(Debug, Serialize)]
pub struct Personal<'a> {
    message: &'static str,
    user: &'a str,
}

/// The answer of `/users/me`.
#[derive(Debug, Serialize)]
pub struct Me<'a> {
    username: &'a str,
    issuer: &'a str,
    scopes: Vec<&'a str>,
    roles: Vec<&'a str>,
}

/// The answer of `/api/resource`.
#[derive(Debug, Serialize)]
pub struct Resource<'a> {
    resource: &'static str,
    owner: &'a str,
    scope: String,
}

/// The answer of `/api/v2/users`.
#[derive(Debug, Serialize)]
pub struct UsersV2 {
    users: Vec<User>,
}

/// `GET /health`.
pub fn health() -> Health {
    Health { status: "ok" }
}

/// `GET /api/public`.
pub fn public() -> Message {
    Message {
        message: "this is for everybody, 100 times a minute",
    }
}

/// `POST /api/sensitive`.
pub fn sensitive() -> Message {
    Message {
        message: "this can be done 10 times a minute",
    }
}

/// `GET /api/data`.
pub fn data() -> Message {
    Message {
        message: "look at the headers of this response",
    }
}

/// `GET /api/user-specific`.
pub fn user_specific(caller: &Principal) -> Personal<'_> {
    Personal {
        message: "this is for you, 100 times a minute",
        user: caller.subject(),
    }
}

/// `GET /users/me`: the caller as the policy sees it.
pub fn me(caller: &Principal) -> Me<'_> {
    Me {
        username: caller.subject(),
        issuer: caller.issuer(),
        scopes: caller.scope_names().collect(),
        roles: caller.role_names().collect(),
    }
}

/// `GET /api/resource`: the owner of the API key, and what the key is good for.
pub fn resource(caller: &Principal) -> Resource<'_> {
    Resource {
        resource: "secure data",
        owner: caller.subject(),
        scope: caller.scope_names().collect::<Vec<_>>().join(" "),
    }
}

/// `GET /api/v1/users`: the names alone, as long ago.
pub fn users_v1(users: Vec<User>) -> Vec<String> {
    users.into_iter().map(|user| user.username).collect()
}

/// `GET /api/v2/users`.
pub fn users_v2(users: Vec<User>) -> UsersV2 {
    UsersV2 { users }
}
