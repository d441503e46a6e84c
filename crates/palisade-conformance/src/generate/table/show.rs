//! A table in a report.

use std::fmt;

use super::{Fallback, Item, Rewriting, Table};

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Rewriting { place, slashes }) = self.rewriting {
            writeln!(f, "paths are rewritten {place:?} of the layer: {slashes:?}")?;
        }
        if self.forgets {
            writeln!(f, "a middleware makes responses anew")?;
        }
        show(&self.items, 0, f)?;
        show_fallback(self.fallback.as_ref(), 0, f)
    }
}

fn show(items: &[Item], depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let indent = "  ".repeat(depth + 1);
    for item in items {
        match item {
            Item::Route(route) => {
                let methods = match route.methods.is_empty() {
                    true => "any".to_owned(),
                    false => route.methods.join(" "),
                };
                let templates: Vec<String> = route
                    .templates()
                    .map(|template| format!("{template}"))
                    .collect();
                writeln!(
                    f,
                    "{indent}#{} {templates:?} {methods} {:?}",
                    route.id, route.style
                )?;
            }
            Item::Mount(mount) => {
                let prefix = mount.prefix.to_string();
                writeln!(f, "{indent}{:?} {prefix:?}", mount.kind)?;
                show(&mount.items, depth + 1, f)?;
                show_fallback(mount.fallback.as_ref(), depth + 1, f)?;
            }
        }
    }
    Ok(())
}

fn show_fallback(
    fallback: Option<&Fallback>,
    depth: usize,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let Some(fallback) = fallback else {
        return Ok(());
    };
    writeln!(f, "{}Fallback #{}", "  ".repeat(depth + 1), fallback.id)?;
    show(&fallback.items, depth + 1, f)
}
