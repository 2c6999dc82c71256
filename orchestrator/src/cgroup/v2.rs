//! Version 2: one hierarchy.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::{PERIOD_MICROS, field, in_use, number, write};
use crate::{Error, Limits, MemoryUsage, Result, Usage};

/// Enables `dir`'s controllers for its children.
///
/// # Errors
/// Returns an error if `dir` lacks CPU or memory, is not writable, or has processes.
pub(super) fn enable_controllers(dir: &Path) -> Result<()> {
    let file = dir.join("cgroup.subtree_control");
    let enabled = read(&file)?;
    check_controllers(dir)?;
    for controller in NEEDED.into_iter().filter(|name| !has(&enabled, name)) {
        write(&file, &format!("+{controller}"))?;
    }
    if !has(&enabled, "pids") {
        // The limit on processes only guards against mistakes, so it is optional.
        let _ = write(&file, "+pids");
    }
    Ok(())
}

/// Checks that `dir` has the needed controllers.
///
/// # Errors
/// Returns an error if one is missing; the kernel would only report "no such file".
fn check_controllers(dir: &Path) -> Result<()> {
    let available = read(&dir.join("cgroup.controllers"))?;
    if has_controllers(&available) {
        return Ok(());
    }
    let cause = format!("of cpu and memory it was given {:?}", available.trim());
    Err(Error::file(
        "enable controllers in",
        dir,
        io::Error::new(io::ErrorKind::Unsupported, cause),
    ))
}

/// Returns true if a list as in `cgroup.controllers` contains all needed controllers.
pub(super) fn has_controllers(list: &str) -> bool {
    NEEDED.into_iter().all(|name| has(list, name))
}

fn has(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|other| other == name)
}

/// Moves the processes in `own`, this one and its neighbours, into a leaf.
///
/// The kernel refuses to enable controllers for children of a group that has processes.
/// Neighbours are the processes that a scope was started with, such as the shell or `cargo`.
/// They are not moved before `own` is known to have the controllers.
///
/// # Errors
/// Returns an error if `own` lacks a controller or is not writable.
pub(super) fn step_aside(own: &Path) -> Result<()> {
    check_controllers(own)?;
    let (procs, leaf) = (own.join("cgroup.procs"), own.join(SUPERVISOR));
    // Repeat for processes started meanwhile; if some never move, `enable_controllers` fails.
    for _ in 0..10 {
        let pids = read(&procs)?;
        // A process outside of the PID namespace shows as 0, which would move the writer itself.
        let pids: Vec<&str> = pids.lines().filter(|pid| *pid != "0").collect();
        if pids.is_empty() {
            break;
        }
        // `create_dir_all` succeeds even if another process creates the leaf first.
        fs::create_dir_all(&leaf).map_err(|source| Error::file("create", &leaf, source))?;
        for pid in pids {
            match write(&leaf.join("cgroup.procs"), pid) {
                Err(Error::File { source, .. })
                    if source.raw_os_error() == Some(Errno::ESRCH as i32) => {}
                result => result?,
            }
        }
    }
    Ok(())
}

pub(super) fn set_limits(dir: &Path, limits: Limits) -> Result<()> {
    write(&dir.join("cpu.max"), &cpu_max(limits))?;
    // The file is absent on a kernel without swap, where there is nothing to turn off.
    let swap = dir.join("memory.swap.max");
    if swap.exists() {
        write(&swap, "0")?;
    }
    set_memory(dir, limits.memory_bytes)
}

/// Lets the kernel reclaim memory before lowering the limit.
///
/// `memory.max` kills if too much remains in use; `memory.high` does not.
fn set_memory(dir: &Path, bytes: u64) -> Result<()> {
    let (high, value) = (dir.join("memory.high"), bytes.to_string());
    let used = || number(&dir.join("memory.current")).unwrap_or(0);
    if used() <= bytes {
        return write(&dir.join("memory.max"), &value);
    }
    // Each write reclaims again, because processes read pages anew meanwhile.
    let mut taken_back = Ok(());
    for _ in 0..5 {
        taken_back = taken_back.and_then(|()| write(&high, &value));
        if used() <= bytes {
            break;
        }
    }
    let left = used();
    let result = taken_back.and_then(|()| match left {
        left if left > bytes => Err(in_use(bytes, left)),
        _ => write(&dir.join("memory.max"), &value),
    });
    // Left in force, it would slow the processes down long before the requested limit.
    write(&high, "max").and(result)
}

