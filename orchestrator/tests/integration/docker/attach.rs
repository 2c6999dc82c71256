//! Containers of somebody else's, varied in place: made as Compose would make them.

use std::{process::Stdio, time::Duration};

use orchestrator::{
    Deployment, Orchestrator, Owner,
    docker::{Attached, Attachment, Engine},
};

use crate::{
    cases::{self, run_id},
    docker::{self, IMAGE, docker, residue},
    helper::{self, get, until},
};

/// A container that its owner wants to run for ever; it goes with the test.
struct Project {
    name: String,
    id: String,
}

impl Project {
    async fn up() -> Self {
        Self::with(&["--cpus", "0.7", "--memory", "200m", "--restart", "unless-stopped"]).await
    }

    /// One that was started with these words, and for ever unless they say otherwise.
    async fn with(started: &[&str]) -> Self {
        docker::build().await;
        let name = format!("shop{}", run_id());
        let labels = [
            format!("com.docker.compose.project={name}"),
            "com.docker.compose.service=echo".to_owned(),
            "com.docker.compose.oneoff=False".to_owned(),
        ];
        let mut words = vec![
            "run",
            "--detach",
            "--name",
            &name,
            "--env",
            "TEST_SERVER=1",
            "--env",
            "REPLICA_NAME=original",
        ];
        words.extend(started);
        labels.iter().for_each(|label| words.extend(["--label", label]));
        let args = helper::server_args();
        words.push(IMAGE);
        words.extend(args.iter().map(|arg| if arg == "{addr}" { "0.0.0.0:8000" } else { arg }));
        let id = docker(&words);
        Self { name, id }
    }

    fn attachment(&self) -> String {
        format!("compose:{}/echo", self.name)
    }

    async fn attached(&self, run: &str) -> Attached {
        let attachment: Attachment = self.attachment().parse().unwrap();
        Attached::connect(attachment, Owner::current(run).unwrap()).await.unwrap()
    }

