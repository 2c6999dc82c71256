//! This machine, and the command line without its secrets, for reports.

use std::fs;

/// Flags whose values may be secrets, with the sign after which a value begins.
const SECRET: [(&str, Option<char>); 3] =
    [("--env", Some('=')), ("--header", Some(':')), ("--api-key", None)];

/// Returns this process's command line without secrets, because results are published.
pub fn command_line() -> Vec<String> {
    without_secrets(std::env::args())
}

/// Returns a command line as one line for a shell.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Returns the kernel's release.
pub fn kernel() -> String {
    read("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// Returns the processors' name, as the kernel reports it.
pub fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Returns the content of a file of the kernel.
pub fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Hides the values of variables, headers and keys in a command line.
fn without_secrets(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut before: Option<Option<char>> = None;
    let hide = |word: String| {
        let next = SECRET.iter().find(|(flag, _)| *flag == word).map(|(_, sign)| *sign);
        let shown = match std::mem::replace(&mut before, next) {
            Some(sign) => hidden(&word, sign),
            None => {
                let joined = SECRET.iter().find_map(|(flag, sign)| {
                    let value = word.strip_prefix(flag)?.strip_prefix('=')?;
                    Some(format!("{flag}={}", hidden(value, *sign)))
                });
                return joined.unwrap_or(word);
            }
        };
        before = None;
        shown
    };
    words.map(hide).collect()
}

/// Returns the name before a sign, and dots for the value behind it.
fn hidden(value: &str, sign: Option<char>) -> String {
    match sign.and_then(|sign| Some((value.split_once(sign)?.0, sign))) {
        Some((name, sign)) => format!("{name}{sign}…"),
        None => "…".to_owned(),
    }
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%…".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_however_they_are_given() {
        let words = "loadgen run --env TOKEN=a=b --env=KEY=c --header X-Key:\u{a0}e \
            --header=Authorization:f --api-key g --api-key=h --users 5 --env --quiet";
        let shown = without_secrets(words.split(' ').map(str::to_owned));
        assert_eq!(
            shown.join(" "),
            "loadgen run --env TOKEN=… --env=KEY=… --header X-Key:… --header=Authorization:… \
                --api-key … --api-key=… --users 5 --env …"
        );
    }

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        let words = ["loadgen", "--slo", "p95<100ms", "it's"].map(str::to_owned);
        assert_eq!(shell_line(&words), "loadgen --slo 'p95<100ms' 'it'\\''s'");
    }
}