pub(super) fn usage(dir: &Path) -> io::Result<Usage> {
    let current = number(&dir.join("memory.current"))?;
    let events = fs::read_to_string(dir.join("memory.events"))?;
    let memory = MemoryUsage {
        current_bytes: current,
        // Available since Linux 5.19; before, callers that read repeatedly keep the maximum.
        peak_bytes: number(&dir.join("memory.peak")).unwrap_or(current),
        reclaims: field(&events, "max").unwrap_or(0),
        ..parse_memory_stat(&fs::read_to_string(dir.join("memory.stat"))?)
    };
    let oom_kills = field(&events, "oom_kill").unwrap_or(0);
    // Pressure files are optional: kernels can be built or started without them.
    let pressure = |name: &str| parse_pressure(&fs::read_to_string(dir.join(name)).ok()?);
    Ok(Usage {
        memory,
        oom_kills,
        cpu_pressure_seconds: pressure("cpu.pressure"),
        memory_pressure_seconds: pressure("memory.pressure"),
        ..parse_cpu_stat(&fs::read_to_string(dir.join("cpu.stat"))?)
    })
}

/// Returns the total of the line "some", in seconds.
fn parse_pressure(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let micros: u64 = some.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(micros as f64 / 1e6)
}

const NEEDED: [&str; 2] = ["cpu", "memory"];

/// Returns the group `own`, or its parent if `own` is the leaf `supervisor`.
pub(super) fn without_supervisor(own: PathBuf) -> PathBuf {
    match (own.file_name(), own.parent()) {
        (Some(name), Some(parent)) if name == SUPERVISOR => parent.to_owned(),
        _ => own,
    }
}

/// Name of the leaf for processes: a group with controlled children may have none itself.
pub(super) const SUPERVISOR: &str = "supervisor";

fn cpu_max(limits: Limits) -> String {
    format!("{} {PERIOD_MICROS}", u64::from(limits.cpus.millis) * PERIOD_MICROS / 1000)
}

fn parse_cpu_stat(text: &str) -> Usage {
    let seconds = |key| field(text, key).unwrap_or(0) as f64 / 1e6;
    Usage {
        cpu_seconds: seconds("usage_usec"),
        periods: field(text, "nr_periods").unwrap_or(0),
        throttled_periods: field(text, "nr_throttled").unwrap_or(0),
        throttled_seconds: seconds("throttled_usec"),
        ..Usage::default()
    }
}

