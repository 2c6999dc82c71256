//! Processors of the generator and of the replicas.
//!
//! On shared processors each would disturb the other's measurements. One processor is enough for a
//! generator of 10,000 users with think time; it gets more only on machines with many.

use std::str::FromStr;

/// Processors of the generator and of the replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinning {
    /// Processors of the generator, with a load thread on each.
    pub generator: Vec<usize>,
    /// Processors of the replicas; any if `None`.
    pub replicas: Option<Vec<usize>>,
}

impl Pinning {
    /// Returns true if the generator has processors of its own.
    pub fn is_apart(&self) -> bool {
        !self.generator.is_empty() && self.replicas.is_some()
    }
}

/// Division of the processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pin {
    /// The last processors for the generator, the others for the replicas.
    #[default]
    Auto,
    /// No pinning, for machines on which something else divides the processors.
    None,
    /// These processors for the generator, the others for the replicas.
    Generator(Vec<usize>),
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            cores => {
                let cores: Result<Vec<usize>, _> =
                    cores.split(',').map(|core| core.trim().parse()).collect();
                cores.map(Self::Generator).map_err(|_| {
                    "auto, none, or the generator's processors, for instance 2,3".to_owned()
                })
            }
        }
    }
}

impl Pin {
    /// Divides a machine's processors; a single one is shared.
    ///
    /// # Errors
    /// Returns an error if a processor does not exist, or if none is left for the replicas.
    pub fn share(&self, cpus: usize) -> Result<Pinning, String> {
        let shared = Pinning { generator: Vec::new(), replicas: None };
        let generator = match self {
            Self::None => return Ok(shared),
            Self::Auto if cpus < 2 => return Ok(shared),
            Self::Auto => (cpus - generator_share(cpus)..cpus).collect(),
            Self::Generator(cores) => cores.clone(),
        };
        if let Some(core) = generator.iter().find(|core| **core >= cpus) {
            return Err(format!(
                "processor {core} does not exist: this machine has 0 to {}",
                cpus.saturating_sub(1)
            ));
        }
        let replicas: Vec<usize> = (0..cpus).filter(|core| !generator.contains(core)).collect();
        if replicas.is_empty() {
            return Err("no processor is left for the replicas".to_owned());
        }
        Ok(Pinning { generator, replicas: Some(replicas) })
    }
}

/// Returns the number of processors for the generator, at least 1.
fn generator_share(cpus: usize) -> usize {
    (cpus / 8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_and_replicas_never_share() {
        for cpus in 2..130 {
            let pinning = Pin::Auto.share(cpus).unwrap();
            let replicas = pinning.replicas.unwrap();
            assert_eq!(replicas.len() + pinning.generator.len(), cpus);
            assert!(
                !replicas.is_empty() && pinning.generator.iter().all(|c| !replicas.contains(c))
            );
        }
        assert_eq!(Pin::Auto.share(1).unwrap().replicas, None);
    }

    #[test]
    fn processors_can_be_named() {
        let pin: Pin = "0, 3".parse().unwrap();
        let shared = pin.share(4).unwrap();
        assert_eq!(
            (shared.generator.as_slice(), shared.replicas.as_deref()),
            (&[0, 3][..], Some(&[1, 2][..]))
        );
        assert!(pin.share(2).unwrap_err().contains("processor 3 does not exist"));
        assert!("0".parse::<Pin>().unwrap().share(1).is_err() && "x".parse::<Pin>().is_err());
        assert!(!"none".parse::<Pin>().unwrap().share(8).unwrap().is_apart());
    }
}
