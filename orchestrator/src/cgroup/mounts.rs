//! Mounts of the hierarchies, and the groups of processes in them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Group, v1::Dirs};
use crate::{Error, Result};

/// Mounted hierarchies with the CPU and memory controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchies {
    /// Version 1: one mount for each controller or pair of controllers.
    V1 {
        /// Mounts by controller name: `cpu`, `cpuacct`, `memory`, and `pids` if present.
        controllers: BTreeMap<String, Mount>,
    },
    /// Version 2: one mount.
    V2(Mount),
}

/// Mount of a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Mount point.
    pub at: PathBuf,
    /// Group that is mounted there: `/`, except in a container.
    pub root: String,
}

impl Hierarchies {
    /// Finds the hierarchies in this process's mounts.
    ///
    /// # Errors
    /// Returns [`Error::NoCgroup`] if no hierarchy has the CPU and memory controllers.
    pub fn find() -> Result<Self> {
        let path = "/proc/self/mountinfo";
        let text = fs::read_to_string(path).map_err(|source| Error::file("read", path, source))?;
        parse_mountinfo(&text).ok_or_else(|| Error::NoCgroup {
            cause: "no cgroup hierarchy with the cpu and memory controllers is mounted".to_owned(),
            help: "mount -t cgroup2 none /sys/fs/cgroup, or use --orchestrator docker".to_owned(),
        })
    }

    /// Returns the cgroup version: 1 or 2.
    pub fn version(&self) -> u8 {
        match self {
            Self::V1 { .. } => 1,
            Self::V2(_) => 2,
        }
    }

    /// Returns the group at the root of the mounts.
    pub fn root(&self) -> Group {
        match self {
            Self::V1 { controllers } => {
                let at = |name: &str| controllers.get(name).map(|mount| mount.at.clone());
                let (cpu, memory) =
                    (at("cpu").unwrap_or_default(), at("memory").unwrap_or_default());
                Group::V1(Dirs {
                    cpuacct: at("cpuacct").unwrap_or_else(|| cpu.clone()),
                    pids: at("pids"),
                    cpu,
                    memory,
                })
            }
            Self::V2(mount) => Group::V2(mount.at.clone()),
        }
    }

    /// Returns the group of process `pid`.
    ///
    /// # Errors
    /// Returns an error if there is no such process or its group is outside of the mounts.
    pub fn of_pid(&self, pid: u32) -> io::Result<Group> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        self.of_proc_cgroup(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("the cgroup of process {pid} is not mounted"),
            )
        })
    }

    fn of_proc_cgroup(&self, text: &str) -> Option<Group> {
        match self {
            Self::V1 { controllers } => {
                let dir = |name: &str| locate(controllers.get(name)?, &v1_path(text, name)?);
                Some(Group::V1(Dirs {
                    cpu: dir("cpu")?,
                    cpuacct: dir("cpuacct")?,
                    memory: dir("memory")?,
                    pids: dir("pids"),
                }))
            }
            Self::V2(mount) => {
                let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
                Some(Group::V2(locate(mount, path)?))
            }
        }
    }
}

/// Returns a controller's path from lines like `4:memory:/docker/…` and `1:cpu,cpuacct:/…`.
fn v1_path(text: &str, controller: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|name| name == controller).then_some(())?;
        Some(fields.next()?.to_owned())
    })
}

/// Maps a path of `/proc/PID/cgroup`, relative to the hierarchy's root, to the part mounted here.
fn locate(mount: &Mount, path: &str) -> Option<PathBuf> {
    let inside = Path::new(path).strip_prefix(&mount.root).ok()?;
    // A group outside of the cgroup namespace shows as `/../..`.
    if path.split('/').any(|part| part == "..") {
        return None;
    }
    Some(if inside.as_os_str().is_empty() { mount.at.clone() } else { mount.at.join(inside) })
}

