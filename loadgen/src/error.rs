//! Errors and their exit codes.

use load_engine::EngineError;
use loadtest::{
    slo::SloError,
    workload::{HostError, ScenarioError, WaitTimeError},
};
use sizing::trial::LadderError;

/// Error of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag or file is invalid.
    #[error("{0}")]
    Usage(String),
    /// The target does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// This machine lacks something.
    #[error("{0}")]
    Machine(String),
    /// Error of the load engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Error of the orchestrator.
    #[error(transparent)]
    Orchestrator(#[from] orchestrator::Error),
    /// A result file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Path of the file.
        path: std::path::PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Exit status of a command; [`ExitStatus::code`] is part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// The objective was met, or there was none.
    Met,
    /// The objective was missed, no limits hold it, or every request failed.
    Missed,
    /// A flag or file is invalid.
    Usage,
    /// The generator was the limit while an objective or a rate was set.
    GeneratorLimited,
    /// The target does not answer.
    Unreachable,
    /// An Engine, a cgroup or an image is missing, or a limit of this machine is too low.
    Machine,
    /// The command was interrupted; measurements so far are written.
    Interrupted,
    /// Requests failed, and `--exit-code-on-error` names this code for it.
    OnError(u8),
}

impl ExitStatus {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Met => 0,
            Self::Missed => 1,
            Self::Usage => 2,
            Self::GeneratorLimited => 3,
            Self::Unreachable => 4,
            Self::Machine => 5,
            Self::Interrupted => 130,
            Self::OnError(code) => code,
        }
    }
}

impl Error {
    /// Returns the exit code, which tells the cause of the error.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::Usage,
            Self::Unreachable(_) => ExitStatus::Unreachable,
            Self::Machine(_) | Self::Engine(_) | Self::Write { .. } => ExitStatus::Machine,
            Self::Orchestrator(error) => match error.blame() {
                orchestrator::Blame::Request => ExitStatus::Usage,
                orchestrator::Blame::Machine => ExitStatus::Machine,
                orchestrator::Blame::Replica => ExitStatus::Unreachable,
            },
        }
    }
}

impl From<WaitTimeError> for Error {
    fn from(error: WaitTimeError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<SloError> for Error {
    fn from(error: SloError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<LadderError> for Error {
    fn from(error: LadderError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ScenarioError> for Error {
    fn from(error: ScenarioError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Resolve { .. } => Self::Unreachable(error.to_string()),
            _ => Self::Usage(error.to_string()),
        }
    }
}
