//! Containers of the real Engine.

mod attach;

use std::{io::Write, process::Command, sync::Arc};

use orchestrator::{
    Choice, Error, Orchestrator, Owner, Workload,
    docker::{Engine, Monitored, list, monitor},
    select,
};
use tokio::sync::OnceCell;

use crate::{
    cases::{self, Backend, run_id},
    helper,
};

const BASE: &str = "debian:bookworm-slim";
pub const IMAGE: &str = "loadgen-orchestrator-test:latest";
const PORT: u16 = 8000;

pub fn workload() -> Workload {
    Workload::Image {
        reference: IMAGE.to_owned(),
        args: helper::server_args(),
        port: PORT,
        mounts: Vec::new(),
    }
}

/// Makes the image that tests share, once.
pub async fn build() {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    BUILT.get_or_init(async || build_image(IMAGE, "")).await;
}

async fn engine() -> (Engine, String) {
    build().await;
    let run = run_id();
    (Engine::connect(Owner::current(&run).unwrap()).await.expect("a Docker Engine"), run)
}

async fn backend() -> Backend {
    let (engine, run) = engine().await;
    Backend { orchestrator: Arc::new(engine), workload: workload(), run, residue }
}

/// This binary on top of an image that is there already: nothing is pulled.
fn build_image(tag: &str, last_bytes: &str) {
    docker(&["image", "inspect", BASE, "--format", "{{.Id}}"]);
    let context = tempfile::tempdir().unwrap();
    let server = context.path().join("server");
    std::fs::copy(std::env::current_exe().unwrap(), &server).unwrap();
    std::fs::File::options()
        .append(true)
        .open(&server)
        .unwrap()
        .write_all(last_bytes.as_bytes())
        .unwrap();
    let file = format!(
        "FROM {BASE}\nLABEL loadgen.test=orchestrator\nCOPY server /server\nENTRYPOINT \
            [\"/server\"]\n"
    );
    std::fs::write(context.path().join("Dockerfile"), file).unwrap();
    docker(&["build", "--quiet", "--tag", tag, &context.path().display().to_string()]);
    docker(&["image", "prune", "--force", "--filter", "label=loadgen.test=orchestrator"]);
}

pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker command");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}, which these tests need, failed: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub fn residue(run: &str) -> Vec<String> {
    let filter = format!("label=loadgen.run={run}");
    let containers =
        docker(&["ps", "--all", "--filter", &filter, "--format", "container {{.Names}}"]);
    let networks = docker(&["network", "ls", "--filter", &filter, "--format", "network {{.Name}}"]);
    containers.lines().chain(networks.lines()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_cold_start_evicts_or_tells_what_stayed() {
    const IMAGE: &str = "loadgen-orchestrator-test:cold";
    build_image(IMAGE, "a file that no other test's containers run from");
    let workload = Workload::Image {
        reference: IMAGE.to_owned(),
        args: helper::server_args(),
        port: PORT,
        mounts: Vec::new(),
    };
    cases::a_cold_start_evicts_or_tells_what_stayed(Backend { workload, ..backend().await }).await;
}

#[tokio::test]
async fn files_that_a_client_in_a_container_cannot_see_are_not_called_cold() {
    build().await;
    let run = run_id();
    let (socket, told_run) =
        ("/var/run/docker.sock:/var/run/docker.sock", format!("TEST_COLD={run}"));
    // Of the host's processes, so that its containers have an owner for whoever cleans meanwhile.
    let mut words = vec![
        "run",
        "--rm",
        "--network",
        "host",
        "--pid",
        "host",
        "--volume",
        socket,
        "--env",
        &told_run,
    ];
    words.extend([IMAGE, "--exact", "helper::start_cold", "--nocapture"]);
    let told = docker(&words);
    assert!(told.contains("Warm(") && told.contains("not in this file system"), "{told}");
    assert_eq!(residue(&run), Vec::<String>::new());
}

#[tokio::test]
async fn deploys_scales_and_tears_down() {
    cases::deploys_scales_and_tears_down(backend().await).await;
}

#[tokio::test]
async fn containers_at_an_address_are_monitored_and_images_listed() {
    let run = run_id();
    let mut words = vec!["run", "--detach", "--cpus", "0.5", "--memory", "64m", "--name", &run];
    let service = ["com.docker.compose.project=shop", "com.docker.compose.service=api"];
    words.extend(service.iter().flat_map(|label| ["--label", label]));
    words.extend([BASE, "sleep", "60"]);
    docker(&words);
    let ip = docker(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", &run]);
    let at = |port: u16| format!("{ip}:{port}").parse().unwrap();
    let found = monitor(&[at(PORT)].into()).await.unwrap();
    let usage = found.first().and_then(Monitored::usage);
    let elsewhere = monitor(&["192.0.2.1:80".parse().unwrap()].into()).await.unwrap();
    let listed = list().await.unwrap();
    docker(&["rm", "--force", &run]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].name, found[0].cpus, found[0].memory_bytes),
        (&run, Some(0.5), Some(64 * 1024 * 1024))
    );
    assert!(usage.is_some_and(|usage| usage.memory.current_bytes > 0));
    assert!(found[0].usage().is_none(), "it has ended");
    assert!(elsewhere.is_empty());
    assert!(listed.images.contains(&BASE.to_owned()), "{listed:?}");
    assert!(listed.services.contains(&"shop/api".to_owned()), "{listed:?}");
}

