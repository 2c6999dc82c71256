//! Exposition formats of the metrics, and content negotiation.

use std::fmt::Write;

/// Exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text, the default.
    Text,
    /// OpenMetrics text.
    OpenMetrics,
    /// Protobuf, which includes native histograms; the text formats cannot.
    Protobuf,
}

impl Exposition {
    /// Returns the format that the `Accept` header prefers; the first one wins a tie.
    pub fn choose(accept: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default() {
                "application/vnd.google.protobuf" => Self::Protobuf,
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => continue,
            };
            let weight =
                parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            if weight > best.0 {
                best = (weight, form);
            }
        }
        best.1
    }

    /// Returns the `Content-Type` of the format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                    encoding=delimited"
            }
        }
    }
}

/// Converts OpenMetrics text to Prometheus text.
///
/// There a counter's name includes `_total`, as its samples do, and no line marks the end.
pub(super) fn classic(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, text)) = help.take() {
                // Writing to a string does not fail.
                let _ = writeln!(out, "# HELP {name}{suffix} {text}");
            }
            let kind = if kind == "unknown" { "untyped" } else { kind };
            let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_liked_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, form) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/html, */*;q=0.8", Exposition::Text),
            ("text/plain; version=0.0.4", Exposition::Text),
            (prometheus, Exposition::OpenMetrics),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.7,\
                    text/plain;q=0.3",
                Exposition::Protobuf,
            ),
            ("application/openmetrics-text;q=0, text/plain;q=0.1", Exposition::Text),
        ] {
            assert_eq!(Exposition::choose(accept), form, "{accept}");
        }
    }

    #[test]
    fn counters_are_called_as_their_samples() {
        let text = "# HELP a_requests Answers.\n# TYPE a_requests \
            counter\na_requests_total{x=\"#\"} 1\n# HELP b B.\n# TYPE b gauge\n# UNIT b s\nb 2\n# \
            EOF\n";
        let classic = classic(text);
        assert_eq!(
            classic,
            "# HELP a_requests_total Answers.\n# TYPE a_requests_total \
                counter\na_requests_total{x=\"#\"} 1\n# HELP b B.\n# TYPE b gauge\nb 2\n"
        );
    }
}
