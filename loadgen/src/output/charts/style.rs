//! Colours and style sheets of charts, for a page, a file of its own and a picture.
//!
//! The colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; each
//! also has its own shape or dash.

use clap::ValueEnum;
use serde::Deserialize;

/// Theme of a page or a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
    /// The reader's own setting.
    #[default]
    #[serde(other)]
    Auto,
}

/// Colours by name: on a light and on a dark ground.
const COLOURS: [(&str, &str, &str); 15] = [
    ("ground", "#ffffff", "#0d1117"),
    ("card", "#fcfcfd", "#161b22"),
    ("edge", "#c9d1d9", "#30363d"),
    ("text", "#24292f", "#e6edf3"),
    ("soft", "#57606a", "#9da7b3"),
    ("grid", "#d8dee4", "#2b3138"),
    ("axis", "#8c959f", "#6e7681"),
    ("probe", "#8250df", "#b392f0"),
    ("limit", "#b3261e", "#ff8f87"),
    ("pass", "#0072b2", "#56b4e9"),
    ("fail", "#c24e00", "#e69f00"),
    ("open", "#6e7781", "#9da7b3"),
    ("answer", "#1a7f37", "#3fb950"),
    ("green", "#007f5f", "#2fc9a0"),
    ("pink", "#a8407c", "#e08fbf"),
];

/// Rules with the colours' names.
const RULES: &str = "\
    .card{fill:$card;stroke:$edge}\
    .t{fill:$text;font-family:system-ui,sans-serif;font-size:13px;paint-order:stroke;\
    stroke:$card;stroke-width:3px;stroke-linejoin:round}\
    .h{font-size:16px;font-weight:600}\
    .s{fill:$soft;font-size:12px}\
    .g{stroke:$grid;stroke-width:1}\
    .a{stroke:$axis;stroke-width:1}\
    .probe{fill:none;stroke:$probe;stroke-width:2}\
    .dot{fill:$probe}\
    .slo{stroke:$limit;stroke-width:1.5;stroke-dasharray:6 4}\
    .pass{fill:$pass}\
    .fail{fill:$fail}\
    .open{fill:none;stroke:$open;stroke-width:2}\
    .band{fill:$pass;opacity:.28}\
    .answer{fill:none;stroke:$answer;stroke-width:2}\
    .edge{fill:$probe;opacity:.12}\
    .step{fill:$axis;opacity:.09}\
    .mark{stroke:$axis;stroke-width:1;stroke-dasharray:2 3}\
    .bar0{fill:$pass;opacity:.75}\
    .bar1{fill:$green;opacity:.75}\
    .hit{fill:$axis;opacity:0}\
    .hit:hover{opacity:.2}\
    .l0,.l1,.l2,.l3,.l4,.l5{fill:none;stroke-width:1.8;stroke-linejoin:round}\
    .l0{stroke:$pass}\
    .l1{stroke:$fail;stroke-dasharray:7 3}\
    .l2{stroke:$green;stroke-dasharray:2 2.5}\
    .l3{stroke:$pink;stroke-dasharray:9 3 2 3}\
    .l4{stroke:$probe;stroke-dasharray:12 4}\
    .l5{stroke:$open;stroke-dasharray:4 4}\
    .d0{fill:$pass}.d1{fill:$fail}.d2{fill:$green}.d3{fill:$pink}.d4{fill:$probe}.d5{fill:$open}";

/// Number of line styles.
pub(super) const LINES: usize = 6;

/// Returns the rules for a picture in one theme.
pub(super) fn fixed(theme: Theme) -> String {
    coloured(|(_, light, dark)| match theme {
        Theme::Dark => dark.to_owned(),
        Theme::Auto | Theme::Light => light.to_owned(),
    })
}

/// Returns the rules for a file of its own, which follow the reader's setting.
pub(super) fn of_file() -> String {
    format!("{}@media (prefers-color-scheme:dark){{{}}}", fixed(Theme::Light), fixed(Theme::Dark))
}

/// Returns the rules for charts inside a page, with the colours as variables of the page.
pub fn of_page() -> String {
    let all = |of: fn(&(&str, &'static str, &'static str)) -> &'static str| -> String {
        COLOURS.iter().map(|colour| format!("--{}:{};", colour.0, of(colour))).collect()
    };
    let (light, dark) = (all(|colour| colour.1), all(|colour| colour.2));
    format!(
        ":root{{color-scheme:light;{light}}}\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;\
         {dark}}}}}\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}{}",
        coloured(|(name, ..)| format!("var(--{name})"))
    )
}

/// Returns the rules with a value for each colour's name.
fn coloured(value: impl Fn((&str, &'static str, &'static str)) -> String) -> String {
    let mut rules = RULES.to_owned();
    for colour in COLOURS {
        // A name is followed by a sign that is in no name.
        for end in [';', '}'] {
            rules =
                rules.replace(&format!("${}{end}", colour.0), &format!("{}{end}", value(colour)));
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the relative luminance of a colour (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let share = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_name_has_a_colour() {
        assert!(!fixed(Theme::Dark).contains('$') && !of_page().contains('$'));
        assert!(fixed(Theme::Light).contains(".pass{fill:#0072b2}"));
    }

    #[test]
    fn words_and_marks_have_enough_contrast() {
        let colour = |name: &str| COLOURS.into_iter().find(|colour| colour.0 == name).unwrap();
        let grounds = [colour("ground"), colour("card")];
        for (names, least) in [
            (&["text", "soft", "pass", "fail", "answer", "limit"][..], 4.5),
            (&["probe", "open", "green", "pink"], 3.0),
        ] {
            for (name, light, dark) in names.iter().map(|name| colour(name)) {
                for ground in grounds {
                    let both = [contrast(light, ground.1), contrast(dark, ground.2)];
                    assert!(both.iter().all(|is| *is >= least), "{name}: {both:?}");
                }
            }
        }
    }
}
