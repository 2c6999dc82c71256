//! Common parts of all charts: card, title, panels with axes, and marks.

use loadtest::verdict::Verdict;

use super::axis::Axis;

/// Style sheet with colours for colour-blind readers (Okabe and Ito, 2008); each colour also has
/// its own shape.
const STYLE: &str = "\
    .card{fill:#fcfcfd;stroke:#c9d1d9}\
    .t{fill:#24292f;font:13px system-ui,sans-serif}\
    .h{font-size:16px;font-weight:600}\
    .s{fill:#57606a;font-size:12px}\
    .g{stroke:#d8dee4;stroke-width:1}\
    .a{stroke:#8c959f;stroke-width:1}\
    .probe{fill:none;stroke:#8250df;stroke-width:2}\
    .dot{fill:#8250df}\
    .slo{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:6 4}\
    .pass{fill:#0072b2}\
    .fail{fill:#d55e00}\
    .open{fill:none;stroke:#6e7781;stroke-width:2}\
    .band{fill:#0072b2;opacity:.28}\
    .answer{fill:none;stroke:#1a7f37;stroke-width:2}\
    .edge{fill:#8250df;opacity:.12}\
    @media (prefers-color-scheme:dark){\
    .card{fill:#161b22;stroke:#30363d}\
    .t{fill:#e6edf3}\
    .s{fill:#9da7b3}\
    .g{stroke:#2b3138}\
    .a{stroke:#6e7681}\
    .probe{stroke:#b392f0}\
    .dot,.edge{fill:#b392f0}\
    .pass,.band{fill:#56b4e9}\
    .fail{fill:#e69f00}\
    .answer{stroke:#3fb950}\
    .slo{stroke:#ff7b72}}";

/// A chart under construction.
pub(super) struct Frame {
    body: String,
    width: f64,
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
    pub fn new(width: f64, height: f64, title: &str, subtitle: &str) -> Self {
        let mut frame = Self { body: String::new(), width, height };
        frame.body.push_str(&format!("<title>{}</title>", escaped(title)));
        frame.body.push_str(&format!(
            "<rect class=\"card\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            width - 1.0,
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
            escaped(text)
        ));
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.body.push_str(&format!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub fn rect(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (width, height) = ((to.0 - from.0).max(0.0), (to.1 - from.1).max(0.0));
        self.body.push_str(&format!(
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
                height=\"{height:.1}\"/>",
            from.0, from.1
        ));
    }

    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.body
            .push_str(&format!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    pub fn dot(&mut self, class: &str, at: (f64, f64), radius: f64) {
        self.body.push_str(&format!(
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>",
            at.0, at.1
        ));
    }

    /// Draws a trial: a filled circle if it passed, a cross if it failed, a ring otherwise.
    pub fn trial(&mut self, verdict: Verdict, (x, y): (f64, f64), what: &str) {
        let mark = match verdict {
            Verdict::Pass => {
                format!("<circle class=\"pass\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\">")
            }
            Verdict::Fail => {
                let d = 5.5;
                format!(
                    "<path class=\"fail\" d=\"M{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} \
                        {:.1}Z\" transform=\"scale(1)\">",
                    x - d,
                    y - d,
                    x + d,
                    y + d
                )
            }
            Verdict::Undecided | Verdict::Invalid => {
                format!("<circle class=\"open\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\">")
            }
        };
        let end = if verdict == Verdict::Fail { "</path>" } else { "</circle>" };
        self.body.push_str(&format!("{mark}<title>{}</title>{end}", escaped(what)));
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

    pub fn finish(self) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
                width=\"{width}\" height=\"{height}\" \
                role=\"img\"><style>{STYLE}</style>{}</svg>\n",
            self.body
        )
    }
}

impl Panel {
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
