//! What a step says about the issuer beside its server: `issuer = { … }`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// See `cases/README.md`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IssuerText {
    /// Which of the issuers: the path after `{issuer}`.
    pub(crate) at: String,
    /// A word for all that follow.
    pub(crate) all: Option<String>,
    /// How metadata is answered.
    pub(crate) discovery: Option<String>,
    /// How the key set is answered, or the names of the keys in it.
    pub(crate) jwks: Option<WordOr<Vec<String>>>,
    /// How introspection is answered, or what it says of tokens, by their names.
    pub(crate) introspection: Option<WordOr<BTreeMap<String, Value>>>,
}

/// A word such as `down`, or what a working issuer says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum WordOr<T> {
    Word(String),
    Said(T),
}

/// How an endpoint answers, whatever it says.
const MANNERS: [&str; 7] = ["up", "down", "hang", "slow", "redirect", "broken", "huge"];

/// What is wrong with the metadata.
const METADATA: [&str; 5] = [
    "wrong_issuer",
    "no_jwks",
    "private_jwks",
    "plain_jwks",
    "rfc8414",
];

/// What is wrong with the key set.
const SETS: [&str; 10] = [
    "empty",
    "many",
    "one_bad",
    "oct",
    "duplicate",
    "replaced",
    "twice",
    "nulls",
    "no_set",
    "html",
];

impl IssuerText {
    /// The tokens that introspection is told about.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &String> {
        let said = match &self.introspection {
            Some(WordOr::Said(said)) => Some(said),
            _ => None,
        };
        said.into_iter().flat_map(BTreeMap::keys)
    }

    /// The words that mean nothing.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let word = |known: &'static [&'static str], word: Option<&String>| {
            let unknown = word.filter(|word| {
                let known = MANNERS.iter().chain(known).any(|known| known == word);
                !known && word.parse::<u16>().is_err()
            });
            unknown.map(|word| {
                let known = [&MANNERS, known].concat().join(", ");
                format!("the issuer does not know `{word}`; it knows a status, {known}")
            })
        };
        let jwks = self.jwks.as_ref().and_then(WordOr::word);
        let introspection = self.introspection.as_ref().and_then(WordOr::word);
        [
            word(&[], self.all.as_ref()),
            word(&METADATA, self.discovery.as_ref()),
            word(&SETS, jwks),
            word(&[], introspection),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl IssuerText {
    /// With the value of `each` in its words and exact answers.
    pub(crate) fn with_each(&self, each: Option<&str>) -> Self {
        let mut text = self.clone();
        let Some(each) = each else {
            return text;
        };
        let words = [
            text.all.as_mut(),
            text.discovery.as_mut(),
            text.jwks.as_mut().and_then(WordOr::word_mut),
            text.introspection.as_mut().and_then(WordOr::word_mut),
        ];
        for word in words.into_iter().flatten() {
            *word = word.replace("{each}", each);
        }
        if let Some(WordOr::Said(said)) = &mut text.introspection {
            for answer in said.values_mut() {
                if let Value::String(exact) = answer {
                    *exact = exact.replace("{each}", each);
                }
            }
        }
        text
    }
}

impl<T> WordOr<T> {
    fn word_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Word(word) => Some(word),
            Self::Said(_) => None,
        }
    }

    fn word(&self) -> Option<&String> {
        match self {
            Self::Word(word) => Some(word),
            Self::Said(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(toml: &str) -> IssuerText {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn words_that_mean_nothing_are_named() {
        for sound in [
            "all = '503'",
            "jwks = 'oct'",
            "jwks = ['rsa']",
            "discovery = 'rfc8414'",
        ] {
            assert_eq!(text(sound).mistakes(), [""; 0], "{sound}");
        }
        let wrong = text("all = 'oct'\ndiscovery = 'empty'\nintrospection = 'uppp'").mistakes();
        assert_eq!(wrong.len(), 3);
        assert!(
            wrong[0].starts_with("the issuer does not know `oct`; it knows a status, up, down")
        );
    }

    #[test]
    fn each_may_be_a_word_or_a_part_of_an_answer() {
        let each = text("jwks = '{each}'\nintrospection = { a = '{\"active\":{each}}' }");
        let each = each.with_each(Some("1"));
        assert!(matches!(each.jwks, Some(WordOr::Word(word)) if word == "1"));
        let said = each.introspection.and_then(|said| match said {
            WordOr::Said(said) => said.get("a").cloned(),
            WordOr::Word(_) => None,
        });
        assert_eq!(said, Some(json!(r#"{"active":1}"#)));
    }
}
