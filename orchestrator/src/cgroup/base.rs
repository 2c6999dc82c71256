//! The group that all of ours are in.

use std::{fs, path::Path};

use nix::unistd::geteuid;

use super::{
    Group, Hierarchies, subdirectories,
    v2::{SUPERVISOR, without_supervisor},
    write,
};
use crate::{Error, Result};

const NAME: &str = "loadgen";

/// Where our groups are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The mounts.
    pub hierarchies: Hierarchies,
    /// The base; it may not exist yet.
    pub group: Group,
    is_delegated: bool,
}

/// Finds the base without creating or moving anything.
///
/// # Errors
/// [`Error::NoCgroup`] when there is no hierarchy to put it in.
pub fn find_base() -> Result<Base> {
    let hierarchies = Hierarchies::find()?;
    let root = hierarchies.root();
    let (parent, is_delegated) = match &root {
        // Only the hierarchy's real root has no `cgroup.type`; a container's root is a group like any other.
        Group::V2(dir) if !geteuid().is_root() || dir.join("cgroup.type").exists() => {
            let own = hierarchies
                .of_pid(std::process::id())
                .map_err(|e| Error::NoCgroup { cause: e.to_string(), help: help(&hierarchies) })?;
            match own {
                Group::V2(own) => (Group::V2(without_supervisor(own)), true),
                v1 @ Group::V1(_) => (v1, false),
            }
        }
        _ => (root, false),
    };
    Ok(Base { group: parent.child(NAME), hierarchies, is_delegated })
}

impl Base {
    /// Creates the base; in a delegated subtree this process steps down into a leaf first, since the kernel refuses to
    /// share out a group that has processes of its own.
    ///
    /// # Errors
    /// [`Error::NoCgroup`] with the command that helps, when the kernel or systemd does not let us.
    pub fn create(&self) -> Result<()> {
        let result = match &self.group {
            Group::V2(dir) if self.is_delegated => step_aside(dir.parent().unwrap_or(dir)),
            _ => Ok(()),
        };
        result.and_then(|()| self.group.create()).map_err(|error| self.explain(&error))
    }

    /// `error`, with the command that helps on a host like this.
    pub fn explain(&self, error: &Error) -> Error {
        Error::NoCgroup { cause: error.to_string(), help: help(&self.hierarchies) }
    }

    /// Every place where a run of this user may have left groups: the base, and the bases of other delegated subtrees.
    pub fn all(&self) -> Vec<Group> {
        let mut all = vec![self.group.clone()];
        if let Group::V2(dir) = &self.group
            && self.is_delegated
            && let Some(scopes) = dir.parent().and_then(Path::parent)
        {
            let others = subdirectories(scopes).into_iter().map(|scope| scopes.join(scope).join(NAME));
            all.extend(others.filter(|other| other != dir && other.is_dir()).map(Group::V2));
        }
        all
    }
}

fn step_aside(own: &Path) -> Result<()> {
    let leaf = own.join(SUPERVISOR);
    let controllers = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap_or_default();
    if controllers.contains("cpu") && controllers.contains("memory") {
        return Ok(());
    }
    if !leaf.is_dir() {
        fs::create_dir(&leaf).map_err(|source| Error::file("create", &leaf, source))?;
    }
    write(&leaf.join("cgroup.procs"), &std::process::id().to_string())
}

fn help(hierarchies: &Hierarchies) -> String {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let command = if command.is_empty() { "…".to_owned() } else { command.join(" ") };
    match hierarchies.version() {
        1 => format!("run as root: sudo loadgen {command}"),
        _ => format!("systemd-run --user --scope -p Delegate=yes -- loadgen {command}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_of_this_machine_is_found() {
        let base = find_base().unwrap();
        assert!(base.group.path().ends_with(NAME));
        assert!(base.all().contains(&base.group));
    }

    #[test]
    fn an_error_says_what_helps() {
        let base = find_base().unwrap();
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let text = base.explain(&Error::file("create", "/sys/fs/cgroup/loadgen", denied)).to_string();
        assert!(text.contains("/sys/fs/cgroup/loadgen") && text.contains("loadgen "), "{text}");
    }

    #[test]
    fn a_delegated_base_finds_its_siblings() {
        let slice = tempfile::tempdir().unwrap();
        for path in ["run-a.scope/loadgen", "run-b.scope/loadgen", "run-c.scope"] {
            fs::create_dir_all(slice.path().join(path)).unwrap();
        }
        let mount = super::super::mounts::Mount { at: slice.path().to_owned(), root: "/".into() };
        let group = Group::V2(slice.path().join("run-a.scope/loadgen"));
        let base = Base { hierarchies: Hierarchies::V2(mount), group, is_delegated: true };
        let all = base.all();
        assert_eq!(all.len(), 2);
        assert!(all.contains(&Group::V2(slice.path().join("run-b.scope/loadgen"))));
    }
}
