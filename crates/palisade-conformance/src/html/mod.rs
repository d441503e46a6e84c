//! The matrix as one self-contained page, to open from a disk or to publish as it is.

use std::fmt::{self, Write as _};

use crate::books::{self, Entry};
use crate::model::Guard;
use crate::report::{Cell, Equality, MatrixReport, Row, Trace, Verdict};

impl MatrixReport {
    /// The page. It loads nothing from elsewhere and works, apart from its filter, without scripts.
    pub fn html(&self) -> String {
        let mut page = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Palisade conformance</title>\n<style>\n{}:root {{ --columns: {}; }}\n</style>\n</head>\n<body>\n<main>\n",
            include_str!("page.css"),
            self.frameworks.len() + 1,
        )?;
        self.write_head(page)?;
        for (at, row) in self.rows.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| self.rows.get(before));
            if before.is_none_or(|before| before.file != row.file) {
                if before.is_some() {
                    page.push_str("</div>\n</section>\n");
                }
                self.write_file(page, row)?;
            }
            self.write_row(page, row)?;
        }
        if !self.rows.is_empty() {
            page.push_str("</div>\n</section>\n");
        }
        self.write_coverage(page)?;
        self.write_books(page)?;
        write!(
            page,
            "</main>\n<script>\n{}</script>\n</body>\n</html>\n",
            include_str!("page.js")
        )
    }

    fn write_head(&self, page: &mut String) -> fmt::Result {
        let tally = self.tally();
        let declared = self
            .rows
            .iter()
            .flat_map(|row| &row.cells)
            .filter(|cell| matches!(cell.verdict, Verdict::Declared(_)))
            .count();
        writeln!(page, "<h1>Palisade conformance</h1>")?;
        writeln!(
            page,
            "<p class=\"lead\">{} cases on {}, over real sockets, in {:.1} s. <em>Same</em> means: byte-equal normalised responses.</p>",
            self.rows.len(),
            Escaped(&self.frameworks.join(", ")),
            self.elapsed.as_secs_f32()
        )?;
        page.push_str("<div class=\"totals\">");
        for (class, number, label) in [
            ("pass", tally.passed, "passed"),
            (
                if tally.failed > 0 { "fail" } else { "" },
                tally.failed,
                "failed",
            ),
            ("", declared, "declared differences"),
        ] {
            write!(
                page,
                "<div class=\"total {class}\"><b>{number}</b><span>{label}</span></div>"
            )?;
        }
        page.push_str(
            "</div>\n<div class=\"bar\"><input id=\"filter\" type=\"search\" placeholder=\"Filter by case, file or guard\" aria-label=\"Filter\">\
             <select id=\"state\" aria-label=\"State\"><option value=\"\">all cases</option><option value=\"fail\">failed</option>\
             <option value=\"declared\">declared</option></select></div>\n",
        );
        Ok(())
    }

    fn write_file(&self, page: &mut String, row: &Row) -> fmt::Result {
        writeln!(
            page,
            "<section data-file><h2>{}<small>{}</small></h2>\n<div class=\"table\">",
            Escaped(&row.file),
            Escaped(&row.about)
        )?;
        page.push_str("<div class=\"row\"><span>case</span><span>guards</span>");
        for framework in self.frameworks.iter().chain(&["same"]) {
            write!(page, "<span>{}</span>", Escaped(framework))?;
        }
        page.push_str("</div>\n");
        Ok(())
    }

    fn write_row(&self, page: &mut String, row: &Row) -> fmt::Result {
        let guards: Vec<_> = row.guards.iter().map(ToString::to_string).collect();
        let text = format!("{} {} {}", row.file, row.name, guards.join(" ")).to_lowercase();
        let declared = row
            .cells
            .iter()
            .any(|cell| matches!(cell.verdict, Verdict::Declared(_)));
        let state = format!(
            "{} {}",
            if row.is_red() { "fail" } else { "" },
            if declared { "declared" } else { "" }
        );
        write!(
            page,
            "<details data-text=\"{}\" data-state=\"{}\"><summary>",
            Escaped(&text),
            state.trim()
        )?;
        write!(
            page,
            "<span class=\"name\">{}</span><span class=\"guards\">",
            Escaped(&row.name)
        )?;
        for guard in &row.guards {
            write_guard(page, guard)?;
        }
        page.push_str("</span>");
        for cell in &row.cells {
            let (class, word) = match cell.verdict {
                Verdict::Pass => ("pass", "pass"),
                Verdict::Fail(_) => ("fail", "FAIL"),
                Verdict::Declared(_) => ("declared", "declared"),
            };
            write!(page, "<span class=\"mark {class}\">{word}</span>")?;
        }
        let (class, word) = match row.equality {
            Equality::Same => ("pass", "same"),
            Equality::Different(_) => ("fail", "DIFFER"),
            Equality::NotCompared => ("none", "–"),
        };
        write!(
            page,
            "<span class=\"mark {class}\">{word}</span></summary>\n<div class=\"inside\">"
        )?;
        self.write_inside(page, row)?;
        page.push_str("</div></details>\n");
        Ok(())
    }

    /// Where all agree, one exchange stands for all of them.
    fn write_inside(&self, page: &mut String, row: &Row) -> fmt::Result {
        if let Equality::Different(difference) = &row.equality {
            write!(
                page,
                "<h3>the first difference</h3><pre class=\"wrong\">{}</pre>",
                Escaped(difference)
            )?;
        }
        let agree = row.equality == Equality::Same
            && row.cells.iter().all(|cell| cell.verdict == Verdict::Pass);
        let shown = if agree { 1 } else { row.cells.len() };
        for (framework, cell) in self.frameworks.iter().zip(&row.cells).take(shown) {
            let title = if agree {
                self.frameworks.join(", ")
            } else {
                (*framework).to_owned()
            };
            write!(page, "<h3>{}</h3>", Escaped(&title))?;
            write_cell(page, cell)?;
        }
        Ok(())
    }

    fn write_coverage(&self, page: &mut String) -> fmt::Result {
        page.push_str("<section><h2>Guards<small>how many cases keep each entry of the books</small></h2><div class=\"covered\">");
        for (guard, cases) in self.coverage() {
            let guard = guard.to_string();
            let guard = Escaped(&guard);
            if cases == 0 {
                write!(page, "<span class=\"guard empty\">{guard}</span>")?;
            } else {
                write!(
                    page,
                    "<button class=\"guard\" data-guard=\"{guard}\">{guard} · {cases}</button>"
                )?;
            }
        }
        page.push_str("</div></section>\n");
        Ok(())
    }

    /// The entries of the books, so that the page needs nothing beside it, wherever it lies.
    fn write_books(&self, page: &mut String) -> fmt::Result {
        page.push_str("<section><h2>Books<small>docs/pitfalls.md, docs/standards.md, and the invariants of ARCHITECTURE.md</small></h2>\n");
        let coverage = self.coverage();
        for entry in books::entries() {
            let cases = match coverage.get(&entry.guard) {
                Some(1) => "1 case".to_owned(),
                Some(cases) if *cases > 0 => format!("{cases} cases"),
                _ if entry.is_built() => "no case in this run".to_owned(),
                _ => "not built yet".to_owned(),
            };
            write!(
                page,
                "<article id=\"{}\"><h3>{}. {}<small>{cases}</small></h3>",
                anchor(&entry.guard),
                Escaped(&entry.guard.to_string()),
                Escaped(&entry.title)
            )?;
            if !entry.text.is_empty() {
                write!(page, "<p class=\"entry\">{}</p>", Escaped(&entry.text))?;
            }
            page.push_str("</article>\n");
        }
        page.push_str("</section>\n");
        Ok(())
    }
}

