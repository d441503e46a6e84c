//! Stage 5: a CORS preflight is answered here, and every other response to an allowed origin says so.

use super::shown;
use crate::{
    cors::{AllowOrigin, CompiledCors},
    engine::{decision::Answer, facts::Effects},
    methods::MethodId,
    reply::Reply,
    view::View,
};
use http::{HeaderValue, StatusCode, header};

/// `[cors]`, compiled.
#[derive(Debug)]
pub(in crate::engine) struct PreflightStage {
    pub(in crate::engine) cors: Option<CompiledCors>,
}

impl PreflightStage {
    /// The origin of the request, if it may read the response, a refusal too.
    pub(in crate::engine) fn allowed_origin(&self, view: &View<'_>) -> Option<AllowOrigin> {
        let cors = self.cors.as_ref()?;
        let mut lines = view.header(&header::ORIGIN);
        match (lines.next(), lines.next()) {
            (Some(origin), None) => cors.allow(origin),
            _ => None,
        }
    }

    /// Whether pages of the allowed origins may send cookies.
    pub(in crate::engine) fn allows_credentials(&self) -> bool {
        self.cors
            .as_ref()
            .is_some_and(CompiledCors::allows_credentials)
    }

    /// The answer to a true preflight (Fetch §3.2.2); any other OPTIONS is an ordinary request. `close` adds what every
    /// response to the origin has.
    pub(in crate::engine) fn judge(
        &self,
        view: &View<'_>,
        method: MethodId,
        effects: &Effects,
    ) -> Option<Answer> {
        let cors = self.cors.as_ref()?;
        let has = |name| view.header(name).next().is_some();
        let is_preflight = method == MethodId::OPTIONS
            && has(&header::ORIGIN)
            && has(&header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let allowed = effects
            .allow_origin
            .iter()
            .flat_map(|_| cors.preflight_fields());
        let vary = HeaderValue::from_static(
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        );
        Some(Answer {
            name: "preflight",
            reply: Reply {
                status: StatusCode::NO_CONTENT,
                headers: allowed.cloned().chain([(header::VARY, vary)]).collect(),
                body: bytes::Bytes::new(),
            },
        })
    }

    pub(in crate::engine) fn tell(
        &self,
        judged: Option<&Answer>,
        view: &View<'_>,
        effects: &Effects,
    ) -> String {
        match (judged, &self.cors) {
            (Some(_), _) => {
                let allowed = match effects.allow_origin {
                    Some(_) => "allowed",
                    None => "not allowed",
                };
                let origins: Vec<_> = view.header(&header::ORIGIN).map(shown).collect();
                format!("a preflight from {}: {allowed}", origins.join(", "))
            }
            (None, None) => "no [cors]".to_owned(),
            (None, Some(_)) => "no preflight".to_owned(),
        }
    }
}
