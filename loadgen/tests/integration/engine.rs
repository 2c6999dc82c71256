//! The load engine against servers that misbehave.

use std::{sync::mpsc, time::Duration};

use load_engine::{Control, run};
use loadtest::{
    measure::FailureKind,
    measure::Outcome,
    workload::{Gaps, Plan, Request, Segment, Step, Targets, Traffic},
};

use crate::server::{Manners, Misbehaving};

fn load(server: &Misbehaving, users: u32, seconds: u64, wait: &str, timeout: Duration) -> Outcome {
    load_addr(server.addr, users, seconds, wait, timeout)
}

fn load_addr(
    addr: std::net::SocketAddr,
    users: u32,
    seconds: u64,
    wait: &str,
    timeout: Duration,
) -> Outcome {
    let plan =
        Plan::steady(users, 1000.0, Duration::from_secs(seconds), wait.parse().unwrap()).unwrap();
    let mut targets = Targets::replicas(&[addr], &Request::post_json("/predict", "{}"));
    targets.timeout = timeout;
    run(&Segment::whole(plan, Vec::new()), &targets, &[], &|_| (), &Control::default()).unwrap()
}

const PATIENT: Duration = Duration::from_secs(5);

#[test]
fn every_user_has_a_connection_of_its_own_and_keeps_it() {
    let server = Misbehaving::start(Manners::default());
    let outcome = load(&server, 50, 3, "constant(0.2)", PATIENT);
    assert_eq!(server.connections(), 50);
    let window = &outcome.steps[0].all;
    assert_eq!((window.failed(), window.reopened, window.users), (0, 0, 50));
    assert!(window.requests > 400, "50 users at 5/s for 3 s sent {}", window.requests);
}

#[test]
fn a_connection_closed_while_idle_is_opened_again_and_is_no_failure() {
    let server = Misbehaving::start(Manners {
        idle_close: Some(Duration::from_millis(100)),
        ..Manners::default()
    });
    let outcome = load(&server, 10, 3, "constant(0.4)", PATIENT);
    assert_eq!(outcome.total.all.failed(), 0, "{:?}", outcome.total.all.failures);
    assert!(
        outcome.total.all.reopened + outcome.total.all.resent >= 40,
        "{} reopened",
        outcome.total.all.reopened
    );
}

#[test]
fn a_slow_answer_is_measured_from_when_it_was_due() {
    let server =
        Misbehaving::start(Manners { delay: Duration::from_millis(300), ..Manners::default() });
    let outcome = load(&server, 5, 2, "constant(0.1)", PATIENT);
    let window = &outcome.steps[0].all;
    assert!(window.service.quantile(0.01) >= Duration::from_millis(295));
    assert!(window.intended.quantile(0.5) >= window.service.quantile(0.5));
}

#[test]
fn an_answer_that_does_not_come_is_a_timeout_and_counts_its_full_time() {
    let server =
        Misbehaving::start(Manners { delay: Duration::from_secs(20), ..Manners::default() });
    let outcome = load(&server, 4, 2, "constant(0.1)", Duration::from_millis(500));
    let total = &outcome.total.all;
    assert_eq!(total.failures.keys().collect::<Vec<_>>(), [&FailureKind::Timeout]);
    assert_eq!(total.failed(), total.requests);
    assert!(total.service.quantile(0.5) >= Duration::from_millis(495));
}

#[test]
fn refused_connections_are_failures_that_say_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = load_addr(free, 3, 1, "constant(0.1)", PATIENT);
    assert_eq!(
        outcome.total.all.failures.keys().collect::<Vec<_>>(),
        [&FailureKind::ConnectRefused]
    );
    assert_eq!(outcome.total.all.service.count(), 0, "a refusal must not look like a fast answer");
}

#[test]
fn a_status_that_is_not_2xx_is_a_failure() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: \
        chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n";
    let server = Misbehaving::start(Manners { answer, ..Manners::default() });
    let outcome = load(&server, 3, 1, "constant(0.1)", PATIENT);
    assert_eq!(outcome.total.all.failures.keys().collect::<Vec<_>>(), [&FailureKind::Status(503)]);
    assert_eq!(server.connections(), 3, "the connection is still good");
}

#[test]
fn what_is_no_http_is_malformed() {
    let server = Misbehaving::start(Manners { answer: "hello\r\n\r\n", ..Manners::default() });
    let outcome = load(&server, 2, 1, "constant(0.1)", PATIENT);
    assert_eq!(outcome.total.all.failures.keys().collect::<Vec<_>>(), [&FailureKind::Malformed]);
}

