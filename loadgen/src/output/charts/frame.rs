//! Common parts of all charts: card, title, panels with axes, and marks.

use loadtest::verdict::Verdict;

use super::{axis::Axis, chart::Chart};
use crate::output::page::escape;

/// Width of every chart.
pub(super) const WIDTH: f64 = 900.0;
/// Left and right ends of the usual panel.
pub(super) const LEFT: f64 = 70.0;
pub(super) const RIGHT: f64 = 870.0;

/// A chart under construction.
pub(super) struct Frame {
    title: String,
    body: String,
    height: f64,
}

/// A part of a chart with axes of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    pub x: Axis,
    pub y: Axis,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    pub fn new(height: f64, title: &str, subtitle: &str) -> Self {
        let mut frame = Self { title: title.to_owned(), body: String::new(), height };
        frame.body.push_str(&format!(
            "<rect class=\"card\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            WIDTH - 1.0,
            height - 1.0
        ));
        frame.text(24.0, 30.0, "h", "start", title);
        frame.text(24.0, 50.0, "s", "start", subtitle);
        frame
    }

    pub fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        self.body.push_str(&format!(
            "<text class=\"t {class}\" x=\"{x:.1}\" y=\"{y:.1}\" \
                text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        ));
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.body.push_str(&format!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// Draws a rectangle, unless it has no size.
    pub fn rect(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        if to.0 - from.0 >= 0.05 && to.1 - from.1 >= 0.05 {
            self.body.push_str(&rect(class, from, to, ""));
        }
    }

    /// Draws an invisible rectangle that shows a text under the pointer.
    pub fn hint(&mut self, from: (f64, f64), to: (f64, f64), text: &str) {
        self.body.push_str(&rect("hit", from, to, text));
    }

    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.body
            .push_str(&format!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    /// Draws a line with a gap wherever a point is missing. A point between two gaps is a dot.
    pub fn broken_path(&mut self, style: usize, points: &[Option<(f64, f64)>]) {
        for part in points.split(Option::is_none).filter(|part| !part.is_empty()) {
            let part: Vec<(f64, f64)> = part.iter().copied().flatten().collect();
            match part[..] {
                [single] => self.dot(&format!("d{style}"), single, 2.0),
                _ => self.path(&format!("l{style}"), &part),
            }
        }
    }

    pub fn dot(&mut self, class: &str, at: (f64, f64), radius: f64) {
        self.body.push_str(&format!(
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>",
            at.0, at.1
        ));
    }

    /// Draws a trial: a filled circle if it passed, a diamond if it failed, a ring if it is
    /// undecided, a cross if it is invalid.
    pub fn trial(&mut self, verdict: Verdict, (x, y): (f64, f64), what: &str) {
        let (mark, end) = match verdict {
            Verdict::Pass => (
                format!("<circle class=\"pass\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\">"),
                "</circle>",
            ),
            Verdict::Fail => {
                let d = 6.0;
                let (left, right, top, bottom) = (x - d, x + d, y - d, y + d);
                let path = format!(
                    "<path class=\"fail\" d=\"M{left:.1} {y:.1}L{x:.1} {top:.1}L{right:.1} \
                        {y:.1}L{x:.1} {bottom:.1}Z\">"
                );
                (path, "</path>")
            }
            Verdict::Undecided => (
                format!("<circle class=\"open\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\">"),
                "</circle>",
            ),
            Verdict::Invalid => {
                let d = 4.5;
                let (left, right, top, bottom) = (x - d, x + d, y - d, y + d);
                let path = format!(
                    "<path class=\"open\" d=\"M{left:.1} {top:.1}L{right:.1} {bottom:.1}M{left:.1} \
                        {bottom:.1}L{right:.1} {top:.1}\">"
                );
                (path, "</path>")
            }
        };
        self.body.push_str(&format!("{mark}<title>{}</title>{end}", escape(what)));
    }

    /// Draws a small mark: a dot if a window passed, a diamond if it failed, a ring otherwise.
    pub fn small_mark(&mut self, verdict: Verdict, (x, y): (f64, f64), what: &str) {
        let mark = match verdict {
            Verdict::Fail => {
                let d = 3.2;
                let (left, right, top, bottom) = (x - d, x + d, y - d, y + d);
                format!(
                    "<path class=\"fail\" d=\"M{left:.1} {y:.1}L{x:.1} {top:.1}L{right:.1} \
                        {y:.1}L{x:.1} {bottom:.1}Z\"><title>{}</title></path>",
                    escape(what)
                )
            }
            passed => {
                let class = if passed == Verdict::Pass { "pass" } else { "open" };
                format!(
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"><title>{}\
                        </title></circle>",
                    escape(what)
                )
            }
        };
        self.body.push_str(&mark);
    }

    /// Draws a panel's grid, axes and labels.
    pub fn panel(&mut self, panel: &Panel, name: &str, xs: &[(f64, String)], ys: &[(f64, String)]) {
        for (value, label) in ys {
            let y = panel.y.at(*value);
            self.line("g", (panel.left, y), (panel.right, y));
            self.text(panel.left - 8.0, y + 4.0, "s", "end", label);
        }
        let mut last = f64::NEG_INFINITY;
        for (value, label) in xs {
            let x = panel.x.at(*value);
            self.line("g", (x, panel.top), (x, panel.bottom));
            // Skip labels that would overlap.
            if x - last >= 8.0 * label.len() as f64 {
                self.text(x, panel.bottom + 16.0, "s", "middle", label);
                last = x;
            }
        }
        self.line("a", (panel.left, panel.bottom), (panel.right, panel.bottom));
        self.line("a", (panel.left, panel.top), (panel.left, panel.bottom));
        self.text(panel.left, panel.top - 8.0, "", "start", name);
    }

    /// Draws the objective as a horizontal line.
    pub fn objective(&mut self, panel: &Panel, value: f64, label: &str) {
        let y = panel.y.at(value);
        self.line("slo", (panel.left, y), (panel.right, y));
        // Above the panel are the names of the steps.
        let place = if y < panel.top + 16.0 { y + 14.0 } else { y - 6.0 };
        self.text(panel.right, place, "s", "end", label);
    }

    /// Draws the names of lines in a row, from `x` on; the first has line style `first`.
    pub fn names<'n>(
        &mut self,
        (mut x, y): (f64, f64),
        first: usize,
        names: impl Iterator<Item = &'n str>,
    ) {
        for (index, name) in names.enumerate() {
            let style = (first + index) % super::style::LINES;
            self.line(&format!("l{style}"), (x, y - 4.0), (x + 26.0, y - 4.0));
            self.text(x + 32.0, y, "s", "start", name);
            x += 60.0 + 7.0 * name.chars().count() as f64;
        }
    }

    /// Draws the shapes of the verdicts in a row, from `x` on.
    pub fn verdicts(&mut self, x: f64, y: f64, verdicts: &[Verdict]) {
        for (index, verdict) in verdicts.iter().enumerate() {
            let x = x + 110.0 * index as f64;
            let name = super::verdict_name(*verdict);
            self.trial(*verdict, (x, y - 4.0), name);
            self.text(x + 12.0, y, "s", "start", name);
        }
    }

    pub fn finish(self) -> Chart {
        Chart { title: self.title, body: self.body, width: WIDTH, height: self.height }
    }
}

impl Panel {
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }

    /// Returns a panel of the usual width.
    pub fn wide(x: Axis, y: Axis, top: f64, bottom: f64) -> Self {
        Self { x, y, left: LEFT, right: RIGHT, top, bottom }
    }
}

fn rect(class: &str, from: (f64, f64), to: (f64, f64), hint: &str) -> String {
    let (width, height) = ((to.0 - from.0).max(0.0), (to.1 - from.1).max(0.0));
    let place = format!(
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
            height=\"{height:.1}\"",
        from.0, from.1
    );
    match hint {
        "" => format!("{place}/>"),
        hint => format!("{place}><title>{}</title></rect>", escape(hint)),
    }
}
