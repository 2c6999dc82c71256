//! Root cgroup of this program, which contains all groups of this program.

use std::path::Path;

use nix::unistd::geteuid;

use super::{
    Group, Hierarchies,
    advice::advice,
    subdirectories,
    v2::{step_aside, without_supervisor},
};
use crate::{Error, Result};

const NAME: &str = "loadgen";

/// Location of this program's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootGroup {
    /// Mounted hierarchies.
    pub hierarchies: Hierarchies,
    /// Root group; it may not exist yet.
    pub group: Group,
    must_step_aside: bool,
}

/// Finds the base without creating or moving anything.
///
/// # Errors
/// Returns [`Error::NoCgroup`] if no hierarchy can contain it.
pub fn find_root_group() -> Result<RootGroup> {
    let hierarchies = Hierarchies::find()?;
    let (parent, must_step_aside) = match hierarchies.root() {
        // Only the hierarchy's real root has no `cgroup.type`; a container's root is ordinary.
        Group::V2(root) if geteuid().is_root() => {
            let is_group = root.join("cgroup.type").exists();
            (Group::V2(root), is_group)
        }
        Group::V2(_) => match hierarchies.of_pid(std::process::id()) {
            Ok(Group::V2(own)) => (Group::V2(without_supervisor(own)), true),
            Ok(v1 @ Group::V1(_)) => (v1, false),
            Err(e) => {
                return Err(Error::NoCgroup { cause: e.to_string(), help: advice(&hierarchies) });
            }
        },
        v1 @ Group::V1(_) => (v1, false),
    };
    Ok(RootGroup { group: parent.child(NAME), hierarchies, must_step_aside })
}

impl RootGroup {
    /// Creates the base. In a delegated subtree, first moves the processes there into a leaf.
    ///
    /// # Errors
    /// Returns [`Error::NoCgroup`], with the command that helps, if the kernel or systemd refuses.
    pub fn create(&self) -> Result<()> {
        let result = match &self.group {
            Group::V2(dir) if self.must_step_aside => step_aside(dir.parent().unwrap_or(dir)),
            _ => Ok(()),
        };
        result.and_then(|()| self.group.create()).map_err(|error| self.explain(&error))
    }

    /// Returns `error` with the command that helps on this host.
    pub fn explain(&self, error: &Error) -> Error {
        Error::NoCgroup { cause: error.to_string(), help: advice(&self.hierarchies) }
    }

    /// Returns every base, in all delegated subtrees, that may have groups of this user's runs.
    pub fn all(&self) -> Vec<Group> {
        let mut all = vec![self.group.clone()];
        if let Group::V2(dir) = &self.group
            && self.must_step_aside
            && let Some(scopes) = dir.parent().and_then(Path::parent)
        {
            let others =
                subdirectories(scopes).into_iter().map(|scope| scopes.join(scope).join(NAME));
            all.extend(others.filter(|other| other != dir && other.is_dir()).map(Group::V2));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_of_this_machine_is_found() {
        let base = find_root_group().unwrap();
        assert!(base.group.path().ends_with(NAME));
        assert!(base.all().contains(&base.group));
    }

    #[test]
    fn an_error_says_what_helps() {
        let base = find_root_group().unwrap();
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let text =
            base.explain(&Error::file("create", "/sys/fs/cgroup/loadgen", denied)).to_string();
        assert!(text.contains("/sys/fs/cgroup/loadgen") && text.contains("help: "), "{text}");
    }

    #[test]
    fn a_delegated_base_finds_its_siblings() {
        let slice = tempfile::tempdir().unwrap();
        for path in ["run-a.scope/loadgen", "run-b.scope/loadgen", "run-c.scope"] {
            std::fs::create_dir_all(slice.path().join(path)).unwrap();
        }
        let mount = super::super::mounts::Mount { at: slice.path().to_owned(), root: "/".into() };
        let group = Group::V2(slice.path().join("run-a.scope/loadgen"));
        let base = RootGroup { hierarchies: Hierarchies::V2(mount), group, must_step_aside: true };
        let all = base.all();
        assert_eq!(all.len(), 2);
        assert!(all.contains(&Group::V2(slice.path().join("run-b.scope/loadgen"))));
    }
}