#[test]
fn a_run_stops_when_told_and_reports_what_it_has() {
    let server = Misbehaving::start(Manners::default());
    let plan = Plan::steady(10, 1000.0, Duration::from_secs(60), "constant(0.05)".parse().unwrap())
        .unwrap();
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/", "{}"));
    let control = Control::default();
    let (sender, inbox) = mpsc::channel();
    // The stopper listens to the first one.
    let events = |event| drop(sender.send(event));
    let stopper = control.clone();
    std::thread::spawn(move || {
        let _ = inbox.recv();
        stopper.stop();
    });
    let began = std::time::Instant::now();
    let outcome = run(&Segment::whole(plan, Vec::new()), &targets, &[], &events, &control).unwrap();
    assert!(outcome.stopped && began.elapsed() < Duration::from_secs(10));
    assert!(outcome.total.all.requests > 10 && outcome.total.all.failed() == 0);
    assert!(outcome.steps[0].all.length < Duration::from_secs(10), "the window ends with the stop");
}

#[test]
fn several_threads_play_all_users_once() {
    let server = Misbehaving::start(Manners::default());
    let plan =
        Plan::steady(21, 1000.0, Duration::from_secs(2), "constant(0.1)".parse().unwrap()).unwrap();
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/", "{}"));
    let (sender, inbox) = mpsc::channel();
    let events = |event| sender.send(event).expect("the inbox is read below");
    // The same processor twice: two threads, wherever this runs.
    let outcome =
        run(&Segment::whole(plan, vec![0, 0]), &targets, &[], &events, &Control::default())
            .unwrap();
    drop(sender);
    assert_eq!((server.connections(), outcome.steps[0].all.users), (21, 21));
    let seconds = inbox
        .iter()
        .filter(|e| matches!(e, load_engine::LoadEvent::Second(s) if s.users == 21))
        .count();
    assert!(seconds >= 1, "seconds are merged");
}

/// A run of the open model for a second or more, from a free port's server.
fn arrivals(server: &Misbehaving, rate: f64, seconds: u64, connections: u32) -> Outcome {
    let step = Step {
        target: rate,
        ramp: Duration::ZERO,
        hold: Duration::from_secs(seconds),
        warm_up: Duration::ZERO,
    };
    let traffic = Traffic::Open { gaps: Gaps::Equal, connections };
    let plan = Plan { start: 0.0, steps: vec![step], traffic, seed: 1 };
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/predict", "{}"));
    run(&Segment::whole(plan, Vec::new()), &targets, &[], &|_| (), &Control::default()).unwrap()
}

#[test]
fn arrivals_do_not_wait_for_slow_answers() {
    let server =
        Misbehaving::start(Manners { delay: Duration::from_millis(500), ..Manners::default() });
    let outcome = arrivals(&server, 100.0, 2, 1000);
    let total = &outcome.total.all;
    assert!(
        total.requests.abs_diff(200) <= 1 && total.failed() == 0,
        "{} sent, {:?}",
        total.requests,
        total.failures
    );
    assert!(
        (45..=60).contains(&server.connections()),
        "100/s x 0.5 s are 50 at once: {}",
        server.connections()
    );
    assert!(total.intended.quantile(0.99) < Duration::from_millis(600), "none waited for another");
}

#[test]
fn an_arrival_that_finds_no_free_connection_is_dropped_and_counted() {
    let server =
        Misbehaving::start(Manners { delay: Duration::from_millis(500), ..Manners::default() });
    let outcome = arrivals(&server, 100.0, 2, 5);
    let total = &outcome.total.all;
    assert!(total.requests.abs_diff(200) <= 1, "none is skipped in silence: {}", total.requests);
    let dropped = total.failures[&FailureKind::Dropped].count;
    assert!((170..=185).contains(&dropped), "5 connections answer 10 a second: {dropped} dropped");
    assert_eq!(server.connections(), 5);
}

#[test]
fn pacing_measures_what_a_slow_answer_holds_up() {
    let server =
        Misbehaving::start(Manners { delay: Duration::from_millis(300), ..Manners::default() });
    let outcome = load(&server, 2, 3, "constant_pacing(0.1)", PATIENT);
    let total = &outcome.total.all;
    // Due 10 times a second each, answered about 3 times: what is due and never sent is counted
    // too.
    assert!(total.requests.abs_diff(60) <= 2, "{}", total.requests);
    assert!(total.failures[&FailureKind::Dropped].count > 30);
    assert!(total.service.quantile(0.99) < Duration::from_millis(400));
    assert!(
        total.intended.quantile(0.99) > Duration::from_millis(1200),
        "{:?}",
        total.intended.quantile(0.99)
    );
    assert!(
        total.lag.quantile(0.99) < Duration::from_millis(50),
        "that is not the generator's doing"
    );
}

