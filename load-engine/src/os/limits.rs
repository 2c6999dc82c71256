//! Limits of this machine: open files, memory and source ports.

use loadtest::workload::{Segment, Targets};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::EngineError;

/// Open files beside the users' connections: libraries, logs, the event loop.
const OTHER_FILES: u64 = 256;

/// Raises the soft limit of open files to the hard one, and the hard one too if that is allowed.
/// Returns the limit.
pub fn raise_file_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let most =
        std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|s| s.trim().parse().ok());
    for wanted in most.into_iter().chain([hard]) {
        if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted.max(hard)).is_ok() {
            return wanted;
        }
    }
    soft
}

/// Checks that this machine has the files, the memory and the source ports for a segment's users,
/// each of which takes `user_bytes` of state.
///
/// # Errors
/// Returns [`EngineError::Limit`] with the first limit that is too low.
pub fn check(segment: &Segment, targets: &Targets, user_bytes: usize) -> Result<(), EngineError> {
    let users = segment.users().count() as u64;
    let files = raise_file_limit();
    if users + OTHER_FILES > files {
        return Err(EngineError::Limit {
            what: format!(
                "{users} users need {} open files, and the limit is {files}",
                users + OTHER_FILES
            ),
            help: format!(
                "raise it: ulimit -n {} (as root), or LimitNOFILE= in the service",
                users + OTHER_FILES
            ),
        });
    }
    let is_secure = (0..targets.len()).any(|target| targets.secure(target).is_some());
    check_memory(users, user_bytes, is_secure, available_memory())?;
    // Both ends identify a connection, so each target has the whole range of source ports.
    let ports = source_ports();
    let per_target = users.div_ceil(targets.len().max(1) as u64);
    if per_target > ports {
        return Err(EngineError::Limit {
            what: format!(
                "{per_target} users of one address need as many source ports, and there are {ports}"
            ),
            help: "widen the range: sysctl -w net.ipv4.ip_local_port_range='1024 65535'".to_owned(),
        });
    }
    Ok(())
}

/// Most memory of a user beside its state, in bytes: the kernel's two ends of its connection if the
/// server is on this machine too, and a TLS session with its buffers.
const SOCKETS_BYTES: u64 = 8 * 1024;
const SESSION_BYTES: u64 = 16 * 1024;

/// Compares the need with the memory that the kernel can give without swapping; without this check
/// a run would break off in the middle.
fn check_memory(
    users: u64,
    user_bytes: usize,
    is_secure: bool,
    available: Option<u64>,
) -> Result<(), EngineError> {
    let each = user_bytes as u64 + SOCKETS_BYTES + if is_secure { SESSION_BYTES } else { 0 };
    let needed = users.saturating_mul(each);
    match available {
        Some(available) if needed > available => Err(EngineError::Limit {
            what: format!(
                "{users} users need {} MB of memory, and {} MB are free",
                needed >> 20,
                available >> 20
            ),
            help: "use fewer users, or a machine with more memory".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn source_ports() -> u64 {
    let range =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|n| n.parse::<u64>().ok());
    match (ends.next(), ends.next()) {
        (Some(low), Some(high)) if high >= low => high - low + 1,
        _ => 28_232,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_fit_into_the_memory() {
        assert!(
            check_memory(10_000, 1024, true, available_memory()).is_ok(),
            "the tests' machine has that"
        );
        let error = check_memory(1_000_000, 1024, false, Some(1 << 30)).unwrap_err().to_string();
        assert!(
            error.contains("1000000 users need") && error.contains("1024 MB are free"),
            "{error}"
        );
        assert!(check_memory(1_000_000, 1024, false, None).is_ok(), "nobody knows");
    }
}