fn parse_memory_stat(text: &str) -> MemoryUsage {
    MemoryUsage {
        anon_bytes: field(text, "anon").unwrap_or(0),
        file_bytes: field(text, "file").unwrap_or(0),
        sock_bytes: field(text, "sock").unwrap_or(0),
        major_faults: field(text, "pgmajfault").unwrap_or(0),
        ..MemoryUsage::default()
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::file("read", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cpus;

    #[test]
    fn counters_are_parsed() {
        let usage = parse_cpu_stat(
            "usage_usec 1250000\nuser_usec 1000000\nsystem_usec 250000\ncore_sched.force_idle_usec \
                0\nnr_periods 62\n\
             nr_throttled 61\nthrottled_usec 4878000\nnr_bursts 0\nburst_usec 0\n",
        );
        assert_eq!((usage.periods, usage.throttled_periods), (62, 61));
        assert!(
            (usage.cpu_seconds - 1.25).abs() < 1e-9
                && (usage.throttled_seconds - 4.878).abs() < 1e-9
        );
        let memory = parse_memory_stat(
            "anon 1486848\nfile 4096\nkernel 311296\nsock 8192\npgfault 9\npgmajfault \
                7\nfile_mapped 0\n",
        );
        assert_eq!(
            (memory.anon_bytes, memory.file_bytes, memory.sock_bytes),
            (1_486_848, 4_096, 8_192)
        );
        assert_eq!(memory.major_faults, 7);
        let events = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(field(events, "oom_kill"), Some(1));
    }

    #[test]
    fn quotas_are_exact() {
        let limits = |millis| Limits { cpus: Cpus::from_millis(millis), memory_bytes: 0 };
        assert_eq!(cpu_max(limits(50)), "5000 100000");
        assert_eq!(cpu_max(limits(1500)), "150000 100000");
    }

    #[test]
    fn files_are_read_and_written() {
        // Any directory with these files works as a group: this machine's kernel has no controllers
        // on version 2.
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("memory.current", "2048\n");
        put("memory.stat", "anon 1024\nfile 512\nsock 0\n");
        put("memory.events", "max 3\noom_kill 0\n");
        put("cpu.stat", "usage_usec 5\n");
        assert_eq!(
            usage(dir.path()).unwrap().memory.peak_bytes,
            2048,
            "no memory.peak before Linux 5.19"
        );
        let without = usage(dir.path()).unwrap();
        assert_eq!((without.memory.reclaims, without.cpu_pressure_seconds), (3, None));
        put("memory.peak", "4096\n");
        put(
            "cpu.pressure",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 total=7\n",
        );
        let usage = usage(dir.path()).unwrap();
        assert_eq!((usage.memory.peak_bytes, usage.cpu_pressure_seconds), (4096, Some(1.5)));
        assert_eq!(usage.memory_pressure_seconds, None);

        put("memory.swap.max", "max\n");
        set_limits(dir.path(), Limits { cpus: Cpus::from_millis(200), memory_bytes: 1 << 26 })
            .unwrap();
        let got = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (got("cpu.max").as_str(), got("memory.max").as_str()),
            ("20000 100000", "67108864")
        );
        assert_eq!(got("memory.swap.max"), "0");

        put("cgroup.controllers", "cpuset cpu io memory\n");
        put("cgroup.subtree_control", "cpu pids\n");
        enable_controllers(dir.path()).unwrap();
        assert_eq!(got("cgroup.subtree_control"), "+memory", "the others are on already");
    }

    #[test]
    fn a_limit_under_what_is_in_use_is_refused_and_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("memory.current"), "4097\n").unwrap();
        assert!(matches!(set_memory(dir.path(), 4096), Err(Error::Unsatisfiable(_))));
        assert_eq!(fs::read_to_string(path("memory.high")).unwrap(), "max");
        assert!(!path("memory.max").exists());
    }

    #[test]
    fn a_missing_controller_is_named_before_anything_is_moved() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("controllers", "cpuset memory pids\n"), ("subtree_control", ""), ("procs", "1\n")]
        {
            fs::write(dir.path().join(format!("cgroup.{name}")), text).unwrap();
        }
        for result in [enable_controllers(dir.path()), step_aside(dir.path())] {
            let text = result.unwrap_err().to_string();
            assert!(
                text.contains("cpu and memory") && text.contains("cpuset memory pids"),
                "{text}"
            );
        }
        assert!(!dir.path().join(SUPERVISOR).exists());
    }

    #[test]
    fn many_may_step_aside_at_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.controllers"), "cpu memory\n").unwrap();
        for _ in 0..50 {
            fs::write(dir.path().join("cgroup.procs"), "0\n77\n").unwrap();
            let at_once = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        at_once.wait();
                        step_aside(dir.path()).unwrap();
                    });
                }
            });
            let leaf = dir.path().join(SUPERVISOR);
            assert_eq!(
                fs::read_to_string(leaf.join("cgroup.procs")).unwrap(),
                "77",
                "never 0: that is the writer"
            );
            fs::remove_dir_all(leaf).unwrap();
        }
    }

    #[test]
    fn the_supervisor_steps_aside_once() {
        let scope = PathBuf::from("/sys/fs/cgroup/user.slice/run-u1.scope");
        assert_eq!(without_supervisor(scope.join(SUPERVISOR)), scope);
        assert_eq!(without_supervisor(scope.clone()), scope);
    }
}
