//! Which processors the generator has, and which the replicas.
//!
//! On the same processors each would measure the other's hunger. One processor for the generator is enough for 10,000 users
//! with think time; it gets more only where there are many.

/// Who runs where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinning {
    /// The generator's, a load thread on each.
    pub generator: Vec<usize>,
    /// The replicas'; any if `None`.
    pub replicas: Option<Vec<usize>>,
}

impl Pinning {
    /// Whether the generator has processors of its own.
    pub fn is_apart(&self) -> bool {
        !self.generator.is_empty() && self.replicas.is_some()
    }
}

/// Processors that a generator gets from a machine of this many, at least 1.
fn generator_share(cpus: usize) -> usize {
    (cpus / 8).max(1)
}

/// Shares out the machine's processors: the last ones to the generator. A machine with a single one is shared.
pub fn pin(cpus: usize) -> Pinning {
    if cpus < 2 {
        return Pinning { generator: Vec::new(), replicas: None };
    }
    let first = cpus - generator_share(cpus);
    Pinning { generator: (first..cpus).collect(), replicas: Some((0..first).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_and_replicas_never_share() {
        for cpus in 2..130 {
            let pinning = pin(cpus);
            let replicas = pinning.replicas.unwrap();
            assert_eq!(replicas.len() + pinning.generator.len(), cpus);
            assert!(!replicas.is_empty() && pinning.generator.iter().all(|c| !replicas.contains(c)));
        }
        assert_eq!(pin(1).replicas, None);
    }
}