#[test]
fn users_leave_when_there_are_to_be_fewer() {
    let server = Misbehaving::start(Manners::default());
    let step = |users: f64| Step {
        target: users,
        ramp: Duration::from_millis(100),
        hold: Duration::from_millis(900),
        warm_up: Duration::ZERO,
    };
    let traffic = Traffic::Closed("constant(0.05)".parse().unwrap());
    let plan =
        Plan { start: 0.0, steps: vec![step(40.0), step(10.0), step(40.0)], traffic, seed: 1 };
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/predict", "{}"));
    let outcome =
        run(&Segment::whole(plan, Vec::new()), &targets, &[], &|_| (), &Control::default())
            .unwrap();
    let requests: Vec<u64> = outcome.steps.iter().map(|step| step.all.requests).collect();
    assert!(requests[1] * 3 < requests[0] && requests[2] > requests[1] * 3, "{requests:?}");
    assert_eq!(
        (outcome.total.all.failed(), server.connections()),
        (0, 70),
        "30 came again with new connections"
    );
}

#[test]
fn users_share_several_hosts_and_arrivals_go_round() {
    let servers = [Misbehaving::start(Manners::default()), Misbehaving::start(Manners::default())];
    let addrs = servers.each_ref().map(|server| server.addr);
    let targets = Targets::replicas(&addrs, &Request::post_json("/predict", "{}"));
    let plan =
        Plan::steady(10, 1000.0, Duration::from_secs(1), "constant(0.1)".parse().unwrap()).unwrap();
    run(&Segment::whole(plan, Vec::new()), &targets, &[], &|_| (), &Control::default()).unwrap();
    assert_eq!(servers.each_ref().map(Misbehaving::connections), [5, 5]);
}

#[test]
fn an_answer_without_end_fails_and_holds_nobody_else_up() {
    let endless = Misbehaving::start(Manners {
        answer: "HTTP/1.1 200 OK\r\n\r\n",
        endless: true,
        ..Manners::default()
    });
    let good = Misbehaving::start(Manners::default());
    let plan =
        Plan::steady(2, 1000.0, Duration::from_secs(2), "constant(0.05)".parse().unwrap()).unwrap();
    let mut targets =
        Targets::replicas(&[endless.addr, good.addr], &Request::post_json("/predict", "{}"));
    targets.timeout = Duration::from_millis(700);
    let outcome =
        run(&Segment::whole(plan, Vec::new()), &targets, &[], &|_| (), &Control::default())
            .unwrap();
    let total = &outcome.total.all;
    assert_eq!(total.failures.keys().collect::<Vec<_>>(), [&FailureKind::Timeout]);
    let answered = total.requests - total.failed();
    assert!(answered > 20, "the other user's {answered} of 40");
    assert!(total.failed() <= 4, "{} of one user who waits for 0.7 s each time", total.failed());
}

/// Users of a running test change: nobody falls silent, nobody comes late, and the steps before are
/// not blamed.
#[test]
fn an_amended_plan_is_played_on() {
    let server = Misbehaving::start(Manners::default());
    let plan = Plan::steady(20, 20.0, Duration::from_secs(5), "constant(3)".parse().unwrap());
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/predict", "{}"));
    let segment = Segment::whole(plan.unwrap(), Vec::new());
    let control = Control::default();
    let outcome = std::thread::scope(|scope| {
        let played = scope.spawn(|| run(&segment, &targets, &[], &|_| (), &control).unwrap());
        std::thread::park_timeout(Duration::from_millis(2500));
        let refused = control.amend(4000, 1.0, Duration::from_secs(7)).unwrap_err().to_string();
        assert!(refused.contains("raise the spawn rate"), "{refused}");
        control.amend(40, 1000.0, Duration::from_secs(7)).unwrap();
        played.join().unwrap()
    });
    // 20 users from the beginning and 20 from 3.6 s on, each every 3 s until 10.6 s.
    let requests = outcome.total.all.requests;
    assert!((120..=140).contains(&requests), "{requests} requests of 40 users");
    assert_eq!((outcome.total.all.users, outcome.total.all.failed()), (40, 0));
    assert_eq!(outcome.steps.len(), 2);
    let lag = outcome.total.all.lag.quantile(0.99);
    assert!(lag < Duration::from_millis(200), "users that come were late by {lag:?}");
    assert!(control.amend(10, 10.0, Duration::from_secs(7)).is_err(), "it is over");
}
