//! Choice of a backend.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{Error, Orchestrator, Owner, Result, docker::Engine, process::Processes};

/// Requested backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// First backend that works here.
    #[default]
    Auto,
    /// Containers.
    Docker,
    /// Child processes in cgroups.
    Process,
}

impl Choice {
    /// All choices, for a command line's help.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Docker, Self::Process];
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Process => "process",
        })
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|choice| choice.to_string() == text).ok_or_else(|| {
            Error::Unsatisfiable(format!(
                "{text:?} is no orchestrator: there are auto, docker and process"
            ))
        })
    }
}

/// Returns the backend of `choice`.
///
/// `Auto` uses Docker if an image is wanted, else processes if limits are writable (tested, not
/// guessed), else Docker.
///
/// # Errors
/// Returns the reason why the backend cannot work here; for `Auto`, why neither can.
pub async fn select(
    choice: Choice,
    wants_image: bool,
    owner: Owner,
) -> Result<Arc<dyn Orchestrator>> {
    match choice {
        Choice::Docker => Ok(Arc::new(Engine::connect(owner).await?)),
        Choice::Auto if wants_image => Ok(Arc::new(Engine::connect(owner).await?)),
        Choice::Process => Ok(Arc::new(Processes::new(owner)?)),
        Choice::Auto => {
            let no_cgroup = match Processes::new(owner.clone()) {
                Ok(processes) => return Ok(Arc::new(processes)),
                Err(error) => error,
            };
            match Engine::connect(owner).await {
                Ok(engine) => Ok(Arc::new(engine)),
                Err(no_engine) => Err(both(no_cgroup, &no_engine)),
            }
        }
    }
}

fn both(no_cgroup: Error, no_engine: &Error) -> Error {
    match no_cgroup {
        Error::NoCgroup { cause, help } => {
            Error::NoCgroup { cause: format!("{cause}; and {no_engine}"), help }
        }
        other => {
            Error::NoCgroup { cause: format!("{other}; and {no_engine}"), help: String::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for choice in Choice::ALL {
            assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
        }
        assert!("podman".parse::<Choice>().is_err());
    }

    #[test]
    fn neither_names_both_causes() {
        let no_cgroup = Error::NoCgroup { cause: "read-only".into(), help: "sudo".into() };
        let no_engine = Error::NoEngine { at: "unix:///x".into(), cause: "refused".into() };
        let text = both(no_cgroup, &no_engine).to_string();
        assert!(
            text.contains("read-only") && text.contains("refused") && text.contains("sudo"),
            "{text}"
        );
    }
}