/// A guard as a link to its entry below, whose title is shown while one points at it.
fn write_guard(page: &mut String, guard: &Guard) -> fmt::Result {
    let name = guard.to_string();
    let name = Escaped(&name);
    match books::entry(guard) {
        Some(Entry { title, .. }) => write!(
            page,
            "<a class=\"guard\" href=\"#{}\" title=\"{}\">{name}</a>",
            anchor(guard),
            Escaped(title)
        ),
        None => write!(page, "<span class=\"guard\">{name}</span>"),
    }
}

/// `pitfalls-17`.
fn anchor(guard: &Guard) -> String {
    format!("{}-{}", guard.list.to_lowercase(), guard.number)
}

fn write_cell(page: &mut String, cell: &Cell) -> fmt::Result {
    match &cell.verdict {
        Verdict::Declared(reason) => write!(page, "<p class=\"reason\">{}</p>", Escaped(reason))?,
        Verdict::Fail(mistakes) => write!(
            page,
            "<pre class=\"wrong\">{}</pre>",
            Escaped(&mistakes.join("\n"))
        )?,
        Verdict::Pass => {}
    }
    for Trace {
        request, answer, ..
    } in &cell.traces
    {
        write!(
            page,
            "<div class=\"exchange\"><pre>{}</pre><pre>{}</pre></div>",
            Escaped(request),
            Escaped(answer)
        )?;
    }
    Ok(())
}

