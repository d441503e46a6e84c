//! How far a regular expression of a route's template can reach.

/// What a regular expression can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// One segment that is not empty.
    Segment,
    /// Perhaps nothing, or something with a slash in it.
    Beyond,
}

impl Reach {
    /// Knows the expressions that people write for ids, dates and file names; all others may reach anywhere.
    pub(super) fn of(regex: &str) -> Self {
        let regex = regex.strip_prefix('^').unwrap_or(regex);
        let regex = regex.strip_suffix('$').unwrap_or(regex);
        match regex == "[^/]+" || (stays_in_segment(regex) && !may_be_empty(regex)) {
            true => Reach::Segment,
            false => Reach::Beyond,
        }
    }
}

/// Whether there is a quantifier that allows nothing, or an alternative that is nothing.
fn may_be_empty(regex: &str) -> bool {
    let nothing = ["||", "(|", "|)", "()", "{0", "{,"];
    regex.is_empty()
        || regex.starts_with('|')
        || regex.ends_with('|')
        || regex.contains(['*', '?'])
        || nothing.iter().any(|nothing| regex.contains(nothing))
}

/// Letters, digits and a few signs for themselves, `\d` and `\w`, escaped signs, groups, alternatives, quantifiers, and
/// classes of all these with ranges of letters or of digits.
fn stays_in_segment(regex: &str) -> bool {
    let mut characters = regex.chars().peekable();
    let mut in_class = false;
    let mut before = None;
    while let Some(c) = characters.next() {
        let harmless = match c {
            '\\' => characters
                .next()
                .is_some_and(|c| matches!(c, 'd' | 'w' | '.' | '-' | '_' | '+' | '@' | '$')),
            '[' if !in_class => {
                in_class = true;
                characters.peek() != Some(&'^')
            }
            ']' if in_class => {
                in_class = false;
                true
            }
            // Between two letters or two digits, or at the end of the class, no range can hold a slash.
            '-' if in_class => match characters.peek() {
                Some(']') => true,
                Some(to) => {
                    to.is_ascii_alphanumeric()
                        && before.is_some_and(|from: char| from.is_ascii_alphanumeric())
                }
                None => false,
            },
            '.' => in_class,
            '(' => characters.peek() != Some(&'?'),
            '|' | ')' | '?' | '*' | '+' | '{' | '}' | ',' => true,
            _ => c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '~' | '@' | ':'),
        };
        if !harmless {
            return false;
        }
        before = Some(c);
    }
    !in_class
}
