//! Start of a program in its cgroup, on its processors.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use super::log::Log;
use crate::{Error, Program, Result, cgroup::Group};

/// Script that joins the groups and then becomes the program.
///
/// `sh` runs it because code between fork and exec would need `unsafe` here.
/// Only the few instructions between joining and `exec` are charged to the replica.
const JOIN: &str = r#"
ulimit -n 65536 2>/dev/null || ulimit -S -n "$(ulimit -H -n)" 2>/dev/null
n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n - 1)); done
exec "$@"
"#;

/// Parameters of a start.
pub(super) struct Spawn<'a> {
    pub(super) program: &'a Program,
    pub(super) env: BTreeMap<String, String>,
    pub(super) group: &'a Group,
    pub(super) cpuset: Option<&'a [usize]>,
    pub(super) addr: SocketAddr,
}

impl Spawn<'_> {
    /// Starts the program in its own process group.
    ///
    /// Processors are an affinity, inherited from the spawning thread, and not a cpuset group.
    /// The cpuset controller needs root, and processors and memory nodes in every parent group.
    pub(super) fn start(&self) -> Result<(Child, Log)> {
        let path = &self.program.path;
        let cannot = |cause: String| Error::Program { program: path.display().to_string(), cause };
        check_program(path).map_err(cannot)?;
        let (reader, writer) = io::pipe().map_err(|e| cannot(e.to_string()))?;
        let log = Log::collect(reader).map_err(|e| cannot(e.to_string()))?;
        let stderr = writer.try_clone().map_err(|e| cannot(e.to_string()))?;

        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(JOIN).args(self.shell_args()).envs(&self.env);
        command.stdin(Stdio::null()).stdout(writer).stderr(stderr).process_group(0);
        let cpuset = self.cpuset.map(<[usize]>::to_vec);
        let spawn = move || {
            if let Some(cpuset) = cpuset {
                set_affinity(&cpuset)?;
            }
            command.spawn()
        };
        let child = std::thread::spawn(spawn)
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the spawner panicked")));
        child.map(|child| (child, log)).map_err(|e| cannot(e.to_string()))
    }

    fn shell_args(&self) -> Vec<OsString> {
        let files = self.group.procs_files();
        let mut args = vec![OsString::from("sh"), OsString::from(files.len().to_string())];
        args.extend(files.into_iter().map(OsString::from));
        args.push(self.program.path.clone().into());
        let addr = self.addr.to_string();
        args.extend(
            self.program.args.iter().map(|arg| OsString::from(arg.replace("{addr}", &addr))),
        );
        args
    }
}

/// Returns a free port on the loopback; the caller retries if another process takes it first.
pub(super) fn free_addr() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::file("bind", "127.0.0.1:0", source))
}

/// Checks that the program is executable; `sh` would report it only later and only in the log.
fn check_program(path: &Path) -> std::result::Result<(), String> {
    let is_executable =
        |path: &Path| path.metadata().map(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if path.components().count() > 1 {
        return match is_executable(path) {
            Ok(true) => Ok(()),
            Ok(false) => Err("it is not an executable file".to_owned()),
            Err(e) => Err(e.to_string()),
        };
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&search).any(|dir| is_executable(&dir.join(path)).unwrap_or(false));
    if found { Ok(()) } else { Err("it is not in any directory of PATH".to_owned()) }
}

fn set_affinity(cpuset: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpuset {
        set.set(*cpu)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_as_the_shell_does() {
        assert!(check_program(Path::new("sh")).is_ok());
        assert!(check_program(Path::new("/bin/sh")).is_ok());
        assert!(check_program(Path::new("no-such-program-anywhere")).unwrap_err().contains("PATH"));
        assert!(check_program(Path::new("/etc/passwd")).unwrap_err().contains("executable"));
        assert!(check_program(Path::new("/no/such")).is_err());
    }
}
