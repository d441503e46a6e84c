//! Patterns in the style of other routers: what to write instead.

/// Says how what stands in braces in other routers is written here.
pub(super) fn explain_braces(text: &str, inner: &str) -> String {
    let name = match leading_name(inner.trim_start_matches('*')) {
        "" => return format!("`{text}`: a name is letters, digits and `_`, such as `{{id}}`"),
        name => name,
    };
    if inner.ends_with('?') {
        return format!(
            "`{text}`: nothing is optional in a pattern: write one rule with `{{{name}}}` and one without"
        );
    }
    if inner.starts_with("**")
        || inner.ends_with("...")
        || inner.ends_with(":.*")
        || inner.ends_with(":.+")
    {
        return format!("`{text}`: for everything that follows write `{{*{name}}}`");
    }
    format!(
        "`{text}`: a parameter is only a name: write `{{{name}}}`, and check its shape by validation"
    )
}

/// Says how a parameter in the style of other routers is written here, if the text looks like one.
pub(super) fn explain_lookalike(text: &str) -> Option<String> {
    let named = |text, otherwise| match leading_name(text) {
        "" => otherwise,
        name => name,
    };
    if let Some(name) = text.strip_prefix(':') {
        let name = named(name, "id");
        return Some(format!(
            "`{text}` is a literal here: write `{{{name}}}`, or `%3A` for the character"
        ));
    }
    if let Some(inner) = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
    {
        let (kind, name) = inner.split_once(':').unwrap_or(("", inner));
        let star = if kind == "path" || name.ends_with("..") {
            "*"
        } else {
            ""
        };
        return Some(format!("`{text}`: write `{{{star}{}}}`", named(name, "id")));
    }
    if text.starts_with('*') {
        let name = named(text.trim_start_matches('*'), "rest");
        return Some(format!(
            "`{text}` is a literal here: write `{{*{name}}}` for everything that follows, \
             `{{id}}` for one segment, or `%2A` for the character"
        ));
    }
    if let Some(inner) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix("}*"))
    {
        return Some(format!("`{text}`: write `{{*{}}}`", named(inner, "rest")));
    }
    if text.contains(['{', '}']) {
        return Some(format!(
            "`{text}`: a parameter fills its whole segment: write `{{name}}`"
        ));
    }
    text.contains('*').then(|| {
        format!("`{text}`: `*` matches only itself: write `{{name}}` for one segment, or `%2A` for the character")
    })
}

/// The name that a text starts with: a letter or `_`, then letters, digits and `_`.
pub(super) fn leading_name(text: &str) -> &str {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return "";
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}
