//! What every backend must do; `process` and `docker` run each of these.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use orchestrator::{
    Blame, Cpus, Deployment, Error, Limits, Orchestrator, PageCache, Rights, Service, Usage,
    Workload,
};

use crate::helper::{get, until};

pub const MIB: u64 = 1 << 20;

/// A backend to test.
pub struct Backend {
    pub orchestrator: Arc<dyn Orchestrator>,
    pub workload: Workload,
    pub run: String,
    /// Names of everything that is there of a run: groups, processes, containers, networks.
    pub residue: fn(run: &str) -> Vec<String>,
}

impl Backend {
    /// The end of every test: nothing is left.
    pub async fn close(self) {
        self.orchestrator.close().await.unwrap();
        self.orchestrator.close().await.expect("twice is no error");
        assert_eq!((self.residue)(&self.run), Vec::<String>::new());
    }

    fn deployment(&self) -> Deployment {
        deployment(self.workload.clone())
    }
}

/// An id that no other test has.
pub fn run_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn deployment(workload: Workload) -> Deployment {
    Deployment {
        name: "echo".to_owned(),
        workload,
        env: BTreeMap::from([("TEST_SERVER".to_owned(), "1".to_owned())]),
        rights: Rights::default(),
        replicas: 1,
        limits: limits(1000, 128),
        cpuset: None,
        ready_path: "/health".to_owned(),
        ready_timeout: Duration::from_secs(20),
        cold: false,
        in_place: false,
    }
}

pub fn limits(millis: u32, mib: u64) -> Limits {
    Limits { cpus: Cpus::from_millis(millis), memory_bytes: mib * MIB }
}

pub async fn deploys_scales_and_tears_down(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let host = orchestrator.host().await.unwrap();
    assert!(
        host.cpus >= 1 && host.memory_bytes > 256 * MIB && [1, 2].contains(&host.cgroup_version),
        "{host:?}"
    );

    let mut service = orchestrator.deploy(&backend.deployment()).await.unwrap();
    assert_eq!(service.replicas.len(), 1);
    let first = service.replicas[0].clone();
    assert!(get(first.addr, "/").is_ok());

    orchestrator.scale(&mut service, 3).await.unwrap();
    assert_eq!((service.replicas.len(), service.deployment.replicas), (3, 3));
    assert_eq!(service.replicas[0], first, "the oldest stays first");
    assert!(service.replicas.iter().all(|replica| get(replica.addr, "/").is_ok()));

    let usage = orchestrator.usage(&service).await.unwrap();
    assert_eq!(usage.len(), 3);
    for (usage, replica) in usage.iter().zip(&service.replicas) {
        assert_eq!(usage.replica, replica.name);
        assert!(
            usage.running && usage.end.is_none() && usage.restarts == 0 && usage.oom_kills == 0
        );
        assert!(
            usage.cpu_seconds > 0.0
                && usage.memory.current_bytes > 0
                && usage.memory.anon_bytes > 0,
            "{usage:?}"
        );
        assert!(usage.memory.peak_bytes >= usage.memory.anon_bytes, "{usage:?}");
    }
    let logs = orchestrator.logs(&first, 100).await.unwrap();
    assert!(
        logs.contains(&format!("{} starts", first.name)) && logs.contains("listens on"),
        "{logs}"
    );
    assert_eq!(orchestrator.logs(&first, 1).await.unwrap().lines().count(), 1);

    orchestrator.scale(&mut service, 1).await.unwrap();
    assert_eq!(service.replicas, std::slice::from_ref(&first));
    assert!(get(first.addr, "/").is_ok());

    let again = service.clone();
    let started = Instant::now();
    orchestrator.tear_down(service).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "it ends on SIGTERM, no grace is waited for"
    );
    orchestrator.tear_down(again).await.expect("gone already is no error");
    assert!(get(first.addr, "/").is_err());
    backend.close().await;
}

