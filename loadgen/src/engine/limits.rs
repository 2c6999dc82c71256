//! What this machine allows: open files and source ports.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::EngineError;
use crate::workload::{Segment, Targets};

/// Open files that are no user's: libraries, logs, the event loop.
const OTHER_FILES: u64 = 256;

/// Raises the soft limit of open files to the hard one, and the hard one too where that is allowed. Returns the limit.
pub fn raise_file_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|s| s.trim().parse().ok());
    for wanted in most.into_iter().chain([hard]) {
        if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted.max(hard)).is_ok() {
            return wanted;
        }
    }
    soft
}

pub(super) fn check(segment: &Segment, targets: &Targets) -> Result<(), EngineError> {
    let users = segment.users().count() as u64;
    let files = raise_file_limit();
    if users + OTHER_FILES > files {
        return Err(EngineError::Limit {
            what: format!("{users} users need {} open files, and the limit is {files}", users + OTHER_FILES),
            help: format!("raise it: ulimit -n {} (as root), or LimitNOFILE= in the service", users + OTHER_FILES),
        });
    }
    // A connection is told apart by both ends, so each target has the whole range of source ports to itself.
    let ports = source_ports();
    let per_target = users.div_ceil(targets.addrs.len().max(1) as u64);
    if per_target > ports {
        return Err(EngineError::Limit {
            what: format!("{per_target} users of one address need as many source ports, and there are {ports}"),
            help: "widen the range: sysctl -w net.ipv4.ip_local_port_range='1024 65535'".to_owned(),
        });
    }
    Ok(())
}

fn source_ports() -> u64 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|n| n.parse::<u64>().ok());
    match (ends.next(), ends.next()) {
        (Some(low), Some(high)) if high >= low => high - low + 1,
        _ => 28_232,
    }
}
