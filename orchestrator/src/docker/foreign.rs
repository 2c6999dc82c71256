//! Configuration of a foreign container.

use std::path::PathBuf;

use bollard::models::ContainerInspectResponse;
use serde_json::json;

/// File, folder or volume of the Engine's file system that is mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Path in the Engine's file system.
    pub here: PathBuf,
    /// Path in the container.
    pub inside: PathBuf,
    /// True if the container may not change it.
    pub is_read_only: bool,
}

/// Returns the mounts of a container from the Engine's file system.
pub(super) fn mounts(container: &ContainerInspectResponse) -> Vec<Mounted> {
    let mounts = container.mounts.iter().flatten();
    let mounted = mounts.filter_map(|mount| {
        let here = mount.source.as_ref().filter(|source| !source.is_empty())?;
        let inside = mount.destination.as_ref()?;
        Some(Mounted {
            here: here.into(),
            inside: inside.into(),
            is_read_only: mount.rw == Some(false),
        })
    });
    mounted.collect()
}

/// Returns command, user, variables and mounts as text, equal for containers made alike.
///
/// Limits are not part of it.
pub(super) fn configuration(container: &ContainerInspectResponse) -> String {
    let config = container.config.clone().unwrap_or_default();
    let host = container.host_config.clone().unwrap_or_default();
    let mounts = host.mounts.iter().flatten().map(|mount| json!(mount).to_string());
    // Compose lists them in any order.
    let sorted = |mut list: Vec<String>| {
        list.sort_unstable();
        list
    };
    json!([
        config.entrypoint,
        config.cmd,
        config.user,
        config.working_dir,
        sorted(config.env.unwrap_or_default()),
        sorted(host.binds.iter().flatten().cloned().chain(mounts).collect()),
    ])
    .to_string()
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerConfig, HostConfig, Mount, MountPoint};

    use super::*;

    #[test]
    fn containers_are_made_alike_by_what_they_run_and_not_by_their_limits() {
        let made = |env: &[&str], bind: &str, mount: &str, memory| {
            let config = ContainerConfig {
                env: Some(env.iter().map(|&one| one.to_owned()).collect()),
                hostname: Some(format!("{memory}")),
                ..Default::default()
            };
            let host = HostConfig {
                binds: Some(vec![bind.to_owned()]),
                mounts: Some(vec![Mount { source: Some(mount.to_owned()), ..Default::default() }]),
                memory: Some(memory),
                ..Default::default()
            };
            configuration(&ContainerInspectResponse {
                config: Some(config),
                host_config: Some(host),
                ..Default::default()
            })
        };
        let one = made(&["A=1", "B=2"], "/a:/b", "/c", 1);
        assert_eq!(one, made(&["B=2", "A=1"], "/a:/b", "/c", 2));
        assert_ne!(one, made(&["A=1", "B=3"], "/a:/b", "/c", 1));
        assert_ne!(one, made(&["A=1", "B=2"], "/x:/b", "/c", 1));
        assert_ne!(one, made(&["A=1", "B=2"], "/a:/b", "/x", 1));
    }

    #[test]
    fn mounts_are_what_lies_in_the_engines_file_system() {
        let mount = |source: &str, rw| MountPoint {
            source: Some(source.to_owned()),
            destination: Some("/in".to_owned()),
            rw,
            ..Default::default()
        };
        let mounts =
            |list| mounts(&ContainerInspectResponse { mounts: Some(list), ..Default::default() });
        let is = |here: &str, is_read_only| Mounted {
            here: here.into(),
            inside: "/in".into(),
            is_read_only,
        };
        let found =
            mounts(vec![mount("/a", Some(false)), mount("", Some(true)), mount("/b", None)]);
        assert_eq!(found, [is("/a", true), is("/b", false)], "a tmpfs has no source");
    }
}
