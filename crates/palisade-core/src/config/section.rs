//! A table of the policy file, read key by key with every mistake collected.
//!
//! A method returns `None` where its key is absent or the value is unfit; in the second case the
//! mistake is noted, so that a reader simply goes on with its default. Keys that were never
//! asked for are unknown; whoever hands out a `Section` reports them when the reader is done.

use super::{
    Mistakes,
    document::join,
    value::{self, Unfit},
};
use crate::policy::Secret;
use std::{cmp::Reverse, fmt};
use toml::de::{DeTable, DeValue};

/// A table of the policy file.
pub(crate) struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    path: String,
    mistakes: &'a mut Mistakes,
    asked: Vec<&'static str>,
    any_key: bool,
}

impl<'a, 'i> Section<'a, 'i> {
    /// Reads the whole document.
    pub(crate) fn root<T>(
        table: &DeTable<'i>,
        mistakes: &mut Mistakes,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> T {
        let mut section = Section {
            table,
            path: String::new(),
            mistakes,
            asked: Vec::new(),
            any_key: false,
        };
        let content = read(&mut section);
        section.finish();
        content
    }

    /// Whether the table holds nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Notes a mistake at a key of this table.
    pub(crate) fn mistake(&mut self, key: &str, message: impl Into<String>) {
        self.mistakes.add(join(&self.path, key), message);
    }

    /// Notes a mistake at this table itself.
    pub(crate) fn mistake_here(&mut self, message: impl Into<String>) {
        self.mistakes.add(self.path.clone(), message);
    }

    /// A text that must be there.
    pub(crate) fn string(&mut self, key: &'static str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.mistake(key, "is missing; a string is needed");
        }
        self.optional_string(key)
    }

    /// A text.
    pub(crate) fn optional_string(&mut self, key: &'static str) -> Option<String> {
        self.read(key, "a string", value::string)
    }

