//! Errors that say whose fault it was and whether a retry helps.

/// The result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault an error was; a caller maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// What was asked for cannot be done: a wrong name, a limit beyond the host.
    Request,
    /// The machine lacks something: an Engine, a cgroup, an image.
    Machine,
    /// The replica did not do its part: it exited, or never became ready.
    Replica,
}

/// Why an orchestrator could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No Engine answers.
    #[error("no Docker Engine answers at {at}: {cause}\n  help: {}", connect_help(.cause))]
    NoEngine {
        /// Socket or address tried.
        at: String,
        /// What happened.
        cause: String,
    },
    /// The Engine refused a call.
    #[error("the Docker Engine could not {action}: {cause}")]
    Engine {
        /// What was being done.
        action: String,
        /// The Engine's own words.
        cause: String,
    },
    /// The image is not here and cannot be pulled.
    #[error(
        "image {reference} is not on this machine and could not be pulled: {cause}\n  help: {help}"
    )]
    NoImage {
        /// The image's name.
        reference: String,
        /// The registry's or the Engine's words.
        cause: String,
        /// What to do.
        help: String,
    },
    /// CPU or memory limits cannot be written here.
    #[error("CPU and memory limits cannot be set for processes here: {cause}\n  help: {help}")]
    NoCgroup {
        /// Which file or controller, and why.
        cause: String,
        /// The exact command that helps.
        help: String,
    },
    /// A limit is outside of what the host can give.
    #[error("{0}")]
    Unsatisfiable(String),
    /// The program cannot be started.
    #[error("cannot start {program}: {cause}")]
    Program {
        /// Path of the executable.
        program: String,
        /// The system's words.
        cause: String,
    },
    /// A replica ended or did not become ready.
    #[error("replica {replica} {what}{}{}", last_lines(.logs), help(.hint.as_deref()))]
    NotReady {
        /// Its name.
        replica: String,
        /// "ended (exit 1) before it was ready", "did not answer GET /health with a 2xx in 10s
        /// (status 503)".
        what: String,
        /// The last lines that it wrote.
        logs: String,
        /// Whether the kernel killed it for memory.
        oom_killed: bool,
        /// What may help.
        hint: Option<String>,
    },
    /// A file of the kernel or of ours could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// "read", "write", "create".
        action: &'static str,
        /// Which.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
}

impl Error {
    /// A file that could not be read, written or whatever `action` says.
    pub(crate) fn file(
        action: &'static str,
        path: impl AsRef<std::path::Path>,
        source: std::io::Error,
    ) -> Self {
        Self::File { action, path: path.as_ref().display().to_string(), source }
    }

    /// Whose fault it was.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unsatisfiable(_) | Self::Program { .. } => Blame::Request,
            Self::NotReady { .. } => Blame::Replica,
            _ => Blame::Machine,
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Engine { .. } | Self::NotReady { oom_killed: false, .. })
    }
}

fn help(hint: Option<&str>) -> String {
    hint.map(|hint| format!("\n  help: {hint}")).unwrap_or_default()
}

/// What helps where no Engine answers.
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
        let told = |cause: &str| {
            Error::NoEngine { at: "unix:///x".to_owned(), cause: cause.to_owned() }.to_string()
        };
        assert!(told("Permission denied (os error 13)").contains("usermod -aG docker"));
        assert!(told("No such file or directory").contains("systemctl start docker"));
    }
}
