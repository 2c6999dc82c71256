//! Search for containers that others started, by their labels.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use bollard::{
    models::{ContainerSummary, PortSummaryTypeEnum},
    query_parameters::ListContainersOptionsBuilder,
};

use super::connection::{address, engine, open};
use crate::{Error, Result};

/// Labels that a container must have: `app=iris,tier=model`, or `app` for any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<String>);

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let labels: Vec<String> = text.split(',').map(|label| label.trim().to_owned()).collect();
        if labels.iter().any(|label| label.is_empty() || label.starts_with('=')) {
            return Err(Error::Unsatisfiable(format!(
                "{text:?} is no label selector: write app=iris,tier=model"
            )));
        }
        Ok(Self(labels))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Returns the local addresses of the running containers with these labels, sorted by name.
///
/// Each address has the port `port`, or the only port that the container exposes.
///
/// # Errors
/// Returns an error if no Engine answers or no container matches.
/// Without `port`, a container that exposes no port or several is an error too.
pub async fn find(selector: &Selector, port: Option<u16>) -> Result<Vec<SocketAddr>> {
    let at = address();
    if !at.starts_with("unix://") {
        return Err(Error::Unsatisfiable(format!(
            "the Engine at {at} is not on this machine: its containers' addresses mean nothing \
                here\n  help: name the hosts"
        )));
    }
    let docker = open(&at).await.map_err(|cause| Error::NoEngine { at, cause })?;
    let filters =
        HashMap::from([("label", selector.0.clone()), ("status", vec!["running".to_owned()])]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let mut found =
        docker.list_containers(Some(options)).await.map_err(|e| engine("list containers", &e))?;
    if found.is_empty() {
        return Err(Error::Unsatisfiable(format!(
            "no running container has the labels {selector}\n  help: docker ps --filter label=…"
        )));
    }
    found.sort_by_key(name);
    found.iter().map(|container| socket(container, port)).collect()
}

fn name(container: &ContainerSummary) -> String {
    let names = container.names.iter().flatten();
    names.map(|name| name.trim_start_matches('/').to_owned()).next().unwrap_or_default()
}

fn socket(container: &ContainerSummary, port: Option<u16>) -> Result<SocketAddr> {
    let networks =
        container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut addresses: Vec<IpAddr> = networks
        .into_iter()
        .flat_map(HashMap::values)
        .filter_map(|endpoint| endpoint.ip_address.as_ref()?.parse().ok())
        .collect();
    addresses.sort_unstable();
    let mode = container.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    let ip = match (addresses.first(), mode) {
        (Some(ip), _) => *ip,
        (None, Some("host")) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (None, _) => {
            return Err(Error::Unsatisfiable(format!(
                "container {} has no address of its own",
                name(container)
            )));
        }
    };
    let exposed: BTreeSet<u16> = container
        .ports
        .iter()
        .flatten()
        .filter(|port| port.typ == Some(PortSummaryTypeEnum::TCP))
        .map(|port| port.private_port)
        .collect();
    match (port, exposed.first()) {
        (Some(port), _) => Ok(SocketAddr::new(ip, port)),
        (None, Some(port)) if exposed.len() == 1 => Ok(SocketAddr::new(ip, *port)),
        _ => Err(Error::Unsatisfiable(format!(
            "container {} exposes the ports {exposed:?}: say which one with --port",
            name(container)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_labels() {
        let selector: Selector = "app=iris, tier".parse().unwrap();
        assert_eq!(selector.0, ["app=iris", "tier"]);
        assert_eq!(selector.to_string(), "app=iris,tier");
        for wrong in ["", "a,", "=b"] {
            assert!(wrong.parse::<Selector>().is_err(), "{wrong:?} was taken");
        }
    }
}
