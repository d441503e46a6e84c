//! What a caller must be to pass.

use crate::{
    jwt::Reading,
    ports::{BoxFuture, SourceError},
    principal::Principal,
};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What a rule or a route demands of the caller.
///
/// ```
/// use palisade_core::{all_of, any_of, permission, role, scope};
///
/// let edit = all_of([scope("items:write"), any_of([role("admin"), permission("items.edit")])]);
/// assert_eq!(edit.to_string(), "scope items:write and (role admin or permission items.edit)");
/// ```
#[derive(Clone)]
pub struct Requirement(Node);

#[derive(Clone)]
enum Node {
    Public,
    Optional,
    Authenticated,
    Scope(Box<str>),
    Role(Box<str>),
    Permission(Box<str>),
    Policy(Box<str>, Arc<dyn Fn(&Principal) -> bool + Send + Sync>),
    Asked(Box<str>, Arc<Question>),
    AllOf(Vec<Requirement>),
    AnyOf(Vec<Requirement>),
}

/// What somebody else is asked about a caller.
type Question = dyn Fn(&Principal) -> BoxFuture<Result<bool, SourceError>> + Send + Sync;

/// A test of the application counts by its name.
impl Hash for Requirement {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.0).hash(state);
        match &self.0 {
            Node::Public | Node::Optional | Node::Authenticated => {}
            Node::Scope(name)
            | Node::Role(name)
            | Node::Permission(name)
            | Node::Policy(name, _)
            | Node::Asked(name, _) => name.hash(state),
            Node::AllOf(list) | Node::AnyOf(list) => list.hash(state),
        }
    }
}

/// Everybody may pass; credentials are not even read.
pub fn public() -> Requirement {
    Requirement(Node::Public)
}

/// Everybody may pass; an explicit credential that is sent must be good.
pub fn optional() -> Requirement {
    Requirement(Node::Optional)
}

/// Every authenticated caller may pass.
pub fn authenticated() -> Requirement {
    Requirement(Node::Authenticated)
}

/// Callers with this scope may pass.
pub fn scope(name: impl Into<Box<str>>) -> Requirement {
    Requirement(Node::Scope(name.into()))
}

/// Callers with this role may pass.
pub fn role(name: impl Into<Box<str>>) -> Requirement {
    Requirement(Node::Role(name.into()))
}

/// Callers with this permission may pass: by one of their roles, or by the credential itself.
pub fn permission(name: impl Into<Box<str>>) -> Requirement {
    Requirement(Node::Permission(name.into()))
}

/// Callers of whom `test` is true may pass; `name` stands in explanations and errors.
pub fn policy(
    name: impl Into<Box<str>>,
    test: impl Fn(&Principal) -> bool + Send + Sync + 'static,
) -> Requirement {
    Requirement(Node::Policy(name.into(), Arc::new(test)))
}

/// Callers of whom the answer to `ask` is true may pass: for tests that must wait, as for a database. `name` stands in
/// explanations and errors. The answer must come in bounded time. Asked once a request at most, and only where the answer decides; without an answer the request
/// is refused with 503. For rules: a route's own requirement cannot wait, and one that has to is refused with 500.
///
/// ```
/// use palisade_core::{Rule, asked};
///
/// let paid = asked("paid", |caller| {
///     let subject = caller.subject().to_owned();
///     Box::pin(async move { Ok(subject == "alice") })
/// });
/// let rule = Rule::new("/reports").require(paid);
/// ```
pub fn asked(
    name: impl Into<Box<str>>,
    ask: impl Fn(&Principal) -> BoxFuture<Result<bool, SourceError>> + Send + Sync + 'static,
) -> Requirement {
    Requirement(Node::Asked(name.into(), Arc::new(ask)))
}

/// Callers who meet all of these may pass.
pub fn all_of(all: impl IntoIterator<Item = Requirement>) -> Requirement {
    Requirement(Node::AllOf(all.into_iter().collect()))
}

/// Callers who meet one of these may pass; none of them may pass an empty list.
pub fn any_of(any: impl IntoIterator<Item = Requirement>) -> Requirement {
    Requirement(Node::AnyOf(any.into_iter().collect()))
}

/// How far a caller is from meeting a requirement, in that order: of several demands the worst counts, so that a denial
/// beats what is unknown, and of several alternatives the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Judgement {
    Met,
    /// Somebody must be asked first.
    Unknown,
    /// Somebody was asked and gave no answer.
    Unavailable,
    /// More scopes would do.
    ScopeMissing,
    /// Nothing that a token could add would do.
    Forbidden,
    /// It needs a claim that is there and cannot be read.
    Unreadable,
}

