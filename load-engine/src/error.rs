//! Errors of the load engine.

/// Reason why a run could not start or change. But for an amendment the machine is the cause, and a
/// retry does not help until it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A limit of this machine is too low for so many users.
    #[error("{what}\n  help: {help}")]
    Limit {
        /// Name of the limit, and the shortage.
        what: String,
        /// Way to raise the limit.
        help: String,
    },
    /// The running test cannot be changed like this.
    #[error("{0}")]
    Amend(String),
    /// The system refused a thread or an event loop.
    #[error("the load engine could not start: {0}")]
    System(#[from] std::io::Error),
}
