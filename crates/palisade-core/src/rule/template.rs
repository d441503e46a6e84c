//! Templates of routes, as the routers of the frameworks write them.
//!
//! A framework that tells which route it took tells its template. Here it is read far enough to know which paths the
//! route can match, never fewer than it does: a part that cannot be read counts as one that matches anything.

mod regex;

use super::pattern::{Pattern, Segment, canonical};
use percent_encoding::percent_decode;
use regex::Reach;

/// How a router writes its templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateSyntax {
    /// axum: `/users/{id}`, `/files/{*rest}`. Literals are compared as they are sent.
    Axum,
    /// actix-web: `/users/{id}`, `/users/{id:\d+}`, `/files/{rest:.*}`. Literals are compared decoded.
    Actix,
    /// poem: `/users/:id`, `/users/:id<\d+>`, `/files/*rest`. Literals are compared as they are sent.
    Poem,
}

/// A route's template, read.
#[derive(Debug, Clone)]
pub(crate) struct RouteTemplate {
    parts: Vec<Part>,
}

/// What a route says of one segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// This text, as it must be sent. Empty only as the last one, for a slash at the end.
    Literal(Box<str>),
    /// One segment that is not empty.
    Parameter,
    /// One segment, of which the route demands more; it may be empty.
    Mixed,
    /// Everything from here on, or nothing.
    Rest,
}

impl RouteTemplate {
    pub(crate) fn parse(template: &str, syntax: TemplateSyntax) -> Self {
        let path = template.strip_prefix('/').unwrap_or(template);
        let mut parts = Vec::new();
        for text in split(path, syntax) {
            let part = match syntax {
                TemplateSyntax::Axum => axum_part(text),
                TemplateSyntax::Actix => actix_part(text),
                TemplateSyntax::Poem => poem_part(text),
            };
            let is_rest = part == Part::Rest;
            parts.push(part);
            if is_rest {
                break;
            }
        }
        Self { parts }
    }

    /// The route that is written as a pattern of the policy.
    pub(crate) fn of(pattern: &Pattern) -> Self {
        let parts = pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(text) => Part::Literal(canonical(text).into()),
            Segment::Parameter => Part::Parameter,
            Segment::Wildcard => Part::Rest,
        });
        Self {
            parts: parts.collect(),
        }
    }

    /// The routes beneath a place in the tree of a router: the place itself, and everything below.
    pub(crate) fn with_rest(mut self) -> Self {
        if self
            .parts
            .last()
            .is_some_and(|last| *last == Part::Literal("".into()))
        {
            self.parts.pop();
        }
        self.parts.push(Part::Rest);
        self
    }

    /// The route with each literal in the spelling of the policy, if a literal of it has another one.
    pub(crate) fn respelled(&self) -> Option<Self> {
        let respelled = |part: &Part| match part {
            Part::Literal(text) if text.contains('%') => {
                let decoded = percent_decode(text.as_bytes()).decode_utf8().ok()?;
                Some(Part::Literal(canonical(&decoded).into()))
            }
            part => Some(part.clone()),
        };
        let parts: Vec<Part> = self.parts.iter().map(respelled).collect::<Option<_>>()?;
        (parts != self.parts).then_some(Self { parts })
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether the route can match a path, given as it was sent.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        fits(&self.parts, path.split('/'))
    }

    /// Whether the route can match a path once a slash at the end is added to it or taken away.
    pub(crate) fn fits_loosely(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        fits(self.without_slash(), path.split('/'))
            || (path.is_empty() && self.without_slash().is_empty())
    }

    /// Whether some path is matched by the route and by a pattern, or would be but for a slash at the end.
    pub(crate) fn may_meet(&self, pattern: &Pattern) -> bool {
        may_meet(self.without_slash(), pattern.stem())
    }

    /// Whether a pattern was written for this very route: the same segments, however parameters are called.
    pub(crate) fn is_same_as(&self, pattern: &Pattern) -> bool {
        let segments = pattern.segments();
        self.parts.len() == segments.len()
            && self.parts.iter().zip(segments).all(|both| match both {
                (Part::Literal(text), Segment::Literal(own)) => **text == canonical(own),
                (Part::Parameter | Part::Mixed, Segment::Parameter) => true,
                (Part::Rest, Segment::Wildcard) => true,
                _ => false,
            })
    }

    fn without_slash(&self) -> &[Part] {
        match self.parts.split_last() {
            Some((Part::Literal(last), parts)) if last.is_empty() => parts,
            _ => &self.parts,
        }
    }
}

fn fits<'p>(parts: &[Part], mut path: impl Iterator<Item = &'p str>) -> bool {
    for part in parts {
        let fits = match (part, path.next()) {
            (Part::Rest, _) => return true,
            (_, None) => false,
            (Part::Literal(text), Some(segment)) => is_literal(text, segment),
            (Part::Parameter, Some(segment)) => !segment.is_empty(),
            (Part::Mixed, Some(_)) => true,
        };
        if !fits {
            return false;
        }
    }
    path.next().is_none()
}

