//! The load engine against servers that misbehave.

use std::{sync::mpsc, time::Duration};

use loadgen::{
    engine::{Control, Outcome, run},
    measure::FailureKind,
    workload::{Plan, Request, Segment, Targets},
};

use crate::server::{Manners, Misbehaving};

fn load(server: &Misbehaving, users: u32, seconds: u64, wait: &str, timeout: Duration) -> Outcome {
    load_addr(server.addr, users, seconds, wait, timeout)
}

fn load_addr(addr: std::net::SocketAddr, users: u32, seconds: u64, wait: &str, timeout: Duration) -> Outcome {
    let plan = Plan::steady(users, 1000.0, Duration::from_secs(seconds), wait.parse().unwrap());
    let mut targets = Targets::replicas(&[addr], &Request::post_json("/predict", "{}"));
    targets.timeout = timeout;
    let (events, _listener) = mpsc::channel();
    run(&Segment::whole(plan, Vec::new()), &targets, &[], &events, &Control::default()).unwrap()
}

const PATIENT: Duration = Duration::from_secs(5);

#[test]
fn every_user_has_a_connection_of_its_own_and_keeps_it() {
    let server = Misbehaving::start(Manners::default());
    let outcome = load(&server, 50, 3, "constant(0.2)", PATIENT);
    assert_eq!(server.connections(), 50);
    let window = &outcome.steps[0];
    assert_eq!((window.failed(), window.reopened, window.users), (0, 0, 50));
    assert!(window.requests > 400, "50 users at 5/s for 3 s sent {}", window.requests);
}

#[test]
fn a_connection_closed_while_idle_is_opened_again_and_is_no_failure() {
    let server = Misbehaving::start(Manners { idle_close: Some(Duration::from_millis(100)), ..Manners::default() });
    let outcome = load(&server, 10, 3, "constant(0.4)", PATIENT);
    assert_eq!(outcome.total.failed(), 0, "{:?}", outcome.total.failures);
    assert!(outcome.total.reopened + outcome.total.resent >= 40, "{} reopened", outcome.total.reopened);
}

#[test]
fn a_slow_answer_is_measured_from_when_it_was_due() {
    let server = Misbehaving::start(Manners { delay: Duration::from_millis(300), ..Manners::default() });
    let outcome = load(&server, 5, 2, "constant(0.1)", PATIENT);
    let window = &outcome.steps[0];
    assert!(window.service.quantile(0.01) >= Duration::from_millis(295));
    assert!(window.intended.quantile(0.5) >= window.service.quantile(0.5));
}

#[test]
fn an_answer_that_does_not_come_is_a_timeout_and_counts_its_full_time() {
    let server = Misbehaving::start(Manners { delay: Duration::from_secs(20), ..Manners::default() });
    let outcome = load(&server, 4, 2, "constant(0.1)", Duration::from_millis(500));
    let total = &outcome.total;
    assert_eq!(total.failures.keys().collect::<Vec<_>>(), [&FailureKind::Timeout]);
    assert_eq!(total.failed(), total.requests);
    assert!(total.service.quantile(0.5) >= Duration::from_millis(495));
}

#[test]
fn refused_connections_are_failures_that_say_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = load_addr(free, 3, 1, "constant(0.1)", PATIENT);
    assert_eq!(outcome.total.failures.keys().collect::<Vec<_>>(), [&FailureKind::ConnectRefused]);
    assert_eq!(outcome.total.service.count(), 0, "a refusal must not look like a fast answer");
}

#[test]
fn a_status_that_is_not_2xx_is_a_failure() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n";
    let server = Misbehaving::start(Manners { answer, ..Manners::default() });
    let outcome = load(&server, 3, 1, "constant(0.1)", PATIENT);
    assert_eq!(outcome.total.failures.keys().collect::<Vec<_>>(), [&FailureKind::Status(503)]);
    assert_eq!(server.connections(), 3, "the connection is still good");
}

#[test]
fn what_is_no_http_is_malformed() {
    let server = Misbehaving::start(Manners { answer: "hello\r\n\r\n", ..Manners::default() });
    let outcome = load(&server, 2, 1, "constant(0.1)", PATIENT);
    assert_eq!(outcome.total.failures.keys().collect::<Vec<_>>(), [&FailureKind::Malformed]);
}

#[test]
fn a_run_stops_when_told_and_reports_what_it_has() {
    let server = Misbehaving::start(Manners::default());
    let plan = Plan::steady(10, 1000.0, Duration::from_secs(60), "constant(0.05)".parse().unwrap());
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/", "{}"));
    let control = Control::default();
    let (events, inbox) = mpsc::channel();
    let stopper = control.clone();
    std::thread::spawn(move || {
        let _ = inbox.recv();
        stopper.stop();
    });
    let began = std::time::Instant::now();
    let outcome = run(&Segment::whole(plan, Vec::new()), &targets, &[], &events, &control).unwrap();
    assert!(outcome.stopped && began.elapsed() < Duration::from_secs(10));
    assert!(outcome.total.requests > 10 && outcome.total.failed() == 0);
    assert!(outcome.steps[0].length < Duration::from_secs(10), "the window ends with the stop");
}

#[test]
fn several_threads_play_all_users_once() {
    let server = Misbehaving::start(Manners::default());
    let plan = Plan::steady(21, 1000.0, Duration::from_secs(2), "constant(0.1)".parse().unwrap());
    let targets = Targets::replicas(&[server.addr], &Request::post_json("/", "{}"));
    let (events, inbox) = mpsc::channel();
    // The same processor twice: two threads, wherever this runs.
    let outcome = run(&Segment::whole(plan, vec![0, 0]), &targets, &[], &events, &Control::default()).unwrap();
    drop(events);
    assert_eq!((server.connections(), outcome.steps[0].users), (21, 21));
    let seconds = inbox.iter().filter(|e| matches!(e, loadgen::event::Event::Second(s) if s.users == 21)).count();
    assert!(seconds >= 1, "seconds are merged");
}
