//! What a look at the sources has changed.

/// What a look at the sources has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `name/version`, now served.
    pub loaded: Vec<String>,
    /// `name/version`, no longer served.
    pub unloaded: Vec<String>,
    /// What was found and does not load.
    pub refused: Vec<Refusal>,
    /// Why a source could not be looked at: nothing that it held is taken away.
    pub problems: Vec<String>,
}

/// A version that was found and does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `name/version`.
    pub version: String,
    /// Why it does not load.
    pub reason: String,
    /// Whether another version of the name is served.
    pub is_served: bool,
}

impl Refusal {
    /// What follows from it, for the log.
    pub fn consequence(&self) -> &'static str {
        match self.is_served {
            true => "REFUSED: it does not load; what was served before still is",
            false => "REFUSED: it does not load, and nothing of this name is served",
        }
    }
}
