//! The proof that a request was admitted.

use crate::{
    audit::AuditLevel,
    body::Body,
    cause::Cause,
    engine::{
        Compiled,
        facts::Identity,
        judged::{Confirmation, Judged},
        schemes::SchemeId,
        stage::judge::Shown,
    },
    principal::Principal,
    problem::{Code, Reason, Refusal},
    reply::Reply,
    request_id::RequestId,
    requirement::{Answers, Requirement},
};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The proof that the security layer ran and admitted a request.
///
/// Only core can make one; the layer puts it into the request's extensions, where guards and
/// extractors look for it. Without it they answer 500 and name the missing layer.
#[derive(Clone)]
pub struct Grant(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) policy: Arc<Compiled>,
    asked: Asked,
    judged: Judged,
    confirmation: Confirmation,
    pub(crate) request_id: RequestId,
    pub(crate) principal: Option<Principal>,
    /// The scheme whose credential was verified.
    pub(crate) scheme: Option<SchemeId>,
    /// What was answered about the caller.
    answers: Answers,
    pub(crate) nonce: Option<Box<str>>,
    /// What a guard or an extractor refused, for the audit.
    refused: Mutex<Option<Refusal>>,
}

/// Why claims could not be had as the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the claims do not fit the type that the handler asks for: {0}")]
pub struct ClaimsError(#[from] serde_json::Error);

impl Grant {
    pub(super) fn new(
        policy: Arc<Compiled>,
        asked: Asked,
        judged: Judged,
        request_id: RequestId,
        identity: Identity,
        nonce: Option<Box<str>>,
    ) -> Self {
        let mut inner = Inner {
            policy,
            asked,
            judged,
            confirmation: Confirmation::default(),
            request_id,
            principal: None,
            scheme: None,
            answers: identity.answers,
            nonce,
            refused: Mutex::new(None),
        };
        if let Some(caller) = identity.caller {
            inner.principal = Some(caller.principal);
            inner.scheme = Some(caller.scheme);
        }
        Self(Arc::new(inner))
    }

    /// The caller; `None` if the request carries no identity.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_ref()
    }

    /// The caller, or the refusal for a handler that needs one.
    ///
    /// # Errors
    /// 401 with the challenges of the rule: the request carries no identity.
    pub fn require_principal(&self) -> Result<&Principal, Reply> {
        self.principal().ok_or_else(|| self.ask_for_credentials())
    }

    /// The caller's claims as `T`.
    ///
    /// # Errors
    /// 401 if the request carries no identity, 403 if its claims do not fit `T`: the
    /// credential is good, but not for this handler.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Reply> {
        let claims = self.require_principal()?.claims_json().unwrap_or("{}");
        serde_json::from_str(claims).map_err(|why| {
            tracing::debug!(target: "palisade", "{}", ClaimsError(why));
            self.refuse(Reason::new(Code::Forbidden, Cause::ClaimsDoNotFit))
        })
    }

    /// Whether the caller has the permission, by one of its roles or by its credential.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.principal()
            .is_some_and(|caller| self.0.policy.roles.permit(caller, permission))
    }

    /// Checks what a route demands on top of the rule.
    ///
    /// # Errors
    /// The refusal: 401 for anonymous callers, and for tokens whose claim for it cannot be read;
    /// 403 for others, naming the scopes of the rule and of the route together.
    pub fn require(&self, requirement: &Requirement) -> Result<(), Reply> {
        if requirement.admits_anonymous() {
            return Ok(());
        }
        let Some(caller) = self.principal() else {
            return Err(self.ask_for_credentials());
        };
        let policy = &self.0.policy;
        let rule = policy.rule_or_unlisted(self.0.asked.rule);
        let shown = Shown {
            scheme: self.0.scheme,
            is_script: self.0.asked.is_script,
            answers: &self.0.answers,
            is_told: policy.ports.audit.wants(AuditLevel::Info),
        };
        match policy.judge(caller, rule, Some(requirement), shown) {
            Ok(()) => Ok(()),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    /// Joins the request to its audit event and to `X-Request-Id`.
    pub fn request_id(&self) -> &str {
        self.0.request_id.as_str()
    }

    /// The nonce of this response's `Content-Security-Policy`, for `<script nonce="…">`; `None`
    /// where the policy's headers use none.
    pub fn csp_nonce(&self) -> Option<&str> {
        self.0.nonce.as_deref()
    }

    /// The path template of the rule, such as `/users/{id}`.
    pub fn rule(&self) -> Option<&str> {
        self.0
            .policy
            .rule(self.0.asked.rule)
            .map(|rule| &*rule.template)
    }

    /// What the validating extractors accept.
    pub fn body_limits(&self) -> &Body {
        &self.0.policy.body
    }

    /// How many bytes an extractor may read of this request's body.
    pub fn max_body(&self) -> u64 {
        let rule = self.0.policy.rule(self.0.asked.rule);
        rule.and_then(|rule| rule.max_body)
            .unwrap_or(self.0.policy.body.max)
    }

    /// Turns a reason into the refusal of this request, and notes it for the audit.
    ///
    /// Handlers refuse in the same words as the layer with it: implement `From<YourError>` for
    /// [`Reason`], and return the reply as the adapter's `Rejection`.
    pub fn refuse(&self, reason: impl Into<Reason>) -> Reply {
        let reason = reason.into();
        *self.refused() = Some(reason.refusal());
        self.0.policy.reply(reason, self.0.request_id.as_str())
    }

    /// Whether this grant was made under the same policy, in whatever version, so that a layer
    /// inside another of the same policy lets the request pass.
    pub fn is_from(&self, palisade: &super::Palisade) -> bool {
        palisade.is(&self.0.policy)
    }

    pub(crate) fn policy(&self) -> &Compiled {
        &self.0.policy
    }

    pub(crate) fn shared_policy(&self) -> &Arc<Compiled> {
        &self.0.policy
    }

    pub(crate) fn rule_index(&self) -> Option<usize> {
        self.0.asked.rule
    }

    /// What the request was judged by.
    pub(crate) fn judged(&self) -> &Judged {
        &self.0.judged
    }

    pub(crate) fn confirmation(&self) -> &Confirmation {
        &self.0.confirmation
    }

    /// What a guard or an extractor refused.
    pub(crate) fn refused(&self) -> std::sync::MutexGuard<'_, Option<Refusal>> {
        self.0
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_for_credentials(&self) -> Reply {
        let (policy, asked) = (&self.0.policy, &self.0.asked);
        let asker = policy.asker(asked.rule, asked.is_script);
        self.refuse(
            policy
                .schemes
                .credentials_required(asker, Cause::NoCredential),
        )
    }
}

/// Shows who and which rule, never a claim.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("request_id", &self.request_id())
            .field("rule", &self.rule())
            .field("principal", &self.principal())
            .finish_non_exhaustive()
    }
}

/// What refusals after the layer need of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) rule: Option<usize>,
    /// Whether a page's code sent the request.
    pub(crate) is_script: bool,
}
