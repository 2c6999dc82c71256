//! Hints on restrictions that may be the reason why a container ended.

use crate::{Deployment, MOST_PIDS};

use super::container::FILES;

/// Returns advice derived from the container's log; `is_ours` if this program's restrictions apply.
pub(super) fn hint(logs: &str, deployment: &Deployment, is_ours: bool) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| logs.to_ascii_lowercase().contains(word));
    let memory = deployment.limits.memory_bytes >> 20;
    if is_ours
        && says(&[
            "operation not permitted",
            "permission denied",
            "setpriv",
            "setuid",
            "setgid",
            "chown",
            "capab",
        ])
    {
        let user = deployment.rights.user.as_deref().unwrap_or("the image's user");
        let has = match &deployment.rights.cap_add[..] {
            [] => "no capability".to_owned(),
            added => format!("no capability but {}", added.join(", ")),
        };
        return Some(format!(
            "it runs as {user} with {has} (cap_drop ALL) and no-new-privileges; if it needs more, \
                say --cap-add CHOWN,SETUID,SETGID or --user"
        ));
    }
    if is_ours
        && says(&[
            "can't start new thread",
            "resource temporarily unavailable",
            "cannot fork",
            "eagain",
        ])
    {
        return Some(format!(
            "it may have {MOST_PIDS} processes and threads: tell it to start fewer"
        ));
    }
    if is_ours && says(&["too many open files"]) {
        return Some(format!("it may have {FILES} open files: tell it to open fewer"));
    }
    if says(&[
        "cannot allocate memory",
        "out of memory",
        "memoryerror",
        "std::bad_alloc",
        "outofmemoryerror",
    ]) {
        return Some(format!("its memory limit is {memory} MiB: try a larger one with --memory"));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{Cpus, Limits, Rights, Workload};

    fn deployment(rights: Rights) -> Deployment {
        Deployment {
            name: "a".into(),
            workload: Workload::Image {
                reference: "x".into(),
                args: Vec::new(),
                port: 80,
                mounts: Vec::new(),
            },
            env: BTreeMap::new(),
            rights,
            replicas: 1,
            limits: Limits { cpus: Cpus::from_millis(50), memory_bytes: 1 << 26 },
            cpuset: None,
            ready_path: "/".into(),
            ready_timeout: Duration::from_secs(1),
            cold: false,
            in_place: false,
        }
    }

    #[test]
    fn the_restriction_that_may_be_the_reason_is_named() {
        let hint_for =
            |logs: &str| hint(logs, &deployment(Rights::default()), true).unwrap_or_default();
        assert!(hint_for("chown: /data: Operation not permitted").contains("--cap-add"));
        assert!(hint_for("RuntimeError: can't start new thread").contains("processes"));
        assert!(hint_for("std::bad_alloc").contains("64 MiB"));
        assert_eq!(hint_for("ValueError: no such model"), "");
        let foreign = hint("Permission denied", &deployment(Rights::default()), false);
        assert_eq!(foreign, None, "a container of others has its own rights");
        let more = Rights { cap_add: vec!["CHOWN".into()], user: Some("7".into()) };
        let hint_for = hint("setpriv: setresuid failed", &deployment(more), true).unwrap();
        assert!(hint_for.contains("runs as 7 with no capability but CHOWN"), "{hint_for}");
    }
}
