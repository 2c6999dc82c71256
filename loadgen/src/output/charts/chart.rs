//! A finished chart, as a file, a part of a page or a picture.

use super::style::{self, Theme};
use crate::output::page::escape;

/// A finished chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Chart {
    /// Returns the chart as a file of its own, which follows the reader's light or dark setting.
    pub fn file(&self) -> String {
        self.with_style(&style::of_file())
    }

    /// Returns the chart as a file of its own in one theme.
    pub fn themed(&self, theme: Theme) -> String {
        self.with_style(&style::fixed(theme))
    }

    /// Returns the chart as a figure of a page, whose style sheet has its colours.
    pub fn figure(&self) -> String {
        format!(
            "<figure class=\"chart\" tabindex=\"0\">{}</figure>\n",
            self.element("", "", &format!(" aria-label=\"{}\"", escape(&self.title)))
        )
    }

    fn with_style(&self, style: &str) -> String {
        let namespace = " xmlns=\"http://www.w3.org/2000/svg\"";
        self.element(namespace, &format!("<style>{style}</style>"), "") + "\n"
    }

    fn element(&self, namespace: &str, style: &str, label: &str) -> String {
        let Self { title, body, width, height } = self;
        format!(
            "<svg{namespace} viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
                height=\"{height}\" role=\"img\"{label}><title>{}</title>{style}{body}</svg>",
            escape(title)
        )
    }
}
