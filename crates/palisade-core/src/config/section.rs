//! A table of the policy file, read key by key with every mistake collected.
//!
//! A method returns `None` where its key is absent or the value is unfit; in the second case the
//! mistake is noted, so that a reader simply goes on with its default. Keys that were never
//! asked for are unknown; whoever hands out a `Section` reports them when the reader is done.

use super::{
    Mistakes,
    document::join,
    outline::{self, Outline},
    value::{self, Unfit},
};
use crate::secret::Secret;
use serde_json::Value;
use std::{cmp::Reverse, fmt};
use toml::de::{DeTable, DeValue};

/// A table of the policy file.
pub(crate) struct Section<'a, 'i> {
    table: &'a DeTable<'i>,
    path: String,
    mistakes: &'a mut Mistakes,
    asked: Vec<&'static str>,
    any_key: bool,
    /// Where the readers are only asked what they would read.
    outline: Option<Outline>,
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
            outline: None,
        };
        let content = read(&mut section);
        section.finish();
        content
    }

    /// What `read` would read, as JSON Schema. It finds nothing, and what it says of that is
    /// dropped.
    pub(crate) fn schema<T>(read: impl FnOnce(&mut Section<'_, '_>) -> T) -> Value {
        let (table, mut mistakes) = (DeTable::new(), Mistakes::default());
        let mut section = Section {
            table: &table,
            path: String::new(),
            mistakes: &mut mistakes,
            asked: Vec::new(),
            any_key: false,
            outline: Some(Outline::default()),
        };
        read(&mut section);
        section.outline.unwrap_or_default().into_schema()
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
        if let Some(outline) = &mut self.outline {
            outline.require(key);
        }
        self.optional_string(key)
    }

    /// A text.
    pub(crate) fn optional_string(&mut self, key: &'static str) -> Option<String> {
        self.read(key, "a string", outline::text, value::string)
    }

    /// A list of texts; a single text counts as a list of one.
    pub(crate) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key, outline::texts)?;
        self.string_list(join(&self.path, key), value)
    }

    /// A list of texts for a key whose absence means all of them, or the usual ones: `[]` looks
    /// like none and would be the same, so it is a mistake. `absent` says what absence means.
    pub(crate) fn some_strings(&mut self, key: &'static str, absent: &str) -> Option<Vec<String>> {
        let value = self.value(key, outline::some_texts)?;
        let list = self.string_list(join(&self.path, key), value)?;
        if value.as_array().is_some_and(|array| array.is_empty()) {
            self.mistake(
                key,
                format!(
                    "is an empty list, which would mean {absent}; name some, or remove the key"
                ),
            );
        }
        Some(list)
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", outline::boolean, value::boolean)
    }

    /// A whole number that is not negative.
    pub(crate) fn unsigned<N: TryFrom<u64>>(&mut self, key: &'static str) -> Option<N> {
        let shape = outline::unsigned::<N>;
        self.read(key, "a whole number", shape, value::unsigned)
    }

    /// A number of bytes: `16384` or `"16 KiB"`.
    pub(crate) fn size<N: TryFrom<u64>>(&mut self, key: &'static str) -> Option<N> {
        let needed = "a number of bytes or a text such as \"16 KiB\"";
        self.read(key, needed, outline::size, value::size)
    }

    /// A number of seconds: `60` or `"60s"`.
    pub(crate) fn duration_seconds(&mut self, key: &'static str) -> Option<u64> {
        let needed = "a number of seconds or a text such as \"60s\"";
        self.read(key, needed, outline::seconds, value::seconds)
    }

    /// A moment, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn datetime(&mut self, key: &'static str) -> Option<u64> {
        let needed = "a date-time without quotes, such as 2027-01-01T00:00:00Z,";
        self.read(key, needed, outline::datetime, value::unix_seconds)
    }

    /// One of these words.
    pub(crate) fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = self.value(key, || outline::words(choices))?;
        self.word(&join(&self.path, key), value, choices, "")
    }

    /// A secret or a key, by reference. Whatever stands there instead is never repeated.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let needed = "a reference such as \"env:NAME\" or \"file:PATH\"";
        self.read(key, needed, outline::secret, |value| {
            Secret::parse(&value::string(value)?).map_err(|why| Unfit::Value(why.to_string()))
        })
    }

    /// A table: `[key]`.
    pub(crate) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> Option<T> {
        let path = join(&self.path, key);
        if self.outline.is_some() {
            let (content, shape) = self.outlined(path, read);
            self.value(key, || shape);
            return Some(content);
        }
        let value = self.value(key, Value::default)?;
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
        let path = join(&self.path, key);
        if self.outline.is_some() {
            let (_, shape) = self.outlined(path, read);
            self.value(key, || outline::list(shape));
            return Vec::new();
        }
        let Some(value) = self.value(key, Value::default) else {
            return Vec::new();
        };
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
            if section.outline.is_some() {
                let path = join(&section.path, "NAME");
                let (_, shape) = section.outlined(path, |inner| read("NAME", inner));
                section.any(|| shape);
                return Vec::new();
            }
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
        self.any(outline::text);
        let all = self.each_key(|section, name, value| {
            let path = join(&section.path, name);
            let text = section.fit(&path, "a string", value, value::string(value))?;
            Some((name.to_owned(), text))
        });
        all.into_iter().collect()
    }

    /// The whole table as `NAME = ["text", …]`, with names of the user's choice.
    pub(crate) fn named_lists<C: FromIterator<(String, Vec<String>)>>(&mut self) -> C {
        self.any(outline::texts);
        let all = self.each_key(|section, name, value| {
            let list = section.string_list(join(&section.path, name), value)?;
            Some((name.to_owned(), list))
        });
        all.into_iter().collect()
    }

    /// One of these words, or a table that is called `name` in the schema.
    pub(crate) fn choice_or_table<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        name: &'static str,
        read: fn(&mut Section<'_, 'i>) -> Option<T>,
    ) -> Option<T> {
        self.share(key, name, read);
        let value = self.value(key, || outline::words_or_shared(choices, name))?;
        self.chosen_or_read(join(&self.path, key), value, choices, read)
    }

    /// A list whose elements are one of these words or such a table each.
    pub(crate) fn choices_or_tables<T: Clone>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        name: &'static str,
        read: fn(&mut Section<'_, 'i>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.share(key, name, read);
        let element = || outline::words_or_shared(choices, name);
        let value = self.value(key, || outline::list(element()))?;
        let path = join(&self.path, key);
        self.list(&path, "a list", value, |section, path, value| {
            section.chosen_or_read(path, value, choices, read)
        })
    }

    fn value(
        &mut self,
        key: &'static str,
        shape: impl FnOnce() -> Value,
    ) -> Option<&'a DeValue<'i>> {
        if let Some(outline) = &mut self.outline {
            outline.note(&self.path, key, shape());
            return None;
        }
        self.asked.push(key);
        self.table.get(key).map(|value| value.get_ref())
    }

    /// What keys of the user's choice take.
    fn any(&mut self, shape: impl FnOnce() -> Value) {
        if let Some(outline) = &mut self.outline {
            outline.note_any(shape());
        }
    }

    /// Makes the shape `name` of a table, unless that is known already.
    fn share<T>(
        &mut self,
        key: &str,
        name: &'static str,
        read: fn(&mut Section<'_, 'i>) -> Option<T>,
    ) {
        if !self.outline.as_mut().is_some_and(|own| own.lacks(name)) {
            return;
        }
        let (_, shape) = self.outlined(join(&self.path, key), read);
        if let Some(outline) = &mut self.outline {
            outline.share(name, shape);
        }
    }

    /// What `read` makes of a table without content, and what it asked for.
    fn outlined<T>(
        &mut self,
        path: String,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> (T, Value) {
        let table = DeTable::new();
        let mut section = Section {
            table: &table,
            path,
            mistakes: self.mistakes,
            asked: Vec::new(),
            any_key: false,
            outline: self.outline.as_mut().map(Outline::beneath),
        };
        let content = read(&mut section);
        let inner = section.outline.take().unwrap_or_default();
        let shape = self.outline.as_mut().map(|own| own.adopt(inner));
        (content, shape.unwrap_or_default())
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        needed: &str,
        shape: impl FnOnce() -> Value,
        parse: impl FnOnce(&'a DeValue<'i>) -> Result<T, Unfit>,
    ) -> Option<T> {
        let value = self.value(key, shape)?;
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
            outline: None,
        };
        let content = read(&mut section);
        section.finish();
        content
    }

    /// Reports every key that was never asked for.
    fn finish(self) {
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
pub(crate) fn guess<'w>(typed: &str, quote: &str, words: impl Iterator<Item = &'w str>) -> String {
    words
        .map(|word| (strsim::osa_distance(typed, word), word))
        .filter(|&(distance, word)| distance <= word.len().div_ceil(3))
        .min_by_key(|&(distance, word)| (distance, Reverse(alike(typed, word))))
        .map(|(_, word)| format!("; did you mean {quote}{word}{quote}?"))
        .unwrap_or_default()
}

/// The word that a typing error away from it is written here: one slip in a short word, two in a
/// long one. `None` for the word itself.
pub(crate) fn near<'w>(typed: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let slips = if typed.len() < 8 { 1 } else { 2 };
    words
        .into_iter()
        .find(|word| (1..=slips).contains(&strsim::osa_distance(typed, word)))
}

/// How many letters two words begin with in common.
fn alike(one: &str, other: &str) -> usize {
    one.chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .count()
}

#[cfg(test)]
mod tests;