fn parse_mountinfo(text: &str) -> Option<Hierarchies> {
    let mut controllers = BTreeMap::new();
    let mut unified = None;
    for line in text.lines() {
        let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
        let mut filesystem = filesystem.split(' ');
        let (kind, options) = (filesystem.next(), filesystem.nth(1).unwrap_or_default());
        let mut fields = mount.split(' ').skip(3);
        let (Some(root), Some(at)) = (fields.next(), fields.next()) else { continue };
        let mount = Mount { at: PathBuf::from(at), root: root.to_owned() };
        match kind {
            Some("cgroup2") => unified = unified.or(Some(mount)),
            Some("cgroup") => {
                for name in options
                    .split(',')
                    .filter(|name| ["cpu", "cpuacct", "memory", "pids"].contains(name))
                {
                    controllers.entry(name.to_owned()).or_insert_with(|| mount.clone());
                }
            }
            _ => {}
        }
    }
    if ["cpu", "cpuacct", "memory"].iter().all(|name| controllers.contains_key(*name)) {
        return Some(Hierarchies::V1 { controllers });
    }
    // A controller used by version 1 is missing from the unified hierarchy.
    unified
        .filter(|_| !controllers.contains_key("cpu") && !controllers.contains_key("memory"))
        .map(Hierarchies::V2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEPARATE: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:11 - cgroup cgroup rw,cpu,cpuacct
36 25 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:14 - cgroup cgroup rw,memory
37 25 0:33 / /sys/fs/cgroup/pids rw,nosuid shared:15 - cgroup cgroup rw,pids
";
    const UNIFIED: &str = "\
26 24 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 \
rw,nsdelegate,memory_recursiveprot
";
    const IN_A_CONTAINER: &str = "\
612 611 0:29 /docker/abc /sys/fs/cgroup/cpu ro,nosuid master:11 - cgroup cgroup rw,cpu,cpuacct
613 611 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:14 - cgroup cgroup rw,memory
";

    #[test]
    fn versions_are_told_apart() {
        assert_eq!(parse_mountinfo(SEPARATE).unwrap().version(), 1);
        assert_eq!(parse_mountinfo(HYBRID).unwrap().version(), 1);
        assert_eq!(parse_mountinfo(UNIFIED).unwrap().version(), 2);
        assert_eq!(parse_mountinfo("31 23 0:28 / /tmp rw - tmpfs tmpfs rw\n"), None);
        let only_memory =
            SEPARATE.lines().filter(|l| !l.contains("cpu")).collect::<Vec<_>>().join("\n");
        assert_eq!(parse_mountinfo(&only_memory), None, "neither version has both controllers");
    }

    #[test]
    fn processes_are_located() {
        let group =
            |mounts: &str, text: &str| parse_mountinfo(mounts).unwrap().of_proc_cgroup(text);
        let text = "4:memory:/process_api/16\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n";
        let Some(Group::V1(dirs)) = group(SEPARATE, text) else { panic!("version 1") };
        assert_eq!(dirs.cpu, Path::new("/sys/fs/cgroup/cpu"));
        assert_eq!(dirs.memory, Path::new("/sys/fs/cgroup/memory/process_api/16"));

        let text =
            "8:pids:/docker/7a\n4:memory:/docker/7a\n2:cpu,cpuacct:/docker/7a\n0::/docker/7a\n";
        let Some(Group::V1(dirs)) = group(HYBRID, text) else { panic!("version 1") };
        assert_eq!(dirs.cpuacct, Path::new("/sys/fs/cgroup/cpu,cpuacct/docker/7a"));
        assert_eq!(dirs.cpu, dirs.cpuacct);

        let scope = "0::/system.slice/docker-7a.scope\n";
        let expected = PathBuf::from("/sys/fs/cgroup/system.slice/docker-7a.scope");
        assert_eq!(group(UNIFIED, scope), Some(Group::V2(expected)));
        assert_eq!(group(UNIFIED, "0::/../other\n"), None);

        let own = "2:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc/x\n";
        let Some(Group::V1(dirs)) = group(IN_A_CONTAINER, own) else { panic!("version 1") };
        assert_eq!(dirs.cpu, Path::new("/sys/fs/cgroup/cpu"));
        assert_eq!(dirs.memory, Path::new("/sys/fs/cgroup/memory/x"));
        assert_eq!(group(IN_A_CONTAINER, "2:cpu,cpuacct:/docker/z\n4:memory:/docker/z\n"), None);
    }
}