/// Text inside HTML, in elements and in quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::report::tests::report;

    /// The names of the tags that are opened and closed, without those that are never closed.
    fn tags(page: &str) -> Vec<&str> {
        let body = page
            .split("</style>")
            .nth(1)
            .unwrap()
            .split("<script>")
            .next()
            .unwrap();
        let names = body
            .split('<')
            .skip(1)
            .map(|tag| tag.split([' ', '>']).next().unwrap());
        names
            .filter(|name| !matches!(*name, "input" | "meta" | "/head" | "!doctype"))
            .collect()
    }

    #[test]
    fn every_element_is_closed_in_order() {
        let page = report().html();
        let mut open = Vec::new();
        for tag in tags(&page) {
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None => open.push(tag),
            }
        }
        assert_eq!(open, ["body"]);
    }

    #[test]
    fn everything_from_a_case_is_escaped() {
        let page = report().html();
        assert!(
            page.contains("wrong &amp; bad")
                && page.contains("has no &lt;HTTP/2&gt;")
                && page.contains("200 &lt;script&gt;")
        );
        assert_eq!(page.matches("<script>").count(), 1);
    }

    #[test]
    fn an_exchange_that_all_agree_on_is_shown_once() {
        let page = report().html();
        let same = page.split("data-text=\"refusals different").nth(1).unwrap();
        assert!(same.contains("the first difference"));
        assert!(page.contains("<span class=\"mark declared\">declared</span>"));
        assert!(page.contains("PITFALLS 19 · 3"));
    }

    /// Texts may name other pages; what is within tags, styles and scripts does not.
    #[test]
    fn loads_nothing_from_elsewhere() {
        let page = report().html();
        let quoted = |attribute: &str| {
            let parts = page.split(attribute).skip(1);
            parts
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(quoted(" src=\""), [""; 0]);
        let links = quoted(" href=\"");
        assert!(!links.is_empty() && links.iter().all(|link| link.starts_with('#')));
        for own in [include_str!("page.css"), include_str!("page.js")] {
            assert!(!own.contains("//") && !own.contains("url(") && !own.contains("@import"));
        }
    }

    #[test]
    fn a_guard_leads_to_its_entry_on_the_same_page() {
        let page = report().html();
        let link =
            "<a class=\"guard\" href=\"#pitfalls-19\" title=\"The word Bearer\">PITFALLS 19</a>";
        assert_eq!(page.matches(link).count(), 3);
        let (_, entry) = page.split_once("<article id=\"pitfalls-19\">").unwrap();
        let (entry, _) = entry.split_once("</article>").unwrap();
        assert!(entry.starts_with("<h3>PITFALLS 19. The word Bearer<small>3 cases</small></h3>"));
        assert!(entry.contains("two lines are 400"));
        let without_cases = |text: &str| page.contains(&format!("<small>{text}</small>"));
        assert!(without_cases("not built yet") && without_cases("no case in this run"));
    }
}
