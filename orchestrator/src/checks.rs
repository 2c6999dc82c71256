//! Checks that refuse a request before anything is created.

use crate::{Deployment, Error, Host, Limits, Result, Usage, cgroup::LEAST_CPU_MILLIS};

/// Smallest memory limit, in bytes: with less, no container starts, and processes rarely do.
const LEAST_MEMORY: u64 = 6 << 20;

/// Checks that names and limits can work on `host`.
///
/// # Errors
/// Returns [`Error::Unsatisfiable`] that names the invalid value and a valid one.
pub(crate) fn check_deployment(deployment: &Deployment, host: &Host) -> Result<()> {
    let name = &deployment.name;
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=20).contains(&name.len()) || !name.bytes().all(is_name) {
        return refuse(format!(
            "{name:?} cannot be a service's name: 1 to 20 letters a-z, digits and dashes"
        ));
    }
    if !deployment.ready_path.starts_with('/')
        || deployment.ready_path.contains(char::is_whitespace)
    {
        return refuse(format!(
            "{:?} cannot be a ready path: it must begin with / and hold no space",
            deployment.ready_path
        ));
    }
    check_limits(deployment.limits, deployment.cpuset.as_deref(), host)
}

/// Checks that the host can provide the limits.
///
/// # Errors
/// Returns [`Error::Unsatisfiable`] that names the invalid value and a valid one.
pub(crate) fn check_limits(limits: Limits, cpuset: Option<&[usize]>, host: &Host) -> Result<()> {
    if limits.cpus.millis < LEAST_CPU_MILLIS {
        return refuse(format!(
            "{} CPU is too little: the least that the kernel enforces is 0.01",
            limits.cpus
        ));
    }
    let whole = |cpus: usize| u32::try_from(cpus).unwrap_or(u32::MAX).saturating_mul(1000);
    if let Some(cpuset) = cpuset {
        if let Some(cpu) = cpuset.iter().find(|cpu| **cpu >= host.cpus as usize) {
            return refuse(format!(
                "processor {cpu} does not exist: this host has 0 to {}",
                host.cpus.saturating_sub(1)
            ));
        }
        if limits.cpus.millis > whole(cpuset.len()) {
            return refuse(format!(
                "{} CPU cannot be had on the {} processors of the set",
                limits.cpus,
                cpuset.len()
            ));
        }
    }
    if limits.cpus.millis > whole(host.cpus as usize) {
        return refuse(format!("{} CPU cannot be had: this host has {}", limits.cpus, host.cpus));
    }
    if limits.memory_bytes < LEAST_MEMORY {
        return refuse(format!(
            "{} bytes of memory are too little: the least is {LEAST_MEMORY} (6 MiB)",
            limits.memory_bytes
        ));
    }
    if limits.memory_bytes > host.memory_bytes {
        return refuse(format!(
            "{} bytes of memory cannot be had: this host has {}",
            limits.memory_bytes, host.memory_bytes
        ));
    }
    Ok(())
}

/// Checks that a new memory limit is not below the anonymous memory of running replicas.
///
/// The kernel would refuse such a limit in version 1 but kill in version 2.
///
/// # Errors
/// Returns [`Error::Unsatisfiable`] with the memory in use.
pub(crate) fn check_in_use(limits: Limits, usage: &[Usage]) -> Result<()> {
    match usage.iter().find(|usage| usage.running && usage.memory.anon_bytes > limits.memory_bytes)
    {
        Some(Usage { replica, memory, .. }) => {
            let (limit, used) = (limits.memory_bytes, memory.anon_bytes);
            refuse(format!(
                "memory cannot be lowered to {limit} bytes: {replica} has {used} bytes in use"
            ))
        }
        None => Ok(()),
    }
}

fn refuse(what: String) -> Result<()> {
    Err(Error::Unsatisfiable(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cpus;

    #[test]
    fn limits_outside_of_the_host_are_refused() {
        let host =
            Host { cpus: 2, memory_bytes: 1 << 30, cgroup_version: 1, description: String::new() };
        let check = |millis, memory_bytes, cpuset: Option<&[usize]>| {
            check_limits(Limits { cpus: Cpus::from_millis(millis), memory_bytes }, cpuset, &host)
        };
        assert!(check(2000, 1 << 30, None).is_ok());
        assert!(check(1000, 6 << 20, Some(&[1])).is_ok());
        for (millis, memory, cpuset) in [
            (0, 1 << 26, None),
            (9, 1 << 26, None),
            (2001, 1 << 26, None),
            (1001, 1 << 26, Some(&[0_usize][..])),
            (100, 1 << 26, Some(&[2])),
            (100, 1 << 26, Some(&[])),
            (100, (6 << 20) - 1, None),
            (100, (1 << 30) + 1, None),
        ] {
            assert!(
                matches!(check(millis, memory, cpuset), Err(Error::Unsatisfiable(_))),
                "{millis} {memory} {cpuset:?}"
            );
        }
    }
}
