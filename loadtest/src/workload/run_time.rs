//! Durations in Locust's syntax.

use std::time::Duration;

use super::plan::MAX_LENGTH;

/// Parses Locust's run time: `300`, `20s`, `3m`, `2h`, `1h20m`.
///
/// # Errors
/// Returns the valid forms if the text is none of them.
pub fn parse_run_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 60s, 5m or 1h30m");
    let bounded = |seconds: u64| match Duration::from_secs(seconds) {
        length if length > MAX_LENGTH => {
            Err(format!("{text:?} is more than {} days", MAX_LENGTH.as_secs() / 86_400))
        }
        length => Ok(length),
    };
    if let Ok(seconds) = text.parse::<u64>() {
        return if seconds > 0 { bounded(seconds) } else { Err(wrong()) };
    }
    let mut total = 0u64;
    let mut number = String::new();
    for c in text.trim().chars() {
        let scale = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let value: u64 = std::mem::take(&mut number).parse().map_err(|_| wrong())?;
        total = value.checked_mul(scale).and_then(|v| total.checked_add(v)).ok_or_else(wrong)?;
    }
    if !number.is_empty() || total == 0 {
        return Err(wrong());
    }
    bounded(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_times_are_locusts() {
        for (text, seconds) in
            [("60", 60), ("60s", 60), ("5m", 300), ("1h30m", 5400), ("1h1m1s", 3661)]
        {
            assert_eq!(parse_run_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "0",
            "0s",
            "x",
            "5",
            "1.5s",
            "m",
            "5 m",
            "99999999999999999999h",
            "18446744073709551615",
            "169h",
        ]
        .iter()
        .filter(|w| **w != "5")
        {
            assert!(parse_run_time(wrong).is_err(), "{wrong} was taken");
        }
    }
}
