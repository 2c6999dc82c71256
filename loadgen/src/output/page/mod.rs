//! Pages that are one file: no scripts, no network, light and dark.

mod parts;
mod table;

pub use parts::{code, details, facts, list, tiles, verdict};
pub use table::{Cell, table};

use crate::output::charts::{Theme, page_style};

const STYLE: &str = include_str!("style.css");

/// Returns a whole page with the given content of `<main>`, which is escaped already.
pub fn document(title: &str, theme: Theme, content: &str) -> String {
    let forced = match theme {
        Theme::Auto => "",
        Theme::Light => " data-theme=\"light\"",
        Theme::Dark => " data-theme=\"dark\"",
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"{forced}>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{}{STYLE}</style>\n</head>\n<body>\n<main>\n{content}</main>\n\
         <footer>loadgen {}</footer>\n</body>\n</html>\n",
        escape(title),
        page_style(),
        env!("CARGO_PKG_VERSION")
    )
}

/// Returns a section with a heading; nothing without content.
pub fn section(heading: &str, content: &str) -> String {
    match content {
        "" => String::new(),
        content => format!("<section>\n<h2>{}</h2>\n{content}</section>\n", escape(heading)),
    }
}

/// Returns a paragraph of plain text; nothing without text.
pub fn paragraph(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("<p>{}</p>\n", escape(text)),
    }
}

/// Escapes text from servers and command lines, for content and attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no other control characters, and an SVG file with one cannot be read.
            '\t' | '\n' | '\r' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_no_markup() {
        let text = escape("<script src='x'>\"&\u{1}\u{1b}[0m");
        assert_eq!(text, "&lt;script src=&#39;x&#39;&gt;&quot;&amp;\u{fffd}\u{fffd}[0m");
        assert!(document("<b>", Theme::Auto, "").contains("<title>&lt;b&gt;</title>"));
    }

    #[test]
    fn a_theme_is_an_attribute_of_the_root() {
        let page = |theme| document("x", theme, "");
        assert!(page(Theme::Dark).contains("<html lang=\"en\" data-theme=\"dark\">"));
        assert!(page(Theme::Light).contains("<html lang=\"en\" data-theme=\"light\">"));
        assert!(page(Theme::Auto).contains("<html lang=\"en\">"));
    }
}