impl Requirement {
    pub(crate) fn is_public(&self) -> bool {
        matches!(self.0, Node::Public)
    }

    /// Whether a caller without a credential may pass.
    pub(crate) fn admits_anonymous(&self) -> bool {
        matches!(self.0, Node::Public | Node::Optional)
    }

    /// This and `other`; levels that demand nothing disappear beside one that does.
    pub(crate) fn and(&self, other: &Requirement) -> Requirement {
        match (&self.0, &other.0) {
            (Node::Public | Node::Optional, _) => other.clone(),
            (_, Node::Public | Node::Optional) => self.clone(),
            _ => all_of([self.clone(), other.clone()]),
        }
    }

    /// Whether every caller who meets this meets `other`, as far as that can be told from how they are written.
    pub(crate) fn implies(&self, other: &Requirement) -> bool {
        match (&self.0, &other.0) {
            (_, Node::Public) => true,
            (Node::Public, _) => false,
            (_, Node::Optional) => true,
            (Node::Optional, _) => false,
            (_, Node::AllOf(all)) => all.iter().all(|one| self.implies(one)),
            (Node::AnyOf(any), _) => any.iter().all(|one| one.implies(other)),
            (Node::AllOf(all), _) if all.iter().any(|one| one.implies(other)) => true,
            (_, Node::AnyOf(any)) => any.iter().any(|one| self.implies(one)),
            (_, Node::Authenticated) => true,
            (Node::Scope(own), Node::Scope(other))
            | (Node::Role(own), Node::Role(other))
            | (Node::Permission(own), Node::Permission(other)) => own == other,
            (Node::Policy(_, own), Node::Policy(_, other)) => Arc::ptr_eq(own, other),
            (Node::Asked(_, own), Node::Asked(_, other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// A claim that cannot be read counts as absent and meets nothing. A test of the application's own may ask for what a
    /// caller is not, which such a claim would meet: it is not even asked.
    pub(crate) fn judge(&self, caller: &Principal, roles: &Roles, answers: &Answers) -> Judgement {
        let unread = caller.unread();
        let is_unread = |reading: Reading| reading == Reading::Unusual;
        match &self.0 {
            Node::Public | Node::Optional | Node::Authenticated => Judgement::Met,
            Node::Scope(name) if caller.has_scope(name) => Judgement::Met,
            Node::Scope(_) if is_unread(unread.scopes) => Judgement::Unreadable,
            Node::Scope(_) => Judgement::ScopeMissing,
            Node::Role(name) if caller.has_role(name) => Judgement::Met,
            Node::Role(_) if is_unread(unread.roles) => Judgement::Unreadable,
            Node::Role(_) => Judgement::Forbidden,
            Node::Permission(name) if roles.permit(caller, name) => Judgement::Met,
            Node::Permission(_) if is_unread(unread.permissions) => Judgement::Unreadable,
            Node::Permission(name)
                if is_unread(unread.roles) && roles.declares_permission(name) =>
            {
                Judgement::Unreadable
            }
            Node::Permission(_) => Judgement::Forbidden,
            Node::Policy(..) if unread.is_anything() => Judgement::Unreadable,
            Node::Policy(_, test) => Judgement::met_or_forbidden(test(caller)),
            Node::Asked(..) if unread.is_anything() => Judgement::Unreadable,
            Node::Asked(_, question) => match answers.of(question) {
                None => Judgement::Unknown,
                Some(Ok(met)) => Judgement::met_or_forbidden(met),
                Some(Err(())) => Judgement::Unavailable,
            },
            Node::AllOf(all) => {
                let worst = all
                    .iter()
                    .map(|one| one.judge(caller, roles, answers))
                    .max();
                worst.unwrap_or(Judgement::Forbidden)
            }
            Node::AnyOf(any) => {
                let best = any
                    .iter()
                    .map(|one| one.judge(caller, roles, answers))
                    .min();
                best.unwrap_or(Judgement::Forbidden)
            }
        }
    }

    /// Adds the scopes that would meet this, for the challenge of RFC 6750 §3.1: all of them,
    /// of alternatives the first that scopes can meet.
    pub(crate) fn scopes_needed<'a>(
        &'a self,
        caller: &Principal,
        (roles, answers): (&Roles, &Answers),
        needed: &mut Vec<&'a str>,
    ) {
        match &self.0 {
            Node::Scope(name) if !needed.contains(&&**name) => needed.push(name),
            Node::AllOf(all) => {
                for one in all {
                    one.scopes_needed(caller, (roles, answers), needed);
                }
            }
            Node::AnyOf(any) => {
                let reachable = any
                    .iter()
                    .find(|one| one.judge(caller, roles, answers) < Judgement::Forbidden);
                if let Some(one) = reachable {
                    one.scopes_needed(caller, (roles, answers), needed);
                }
            }
            _ => {}
        }
    }

    /// The part of it that the caller does not meet; `None` if the caller meets it.
    pub(crate) fn unmet(
        &self,
        caller: &Principal,
        roles: &Roles,
        answers: &Answers,
    ) -> Option<Requirement> {
        if self.judge(caller, roles, answers) == Judgement::Met {
            return None;
        }
        let parts = |list: &[Requirement]| -> Vec<_> {
            let parts = list.iter();
            parts
                .filter_map(|one| one.unmet(caller, roles, answers))
                .collect()
        };
        Some(match &self.0 {
            Node::AllOf(list) => one_or(parts(list), all_of),
            Node::AnyOf(list) => one_or(parts(list), any_of),
            _ => self.clone(),
        })
    }

    /// The first question whose answer is not known and decides.
    pub(crate) fn open_question(
        &self,
        caller: &Principal,
        roles: &Roles,
        answers: &Answers,
    ) -> Option<Asked> {
        match &self.0 {
            Node::Asked(_, question) if answers.of(question).is_none() => Some(Asked {
                answer: question(caller),
                question: Arc::clone(question),
            }),
            Node::AllOf(list) | Node::AnyOf(list) => {
                let mut open = list
                    .iter()
                    .filter(|one| one.judge(caller, roles, answers) == Judgement::Unknown);
                open.find_map(|one| one.open_question(caller, roles, answers))
            }
            _ => None,
        }
    }

    /// Calls `each` with the kind (`scope`, `role`, `permission`) and the name of everything
    /// that this names, to be compared with what the policy declares.
    pub(crate) fn names(&self, each: &mut dyn FnMut(&'static str, &str)) {
        match &self.0 {
            Node::Scope(name) => each("scope", name),
            Node::Role(name) => each("role", name),
            Node::Permission(name) => each("permission", name),
            Node::AllOf(list) | Node::AnyOf(list) => list.iter().for_each(|one| one.names(each)),
            Node::Public
            | Node::Optional
            | Node::Authenticated
            | Node::Policy(..)
            | Node::Asked(..) => {}
        }
    }

    /// Whether `all_of` or `any_of` holds nothing, or a level that makes no sense inside.
    pub(crate) fn is_ill_formed(&self) -> bool {
        match &self.0 {
            Node::AllOf(list) | Node::AnyOf(list) => {
                list.is_empty()
                    || list
                        .iter()
                        .any(|one| one.admits_anonymous() || one.is_ill_formed())
            }
            _ => false,
        }
    }

    fn write_operand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::AllOf(list) | Node::AnyOf(list) if list.len() > 1 => write!(f, "({self})"),
            _ => write!(f, "{self}"),
        }
    }

    fn write_joined(list: &[Self], word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in list.iter().enumerate() {
            if index > 0 {
                write!(f, " {word} ")?;
            }
            one.write_operand(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::Public => f.write_str("public"),
            Node::Optional => f.write_str("optional"),
            Node::Authenticated => f.write_str("authenticated"),
            Node::Scope(name) => write!(f, "scope {name}"),
            Node::Role(name) => write!(f, "role {name}"),
            Node::Permission(name) => write!(f, "permission {name}"),
            Node::Policy(name, _) | Node::Asked(name, _) => write!(f, "policy {name}"),
            Node::AllOf(list) => Self::write_joined(list, "and", f),
            Node::AnyOf(list) => Self::write_joined(list, "or", f),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requirement({self})")
    }
}

/// The one part there is, or all of them together.
fn one_or(mut parts: Vec<Requirement>, join: fn(Vec<Requirement>) -> Requirement) -> Requirement {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

impl Judgement {
    fn met_or_forbidden(met: bool) -> Self {
        if met {
            Judgement::Met
        } else {
            Judgement::Forbidden
        }
    }
}

/// A question under way.
pub(crate) struct Asked {
    question: Arc<Question>,
    pub(crate) answer: BoxFuture<Result<bool, SourceError>>,
}

impl Asked {
    /// What came of it, as [`Answers`] keep it.
    pub(crate) fn answered(self, answer: Result<bool, ()>, answers: &mut Answers) {
        answers
            .0
            .get_or_insert_default()
            .0
            .push((self.question, answer));
    }
}

/// What was answered about the caller of a request; mostly nothing was asked.
#[derive(Clone, Default)]
pub(crate) struct Answers(Option<Box<KnownAnswers>>);

#[derive(Clone, Default)]
struct KnownAnswers(Vec<Answered>);

/// A question and what came of it: `Err` where nobody answered.
type Answered = (Arc<Question>, Result<bool, ()>);

impl Answers {
    fn of(&self, question: &Arc<Question>) -> Option<Result<bool, ()>> {
        let mut known = self.0.iter().flat_map(|known| &known.0);
        known.find_map(|(known, answer)| Arc::ptr_eq(known, question).then_some(*answer))
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.as_ref().map_or(0, |known| known.0.len());
        f.debug_tuple("Answers").field(&known).finish()
    }
}

/// Which permissions each role gives: `[roles]` of the policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roles(HashMap<Box<str>, HashSet<Box<str>>>);

impl Roles {
    pub(crate) fn permit(&self, caller: &Principal, permission: &str) -> bool {
        caller.has_own_permission(permission)
            || caller.role_names().any(|role| {
                self.0
                    .get(role)
                    .is_some_and(|permissions| permissions.contains(permission))
            })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn declares_role(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }

    pub(crate) fn declares_permission(&self, permission: &str) -> bool {
        self.0
            .values()
            .any(|permissions| permissions.contains(permission))
    }
}

impl<'a> FromIterator<(&'a str, &'a [String])> for Roles {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [String])>>(roles: I) -> Self {
        let permissions = |list: &[String]| list.iter().map(|p| p.as_str().into()).collect();
        Self(
            roles
                .into_iter()
                .map(|(role, list)| (role.into(), permissions(list)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        [("admin", &["delete".to_owned()][..])]
            .into_iter()
            .collect()
    }

    fn needed(requirement: &Requirement, caller: &Principal) -> String {
        let mut scopes = Vec::new();
        requirement.scopes_needed(caller, (&roles(), &Answers::default()), &mut scopes);
        scopes.join(" ")
    }

    #[test]
    fn a_missing_role_outweighs_a_missing_scope() {
        let caller = Principal::new("i", "alice");
        let both = all_of([scope("a"), role("admin")]);
        assert_eq!(
            both.judge(&caller, &roles(), &Answers::default()),
            Judgement::Forbidden
        );
        let one = any_of([role("admin"), scope("a")]);
        assert_eq!(
            one.judge(&caller, &roles(), &Answers::default()),
            Judgement::ScopeMissing
        );
    }

    #[test]
    fn the_challenge_names_the_first_alternative_that_scopes_can_meet() {
        let caller = Principal::new("i", "alice").scopes(["a"]);
        let requirement = all_of([
            scope("a"),
            any_of([all_of([role("admin"), scope("x")]), scope("b")]),
            scope("a"),
        ]);
        assert_eq!(needed(&requirement, &caller), "a b");
    }

    #[test]
    fn roles_give_permissions() {
        let admin = Principal::new("i", "root").roles(["admin"]);
        assert_eq!(
            permission("delete").judge(&admin, &roles(), &Answers::default()),
            Judgement::Met
        );
        assert_eq!(
            permission("erase").judge(&admin, &roles(), &Answers::default()),
            Judgement::Forbidden
        );
    }

    #[test]
    fn a_requirement_implies_what_it_is_stricter_than() {
        let same = policy("is_owner", |_| true);
        let chain = [
            public(),
            optional(),
            authenticated(),
            any_of([scope("a"), role("b")]),
            scope("a"),
            all_of([scope("a"), same.clone()]),
            all_of([all_of([scope("a"), role("b")]), same]),
        ];
        for (place, weaker) in chain.iter().enumerate() {
            for (other, stricter) in chain.iter().enumerate() {
                assert_eq!(
                    stricter.implies(weaker),
                    other >= place,
                    "{stricter} => {weaker}"
                );
            }
        }
        for (one, other) in [
            (scope("a"), scope("b")),
            (scope("a"), role("a")),
            (role("a"), permission("a")),
            (policy("p", |_| true), policy("p", |_| true)),
            (any_of([scope("a"), scope("b")]), scope("a")),
            (scope("a"), all_of([scope("a"), scope("b")])),
        ] {
            assert!(!one.implies(&other), "{one} => {other}");
        }
    }

    #[test]
    fn nobody_meets_one_of_nothing() {
        let caller = Principal::new("i", "alice");
        assert_eq!(
            any_of([]).judge(&caller, &roles(), &Answers::default()),
            Judgement::Forbidden
        );
        assert!(any_of([]).is_ill_formed());
    }
}