    /// A list of texts; a single text counts as a list of one.
    pub(crate) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        self.string_list(join(&self.path, key), value)
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", value::boolean)
    }

    /// A whole number that is not negative.
    pub(crate) fn unsigned<N: TryFrom<u64>>(&mut self, key: &'static str) -> Option<N> {
        self.read(key, "a whole number", value::unsigned)
    }

    /// A number of bytes: `16384` or `"16 KiB"`.
    pub(crate) fn size<N: TryFrom<u64>>(&mut self, key: &'static str) -> Option<N> {
        let needed = "a number of bytes or a text such as \"16 KiB\"";
        self.read(key, needed, value::size)
    }

    /// A number of seconds: `60` or `"60s"`.
    pub(crate) fn duration_seconds(&mut self, key: &'static str) -> Option<u64> {
        let needed = "a number of seconds or a text such as \"60s\"";
        self.read(key, needed, value::seconds)
    }

    /// A moment, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn datetime(&mut self, key: &'static str) -> Option<u64> {
        let needed = "a date-time without quotes, such as 2027-01-01T00:00:00Z,";
        self.read(key, needed, value::unix_seconds)
    }

    /// One of these words.
    pub(crate) fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = self.value(key)?;
        self.word(&join(&self.path, key), value, choices, "")
    }

    /// A secret or a key, by reference. Whatever stands there instead is never repeated.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let needed = "a reference such as \"env:NAME\" or \"file:PATH\"";
        self.read(key, needed, |value| {
            Secret::parse(&value::string(value)?).map_err(|why| Unfit::Value(why.to_string()))
        })
    }

    /// A table: `[key]`.
    pub(crate) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> Option<T> {
        let value = self.value(key)?;
        let path = join(&self.path, key);
        let needed = format!("a table [{path}]");
        let table = value.as_table().ok_or(Unfit::Type);
        let table = self.fit(&path, &needed, value, table)?;
        Some(self.beneath(table, path, read))
    }

    /// A list of tables: `[[key]]`.
    pub(crate) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'i>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let path = join(&self.path, key);
        let needed = format!("a list of tables [[{path}]]");
        self.list(&path, &needed, value, |section, path, value| {
            let table = value.as_table().ok_or(Unfit::Type);
            let table = section.fit(&path, "a table", value, table)?;
            Some(section.beneath(table, path, &mut read))
        })
        .unwrap_or_default()
    }

    /// Tables whose names are the user's choice: `[key.NAME]`.
    pub(crate) fn named_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, &mut Section<'_, 'i>) -> T,
    ) -> Vec<T> {
        self.table(key, |section| {
            section.each_key(|section, name, value| match value.as_table() {
                Some(table) => {
                    let path = join(&section.path, name);
                    Some(section.beneath(table, path, |inner| read(name, inner)))
                }
                None => {
                    section.mistake_here(format!("has no name; write [{key}.NAME]"));
                    None
                }
            })
        })
        .unwrap_or_default()
    }

    /// The whole table as `NAME = "text"`, with names of the user's choice.
    pub(crate) fn named_strings<C: FromIterator<(String, String)>>(&mut self) -> C {
        let all = self.each_key(|section, name, value| {
            let path = join(&section.path, name);
            let text = section.fit(&path, "a string", value, value::string(value))?;
            Some((name.to_owned(), text))
        });
        all.into_iter().collect()
    }

    /// The whole table as `NAME = ["text", …]`, with names of the user's choice.
    pub(crate) fn named_lists<C: FromIterator<(String, Vec<String>)>>(&mut self) -> C {
        let all = self.each_key(|section, name, value| {
            let list = section.string_list(join(&section.path, name), value)?;
            Some((name.to_owned(), list))
        });
        all.into_iter().collect()
    }

    /// One of these words, or a table.
    pub(crate) fn choice_or_table<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        read: fn(&mut Section<'_, 'i>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        self.chosen_or_read(join(&self.path, key), value, choices, read)
    }

    /// A list whose elements are one of these words or a table each.
    pub(crate) fn choices_or_tables<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        read: fn(&mut Section<'_, 'i>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let path = join(&self.path, key);
        self.list(&path, "a list", value, |section, path, value| {
            section.chosen_or_read(path, value, choices, read)
        })
    }

    fn value(&mut self, key: &'static str) -> Option<&'a DeValue<'i>> {
        self.asked.push(key);
        self.table.get(key).map(|value| value.get_ref())
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        needed: &str,
        parse: impl FnOnce(&'a DeValue<'i>) -> Result<T, Unfit>,
    ) -> Option<T> {
        let value = self.value(key)?;
        self.fit(&join(&self.path, key), needed, value, parse(value))
    }

    /// What was parsed; the mistake is noted if the value was unfit.
    fn fit<T>(
        &mut self,
        path: &str,
        needed: &str,
        value: &DeValue<'_>,
        parsed: Result<T, Unfit>,
    ) -> Option<T> {
        let message = match parsed {
            Ok(parsed) => return Some(parsed),
            Err(Unfit::Type) => format!("is {}; {needed} is needed", value::describe(value)),
            Err(Unfit::Value(message)) => message,
        };
        self.mistakes.add(path, message);
        None
    }

    /// Every fit element of a list.
    fn list<T>(
        &mut self,
        path: &str,
        needed: &str,
        value: &'a DeValue<'i>,
        mut each: impl FnMut(&mut Self, String, &'a DeValue<'i>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let elements = self.fit(path, needed, value, value.as_array().ok_or(Unfit::Type))?;
        let read = elements.iter().enumerate().filter_map(|(index, element)| {
            each(self, format!("{path}[{index}]"), element.get_ref())
        });
        Some(read.collect())
    }

    fn string_list(&mut self, path: String, value: &'a DeValue<'i>) -> Option<Vec<String>> {
        if let Ok(one) = value::string(value) {
            return Some(vec![one]);
        }
        let needed = "a list of strings";
        self.list(&path, needed, value, |section, path, value| {
            section.fit(&path, "a string", value, value::string(value))
        })
    }

    fn chosen_or_read<T: Clone>(
        &mut self,
        path: String,
        value: &'a DeValue<'i>,
        choices: &[(&str, T)],
        read: fn(&mut Section<'_, 'i>) -> Option<T>,
    ) -> Option<T> {
        match value.as_table() {
            Some(table) => self.beneath(table, path, read),
            None => self.word(&path, value, choices, " or a table"),
        }
    }

    fn word<T: Clone>(
        &mut self,
        path: &str,
        value: &DeValue<'_>,
        choices: &[(&str, T)],
        or_else: &str,
    ) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|&(word, _)| word).collect();
        let words = format!("one of \"{}\"{or_else}", words.join("\", \""));
        let chosen = value::string(value).and_then(|text| {
            let chosen = choices.iter().find(|(word, _)| *word == text);
            chosen.map(|(_, chosen)| chosen.clone()).ok_or_else(|| {
                let guess = guess(&text, "\"", choices.iter().map(|&(word, _)| word));
                Unfit::Value(format!("is {text:?}; {words} is needed{guess}"))
            })
        });
        self.fit(path, &words, value, chosen)
    }

    /// Goes through the whole table, whatever the names in it.
    fn each_key<T>(
        &mut self,
        mut each: impl FnMut(&mut Self, &str, &'a DeValue<'i>) -> Option<T>,
    ) -> Vec<T> {
        self.any_key = true;
        self.table
            .iter()
            .filter_map(|(name, value)| each(self, name.get_ref(), value.get_ref()))
            .collect()
    }

    fn beneath<T>(
        &mut self,
        table: &DeTable<'i>,
        path: String,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> T {
        let mut section = Section {
            table,
            path,
            mistakes: self.mistakes,
            asked: Vec::new(),
            any_key: false,
        };
        let content = read(&mut section);
        section.finish();
        content
    }

    /// Reports every key that was never asked for.
    fn finish(self) {
        #[cfg(test)]
        asked::record(&self.path, &self.asked, self.any_key);
        if self.any_key {
            return;
        }
        for name in self.table.keys() {
            let name = name.get_ref();
            if !self.asked.iter().any(|asked| asked == name) {
                let guess = guess(name, "`", self.asked.iter().copied());
                let keys = self.asked.join(", ");
                let message = format!("is unknown{guess} (keys here: {keys})");
                self.mistakes.add(join(&self.path, name), message);
            }
        }
    }
}