    /// Whether it runs, its limits, and what is to become of it when it ends.
    fn state(&self) -> String {
        let limits = "{{.State.Running}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}";
        docker(&[
            "inspect",
            &self.id,
            "--format",
            &format!("{limits} {{{{.HostConfig.RestartPolicy.Name}}}}"),
        ])
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

const BEFORE: &str = "true 700000000 209715200 unless-stopped";

fn deployment(mib: u64) -> Deployment {
    Deployment { limits: cases::limits(1000, mib), ..cases::deployment(docker::workload()) }
}

#[tokio::test]
async fn an_oom_kill_is_not_undone_by_the_containers_restart_policy() {
    let (project, run) = (Project::up().await, run_id());
    let attached = project.attached(&run).await;
    let service = attached.deploy(&deployment(48)).await.unwrap();
    assert_eq!(project.state(), "true 1000000000 50331648 no");
    assert!(get(service.replicas[0].addr, "/eat/200").is_err());
    let dead = async || !attached.usage(&service).await.unwrap()[0].running;
    assert!(until(Duration::from_secs(10), dead).await);
    let usage = attached.usage(&service).await.unwrap().remove(0);
    assert_eq!((usage.end.as_deref(), usage.restarts), (Some("out of memory"), 0), "{usage:?}");
    attached.tear_down(service).await.unwrap();
    attached.close().await.unwrap();
    assert_eq!(project.state(), BEFORE);
}

#[tokio::test]
async fn a_service_that_runs_goes_on_in_place_under_other_limits() {
    let (project, run) = (Project::up().await, run_id());
    let started = || docker(&["inspect", &project.id, "--format", "{{.State.StartedAt}}"]);
    let (attached, before) = (project.attached(&run).await, started());
    let in_place = Deployment { in_place: true, ..deployment(128) };
    let mut service = attached.deploy(&in_place).await.unwrap();
    assert_eq!(
        (started(), project.state().as_str()),
        (before.clone(), "true 1000000000 134217728 no")
    );
    attached.set_limits(&mut service, cases::limits(200, 128)).await.unwrap();
    assert!(get(service.replicas[0].addr, "/").is_ok());
    attached.tear_down(service).await.unwrap();
    assert_eq!(
        (started(), project.state().as_str()),
        (before.clone(), "true 200000000 134217728 no")
    );
    let fresh = attached.deploy(&deployment(128)).await.unwrap();
    assert_ne!(started(), before, "a fresh start is one");
    attached.tear_down(fresh).await.unwrap();
    attached.close().await.unwrap();
    assert_eq!(project.state(), BEFORE);
}

#[tokio::test]
async fn clean_puts_back_what_a_killed_owner_had_changed() {
    let (project, run) = (Project::up().await, run_id());
    let mut owner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper::own", "--nocapture"])
        .envs([("TEST_OWNER", project.attachment()), ("TEST_RUN", run.clone())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deployed = until(Duration::from_secs(30), async || residue(&run).len() == 1).await;
    let changed = project.state();
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(deployed, "a copy beside the original");
    assert_eq!(changed, "true 1000000000 134217728 no");

    let engine = Engine::connect(Owner::current(&run_id()).unwrap()).await.unwrap();
    engine.clean().await.unwrap();
    // Another test's may be at it.
    assert!(
        until(Duration::from_secs(20), async || project.state() == BEFORE).await,
        "{}",
        project.state()
    );
    assert_eq!(residue(&run), Vec::<String>::new());
}

/// What a Ctrl-C does: the caller stops waiting at any point, then closes.
#[tokio::test]
async fn an_abandoned_attachment_is_put_back() {
    let (project, run) = (Project::up().await, run_id());
    let attached = project.attached(&run).await;
    let deployment = Deployment { replicas: 3, ready_path: "/never".to_owned(), ..deployment(128) };
    for millis in (100..1600).step_by(150) {
        let limit = Duration::from_millis(millis);
        assert!(tokio::time::timeout(limit, attached.deploy(&deployment)).await.is_err());
        attached.close().await.unwrap();
        assert_eq!(
            (residue(&run), project.state()),
            (Vec::new(), BEFORE.to_owned()),
            "after {millis} ms"
        );
    }
}

/// A container that could not be restored exactly is not changed: copies run in its place, and it
/// is started again as it was.
#[tokio::test]
async fn a_container_without_limits_is_left_as_it_was() {
    let (project, run) = (Project::with(&["--restart", "unless-stopped"]).await, run_id());
    let attached = project.attached(&run).await;
    let service = attached.deploy(&deployment(48)).await.unwrap();
    assert!(get(service.replicas[0].addr, "/").is_ok());
    assert_eq!(project.state(), "false 0 0 unless-stopped", "stopped, and otherwise untouched");
    assert_eq!(residue(&run).len(), 1, "a copy");
    attached.tear_down(service).await.unwrap();
    attached.close().await.unwrap();
    assert_eq!((residue(&run), project.state().as_str()), (Vec::new(), "true 0 0 unless-stopped"));
    // It takes limits from its owner as before.
    docker(&["update", "--cpus", "0.5", &project.id]);
}

#[tokio::test]
async fn a_reservation_above_the_limit_comes_down_with_it_and_is_put_back() {
    let (project, run) = (
        Project::with(&["--cpus", "0.7", "--memory", "512m", "--memory-reservation", "128m"]).await,
        run_id(),
    );
    let reservation = || {
        docker(&[
            "inspect",
            &project.id,
            "--format",
            "{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}}",
        ])
    };
    let before = reservation();
    let attached = project.attached(&run).await;
    let service = attached.deploy(&deployment(64)).await.unwrap();
    assert_eq!(reservation(), format!("{} {}", 64 << 20, 64 << 20));
    attached.tear_down(service).await.unwrap();
    attached.close().await.unwrap();
    assert_eq!(reservation(), before);
}

#[tokio::test]
async fn a_copy_is_on_all_networks_and_has_the_health_check() {
    let network = format!("shop{}", run_id());
    docker(&["network", "create", &network]);
    let (project, run) =
        (Project::with(&["--health-cmd", "true", "--health-interval", "3s"]).await, run_id());
    docker(&["network", "connect", &network, &project.id]);
    let attached = project.attached(&run).await;
    let service = attached.deploy(&Deployment { replicas: 2, ..deployment(64) }).await.unwrap();
    let format = "{{len .NetworkSettings.Networks}} {{.Config.Healthcheck.Interval}}";
    for replica in &service.replicas {
        assert_eq!(docker(&["inspect", &replica.id, "--format", format]), "2 3s");
    }
    attached.tear_down(service).await.unwrap();
    attached.close().await.unwrap();
    drop(project);
    docker(&["network", "rm", &network]);
}

#[tokio::test]
async fn what_could_not_be_put_back_is_refused_before_anything_is_touched() {
    for (words, says) in
        [(&["--rm"][..], "without --rm"), (&["--oom-kill-disable"], "oom-kill-disable")]
    {
        let project = Project::with(words).await;
        let attachment: Attachment = project.attachment().parse().unwrap();
        let refused = Attached::connect(attachment, Owner::current(&run_id()).unwrap())
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(refused.contains(says), "{refused}");
        assert!(project.state().starts_with("true "), "it runs on");
    }
}
