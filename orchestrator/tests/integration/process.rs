//! Child processes in cgroups of the real kernel.

use std::{path::Path, sync::Arc, time::Duration};

use orchestrator::{
    Error, Limits, Owner, Program, Workload,
    cgroup::{Group, Hierarchies, find_root_group},
    process::Processes,
    select,
};

use crate::{
    cases::{self, Backend, run_id},
    helper,
};

pub fn workload() -> Workload {
    Workload::Program(Program {
        path: std::env::current_exe().unwrap(),
        args: helper::server_args(),
    })
}

fn backend() -> Backend {
    let run = run_id();
    let processes = Processes::new(Owner::current(&run).unwrap())
        .expect("cgroups that can be written (run as root)");
    Backend { orchestrator: Arc::new(processes), workload: workload(), run, residue }
}

/// Groups of the run and processes that carry its id in their environment.
fn residue(run: &str) -> Vec<String> {
    let mark = format!("run-{run}-");
    let groups = find_root_group().unwrap().group.children().into_iter().map(|(name, _)| name);
    let mut left: Vec<String> = groups.filter(|name| name.starts_with(&mark)).collect();
    let mark = format!("LOADGEN_RUN={run}\0");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ.windows(mark.len()).any(|window| window == mark.as_bytes()) {
            left.push(format!("process {}", entry.file_name().display()));
        }
    }
    left
}

#[tokio::test]
async fn a_cold_start_evicts_or_tells_what_stayed() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = Program { path: folder.path().join("server"), args: helper::server_args() };
    std::fs::copy(std::env::current_exe().unwrap(), &program.path).unwrap();
    let backend = Backend { workload: Workload::Program(program), ..backend() };
    cases::a_cold_start_evicts_or_tells_what_stayed(backend).await;
}

#[tokio::test]
async fn deploys_scales_and_tears_down() {
    cases::deploys_scales_and_tears_down(backend()).await;
}

#[tokio::test]
async fn limits_are_enforced_and_change_live() {
    cases::limits_are_enforced_and_change_live(backend()).await;
}

#[tokio::test]
async fn an_oom_kill_is_reported() {
    cases::an_oom_kill_is_reported(backend()).await;
}

#[tokio::test]
async fn an_end_before_ready_is_reported_with_its_logs() {
    cases::an_end_before_ready_is_reported_with_its_logs(backend()).await;
}

#[tokio::test]
async fn a_replica_that_is_never_ready_is_removed() {
    cases::a_replica_that_is_never_ready_is_removed(backend()).await;
}

#[tokio::test]
async fn an_abandoned_deployment_is_closed() {
    cases::an_abandoned_deployment_is_closed(backend()).await;
}

#[tokio::test]
async fn processors_are_kept_to() {
    cases::processors_are_kept_to(backend()).await;
}

#[tokio::test]
async fn clean_removes_what_a_killed_owner_left() {
    cases::clean_removes_what_a_killed_owner_left(backend(), "process").await;
}

#[tokio::test]
async fn a_group_is_found_by_process_and_dies_with_its_children() {
    let backend = backend();
    let mut deployment = cases::deployment(workload());
    // A shell that leaves a child of its own behind.
    let script = format!(
        "sleep 60 & exec {} --exact helper::serve --nocapture $0",
        std::env::current_exe().unwrap().display()
    );
    let args = vec!["-c".to_owned(), script, "{addr}".to_owned()];
    deployment.workload = Workload::Program(Program { path: "/bin/sh".into(), args });
    let service = backend.orchestrator.deploy(&deployment).await.unwrap();
    let pid: u32 = service.replicas[0].id.parse().unwrap();
    let group = Hierarchies::find().unwrap().of_pid(pid).unwrap();
    assert!(group.path().ends_with(Path::new(&service.replicas[0].name)));
    let mut pids = group.pids();
    assert_eq!(pids.len(), 2);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(helper::soft_file_limit(&limits) >= 4096, "{limits}");
    backend.orchestrator.tear_down(service).await.unwrap();
    // An orphan that ended is a zombie until init reaps it.
    pids.retain(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
    });
    assert_eq!(pids, Vec::<u32>::new(), "the orphan too");
    backend.close().await;
}

#[tokio::test]
async fn memory_that_cannot_be_given_back_is_refused_and_nobody_is_killed() {
    let backend = backend();
    let mut service = backend.orchestrator.deploy(&cases::deployment(workload())).await.unwrap();
    helper::get(service.replicas[0].addr, "/eat/60").unwrap();
    let anon_bytes = backend.orchestrator.usage(&service).await.unwrap()[0].memory.anon_bytes;
    // Room for what it has allocated, but not for what the kernel keeps for it.
    let limits =
        Limits { memory_bytes: anon_bytes.next_multiple_of(4096), ..service.deployment.limits };
    let refused = backend.orchestrator.set_limits(&mut service, limits).await.unwrap_err();
    assert!(matches!(refused, Error::Unsatisfiable(_)), "{refused}");
    let usage = backend.orchestrator.usage(&service).await.unwrap().remove(0);
    assert!(usage.running && usage.oom_kills == 0, "{usage:?}");
    assert!(helper::get(service.replicas[0].addr, "/eat/30").is_ok(), "the limit is what it was");
    backend.close().await;
}

