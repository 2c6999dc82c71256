//! Users over addresses that come and go.

use std::time::Duration;

use load_engine::{Control, run};
use loadtest::{
    measure::Outcome,
    workload::{Address, Gaps, Plan, Request, Segment, Step, Targets, Traffic},
};

use crate::server::{Manners, Misbehaving, loadgen};

const PART: Duration = Duration::from_millis(1500);

/// Runs a plan over servers of which first one, then both, then the other takes load, for a part
/// each.
fn moved(plan: Plan, servers: &[Misbehaving; 2]) -> Outcome {
    let addrs = servers.each_ref().map(|server| server.addr);
    let targets = Targets::replicas(&addrs[..1], &Request::post_json("/", "{}"));
    let pool = targets.pool.clone();
    let at = move |index: usize| Address { host: 0, addr: addrs[index] };
    std::thread::spawn(move || {
        std::thread::park_timeout(PART);
        pool.publish(vec![at(0), at(1)]);
        std::thread::park_timeout(PART);
        pool.publish(vec![at(1)]);
    });
    run(&Segment::whole(plan, vec![0, 0]), &targets, &[], &|_| (), &Control::default()).unwrap()
}

fn served(outcome: &Outcome) -> Vec<u64> {
    outcome.addresses.values().map(|of| of.requests).collect()
}

#[test]
fn users_move_to_an_address_that_comes_and_away_from_one_that_leaves() {
    let servers = [Misbehaving::start(Manners::default()), Misbehaving::start(Manners::default())];
    let plan = Plan::steady(20, 1000.0, 3 * PART, "constant(0.05)".parse().unwrap()).unwrap();
    let outcome = moved(plan, &servers);
    assert_eq!(outcome.total.all.failed(), 0, "{:?}", outcome.total.all.failures);
    assert_eq!(served(&outcome).iter().sum::<u64>(), outcome.total.all.requests);
    // The first has everybody, then half, then nobody; so has the second, backwards.
    let all = outcome.total.all.requests as f64;
    for requests in served(&outcome) {
        assert!((requests as f64 / all - 0.5).abs() < 0.2, "{requests} of {all}");
    }
    assert_eq!(
        servers.each_ref().map(Misbehaving::connections),
        [20, 20],
        "half moved, then the other half"
    );
}

#[test]
fn arrivals_follow_the_addresses() {
    let servers = [Misbehaving::start(Manners::default()), Misbehaving::start(Manners::default())];
    let step =
        Step { target: 200.0, ramp: Duration::ZERO, hold: 3 * PART, warm_up: Duration::ZERO };
    let traffic = Traffic::Open { gaps: Gaps::Equal, connections: 20 };
    let outcome = moved(Plan { start: 0.0, steps: vec![step], traffic, seed: 1 }, &servers);
    assert_eq!(outcome.total.all.failed(), 0, "{:?}", outcome.total.all.failures);
    for requests in served(&outcome) {
        assert!((requests as f64 / 900.0 - 0.5).abs() < 0.2, "{requests} of 900");
    }
}

/// Nobody answers a connection to such an address: a request that waits for one is not lost with
/// it.
#[test]
fn a_request_that_was_not_sent_goes_elsewhere_when_its_address_leaves() {
    let server = Misbehaving::start(Manners::default());
    // A listener whose backlog is full takes no connection.
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    deaf.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    deaf.listen(0).unwrap();
    let gone = deaf.local_addr().unwrap().as_socket().unwrap();
    let _filling: Vec<_> =
        (0..4).map(|_| std::thread::spawn(move || std::net::TcpStream::connect(gone))).collect();
    std::thread::park_timeout(Duration::from_millis(200));
    let targets = Targets::replicas(&[gone, server.addr], &Request::post_json("/", "{}"));
    let pool = targets.pool.clone();
    let stays = Address { host: 0, addr: server.addr };
    std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_secs(1));
        pool.publish(vec![stays]);
    });
    let plan =
        Plan::steady(10, 1000.0, Duration::from_secs(2), "constant(0.1)".parse().unwrap()).unwrap();
    let outcome =
        run(&Segment::whole(plan, Vec::new()), &targets, &[], &|_| (), &Control::default())
            .unwrap();
    assert_eq!(outcome.total.all.failed(), 0, "{:?}", outcome.total.all.failures);
    let waited = outcome.total.all.intended.quantile(1.0);
    assert!(waited > Duration::from_millis(700), "it was due when it was due: {waited:?}");
}

#[test]
fn an_address_that_refuses_leaves_and_comes_back() {
    let first = Misbehaving::start(Manners::default());
    let second = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = second.local_addr().unwrap();
    let hosts = format!("http://{},http://{addr}", first.addr);
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("run.json");
    let mut words = vec![
        "run",
        "--host",
        &hosts,
        "-u",
        "10",
        "-r",
        "100",
        "-t",
        "7s",
        "--wait-time",
        "constant(0.1)",
    ];
    words.extend(["--body", "{}", "--no-calibrate"]);
    let child = loadgen(&words)
        .arg("--json")
        .arg(&json)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::park_timeout(Duration::from_millis(1500));
    drop(second);
    std::thread::park_timeout(Duration::from_millis(2500));
    let again = Misbehaving::start_at(Manners::default(), addr);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    for line in ["left; ", "came; "] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(again.connections() >= 5, "{} users came back", again.connections());
    let result: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(result["addresses"].as_array().map(Vec::len), Some(2), "{result:#}");
}