/// Whether some router takes a segment for a literal.
fn is_literal(text: &str, segment: &str) -> bool {
    let decoded = || percent_decode(text.as_bytes()).eq(percent_decode(segment.as_bytes()));
    text == segment || ((text.contains('%') || segment.contains('%')) && decoded())
}

fn may_meet(parts: &[Part], segments: &[Segment]) -> bool {
    match (parts, segments) {
        ([Part::Rest, ..], _) | (_, [Segment::Wildcard, ..]) | ([], []) => true,
        ([], _) | (_, []) => false,
        ([part, parts @ ..], [segment, segments @ ..]) => {
            let meet = match (part, segment) {
                (Part::Literal(text), Segment::Literal(own)) => is_literal(text, &canonical(own)),
                _ => true,
            };
            meet && may_meet(parts, segments)
        }
    }
}

/// The segments of a template: cut at each slash that is no part of a regular expression.
fn split(path: &str, syntax: TemplateSyntax) -> impl Iterator<Item = &str> {
    let (open, close) = match syntax {
        TemplateSyntax::Axum | TemplateSyntax::Actix => ('{', '}'),
        TemplateSyntax::Poem => ('<', '>'),
    };
    let mut depth = 0_usize;
    path.split(move |c: char| {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
        }
        c == '/' && depth == 0
    })
}

fn axum_part(text: &str) -> Part {
    match braced(text) {
        Some(name) if name.starts_with('*') => Part::Rest,
        Some(name) if !name.contains(['{', '}']) => Part::Parameter,
        _ if text.contains("{*") => Part::Rest,
        _ if text.contains(['{', '}']) => Part::Mixed,
        _ => Part::Literal(text.into()),
    }
}

fn actix_part(text: &str) -> Part {
    // `{tail}*` is a parameter that takes everything, and a bare `*` drops what stands before it.
    if text.ends_with('*') {
        return Part::Rest;
    }
    if let Some(inner) = braced(text) {
        return match inner.split_once(':') {
            None => Part::Parameter,
            Some((_, regex)) => match Reach::of(regex) {
                Reach::Segment => Part::Parameter,
                Reach::Beyond => Part::Rest,
            },
        };
    }
    if !text.contains(['{', '}']) {
        return Part::Literal(as_sent_to_actix(text).into());
    }
    let mut regexes = parameters(text).filter_map(|parameter| parameter.split_once(':'));
    match regexes.any(|(_, regex)| Reach::of(regex) == Reach::Beyond) {
        true => Part::Rest,
        false => Part::Mixed,
    }
}

/// What stands in each pair of braces that stands in no other one; a pair that is not closed goes to the end.
fn parameters(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut found = Vec::new();
    for (place, c) in text.char_indices() {
        match c {
            '{' => {
                depth += 1;
                if depth == 1 {
                    start = place + 1;
                }
            }
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.extend(text.get(start..place));
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        found.extend(text.get(start..));
    }
    found.into_iter()
}

fn poem_part(text: &str) -> Part {
    let (mut outside, mut regexes) = (String::new(), Vec::new());
    for (index, piece) in text.split('<').enumerate() {
        match piece.split_once('>').filter(|_| index > 0) {
            Some((regex, after)) => {
                regexes.push(regex);
                outside.push_str(after);
            }
            None => outside.push_str(piece),
        }
    }
    let reaches = |regex: &&str| Reach::of(regex) == Reach::Beyond;
    if outside.contains('*') || regexes.iter().any(reaches) {
        return Part::Rest;
    }
    let whole_name = outside.strip_prefix(':').filter(|name| !name.contains(':'));
    let ends_with_it = regexes.is_empty() || text.ends_with('>');
    match (whole_name, regexes.len()) {
        (Some(_), 0 | 1) if ends_with_it => Part::Parameter,
        (None, 1) if outside.is_empty() => Part::Parameter,
        (None, 0) if !outside.contains(':') => Part::Literal(text.into()),
        _ => Part::Mixed,
    }
}

/// What stands between the only pair of braces, if that is the whole text.
fn braced(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (depth == 0).then_some(inner)
}

/// A literal of actix-web as a request must send it: actix decodes what it compares, but for three characters.
fn as_sent_to_actix(text: &str) -> String {
    let mut sent = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        let (before, code) = rest.split_at_checked(start).unwrap_or((rest, ""));
        sent.push_str(&canonical(before));
        match code.get(..3) {
            Some(kept)
                if ["%25", "%2f", "%2b"]
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(kept)) =>
            {
                sent.push_str(kept);
                rest = code.get(3..).unwrap_or_default();
            }
            _ => {
                sent.push_str("%25");
                rest = code.get(1..).unwrap_or_default();
            }
        }
    }
    sent.push_str(&canonical(rest));
    sent
}

#[cfg(test)]
mod tests;