/// Replicas that share one bound could keep each other from starting threads.
#[tokio::test]
async fn the_number_of_processes_is_bounded_for_each_replica_alone() {
    let backend = backend();
    let service = backend.orchestrator.deploy(&cases::deployment(workload())).await.unwrap();
    let group =
        Hierarchies::find().unwrap().of_pid(service.replicas[0].id.parse().unwrap()).unwrap();
    let dir = match &group {
        Group::V1(dirs) => dirs.pids.as_deref().expect("the pids controller"),
        Group::V2(dir) => dir,
    };
    let bound = |dir: &Path| std::fs::read_to_string(dir.join("pids.max")).unwrap();
    assert_eq!((bound(dir).trim(), bound(dir.parent().unwrap()).trim()), ("512", "max"));
    backend.close().await;
}

#[tokio::test]
async fn a_dropped_orchestrator_leaves_nothing() {
    let backend = backend();
    let service = backend.orchestrator.deploy(&cases::deployment(workload())).await.unwrap();
    let Backend { orchestrator, run, .. } = backend;
    drop(orchestrator);
    assert_eq!(residue(&run), Vec::<String>::new());
    assert!(helper::get(service.replicas[0].addr, "/").is_err());
}

#[tokio::test]
async fn what_cannot_be_run_is_refused() {
    let backend = backend();
    let mut deployment = cases::deployment(workload());
    deployment.workload =
        Workload::Program(Program { path: "/no/such/server".into(), args: Vec::new() });
    let error = backend.orchestrator.deploy(&deployment).await.unwrap_err();
    assert!(
        matches!(&error, Error::Program { program, .. } if program == "/no/such/server"),
        "{error}"
    );

    let image =
        Workload::Image { reference: "x".into(), args: Vec::new(), port: 80, mounts: Vec::new() };
    let error = backend.orchestrator.deploy(&cases::deployment(image)).await.unwrap_err();
    assert!(error.to_string().contains("--orchestrator docker"), "{error}");

    deployment.name = "Not a name".to_owned();
    assert!(matches!(
        backend.orchestrator.deploy(&deployment).await.unwrap_err(),
        Error::Unsatisfiable(_)
    ));
    backend.close().await;
}

#[tokio::test]
async fn a_replica_that_exits_later_is_still_reported() {
    let backend = backend();
    let service = backend.orchestrator.deploy(&cases::deployment(workload())).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(service.replicas[0].id.parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let dead = async || !backend.orchestrator.usage(&service).await.unwrap()[0].running;
    assert!(helper::until(Duration::from_secs(2), dead).await);
    let usage = backend.orchestrator.usage(&service).await.unwrap().remove(0);
    assert_eq!(usage.end.as_deref(), Some("signal 9"));
    assert!(usage.cpu_seconds > 0.0 && usage.oom_kills == 0);
    backend.close().await;
}

#[test]
fn without_the_right_to_limit_the_help_is_told() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    assert!(nix::unistd::geteuid().is_root(), "run as root: this starts a process of another user");
    // Nobody may enter the directories above this binary.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let binary = dir.path().join("helper");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let choose = |choice: &str| {
        let mut command = std::process::Command::new(&binary);
        command.args(["--exact", "helper::choose", "--nocapture"]).env("TEST_CHOICE", choice);
        // Also away from an Engine that may listen elsewhere for this user.
        command.uid(65534).gid(65534).current_dir("/").env("DOCKER_HOST", "unix:///no/such/socket");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let text = choose("process");
    assert!(text.contains("CPU and memory limits cannot be set"), "{text}");
    // That user has no session, and so no systemd to ask.
    let command = format!("sudo {} --exact helper::choose --nocapture\n", binary.display());
    assert!(text.contains(&command), "{text}");
    let text = choose("auto");
    assert!(
        text.contains("cannot be set")
            && text.contains("no Docker Engine answers at unix:///no/such"),
        "{text}"
    );
}

#[tokio::test]
async fn auto_takes_processes_for_a_program() {
    let owner = Owner::current(&run_id()).unwrap();
    let chosen = select(orchestrator::Choice::Auto, false, owner).await.unwrap();
    assert_eq!(chosen.name(), "process");
    chosen.close().await.unwrap();
}
