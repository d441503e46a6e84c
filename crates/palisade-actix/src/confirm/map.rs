//! The routes of an application, as actix-web lists them.
//!
//! `ResourceMap` answers questions about a path, but lists its routes only in its `Debug` form. That form is read here.
//! A test pins it; if a release of actix-web should change it, every request is refused until this is repaired.

use actix_web::dev::{ResourceMap, ServiceRequest};
use palisade_core::{RouteMap, TemplateSyntax};
use std::{
    collections::{HashMap, HashSet},
    iter::Peekable,
    str::Chars,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What the URL of a mark is.
pub(super) const MARKED: &str = "palisade:confirmed";

/// The name of an external resource that says of a route that it confirms itself.
pub(super) fn mark(template: &str) -> String {
    // Of two resources of one name, only one stays.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{MARKED} {number} {template}")
}

/// The template that a name [marks](mark).
fn marked(name: &str) -> Option<&str> {
    let (_, template) = name
        .strip_prefix(MARKED)?
        .strip_prefix(' ')?
        .split_once(' ')?;
    Some(template)
}

/// The routes that do not confirm themselves.
///
/// `None`: the list of routes cannot be read.
pub(crate) fn unconfirmed(request: &ServiceRequest) -> Option<RouteMap> {
    let mut leaves = Vec::new();
    let map = read(request.resource_map())?;
    map.leaves("", &mut leaves)?;
    let mut marks = Vec::new();
    map.marks("", &mut marks)?;
    let mut confirmed: HashMap<&str, usize> = HashMap::new();
    for template in &marks {
        *confirmed.entry(template).or_default() += 1;
    }
    // A route that was registered once more, elsewhere, does not confirm itself.
    let mut listed: HashMap<&str, usize> = HashMap::new();
    for (template, _) in &leaves {
        *listed.entry(template).or_default() += 1;
    }
    let confirms_itself = |template: &str| listed.get(template) <= confirmed.get(template);
    let others = leaves
        .iter()
        .filter(|(template, _)| !confirms_itself(template));
    Some(RouteMap::new(TemplateSyntax::Actix, others.cloned()))
}

/// A value in the form that `#[derive(Debug)]` gives it.
#[derive(Debug, Clone, Default)]
struct Shown {
    /// The text of a string, the name of anything else.
    text: String,
    /// What it holds, with the names of its fields where it has some.
    parts: Vec<(String, Shown)>,
}

fn read(map: &ResourceMap) -> Option<Shown> {
    let text = format!("{map:?}");
    Reader(text.chars().peekable()).value()
}

impl Shown {
    fn field(&self, name: &str) -> Option<&Shown> {
        let mut fields = self.parts.iter();
        fields.find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Adds the templates of the routes beneath a node that are marked as confirming themselves.
    fn marks(&self, prefix: &str, marks: &mut Vec<String>) -> Option<()> {
        let named = |node: &Self| Some(node.field("named")?.parts.clone());
        let nodes = self.field("nodes")?;
        let nodes: &[(String, Shown)] = match nodes.parts.first() {
            Some((_, list)) => &list.parts,
            None => &[],
        };
        // A node repeats the names of those beneath it.
        let mut beneath = HashSet::new();
        for (_, node) in nodes {
            beneath.extend(named(node)?.into_iter().map(|(name, _)| name));
        }
        let own = named(self)?;
        let own = own.iter().filter(|(name, _)| !beneath.contains(name));
        let own = own.filter_map(|(name, _)| marked(name));
        marks.extend(own.map(|template| format!("{prefix}{template}")));
        for (_, node) in nodes {
            for text in node.patterns()? {
                node.marks(&format!("{prefix}{text}"), marks)?;
            }
        }
        Some(())
    }

    /// What a node is taken by.
    fn patterns(&self) -> Option<Vec<&str>> {
        let patterns = self.field("pattern")?.field("patterns")?;
        Some(match &*patterns.text {
            "Single" => vec![&patterns.parts.first()?.1.text],
            "List" => {
                let list = &patterns.parts.first()?.1.parts;
                list.iter().map(|(_, pattern)| &*pattern.text).collect()
            }
            _ => return None,
        })
    }

    /// Adds the templates of all routes beneath a node, and whether each takes what lies beneath it.
    fn leaves(&self, prefix: &str, leaves: &mut Vec<(String, bool)>) -> Option<()> {
        let definition = self.field("pattern")?;
        let nodes = self.field("nodes")?;
        for text in self.patterns()? {
            let template = format!("{prefix}{text}");
            match &*nodes.text {
                "None" => leaves.push((template, definition.field("is_prefix")?.text == "true")),
                "Some" => {
                    for (_, node) in &nodes.parts.first()?.1.parts {
                        node.leaves(&template, leaves)?;
                    }
                }
                _ => return None,
            }
        }
        Some(())
    }
}

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn value(&mut self) -> Option<Shown> {
        self.skip_space();
        if self.0.peek() == Some(&'"') {
            return Some(Shown {
                text: self.string()?,
                parts: Vec::new(),
            });
        }
        let mut shown = Shown::default();
        while let Some(c) = self.0.next_if(|c| !" ,:()[]{}\"".contains(*c)) {
            shown.text.push(c);
        }
        // A path such as `a::b` does not occur; a name is followed by what it holds, or by nothing.
        let space = self.0.next_if_eq(&' ').is_some();
        let close = match self.0.peek()? {
            '{' => '}',
            '(' if !space => ')',
            '[' if !space => ']',
            _ => return (!shown.text.is_empty()).then_some(shown),
        };
        self.0.next();
        loop {
            self.skip_space();
            if self.0.next_if_eq(&close).is_some() {
                return Some(shown);
            }
            let mut value = self.value()?;
            let mut name = String::new();
            self.skip_space();
            if self.0.next_if_eq(&':').is_some() {
                name = value.text;
                value = self.value()?;
            }
            shown.parts.push((name, value));
            self.skip_space();
            let separator = self.0.next_if_eq(&',');
            if separator.is_none() && self.0.peek() != Some(&close) {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        self.0.next_if_eq(&'"')?;
        loop {
            match self.0.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    /// What `char::escape_debug` writes.
    fn escaped(&mut self) -> Option<char> {
        match self.0.next()? {
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            '0' => Some('\0'),
            'u' => {
                self.0.next_if_eq(&'{')?;
                let mut code = 0;
                while let Some(digit) = self.0.next_if(char::is_ascii_hexdigit) {
                    code = code * 16 + digit.to_digit(16)?;
                }
                self.0.next_if_eq(&'}')?;
                char::from_u32(code)
            }
            c => Some(c),
        }
    }

    fn skip_space(&mut self) {
        while self.0.next_if_eq(&' ').is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, HttpResponse, test::TestRequest, web};
    use std::sync::{Arc, Mutex};

    /// What `Debug` prints is read whole: plain, nested, named, regular expressions, lists, prefixes, strange characters.
    #[actix_web::test]
    async fn every_route_is_listed() {
        let seen = Arc::new(Mutex::new(None));
        let told = Arc::clone(&seen);
        let ok = || async { HttpResponse::Ok().finish() };
        let app = App::new()
            .route("/", web::get().to(ok))
            .service(
                web::scope("/api")
                    .service(
                        web::resource("/{id:[^\"\\\\/]+}")
                            .name("one \"name\"")
                            .to(ok),
                    )
                    .service(
                        web::scope("/{deep}")
                            .route("", web::get().to(ok))
                            .route("/ü, {x}", web::get().to(ok)),
                    )
                    .service(web::resource(["/a", "/b/{c:\\d{2,3}}"]).to(ok)),
            )
            .external_resource("far", "https://example.com/{x}")
            .wrap_fn(move |request, service| {
                let mut leaves = Vec::new();
                let read = read(request.resource_map()).and_then(|map| map.leaves("", &mut leaves));
                *told.lock().unwrap() = read.map(|()| leaves);
                actix_web::dev::Service::call(service, request)
            });
        let app = actix_web::test::init_service(app).await;
        let _ = actix_web::test::call_service(&app, TestRequest::get().uri("/").to_request()).await;
        let leaves = seen.lock().unwrap().take().unwrap();
        let expected = [
            "/",
            "/api/{id:[^\"\\\\/]+}",
            "/api/{deep}",
            "/api/{deep}/ü, {x}",
            "/api/a",
            "/api/b/{c:\\d{2,3}}",
        ];
        assert_eq!(
            leaves,
            expected.map(|template| (template.to_owned(), false))
        );
    }

    /// Each call of `routes` counts, also in a scope; the same path elsewhere is another one.
    #[actix_web::test]
    async fn routes_of_each_part_are_marked() {
        use crate::confirm::routes;
        let seen = Arc::new(Mutex::new(None));
        let told = Arc::clone(&seen);
        let ok = || async { HttpResponse::Ok().finish() };
        let app = App::new()
            .configure(routes(|routes| {
                routes.route("/a", web::get().to(ok));
                routes.scope("/s", |routes| {
                    routes.route("/{id}", web::get().to(ok));
                });
            }))
            .configure(routes(|routes| {
                routes.route("/b", web::get().to(ok));
            }))
            .service(web::scope("/t").configure(routes(|routes| {
                routes.route("/c", web::get().to(ok));
            })))
            .route("/c", web::get().to(ok))
            .external_resource("far", "https://example.com/{x}")
            .wrap_fn(move |request, service| {
                *told.lock().unwrap() = unconfirmed(&request).map(|map| format!("{map:?}"));
                actix_web::dev::Service::call(service, request)
            });
        let app = actix_web::test::init_service(app).await;
        let _ = actix_web::test::call_service(&app, TestRequest::get().uri("/").to_request()).await;
        assert_eq!(seen.lock().unwrap().take().unwrap(), "[\"/c\"]");
    }
}
