//! The probe application, with a router of its own: `cases/README.md` has the routes and what they answer.

use std::borrow::Cow;
use std::panic::resume_unwind;

use futures_util::TryStreamExt as _;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use palisade_conformance::inputs::{Claims, Contact, Measure, NewItem, Order, Param, Search};
use palisade_conformance::probe::{self, Said, Seen, TEAPOT, chunks};
use palisade_core::{
    BodyKind, Grant, Reply, Requirement, TakenRoute, TemplateSyntax, all_of, any_of, permission,
    role, scope,
};
use percent_encoding::percent_decode_str;

use crate::adapter::{Answer, Guarded, Site};

/// The routes beside those of [`probe::ROUTES`], which answer GET.
const ROUTES: [(&str, &[Method]); 34] = [
    ("/items", &[Method::GET, Method::POST]),
    ("/items/{id}", &[Method::GET, Method::PUT, Method::DELETE]),
    ("/granted", &[Method::GET]),
    ("/public", &[Method::GET]),
    ("/optional", &[Method::GET]),
    ("/me", &[Method::GET]),
    ("/claims", &[Method::GET]),
    ("/role", &[]),
    ("/role/{*rest}", &[]),
    ("/permission", &[]),
    ("/anyof", &[]),
    ("/allof", &[]),
    ("/nest/inner/{id}", &[Method::GET]),
    ("/nest/layered", &[Method::GET]),
    ("/echo", &[]),
    ("/echo/{*rest}", &[]),
    ("/set", &[]),
    ("/set/{*rest}", &[]),
    ("/error", &[Method::GET]),
    ("/mw-error/before", &[Method::GET]),
    ("/mw-error/after", &[Method::GET]),
    ("/panic", &[Method::GET]),
    ("/panic-late", &[Method::GET]),
    ("/slow", &[Method::GET]),
    ("/stream", &[Method::GET]),
    ("/upload", &[Method::POST]),
    ("/upload-ignore", &[Method::POST]),
    ("/nonce", &[Method::GET]),
    ("/json", &[Method::POST]),
    ("/form", &[Method::POST]),
    ("/query", &[Method::GET]),
    ("/param/{id}", &[Method::GET]),
    ("/measure/{value}", &[Method::GET]),
    ("/options", &[Method::OPTIONS]),
];

/// The route of a path.
struct Route {
    template: &'static str,
    /// None is any.
    methods: &'static [Method],
    /// The last segment, decoded.
    last: String,
}

fn route(path: &str) -> Option<Route> {
    let probe = probe::ROUTES.map(|template| (template, [Method::GET].as_slice()));
    let mut routes = probe.into_iter().chain(ROUTES);
    let (template, methods) = routes.find(|(template, _)| fits(template, path))?;
    let last = path.rsplit('/').next().unwrap_or_default();
    Some(Route {
        template,
        methods,
        last: percent_decode_str(last).decode_utf8_lossy().into_owned(),
    })
}

/// Whether `path` is one of `template`: literals as they are sent, a parameter is a segment, a wildcard all the rest, which may be
/// nothing.
fn fits(template: &str, path: &str) -> bool {
    let template = template.replace(' ', "%20");
    let (mut wanted, mut sent) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), sent.next()) {
            (None, None) => return true,
            (Some(wanted), Some(_)) if wanted.starts_with("{*") => return true,
            (Some(wanted), Some(sent)) if wanted.starts_with('{') && !sent.is_empty() => {}
            (Some(wanted), Some(sent)) if wanted == sent => {}
            _ => return false,
        }
    }
}