#[tokio::test]
async fn limits_are_enforced_and_change_live() {
    cases::limits_are_enforced_and_change_live(backend().await).await;
}

#[tokio::test]
async fn an_oom_kill_is_reported() {
    cases::an_oom_kill_is_reported(backend().await).await;
}

#[tokio::test]
async fn an_end_before_ready_is_reported_with_its_logs() {
    cases::an_end_before_ready_is_reported_with_its_logs(backend().await).await;
}

#[tokio::test]
async fn a_replica_that_is_never_ready_is_removed() {
    cases::a_replica_that_is_never_ready_is_removed(backend().await).await;
}

#[tokio::test]
async fn an_abandoned_deployment_is_closed() {
    cases::an_abandoned_deployment_is_closed(backend().await).await;
}

#[tokio::test]
async fn processors_are_kept_to() {
    cases::processors_are_kept_to(backend().await).await;
}

#[tokio::test]
async fn clean_removes_what_a_killed_owner_left() {
    cases::clean_removes_what_a_killed_owner_left(backend().await, "docker").await;
}

#[tokio::test]
async fn a_replica_that_somebody_starts_again_is_told() {
    let backend = backend().await;
    let service = backend.orchestrator.deploy(&cases::deployment(workload())).await.unwrap();
    let read = async || backend.orchestrator.usage(&service).await.unwrap().remove(0);
    let before = read().await;
    docker(&["restart", "--time", "5", &service.replicas[0].id]);
    let after = read().await;
    assert_eq!((before.restarts, after.restarts, after.running), (0, 1, true), "{after:?}");
    assert!(
        after.cpu_seconds > before.cpu_seconds,
        "what was used before counts too: {before:?} {after:?}"
    );
    assert!(after.memory.anon_bytes <= after.memory.peak_bytes, "{after:?}");
    assert_eq!(read().await.restarts, 1);
    backend.close().await;
}

#[tokio::test]
async fn a_container_is_closed() {
    let backend = backend().await;
    let mut deployment = cases::deployment(workload());
    let models = tempfile::tempdir().unwrap();
    if let Workload::Image { mounts, .. } = &mut deployment.workload {
        mounts.push((models.path().to_owned(), "/models".into()));
    }
    let service = backend.orchestrator.deploy(&deployment).await.unwrap();
    let replica = &service.replicas[0];
    let inspect = |format: &str| docker(&["inspect", &replica.id, "--format", format]);
    assert_eq!(inspect("{{.Config.Hostname}}"), replica.name);
    assert_eq!(
        inspect("{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"),
        "[ALL] [no-new-privileges]"
    );
    assert_eq!(inspect("{{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}"), "512 no");
    assert_eq!(inspect("{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}"), "134217728 134217728");
    assert_eq!(inspect("{{len .HostConfig.PortBindings}}"), "0");
    let limits =
        std::fs::read_to_string(format!("/proc/{}/limits", inspect("{{.State.Pid}}"))).unwrap();
    assert!(helper::soft_file_limit(&limits) >= 4096, "{limits}");
    assert_eq!(inspect("{{range .Mounts}}{{.Destination}} {{.RW}}{{end}}"), "/models false");
    assert_eq!(
        inspect("{{index .Config.Labels \"loadgen.owner.pid\"}}"),
        std::process::id().to_string()
    );
    backend.close().await;
}

