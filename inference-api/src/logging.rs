//! What is logged, and how.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// What has lines of its own: every request, this program, ONNX Runtime, and how registries are
/// asked.
const PARTS: [&str; 5] = ["access", "inference_api", "ort", "ureq", "rustls"];

/// Lines that wait for a reader of the log; more are dropped.
const MOST_LINES: usize = 8192;

/// Starts logging to standard error, on a thread of its own: who stops reading the log must not
/// stop the server. What waits is written when the result is dropped.
pub fn start(filter: &str, format: LogFormat) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MOST_LINES)
        .lossy(true)
        .finish(std::io::stderr());
    // A part that is named alone must not turn off all others.
    let has_level = filter.split(',').any(|directive| !directive.contains('='));
    let rest = if has_level { "" } else { "info," };
    let log = tracing_subscriber::fmt()
        // ONNX Runtime tells us of every error, and we tell whose it is; its own words are there
        // for who asks for them.
        .with_env_filter(EnvFilter::new(format!("ort=off,{rest}{filter}")))
        .with_ansi(std::io::stderr().is_terminal())
        // A line that nobody reads any more would be told of on the same standard error, by a macro
        // that panics then: a server outlives its log's reader.
        .log_internal_errors(false)
        .with_writer(writer);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    guard
}

/// Reads `LEVEL` and `PART=LEVEL`, with commas between them. What tracing makes of a misspelt level
/// is a part of that name, and nothing would be logged.
///
/// # Errors
/// With the words that there are.
pub fn filter(text: &str) -> Result<String, String> {
    let mut directives = Vec::new();
    for directive in text.split(',').map(str::trim) {
        let (part, level) = directive
            .split_once('=')
            .map_or((None, directive), |(part, level)| (Some(part), level));
        let level = level.to_ascii_lowercase();
        if !LEVELS.contains(&level.as_str()) {
            return Err(format!(
                "there is no level {level:?}; the levels are {}",
                LEVELS.join(", ")
            ));
        }
        match part {
            None => directives.push(level),
            Some(part) if PARTS.contains(&part.split("::").next().unwrap_or(part)) => {
                directives.push(format!("{part}={level}"));
            }
            Some(part) => {
                return Err(format!(
                    "there is no part {part:?}; the parts are {}",
                    PARTS.join(", ")
                ));
            }
        }
    }
    Ok(directives.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_parts_have_to_be_known() {
        assert_eq!(filter("INFO, access=debug").unwrap(), "info,access=debug");
        assert_eq!(filter("inference_api::serve=trace").unwrap(), "inference_api::serve=trace");
        for (wrong, word) in [
            ("verbose", "debug"),
            ("access", "debug"),
            ("acess=debug", "access"),
            ("", "info"),
            ("info,", "info"),
        ] {
            assert!(filter(wrong).unwrap_err().contains(word), "{wrong}");
        }
    }
}
