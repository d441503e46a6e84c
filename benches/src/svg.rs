//! The report as a chart: what peers and we add to the bare router, a column for each framework.

use std::fmt::Write;

use crate::{
    report::{Line, Report},
    rows::{Credential, Framework, Row},
};

const LABELS: f64 = 144.0;
const COLUMN: f64 = 256.0;
/// Room for the longest bar; the rest of a column is for the value at its end.
const BAR: f64 = 180.0;
const THICKNESS: f64 = 11.0;
const PITCH: f64 = 34.0;
const TOP: f64 = 92.0;
const BETWEEN: f64 = 34.0;

/// Rows that share one scale. Signatures take ten times as long as everything else and get their own.
const PANELS: [&[Row]; 2] = [
    &[
        Row::HeadersAndCors,
        Row::Limit,
        Row::Jwt,
        Row::Full(Credential::Hs256),
        Row::Cached(Credential::Hs256),
        Row::Full(Credential::ApiKey),
    ],
    &[
        Row::Full(Credential::Rs256),
        Row::Full(Credential::Es256),
        Row::Full(Credential::EdDsa),
    ],
];

const STYLE: &str = "
svg { background: #fff; font: 12px system-ui, sans-serif; }
text { fill: #1f2933; } .quiet { fill: #5f6b7a; } .title { font-size: 16px; font-weight: 600; } .head { font-weight: 600; }
.value { font-size: 11px; font-variant-numeric: tabular-nums; } .peers { fill: #a3adb8; } .ours { fill: #1a7f5a; }
line { stroke: #d5dbe1; }
@media (prefers-color-scheme: dark) {
svg { background: #14181d; } text { fill: #e6eaee; } .quiet { fill: #9aa5b1; }
.peers { fill: #66717e; } .ours { fill: #3fbf8f; } line { stroke: #323a43; }
}
";

/// The chart as a file that stands alone, in light and dark.
pub(crate) fn chart(report: &Report) -> String {
    let mut body = String::new();
    let mut top = TOP;
    for rows in PANELS {
        panel(&mut body, &report.lines, rows, top);
        top += rows.len() as f64 * PITCH + BETWEEN;
    }
    let width = LABELS + COLUMN * Framework::ALL.len() as f64;
    let mut svg = String::new();
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}" role="img" aria-label="What each stack adds to a bare router">
<style>{STYLE}</style>
<text class="title" x="16" y="28">What each stack adds to a bare router, per request</text>
<rect class="peers" x="16" y="42" width="11" height="11" rx="2"/><text x="32" y="52">crates picked today</text>
<rect class="ours" x="160" y="42" width="11" height="11" rx="2"/><text x="176" y="52">Palisade</text>
{body}<text class="quiet" x="16" y="{}">{}; less is better; each block has its own scale</text>
</svg>
"#,
        top - 12.0,
        escaped(&report.environment.cpu),
    );
    svg
}

/// A block of rows on one scale, in one column for each framework.
fn panel(svg: &mut String, lines: &[Line], rows: &[Row], top: f64) {
    let bars = |framework, row| {
        lines
            .iter()
            .find(move |line| line.framework == framework && line.row == row)
            .map(bars)
    };
    let longest = Framework::ALL
        .iter()
        .flat_map(|framework| rows.iter().filter_map(|row| bars(*framework, *row)))
        .flatten()
        .filter_map(|(_, added)| added)
        .fold(1.0, f64::max);
    for (column, framework) in Framework::ALL.into_iter().enumerate() {
        let left = LABELS + COLUMN * column as f64;
        let bottom = top + rows.len() as f64 * PITCH - 6.0;
        let _ = writeln!(
            svg,
            r#"<text class="head" x="{left}" y="{}">{}</text>"#,
            top - 10.0,
            framework.name()
        );
        let _ = writeln!(
            svg,
            r#"<line x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"/>"#
        );
        for (index, row) in rows.iter().enumerate() {
            let y = top + index as f64 * PITCH + 3.0;
            if column == 0 {
                let _ = writeln!(
                    svg,
                    r#"<text x="16" y="{}">{}</text>"#,
                    y + 15.0,
                    row.name()
                );
            }
            for (side, (class, added)) in bars(framework, *row).into_iter().flatten().enumerate() {
                if let Some(added) = added {
                    bar(
                        svg,
                        class,
                        left,
                        y + side as f64 * (THICKNESS + 1.0),
                        added,
                        longest,
                    );
                }
            }
        }
    }
}

/// What each side adds, in nanoseconds.
fn bars(line: &Line) -> [(&'static str, Option<f64>); 2] {
    [("peers", line.peers), ("ours", line.ours)].map(|(class, cost)| {
        (
            class,
            cost.map(|cost| cost.nanoseconds - line.bare.nanoseconds),
        )
    })
}

fn bar(svg: &mut String, class: &str, left: f64, y: f64, added: f64, longest: f64) {
    let width = (BAR * added / longest).max(1.0);
    let _ = writeln!(
        svg,
        r#"<rect class="{class}" x="{left}" y="{y}" width="{width:.1}" height="{THICKNESS}" rx="2"/><text class="value" x="{:.1}" y="{}">{}</text>"#,
        left + width + 5.0,
        y + THICKNESS - 1.5,
        spoken(added),
    );
}

/// Nanoseconds up to a microsecond, then microseconds.
fn spoken(nanoseconds: f64) -> String {
    if nanoseconds < 1000.0 {
        format!("{nanoseconds:.0} ns")
    } else {
        format!("{:.1} µs", nanoseconds / 1000.0)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        assert_eq!(spoken(518.4), "518 ns");
        assert_eq!(spoken(57_800.0), "57.8 µs");
    }
}