impl fmt::Debug for Section<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the values: one may be a secret written by mistake.
        f.debug_struct("Section")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The word that was probably meant, as a question in these quotes: at most one slip of the
/// finger in three letters; of two as near, the one that begins alike. Empty if no word is near.
fn guess<'w>(typed: &str, quote: &str, words: impl Iterator<Item = &'w str>) -> String {
    words
        .map(|word| (strsim::osa_distance(typed, word), word))
        .filter(|&(distance, word)| distance <= word.len().div_ceil(3))
        .min_by_key(|&(distance, word)| (distance, Reverse(alike(typed, word))))
        .map(|(_, word)| format!("; did you mean {quote}{word}{quote}?"))
        .unwrap_or_default()
}

/// How many letters two words begin with in common.
fn alike(one: &str, other: &str) -> usize {
    one.chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .count()
}

/// Which keys readers ask for, to be compared with the documentation.
#[cfg(test)]
pub(crate) mod asked {
    use std::{cell::RefCell, collections::BTreeSet};

    thread_local! {
        static ASKED: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn record(path: &str, keys: &[&str], any_key: bool) {
        let section = path.replace("[0]", "");
        let keys = keys.iter().copied().chain(any_key.then_some("NAME"));
        let pairs = keys.map(|key| (section.clone(), key.to_owned()));
        ASKED.with_borrow_mut(|asked| asked.extend(pairs));
    }

    /// Every section and key that was asked for on this thread since the last call.
    pub(crate) fn take() -> BTreeSet<(String, String)> {
        ASKED.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;

    fn mistakes(text: &str, read: impl FnOnce(&mut Section<'_, '_>)) -> Vec<String> {
        let mut mistakes = Mistakes::default();
        let table = document::parse(text, &mut mistakes).unwrap();
        Section::root(&table, &mut mistakes, read);
        let error = mistakes.into_error();
        error.mistakes().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wrong_type_says_what_is_there_and_what_is_needed() {
        let text = "a = 1\nb = 'x'\nc = [1, 'y']\nd = {}\ne = 'z'\nf = [1]\ng = 1.5\n";
        let found = mistakes(text, |section| {
            assert_eq!(section.string("a"), None);
            assert_eq!(section.boolean("b"), None);
            assert_eq!(section.strings("c"), Some(vec!["y".to_owned()]));
            assert_eq!(section.strings("d"), None);
            assert!(section.table("e", |_| ()).is_none());
            assert!(section.tables("f", |_| ()).is_empty());
            assert_eq!(section.size::<u64>("g"), None);
            assert_eq!(section.string("h"), None);
        });
        let expected = [
            "h: is missing; a string is needed",
            "1: a: is an integer; a string is needed",
            "2: b: is a string; true or false is needed",
            "3: c[0]: is an integer; a string is needed",
            "4: d: is a table; a list of strings is needed",
            "5: e: is a string; a table [e] is needed",
            "6: f[0]: is an integer; a table is needed",
            "7: g: is a number with a fraction; a number of bytes or a text such as \"16 KiB\" \
             is needed",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unknown_key_gets_a_guess_only_if_one_is_near() {
        let found = mistakes("alowed = 1\nzzz = 2\n", |section| {
            section.strings("allowed");
        });
        assert_eq!(
            found[0],
            "1: alowed: is unknown; did you mean `allowed`? (keys here: allowed)"
        );
        assert_eq!(found[1], "2: zzz: is unknown (keys here: allowed)");
    }

    #[test]
    fn of_two_near_keys_the_one_that_begins_alike_is_guessed() {
        let found = mistakes("rules = 1\n", |section| {
            section.strings("roles");
            section.strings("rule");
        });
        assert!(found[0].contains("did you mean `rule`?"), "{found:?}");
    }

    #[test]
    fn a_choice_lists_its_words() {
        let found = mistakes("a = 'htlm'\nb = 3\n", |section| {
            section.choice("a", &[("api", 1), ("html", 2)]);
            section.choice("b", &[("api", 1)]);
        });
        let near = "1: a: is \"htlm\"; one of \"api\", \"html\" is needed; did you mean \"html\"?";
        assert_eq!(
            found,
            [near, "2: b: is an integer; one of \"api\" is needed"]
        );
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let text = "a = 'hunter2'\nb = ['hunter2']\n";
        let found = mistakes(text, |section| {
            assert!(section.secret("a").is_none());
            assert!(section.secret("b").is_none());
            assert!(!format!("{section:?}").contains("hunter2"));
        });
        assert_eq!(found.len(), 2);
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }

    #[test]
    fn a_table_without_its_name_says_how_to_name_it() {
        let found = mistakes("[jwt]\nissuer = 'x'\n[jwt.a]\nb = 1\n", |section| {
            let names = section.named_tables("jwt", |name, inner| {
                inner.optional_string("issuer");
                name.to_owned()
            });
            assert_eq!(names, ["a"]);
        });
        let unknown = "4: jwt.a.b: is unknown (keys here: issuer)";
        assert_eq!(found, ["1: jwt: has no name; write [jwt.NAME]", unknown]);
    }
}
