//! Checks of a foreign container before anything is changed.

use bollard::models::ContainerInspectResponse;

use crate::{Error, Result};

/// Checks that a container can be stopped, copied and restored.
///
/// # Errors
/// Returns the obstacle, and advice.
pub(super) fn check(container: &ContainerInspectResponse) -> Result<()> {
    let name = container.name.as_deref().unwrap_or_default().trim_start_matches('/');
    let host = container.host_config.clone().unwrap_or_default();
    let mode = host.network_mode.unwrap_or_default();
    let refused = |why: &str, help: &str| {
        Err(Error::Unsatisfiable(format!("container {name} {why}\n  help: {help}")))
    };
    if host.auto_remove == Some(true) {
        return refused(
            "was started with --rm: it would be gone once it is stopped",
            "start it without --rm",
        );
    }
    if mode == "host" || mode == "none" || mode.starts_with("container:") {
        let why = format!("has network mode {mode}: copies of it have no address of their own");
        return refused(&why, "give the service a bridge network");
    }
    if container.state.as_ref().and_then(|state| state.paused) == Some(true) {
        return refused("is paused", &format!("docker unpause {name}"));
    }
    if host.oom_kill_disable == Some(true) {
        return refused(
            "was started with --oom-kill-disable: under a limit that is too small it hangs, and \
                nobody is told",
            "start it without",
        );
    }
    Ok(())
}
