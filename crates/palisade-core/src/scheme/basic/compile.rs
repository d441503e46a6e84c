//! Checks a [`Basic`](super::Basic) and prepares its accounts.

use super::{
    Basic, BasicAccount,
    remembered::Remembered,
    verify::{Account, BasicScheme, Verifier},
};
use crate::{
    companion::AccountTable,
    config::{Mistakes, join},
    jwt::PrincipalKind,
    outage::Outage,
    password::StoredPassword,
    principal::Principal,
    scheme::{BuildContext, Carrier, Places, flights::Flights, places::basic_challenge},
};
use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
    sync::Arc,
};

/// Of the Base64 of a name and a password. More would only be work.
const MAX_CREDENTIAL_BYTES: usize = 2048;

/// `None` after at least one mistake was reported.
pub(super) fn compile(
    config: &Basic,
    context: &BuildContext<'_>,
    mistakes: &mut Mistakes,
) -> Option<BasicScheme> {
    let path = join("basic", &config.name);
    let issuer: Arc<str> = format!("palisade:basic/{}", config.name).into();
    let accounts = accounts(config, &issuer, &path, mistakes);
    let store = config.store.as_ref().and_then(|store| {
        store.open(context, &path, mistakes, |databases, url| {
            databases.accounts(AccountTable {
                scheme: config.name.clone(),
                url,
                folder: context.folder.map(Path::to_owned),
                issuer,
                freshness_seconds: store.freshness_seconds,
                clock: Arc::clone(&context.clock),
            })
        })
    });
    let remembered = Remembered::new(Arc::clone(&context.clock), &*context.entropy);
    let remembered = remembered.map_err(|source| mistakes.add(&*path, source.to_string()));
    if mistakes.has(&path) {
        return None;
    }
    let basic = Carrier::Authorization("Basic".into());
    Some(BasicScheme {
        name: config.name.clone(),
        carriers: Places::default().compile(basic, MAX_CREDENTIAL_BYTES, &path, mistakes),
        challenge: basic_challenge(context.realm),
        verifier: Arc::new(Verifier {
            dummy: dummy(&accounts, store.is_some()),
            accounts,
            store,
            remembered: remembered.ok()?,
            flights: Flights::new("password hashing"),
            clock: Arc::clone(&context.clock),
            upgrades: Outage::default(),
            entropy: Arc::clone(&context.entropy),
            revocations: context.revocations.clone(),
        }),
    })
}

fn accounts(
    config: &Basic,
    issuer: &Arc<str>,
    path: &str,
    mistakes: &mut Mistakes,
) -> HashMap<Box<str>, Account> {
    let mut accounts = HashMap::with_capacity(config.accounts.len());
    for (index, account) in config.accounts.iter().enumerate() {
        let path = format!("{path}.account[{index}]");
        if account.name.is_empty() || account.name.contains(|c: char| c == ':' || c.is_control()) {
            // RFC 7617 §2.
            let message = "must be a name without colons and control characters";
            mistakes.add(join(&path, "name"), message);
        }
        let password = match StoredPassword::parse(&account.password_hash) {
            Ok(password) => Arc::new(password),
            Err(why) => {
                mistakes.add(join(&path, "password_hash"), why.to_string());
                continue;
            }
        };
        match accounts.entry(account.name.as_str().into()) {
            Entry::Occupied(_) => {
                let message = "is the name of an earlier account too; every account has its own";
                mistakes.add(join(&path, "name"), message);
            }
            Entry::Vacant(place) => {
                place.insert(Account {
                    password,
                    principal: principal(account, issuer),
                    active: account.active,
                });
            }
        }
    }
    accounts
}

fn principal(account: &BasicAccount, issuer: &Arc<str>) -> Principal {
    let principal = Principal::new(Arc::clone(issuer), account.name.as_str())
        .kind(PrincipalKind::Client)
        .scopes(&account.scopes)
        .roles(&account.roles)
        .credential_id(account.name.as_str());
    match &account.tenant {
        Some(tenant) => principal.tenant(tenant.as_str()),
        None => principal,
    }
}

/// What takes as long as the slowest account. Accounts of a store are taken for new ones.
fn dummy(accounts: &HashMap<Box<str>, Account>, has_store: bool) -> Arc<StoredPassword> {
    let slowest = accounts.values().map(|account| &account.password);
    let slowest = slowest.max_by_key(|password| password.work());
    let new = StoredPassword::nobodys();
    match slowest {
        Some(slowest) if !has_store || slowest.work() > new.work() => Arc::clone(slowest),
        _ => Arc::new(new),
    }
}