impl Site {
    /// What the application answers, or what core says where a guard or an extractor refuses.
    pub(crate) async fn handle(
        &self,
        head: &Parts,
        body: &mut Guarded,
        grant: Option<Grant>,
    ) -> Result<Answer, Reply> {
        let seen = Seen {
            handled: self.handled.clone(),
            grant: grant.clone(),
        };
        let (path, method) = (head.uri.path(), &head.method);
        let Some(route) = route(path) else {
            return Ok(seen.fallback().into());
        };
        if let Some(grant) = &grant {
            grant.confirm(&TakenRoute {
                method: method.as_str().as_bytes(),
                path: path.as_bytes(),
                template: Some(&route.template.replace(' ', "%20")),
                syntax: TemplateSyntax::Axum,
                opaque: false,
            })?;
        }
        let granted = || grant.as_ref().ok_or_else(Reply::missing_layer);
        let is =
            |wanted: &Method| wanted == method || (wanted == Method::GET && method == Method::HEAD);
        if !route.methods.is_empty() && !route.methods.iter().any(is) {
            return Ok(not_allowed(route.methods));
        }
        for requirement in requirements(route.template, method) {
            granted()?.require(&requirement)?;
        }
        let kind = kind(&head.headers);
        Ok(match (route.template, method.as_str()) {
            ("/items", "POST") => {
                let body = body.read_for(granted()?).await?;
                seen.json(&granted()?.valid_json::<NewItem>(kind, &body)?)
            }
            ("/json", _) => {
                let body = body.read_for(granted()?).await?;
                seen.json(&granted()?.valid_json::<Order>(kind, &body)?)
            }
            ("/form", _) => {
                let body = body.read_for(granted()?).await?;
                seen.json(&granted()?.valid_form::<Contact>(kind, &body)?)
            }
            ("/query", _) => seen.json(&granted()?.valid_query::<Search>(head.uri.query())?),
            ("/param/{id}", _) => seen.json(&granted()?.valid_path::<Param>(&named("id", &route))?),
            ("/measure/{value}", _) => {
                seen.json(&granted()?.valid_path::<Measure>(&named("value", &route))?)
            }
            ("/granted", _) => seen.granted(granted()?),
            ("/me", _) => seen.caller(granted()?.require_principal()?),
            ("/claims", _) => seen.json(&granted()?.claims::<Claims>()?),
            ("/public" | "/optional", _) => seen.subject(),
            ("/nonce", _) => seen.page(),
            ("/set" | "/set/{*rest}", _) => seen.set(head.uri.query()),
            ("/echo" | "/echo/{*rest}", _) => {
                let lines = head.headers.iter();
                let lines = lines.map(|(name, value)| (name.as_str(), value.as_bytes()));
                seen.echo(method.as_str(), path, head.uri.query(), lines)
            }
            ("/error" | "/mw-error/after", _) => Said {
                status: 418,
                headers: vec![(
                    "content-type".to_owned(),
                    b"text/plain; charset=utf-8".into(),
                )],
                ..seen.text(TEAPOT)
            },
            ("/mw-error/before", _) => Said {
                status: 418,
                headers: vec![(
                    "content-type".to_owned(),
                    b"text/plain; charset=utf-8".into(),
                )],
                body: TEAPOT.into(),
            },
            ("/panic", _) => panics(&seen),
            ("/panic-late", _) => {
                tokio::task::yield_now().await;
                panics(&seen)
            }
            ("/slow", _) => {
                tokio::time::sleep(probe::SLOW).await;
                seen.route("/slow")
            }
            ("/stream", _) => {
                let mut answer = Answer::from(seen.text(""));
                let frames = StreamBody::new(chunks().map_ok(Frame::data));
                *answer.0.body_mut() = frames.boxed_unsync();
                return Ok(answer);
            }
            ("/upload", _) => seen.upload(body.read().await),
            ("/role" | "/role/{*rest}" | "/permission" | "/anyof" | "/allof", _) => {
                seen.route(path)
            }
            (template, _) => seen.route(template),
        }
        .into())
    }
}

/// The guards of a route.
fn requirements(template: &str, method: &Method) -> Vec<Requirement> {
    match template {
        "/items" if method == Method::POST => vec![scope("items:write")],
        "/role" | "/role/{*rest}" => vec![role("admin")],
        "/permission" => vec![permission("delete")],
        "/anyof" => vec![any_of([scope("a"), role("admin")])],
        "/allof" => vec![all_of([scope("a"), scope("b")])],
        "/nest/inner/{id}" => vec![scope("nest:outer"), scope("nest:inner")],
        "/nest/layered" => vec![scope("nest:outer")],
        _ => Vec::new(),
    }
}

fn named<'a>(name: &'a str, route: &'a Route) -> [(Cow<'a, str>, Cow<'a, str>); 1] {
    [(name.into(), route.last.as_str().into())]
}

fn kind(headers: &HeaderMap) -> BodyKind<'_> {
    let line = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
    BodyKind {
        content_type: line(&CONTENT_TYPE),
        content_encoding: line(&CONTENT_ENCODING),
    }
}

fn panics(seen: &Seen) -> Said {
    seen.mark();
    resume_unwind(Box::new("as it shall"))
}

fn not_allowed(methods: &[Method]) -> Answer {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    let mut headers = HeaderMap::new();
    if let Ok(names) = HeaderValue::try_from(names.join(",")) {
        headers.insert(ALLOW, names);
    }
    Answer::new(StatusCode::METHOD_NOT_ALLOWED, headers, bytes::Bytes::new())
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut headers = HeaderMap::new();
        for (name, value) in said.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.append(name, value);
            }
        }
        Self::new(status, headers, said.body.into())
    }
}
