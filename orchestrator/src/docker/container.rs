//! Configuration of the containers that this program creates.

use std::path::PathBuf;

use bollard::{
    errors::Error as EngineError,
    models::{
        ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
        ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum, SystemInfo,
    },
};

use super::connection::engine;
use crate::{Deployment, Error, Limits, MOST_PIDS, Owner, Workload};

/// Limit on open files per replica: enough for 10,000 connections, with a margin.
pub(super) const FILES: u64 = 65_536;

/// Fields of [`Workload::Image`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) reference: &'a str,
    pub(super) args: &'a [String],
    pub(super) port: u16,
    pub(super) mounts: &'a [(PathBuf, PathBuf)],
}

impl<'a> Image<'a> {
    pub(super) fn of(workload: &'a Workload) -> Option<Self> {
        match workload {
            Workload::Image { reference, args, port, mounts } => {
                Some(Self { reference, args, port: *port, mounts })
            }
            Workload::Program(_) => None,
        }
    }
}

/// Returns the configuration of the container `name` of `deployment`.
pub(super) fn body(
    deployment: &Deployment,
    image: Image<'_>,
    name: &str,
    network: &str,
    owner: &Owner,
) -> ContainerCreateBody {
    let mut env: Vec<String> =
        deployment.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    env.push(format!("REPLICA_NAME={name}"));
    let addr = format!("0.0.0.0:{}", image.port);
    let command: Vec<String> = image.args.iter().map(|arg| arg.replace("{addr}", &addr)).collect();
    let cpuset = deployment.cpuset.as_ref();
    ContainerCreateBody {
        image: Some(image.reference.to_owned()),
        hostname: Some(name.to_owned()),
        env: Some(env),
        cmd: (!command.is_empty()).then_some(command),
        user: deployment.rights.user.clone(),
        labels: Some(owner.labels().into_iter().collect()),
        // The Engine runs an image's health check inside the container every few seconds.
        // At a tenth of a processor, that is most of the measured CPU time, so it is turned off.
        // Readiness is polled from outside.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..Default::default()
        }),
        host_config: Some(HostConfig {
            cpuset_cpus: cpuset
                .map(|cpus| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")),
            network_mode: Some(network.to_owned()),
            mounts: (!image.mounts.is_empty()).then(|| image.mounts.iter().map(mount).collect()),
            cap_add: Some(deployment.rights.cap_add.clone()).filter(|added| !added.is_empty()),
            ..host_config(deployment.limits)
        }),
        ..Default::default()
    }
}

/// Adapts the configuration to the Engine; `files` limits open files, 0 keeps the Engine's limit.
pub(super) fn adapt(body: &mut ContainerCreateBody, info: &SystemInfo, files: u64) {
    let Some(config) = &mut body.host_config else { return };
    // Without swap accounting, the Engine drops the memory-and-swap limit.
    // Version 1 can turn swapping off instead.
    let is_v2 = info.cgroup_version.is_some_and(|version| version.to_string() == "2");
    if info.swap_limit == Some(false) && !is_v2 {
        config.memory_swappiness = Some(0);
    }
    let limit = i64::try_from(files).ok().filter(|limit| *limit > 0);
    config.ulimits = limit.map(|limit| {
        vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(limit),
            hard: Some(limit),
        }]
    });
}

pub(super) fn nano_cpus(limits: Limits) -> i64 {
    i64::from(limits.cpus.millis) * 1_000_000
}

/// Returns true if an Engine without the right to raise the file limit refused to.
pub(super) fn is_rlimit_refused(error: &Error) -> bool {
    matches!(error, Error::Engine { cause, .. } if cause.contains("rlimit"))
}

/// Returns the error of a failed start, and distinguishes a command that the image lacks.
pub(super) fn start_error(name: &str, image: &str, error: &EngineError) -> Error {
    match error {
        EngineError::DockerResponseServerError { message, .. } if message.contains("exec: ") => {
            Error::Program { program: format!("image {image}"), cause: message.trim().to_owned() }
        }
        other => engine(&format!("start container {name}"), other),
    }
}

fn host_config(limits: Limits) -> HostConfig {
    let memory = Some(limits.memory_bytes.cast_signed());
    // Logs are unlimited by default, and a server that logs each request would fill the disk.
    let log_options = [("max-size", "1m"), ("max-file", "1")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    HostConfig {
        nano_cpus: Some(nano_cpus(limits)),
        memory,
        memory_swap: memory,
        pids_limit: Some(MOST_PIDS.into()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log_options),
        }),
        restart_policy: Some(never_again()),
        ..Default::default()
    }
}

/// Returns the policy "no restart": an ended replica is evidence and must not start again.
pub(super) fn never_again() -> RestartPolicy {
    RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }
}

fn mount((source, target): &(PathBuf, PathBuf)) -> Mount {
    Mount {
        source: Some(source.display().to_string()),
        target: Some(target.display().to_string()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{Cpus, Rights};

    #[test]
    fn a_container_is_closed_by_default() {
        let workload = Workload::Image {
            reference: "x".into(),
            args: vec!["--listen={addr}".into()],
            port: 80,
            mounts: vec![("/m".into(), "/models".into())],
        };
        let deployment = Deployment {
            name: "a".into(),
            workload: workload.clone(),
            env: BTreeMap::from([("K".into(), "v".into())]),
            rights: Rights { cap_add: vec!["CHOWN".into()], user: Some("1000".into()) },
            replicas: 1,
            limits: Limits { cpus: Cpus::from_millis(50), memory_bytes: 1 << 26 },
            cpuset: Some(vec![0, 2]),
            ready_path: "/".into(),
            ready_timeout: Duration::from_secs(1),
            cold: false,
            in_place: false,
        };
        let owner = Owner::current("r").unwrap();
        let mut body = body(&deployment, Image::of(&workload).unwrap(), "n", "net", &owner);
        adapt(&mut body, &SystemInfo::default(), 0);
        assert_eq!(body.host_config.as_ref().unwrap().ulimits, None);
        adapt(&mut body, &SystemInfo { swap_limit: Some(false), ..Default::default() }, FILES);
        assert_eq!(body.cmd.unwrap(), ["--listen=0.0.0.0:80"]);
        assert_eq!(body.env.unwrap(), ["K=v", "REPLICA_NAME=n"]);
        assert_eq!(
            body.healthcheck.unwrap().test.unwrap(),
            ["NONE"],
            "a health check would be measured too"
        );
        let labels = body.labels.unwrap();
        assert_eq!(Owner::from_labels(|key| labels.get(key)), Some(owner));
        let config = body.host_config.unwrap();
        assert_eq!(
            (config.nano_cpus, config.memory, config.memory_swap),
            (Some(50_000_000), Some(1 << 26), Some(1 << 26))
        );
        assert_eq!(config.cpuset_cpus.as_deref(), Some("0,2"));
        assert_eq!(
            (body.user.as_deref(), config.cap_add.unwrap()),
            (Some("1000"), vec!["CHOWN".to_owned()])
        );
        assert_eq!(config.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(config.port_bindings, None);
        assert_eq!(config.ulimits.unwrap()[0].soft, Some(65_536));
        assert_eq!(config.memory_swappiness, Some(0), "no swap accounting");
        assert_eq!(config.mounts.unwrap()[0].read_only, Some(true));
    }
}
