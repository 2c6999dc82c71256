//! Resources of this machine.

use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit};

use crate::{Error, Result};

/// Returns the number of online processors.
pub(crate) fn online_cpus() -> Result<u32> {
    let path = "/sys/devices/system/cpu/online";
    parse_list(&read(path)?).ok_or_else(|| unexpected(path))
}

/// Returns the physical memory in bytes.
pub(crate) fn memory_bytes() -> Result<u64> {
    let path = "/proc/meminfo";
    parse_meminfo(&read(path)?).ok_or_else(|| unexpected(path))
}

/// Returns the hard limit on open files of this process, which its children inherit.
pub(crate) fn file_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard)
}

/// Counts the processors in a list like `0-3,6`.
fn parse_list(list: &str) -> Option<u32> {
    let mut count = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count += last.checked_sub(first)? + 1;
    }
    Some(count)
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::file("read", path, source))
}

fn unexpected(path: &str) -> Error {
    Error::file("parse", path, io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_counted() {
        assert_eq!(parse_list("0-1\n"), Some(2));
        assert_eq!(parse_list("0"), Some(1));
        assert_eq!(parse_list("0-3,6,8-9\n"), Some(7));
        assert_eq!(parse_list(""), None);
    }

    #[test]
    fn memory_is_in_kibibytes() {
        assert_eq!(
            parse_meminfo("MemTotal:       24681472 kB\nMemFree: 1 kB\n"),
            Some(24_681_472 << 10)
        );
        assert!(memory_bytes().unwrap() > 1 << 28);
    }
}
