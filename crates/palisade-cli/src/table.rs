//! Text in aligned columns.

/// The rows under their heading, each column as wide as its widest cell.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading = heading.iter().map(|&cell| cell.to_owned()).collect();
    columns(std::iter::once(&heading).chain(rows))
}

/// Names and what they are, without a heading.
pub(crate) fn list(pairs: &[(String, String)]) -> String {
    let rows = pairs
        .iter()
        .map(|(name, value)| vec![name.clone(), value.clone()]);
    columns(&rows.collect::<Vec<_>>())
}

fn columns<'r>(rows: impl IntoIterator<Item = &'r Vec<String>> + Clone) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows.clone() {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The names with commas between; a dash for none.
pub(crate) fn names<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "-".to_owned(),
        names => names
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// The names in a list, whatever separates them.
pub(crate) fn words(list: &str) -> Vec<String> {
    list.split([',', ' ', '\t'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [
            vec!["ä".to_owned(), "b".to_owned()],
            vec!["long".to_owned(), String::new()],
        ];
        assert_eq!(table(&["A", "B"], &rows), "  A     B\n  ä     b\n  long\n");
    }
}
