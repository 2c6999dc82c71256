//! Errors, with their blame and whether a retry helps.

/// Result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Party at fault; a caller maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Impossible request: a wrong name, or a limit beyond the host.
    Request,
    /// Machine that lacks something: an Engine, a cgroup, an image.
    Machine,
    /// Replica that exited or never became ready.
    Replica,
}

/// Errors of an orchestrator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Missing or unreachable Engine.
    #[error("no Docker Engine answers at {at}: {cause}\n  help: {}", connect_help(.cause))]
    NoEngine {
        /// Socket or address tried.
        at: String,
        /// Cause.
        cause: String,
    },
    /// Call that the Engine refused.
    #[error("the Docker Engine could not {action}: {cause}")]
    Engine {
        /// Attempted action.
        action: String,
        /// Message of the Engine.
        cause: String,
    },
    /// Image that is absent and cannot be pulled.
    #[error(
        "image {reference} is not on this machine and could not be pulled: {cause}\n  help: {help}"
    )]
    NoImage {
        /// Name of the image.
        reference: String,
        /// Message of the registry or the Engine.
        cause: String,
        /// Advice.
        help: String,
    },
    /// CPU or memory limits that cannot be written here.
    #[error("CPU and memory limits cannot be set for processes here: {cause}\n  help: {help}")]
    NoCgroup {
        /// File or controller, and reason.
        cause: String,
        /// Exact command that helps.
        help: String,
    },
    /// Limit outside of what the host can provide.
    #[error("{0}")]
    Unsatisfiable(String),
    /// Program that cannot be started.
    #[error("cannot start {program}: {cause}")]
    Program {
        /// Path of the executable.
        program: String,
        /// Error of the operating system.
        cause: String,
    },
    /// Replica that ended or did not become ready.
    #[error("replica {replica} {what}{}{}", last_lines(.logs), help(.hint.as_deref()))]
    NotReady {
        /// Name of the replica.
        replica: String,
        /// Description of the failure: "ended (exit 1) before it was ready", "did not answer GET
        /// /health with a 2xx in 10s (status 503)".
        what: String,
        /// Last lines of its output.
        logs: String,
        /// True if the kernel killed it for memory.
        oom_killed: bool,
        /// Advice, if any.
        hint: Option<String>,
    },
    /// File of the kernel or of this program that could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// Action: "read", "write", "create".
        action: &'static str,
        /// Path of the file.
        path: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

impl Error {
    /// Creates the error of a failed `action` on a file.
    pub(crate) fn file(
        action: &'static str,
        path: impl AsRef<std::path::Path>,
        source: std::io::Error,
    ) -> Self {
        Self::File { action, path: path.as_ref().display().to_string(), source }
    }

    /// Returns the party at fault.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unsatisfiable(_) | Self::Program { .. } => Blame::Request,
            Self::NotReady { .. } => Blame::Replica,
            _ => Blame::Machine,
        }
    }

    /// Returns true if the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Engine { .. } | Self::NotReady { oom_killed: false, .. })
    }
}

fn help(hint: Option<&str>) -> String {
    hint.map(|hint| format!("\n  help: {hint}")).unwrap_or_default()
}

/// Returns the advice for an Engine that does not answer.
fn connect_help(cause: &str) -> &'static str {
    if cause.to_ascii_lowercase().contains("permission denied") {
        "the socket is not yours to use: become a member of its group (sudo usermod -aG docker \
            $USER, then log in again), or use sudo"
    } else {
        "start it (systemctl start docker), or use --orchestrator process"
    }
}

fn last_lines(logs: &str) -> String {
    if logs.trim().is_empty() {
        return String::new();
    }
    format!(
        "; it wrote:\n{}",
        logs.trim_end().lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_without_permission_is_no_engine_that_is_down() {
        let message = |cause: &str| {
            Error::NoEngine { at: "unix:///x".to_owned(), cause: cause.to_owned() }.to_string()
        };
        assert!(message("Permission denied (os error 13)").contains("usermod -aG docker"));
        assert!(message("No such file or directory").contains("systemctl start docker"));
    }
}
