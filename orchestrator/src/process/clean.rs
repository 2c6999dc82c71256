//! Removal of objects that dead runs left.

use crate::{Owner, Result, cgroup::RootGroup};

/// Kills and removes the groups of runs whose owner is dead; returns a line for each.
pub(super) fn clean(base: &RootGroup) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for (name, group) in base.all().into_iter().flat_map(|base| base.children()) {
        let Some(owner) = Owner::from_dir_name(&name) else { continue };
        if owner.is_alive() {
            continue;
        }
        let killed = group.kill_and_remove()?;
        removed.push(match killed {
            0 => format!("cgroup {}", group.path().display()),
            1 => format!("cgroup {} with 1 process", group.path().display()),
            _ => format!("cgroup {} with {killed} processes", group.path().display()),
        });
    }
    Ok(removed)
}
