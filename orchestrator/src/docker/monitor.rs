//! Usage of local containers that others started, while they are under load.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
};

use bollard::{
    models::{ContainerSummary, HostConfig, PortSummaryTypeEnum},
    query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder},
};

use super::connection::{address, engine, open};
use crate::{
    Error, Result, Usage,
    cgroup::{Group, Hierarchies},
};

/// A running container of this machine.
#[derive(Debug, Clone)]
pub struct Monitored {
    /// Name of the container.
    pub name: String,
    /// CPU limit in processors, if it has one.
    pub cpus: Option<f64>,
    /// Memory limit in bytes, if it has one.
    pub memory_bytes: Option<u64>,
    id: String,
    group: Group,
}

/// Finds the containers at these addresses: their own, or ports that they publish on loopback.
///
/// Containers whose cgroups cannot be read from here are left out.
///
/// # Errors
/// Returns an error if no local Engine answers.
pub async fn monitor(addresses: &BTreeSet<SocketAddr>) -> Result<Vec<Monitored>> {
    let at = address();
    let is_here = at.starts_with("unix://");
    let cause = || "its containers run on another machine".to_owned();
    let remote = || Error::NoEngine { at: at.clone(), cause: cause() };
    let hierarchies = Hierarchies::find().ok().filter(|_| is_here).ok_or_else(remote)?;
    let docker = open(&at).await.map_err(|cause| Error::NoEngine { at: at.clone(), cause })?;
    let filters = HashMap::from([("status", vec!["running".to_owned()])]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let running =
        docker.list_containers(Some(options)).await.map_err(|e| engine("list containers", &e))?;
    let mut found = Vec::new();
    for container in running.iter().filter(|container| is_at(container, addresses)) {
        let Some(id) = container.id.clone() else { continue };
        // It may have ended in between.
        let Ok(details) = docker.inspect_container(&id, None::<InspectContainerOptions>).await
        else {
            continue;
        };
        let pid = details.state.and_then(|state| u32::try_from(state.pid?).ok());
        let group = pid.and_then(|pid| hierarchies.of_pid(pid).ok());
        // A process id of another namespace leads to another group.
        let Some(group) = group.filter(|g| g.path().to_string_lossy().contains(&id)) else {
            continue;
        };
        let name = details.name.unwrap_or_default().trim_start_matches('/').to_owned();
        let (cpus, memory_bytes) = limits(&details.host_config.unwrap_or_default());
        found.push(Monitored { name, cpus, memory_bytes, id, group });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Monitored {
    /// Returns the usage since the container's start; `None` once it has ended.
    pub fn usage(&self) -> Option<Usage> {
        self.group.usage().ok()
    }

    /// Returns true if both are the same container.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

fn is_at(container: &ContainerSummary, addresses: &BTreeSet<SocketAddr>) -> bool {
    let networks =
        container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let own: Vec<_> = networks
        .into_iter()
        .flat_map(HashMap::values)
        .filter_map(|endpoint| endpoint.ip_address.as_ref()?.parse().ok())
        .collect();
    let is_published = |addr: &SocketAddr| {
        container.ports.iter().flatten().any(|port| {
            let ip = port.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
            port.public_port == Some(addr.port())
                && port.typ.is_none_or(|kind| kind == PortSummaryTypeEnum::TCP)
                && ip.is_none_or(|ip| ip.is_unspecified() || ip == addr.ip())
        })
    };
    addresses
        .iter()
        .any(|addr| own.contains(&addr.ip()) || (addr.ip().is_loopback() && is_published(addr)))
}

/// Returns the limits of CPU and memory; the Engine stores 0 for none.
fn limits(config: &HostConfig) -> (Option<f64>, Option<u64>) {
    let positive = |value: Option<i64>| value.filter(|value| *value > 0);
    let nano = positive(config.nano_cpus).map(|nano| nano as f64 / 1e9);
    let quota = positive(config.cpu_quota)
        .map(|quota| quota as f64 / positive(config.cpu_period).unwrap_or(100_000) as f64);
    (nano.or(quota), positive(config.memory).and_then(|bytes| u64::try_from(bytes).ok()))
}

#[cfg(test)]
mod tests {
    use bollard::models::PortSummary;

    use super::*;

    #[test]
    fn containers_are_found_by_their_own_and_their_published_addresses() {
        let port = |ip: &str, port| PortSummary {
            ip: Some(ip.to_owned()),
            public_port: Some(port),
            ..Default::default()
        };
        let ports = vec![port("0.0.0.0", 8000), port("::", 8000), port("192.168.1.5", 9000)];
        let container = ContainerSummary { ports: Some(ports), ..Default::default() };
        let is_at = |addr: &str| is_at(&container, &BTreeSet::from([addr.parse().unwrap()]));
        assert!(is_at("127.0.0.1:8000") && is_at("[::1]:8000"));
        assert!(!is_at("127.0.0.1:8001") && !is_at("127.0.0.1:9000") && !is_at("10.0.0.1:8000"));
    }

    #[test]
    fn limits_have_two_notations() {
        let nano = HostConfig { nano_cpus: Some(500_000_000), ..Default::default() };
        assert_eq!(limits(&nano), (Some(0.5), None));
        let quota = HostConfig {
            cpu_quota: Some(20_000),
            cpu_period: Some(0),
            memory: Some(1 << 20),
            ..Default::default()
        };
        assert_eq!(limits(&quota), (Some(0.2), Some(1 << 20)));
    }
}
