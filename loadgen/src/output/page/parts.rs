//! Small parts of a page.

use loadtest::verdict::Verdict;

use super::{escape, paragraph};

/// Returns key figures: a name, a figure and a note, in which nothing is shown as nothing.
pub fn tiles(figures: &[(String, String, String)]) -> String {
    let tile = |(name, figure, note): &(String, String, String)| {
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("<dd class=\"note\">{}</dd>", escape(note))
        };
        format!("<div><dt>{}</dt><dd>{}</dd>{note}</div>\n", escape(name), escape(figure))
    };
    format!("<dl class=\"tiles\">\n{}</dl>\n", figures.iter().map(tile).collect::<String>())
}

/// Returns a verdict as a shape and a word.
pub fn verdict(verdict: Verdict) -> String {
    let (class, shape) = match verdict {
        Verdict::Pass => ("is-pass", "●"),
        Verdict::Fail => ("is-fail", "◆"),
        Verdict::Undecided => ("is-open", "○"),
        Verdict::Invalid => ("is-open", "×"),
    };
    format!(
        "<span class=\"verdict {class}\"><span aria-hidden=\"true\">{shape}</span> {verdict}</span>"
    )
}

/// Returns text as it stands, such as a file or a command line.
pub fn code(text: &str) -> String {
    format!("<pre tabindex=\"0\"><code>{}</code></pre>\n", escape(text))
}

/// Returns content that opens at a click, and prints open.
pub fn details(summary: &str, content: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n{content}</details>\n", escape(summary))
}

/// Returns a list of sentences; one sentence is a paragraph.
pub fn list(sentences: &[String]) -> String {
    match sentences {
        [] => String::new(),
        [single] => paragraph(single),
        many => {
            let items = many.iter().map(|text| format!("<li>{}</li>\n", escape(text)));
            format!("<ul>\n{}</ul>\n", items.collect::<String>())
        }
    }
}

/// Returns facts, each with its name; those without a value are left out.
pub fn facts(facts: &[(&str, String)]) -> String {
    let fact = |(name, value): &(&str, String)| {
        format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value))
    };
    let known = facts.iter().filter(|(_, value)| !value.is_empty());
    format!("<dl class=\"facts\">\n{}</dl>\n", known.map(fact).collect::<String>())
}
