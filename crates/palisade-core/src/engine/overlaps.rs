//! Schemes that never get a credential, because another that reads the same place takes every one of them.

use super::{
    schemes::{CompiledScheme, Schemes},
    stage::rule::Rules,
};
use crate::{
    config::{Mistakes, join},
    scheme::Addressee,
};

/// Reports every scheme whose tokens all go to others, whichever rule accepts it.
pub(super) fn check(rules: &Rules, schemes: &Schemes, mistakes: &mut Mistakes) {
    for (id, own) in schemes.by_id() {
        let accepting = rules.scheme_lists();
        let mut accepting = accepting.filter(|list| list.contains(&id)).peekable();
        let addressees = own.scheme.addressees();
        if accepting.peek().is_none() || addressees.is_empty() {
            continue;
        }
        let mut taker = None;
        let is_lost = accepting.all(|list| {
            let before = list.iter().take_while(|&&other| other != id);
            let before: Vec<_> = before.filter_map(|&other| schemes.get(other)).collect();
            addressees.iter().all(|wanted| {
                let mut takers = before.iter().filter(|other| takes(other, own, wanted));
                taker = takers.next().map(|other| other.scheme.name());
                taker.is_some()
            })
        });
        if let (true, Some(taker)) = (is_lost, taker) {
            let path = join(own.scheme.kind(), own.scheme.name());
            mistakes.add(
                path,
                format!(
                    "never gets a token: {taker:?} has its issuer and audience, and comes before it in every rule; \
                     give each an audience of its own, or name them in `schemes` of their rules"
                ),
            );
        }
    }
}

/// Whether `other` takes these tokens wherever `own` reads them.
fn takes(other: &CompiledScheme, own: &CompiledScheme, wanted: &Addressee) -> bool {
    let places = other.scheme.carriers();
    let mut own_places = own.scheme.carriers().iter();
    own_places.all(|place| places.contains(place)) && other.scheme.addressees().contains(wanted)
}