pub async fn limits_are_enforced_and_change_live(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let mut deployment = backend.deployment();
    deployment.env.insert("TEST_BURN".to_owned(), "1".to_owned());
    deployment.limits = limits(100, 64);
    let mut service = orchestrator.deploy(&deployment).await.unwrap();
    let id = service.replicas[0].id.clone();

    let (slow, usage) = cpu_rate(&backend, &service).await;
    assert!((0.03..0.15).contains(&slow), "{slow} of 0.1 CPU");
    assert!(
        usage.throttled_periods > 0 && usage.throttled_seconds > 0.0 && usage.periods > 0,
        "{usage:?}"
    );

    orchestrator.set_limits(&mut service, limits(500, 96)).await.unwrap();
    assert_eq!(service.deployment.limits, limits(500, 96));
    let (fast, _) = cpu_rate(&backend, &service).await;
    assert!((0.16..0.6).contains(&fast), "{fast} of 0.5 CPU");
    assert_eq!(service.replicas[0].id, id, "without a restart");

    get(service.replicas[0].addr, "/eat/60")
        .expect("more than the first limit, less than the second");
    let refused = orchestrator.set_limits(&mut service, limits(500, 32)).await.unwrap_err();
    assert!(matches!(refused, Error::Unsatisfiable(_)), "{refused}");
    assert_eq!(service.deployment.limits, limits(500, 96));
    orchestrator.tear_down(service).await.unwrap();
    backend.close().await;
}

/// The workload's program is a file that nobody else runs from; its libraries may be others' too,
/// which must be told.
pub async fn a_cold_start_evicts_or_tells_what_stayed(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let warm = orchestrator.deploy(&backend.deployment()).await.unwrap();
    assert!(
        matches!(&warm.page_cache, PageCache::Warm(why) if why.contains("nobody asked")),
        "{:?}",
        warm.page_cache
    );
    orchestrator.tear_down(warm).await.unwrap();

    let cold =
        orchestrator.deploy(&Deployment { cold: true, ..backend.deployment() }).await.unwrap();
    let told = match &cold.page_cache {
        PageCache::Cold => true,
        PageCache::Warm(why) => why.contains("MiB stayed in the page cache"),
    };
    assert!(told, "{:?}", cold.page_cache);
    let usage = orchestrator.usage(&cold).await.unwrap().remove(0);
    assert!(
        usage.memory.file_bytes > 0 && usage.memory.major_faults > 0,
        "it had to read its program: {usage:?}"
    );
    orchestrator.tear_down(cold).await.unwrap();
    backend.close().await;
}

pub async fn an_oom_kill_is_reported(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let mut deployment = backend.deployment();
    deployment.limits = limits(1000, 48);
    let service = orchestrator.deploy(&deployment).await.unwrap();
    let before = orchestrator.usage(&service).await.unwrap().remove(0);
    assert!(get(service.replicas[0].addr, "/eat/200").is_err());
    let dead = async || !orchestrator.usage(&service).await.unwrap()[0].running;
    assert!(until(Duration::from_secs(10), dead).await);
    let usage = orchestrator.usage(&service).await.unwrap().remove(0);
    assert_eq!(usage.end.as_deref(), Some("out of memory"));
    assert!(usage.oom_kills > 0 && usage.cpu_seconds >= before.cpu_seconds, "{usage:?}");
    assert!(usage.memory.peak_bytes > 0 && usage.memory.peak_bytes <= 48 * MIB, "{usage:?}");
    assert!(orchestrator.logs(&service.replicas[0], 10).await.unwrap().contains("listens on"));
    orchestrator.tear_down(service).await.unwrap();
    backend.close().await;
}

pub async fn an_end_before_ready_is_reported_with_its_logs(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let mut deployment = backend.deployment();
    deployment.env.insert("TEST_EXIT".to_owned(), "7".to_owned());
    deployment.ready_timeout = Duration::from_secs(40);
    let started = Instant::now();
    let error = orchestrator.deploy(&deployment).await.unwrap_err();
    assert!(started.elapsed() < deployment.ready_timeout / 2, "at once, not after ready_timeout");
    assert_eq!(error.blame(), Blame::Replica);
    let text = error.to_string();
    assert!(text.contains("exit 7") && text.contains("no model here"), "{text}");

    deployment.env.remove("TEST_EXIT");
    deployment.env.insert("TEST_EAT".to_owned(), "200".to_owned());
    deployment.limits = limits(1000, 48);
    let error = orchestrator.deploy(&deployment).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { oom_killed: true, .. }), "{error:?}");
    assert!(error.to_string().contains("out of memory") && !error.is_retryable(), "{error}");

    deployment.env.remove("TEST_EAT");
    let mut service = orchestrator.deploy(&deployment).await.unwrap();
    service.deployment.env.insert("TEST_EXIT".to_owned(), "7".to_owned());
    assert!(orchestrator.scale(&mut service, 2).await.is_err());
    assert_eq!((service.replicas.len(), service.deployment.replicas), (1, 1), "as it was");
    assert!(get(service.replicas[0].addr, "/").is_ok());
    backend.close().await;
}