#[tokio::test]
async fn an_image_that_nobody_has_is_told() {
    let backend = backend().await;
    let workload = Workload::Image {
        reference: "127.0.0.1:9/no-such-image:1".to_owned(),
        args: Vec::new(),
        port: PORT,
        mounts: Vec::new(),
    };
    let error = backend.orchestrator.deploy(&cases::deployment(workload)).await.unwrap_err();
    assert!(matches!(&error, Error::NoImage { .. }), "{error:?}");
    assert!(error.to_string().contains("docker build -t 127.0.0.1:9/no-such-image:1 ."), "{error}");
    backend.close().await;
}

#[tokio::test]
async fn a_command_that_the_image_lacks_is_told() {
    let backend = backend().await;
    let mut deployment = cases::deployment(workload());
    if let Workload::Image { reference, args, .. } = &mut deployment.workload {
        (*reference, *args) = (BASE.to_owned(), vec!["/no/such/server".to_owned()]);
    }
    let error = backend.orchestrator.deploy(&deployment).await.unwrap_err();
    assert!(
        matches!(&error, Error::Program { .. }) && error.to_string().contains("/no/such/server"),
        "{error:?}"
    );
    backend.close().await;
}

#[tokio::test]
async fn a_dropped_orchestrator_leaves_nothing() {
    let (engine, run) = engine().await;
    engine.deploy(&cases::deployment(workload())).await.unwrap();
    assert_eq!(residue(&run).len(), 2);
    drop(engine);
    assert_eq!(residue(&run), Vec::<String>::new());
}

/// An Engine on another machine, as far as the orchestrator can tell: no cgroup files, only the
/// API's figures.
#[tokio::test]
async fn a_remote_engine_is_measured_by_its_api() {
    let (_local, run) = engine().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut engine = tokio::net::UnixStream::connect("/var/run/docker.sock").await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut engine).await },
            );
        }
    });
    let engine = Engine::connect_to(&at, Owner::current(&run).unwrap()).await.unwrap();
    let service = engine.deploy(&cases::deployment(workload())).await.unwrap();
    let usage = engine.usage(&service).await.unwrap().remove(0);
    assert!(usage.running && usage.cpu_seconds > 0.0 && usage.memory.anon_bytes > 0, "{usage:?}");
    assert!(usage.memory.peak_bytes >= usage.memory.anon_bytes, "{usage:?}");
    engine.close().await.unwrap();
    assert_eq!(residue(&run), Vec::<String>::new());
}

#[tokio::test]
async fn no_engine_is_told() {
    let owner = Owner::current(&run_id()).unwrap();
    let Err(error) = Engine::connect_to("unix:///no/such/socket", owner).await else {
        panic!("there is none")
    };
    assert!(
        matches!(&error, Error::NoEngine { at, .. } if at == "unix:///no/such/socket"),
        "{error}"
    );
    assert!(error.to_string().contains("Socket not found"), "{error}");
    // A port that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let owner = Owner::current(&run_id()).unwrap();
    let Err(error) = Engine::connect_to(&format!("tcp://{closed}"), owner).await else {
        panic!("there is none")
    };
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn auto_takes_the_engine_for_an_image() {
    let owner = Owner::current(&run_id()).unwrap();
    let chosen = select(Choice::Auto, true, owner).await.unwrap();
    assert_eq!(chosen.name(), "docker");
    assert!(chosen.host().await.unwrap().description.starts_with("docker "));
}
