//! Checks an [`Introspection`].

use super::{
    Introspection,
    memory::Memory,
    verify::{Judge, Opaque},
};
use crate::{
    companion::{Introspector, RemoteIntrospection},
    config::{Mistakes, join},
    scheme::BuildContext,
    scheme::{flights::Flights, token},
};
use secrecy::SecretSlice;
use std::sync::{Arc, Once};

/// `None` after at least one mistake was reported.
pub(super) fn compile(
    config: &Introspection,
    context: &BuildContext<'_>,
    mistakes: &mut Mistakes,
) -> Option<Opaque> {
    let section = join("introspection", &config.name);
    let carriers = config.places.compile_for_tokens(&section, mistakes);
    let secret = secret(config, context, &section, mistakes);
    let rules = config
        .token
        .clone()
        .check_for_answers()
        .map_err(|wrong| token::report(wrong, &section, mistakes));
    let (rules, secret) = (rules.ok()?, secret?);
    let introspector = introspector(config, secret, context, &section, mistakes)?;
    if mistakes.has(&section) {
        return None;
    }
    Some(Opaque {
        name: config.name.clone(),
        challenge: carriers.challenge(context.realm),
        carriers,
        judge: Arc::new(Judge {
            rules,
            introspector,
            memory: Memory::new(config.remember_seconds, config.remember_inactive_seconds),
            flights: Flights::new("introspection"),
            revocations: context.revocations.clone(),
            clock: Arc::clone(&context.clock),
            told_active_type: Once::new(),
            told_milliseconds: Once::new(),
        }),
    })
}

fn secret(
    config: &Introspection,
    context: &BuildContext<'_>,
    section: &str,
    mistakes: &mut Mistakes,
) -> Option<SecretSlice<u8>> {
    if config.client_id.is_empty() {
        mistakes.add(
            join(section, "client_id"),
            "is empty; no server answers unless it knows who asks (RFC 7662 §2.1)",
        );
    }
    let key = join(section, "client_secret");
    match &config.client_secret {
        Some(secret) => context
            .load(secret)
            .map_err(|why| mistakes.add(key, why.to_string()))
            .ok(),
        None => {
            mistakes.add(key, "is missing; give it as env:NAME or file:PATH");
            None
        }
    }
}

fn introspector(
    config: &Introspection,
    client_secret: SecretSlice<u8>,
    context: &BuildContext<'_>,
    section: &str,
    mistakes: &mut Mistakes,
) -> Option<Arc<dyn Introspector>> {
    let source = RemoteIntrospection {
        scheme: config.name.clone(),
        issuer: config.token.issuer.clone(),
        endpoint: config.endpoint.clone(),
        client_id: config.client_id.clone(),
        client_secret,
        client_auth: config.client_auth,
        outgoing: context.outgoing.clone(),
        clock: Arc::clone(&context.clock),
    };
    let introspector = context
        .companions
        .servers()
        .and_then(|servers| servers.introspector(source));
    introspector
        .map_err(|unfit| {
            let key = match unfit.key {
                "" => "endpoint",
                key => key,
            };
            mistakes.add(join(section, key), unfit.message);
        })
        .ok()
}