pub async fn a_replica_that_is_never_ready_is_removed(backend: Backend) {
    let mut deployment = backend.deployment();
    deployment.ready_path = "/never".to_owned();
    deployment.ready_timeout = Duration::from_secs(2);
    let error = backend.orchestrator.deploy(&deployment).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("did not answer GET /never with a 2xx in 2s (status 503)"), "{text}");
    assert!(text.contains("listens on"), "{text}");
    backend.close().await;
}

/// What a Ctrl-C does: the caller stops waiting at any point, then closes.
pub async fn an_abandoned_deployment_is_closed(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let mut deployment = backend.deployment();
    deployment.replicas = 2;
    deployment.ready_path = "/never".to_owned();
    for millis in [1, 30, 150, 400] {
        let limit = Duration::from_millis(millis);
        assert!(tokio::time::timeout(limit, orchestrator.deploy(&deployment)).await.is_err());
        orchestrator.close().await.unwrap();
        assert_eq!((backend.residue)(&backend.run), Vec::<String>::new(), "after {millis} ms");
    }
    deployment.ready_path = "/health".to_owned();
    let service =
        orchestrator.deploy(&deployment).await.expect("one that was closed can be used again");
    assert!(get(service.replicas[1].addr, "/").is_ok());
    backend.close().await;
}

pub async fn processors_are_kept_to(backend: Backend) {
    let orchestrator = &backend.orchestrator;
    let mut deployment = backend.deployment();
    deployment.cpuset = Some(vec![0]);
    let service = orchestrator.deploy(&deployment).await.unwrap();
    assert_eq!(get(service.replicas[0].addr, "/").unwrap(), "0");
    orchestrator.tear_down(service).await.unwrap();

    let host = orchestrator.host().await.unwrap();
    deployment.cpuset = Some(vec![host.cpus as usize]);
    assert!(matches!(orchestrator.deploy(&deployment).await.unwrap_err(), Error::Unsatisfiable(_)));
    backend.close().await;
}

/// `clean` removes what the killed owner left, and spares what this process owns.
pub async fn clean_removes_what_a_killed_owner_left(backend: Backend, kind: &str) {
    let orchestrator = &backend.orchestrator;
    let service = orchestrator.deploy(&backend.deployment()).await.unwrap();
    let dead_run = run_id();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper::own", "--nocapture"])
        .env("TEST_OWNER", kind)
        .env("TEST_RUN", &dead_run)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().map_while(Result::ok);
    let deployed =
        lines.take_while(|line| line != "done").filter(|line| line.contains("deployed")).count();
    let left_alive = orchestrator.clean().await.unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_eq!(deployed, 2);
    assert!(
        !left_alive.iter().any(|line| line.contains(&dead_run)),
        "its owner was alive: {left_alive:?}"
    );
    assert!((backend.residue)(&dead_run).len() >= 2);

    let removed = orchestrator.clean().await.unwrap();
    assert!(removed.iter().any(|line| line.contains(&dead_run)), "{removed:?}");
    assert_eq!((backend.residue)(&dead_run), Vec::<String>::new());
    assert!(get(service.replicas[0].addr, "/").is_ok(), "ours is spared");
    let removed = orchestrator.clean().await.unwrap();
    assert!(
        !removed.iter().any(|line| line.contains(&dead_run)),
        "nothing is left to remove: {removed:?}"
    );
    backend.close().await;
}

/// Processors used over a second or so, and the reading at its end.
async fn cpu_rate(backend: &Backend, service: &Service) -> (f64, Usage) {
    let read = async || backend.orchestrator.usage(service).await.unwrap().remove(0);
    let (before, started) = (read().await, Instant::now());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let after = read().await;
    ((after.cpu_seconds - before.cpu_seconds) / started.elapsed().as_secs_f64(), after)
}
