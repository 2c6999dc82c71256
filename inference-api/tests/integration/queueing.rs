//! Batches, bounds on the queue, and patience.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Answer, Client, IRIS, Server, is_setosa, predict, until};

/// Sends a request on each of several connections before any answer is read.
fn at_once(server: &Server, count: usize, body: &str) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..count).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(predict(body));
    }
    clients
}

fn digits() -> String {
    let zeros = vec!["0"; 64].join(",");
    format!("{{\"features\": [{zeros}]}}")
}

#[test]
fn requests_that_wait_together_are_run_together() {
    let server = Server::with(
        "digits",
        &["--max-batch-size", "16", "--max-queue-delay-microseconds", "50000"],
    );
    let alone = server.post(&digits()).ok();
    for client in &mut at_once(&server, 16, &digits()) {
        let answer = client.read().ok();
        let (a, b) = (&answer["predictions"][0], &alone["predictions"][0]);
        assert_eq!(a["label"], b["label"]);
    }
    let stats = server.get("/v2/models/digits/stats").ok();
    let of = &stats["model_stats"][0];
    assert_eq!(of["inference_count"], 17);
    assert!(of["execution_count"].as_u64().unwrap() <= 3, "{of}");
    assert!(
        of["batch_stats"].as_array().unwrap().iter().any(|b| b["batch_size"].as_u64().unwrap() > 8),
        "{of}"
    );
}

#[test]
fn rows_that_change_one_another_are_not_run_together() {
    // It branches on the sum of all rows.
    let server = Server::with(
        "control",
        &["--max-batch-size", "8", "--max-queue-delay-microseconds", "50000"],
    );
    let bodies = [r#"{"features": [1, 2]}"#, r#"{"features": [-5, -5]}"#];
    let mut clients = bodies.map(|body| {
        let mut client = server.client();
        client.send(predict(body));
        client
    });
    let answers = clients.each_mut().map(|client| client.read().ok()["outputs"]["y"].clone());
    assert_eq!(answers, [json!([[2.0, 4.0]]), json!([[5.0, 5.0]])]);
}

#[test]
fn a_bad_row_spoils_no_other() {
    // An encoder refuses a category that it does not know, when the model runs.
    let server = Server::with(
        "penguins",
        &["--max-batch-size", "8", "--max-queue-delay-microseconds", "50000"],
    );
    let good = server.get("/model").ok()["example"].to_string();
    let bad =
        good.replacen("\"Biscoe\"", "\"Atlantis\"", 1).replacen("\"Torgersen\"", "\"Atlantis\"", 1);
    assert_ne!(good, bad);
    let bodies = [&good, &bad, &good];
    let mut clients = bodies.map(|body| {
        let mut client = server.client();
        client.send(predict(body));
        client
    });
    let label = |answer: &Answer| answer.ok()["predictions"][0]["label"].clone();
    let (alone, alone_bad) = (label(&server.post(&good)), server.post(&bad));
    let [first, other, last] = clients.each_mut().map(Client::read);
    assert_eq!((label(&first), label(&last)), (alone.clone(), alone));
    assert_eq!(other.status, alone_bad.status);
}

#[test]
fn batches_are_off_where_they_are_not_wanted_or_not_possible() {
    for (model, flags) in
        [("digits", &["--max-batch-size", "1"]), ("fixed_batch", &["--max-batch-size", "8"])]
    {
        let server = Server::with(model, flags);
        let example = server.get("/model").ok()["example"].to_string();
        for client in &mut at_once(&server, 8, &example) {
            client.read().ok();
        }
        let stats = server.get(&format!("/v2/models/{model}/stats")).ok();
        assert_eq!(stats["model_stats"][0]["execution_count"], 8, "{model}");
    }
}

#[test]
fn requests_that_no_batch_has_room_for_wait_in_the_kernel() {
    const CONNECTIONS: usize = 4_000;
    let server = Server::of("iris");
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.client()).collect();
    for client in &mut clients {
        is_setosa(&client.post(IRIS));
    }
    server.forget_peak();
    let parked = server.peak();
    // As a quota does to a server that has used its share.
    server.signal(Signal::SIGSTOP);
    for client in &mut clients {
        client.send(predict(IRIS));
    }
    server.signal(Signal::SIGCONT);
    for client in &mut clients {
        is_setosa(&client.read());
    }
    let more = server.peak() - parked;
    assert!(more < 8_000, "{more} kB more for {CONNECTIONS} requests at once");
}

#[test]
fn thousands_that_connect_at_once_are_read_from_by_turns() {
    const CONNECTIONS: usize = 3_000;
    let server = Server::of("iris");
    is_setosa(&server.post(IRIS));
    server.forget_peak();
    let before = server.peak();
    server.signal(Signal::SIGSTOP);
    let mut clients = at_once(&server, CONNECTIONS, IRIS);
    server.signal(Signal::SIGCONT);
    for client in &mut clients {
        is_setosa(&client.read());
    }
    let more = server.peak() - before;
    assert!(
        more < 15_000,
        "{more} kB more for {CONNECTIONS} requests at once, of which parked connections take some \
            1 kB each"
    );
}

/// Everything takes a second: what comes meanwhile waits.
fn slow(flags: &[&str]) -> Server {
    Server::with("iris", &[&["--service-time", "constant(1)"], flags].concat())
}

/// As Triton's, they include requests that no model saw.
fn failures(server: &Server) -> u64 {
    let stats = server.get("/v2/models/iris/stats").ok();
    stats["model_stats"][0]["inference_stats"]["fail"]["count"].as_u64().unwrap()
}

#[test]
fn a_full_queue_turns_requests_away() {
    let server = slow(&["--max-queue-size", "2"]);
    // One is served and two wait.
    let mut first = at_once(&server, 3, IRIS);
    until("three requests", Duration::from_secs(5), || {
        (server.metric("inference_connections") >= 4.0).then_some(())
    });
    let turned = server.post(IRIS);
    assert_eq!(turned.status, 503);
    assert_eq!(turned.header("retry-after"), Some("1"));
    for client in &mut first {
        is_setosa(&client.read());
    }
    is_setosa(&server.post(IRIS));
    assert_eq!(server.metric("inference_requests_total{path=\"/predict\",code=\"503\"}"), 1.0);
    assert_eq!(failures(&server), 1);

    let server = slow(&["--max-queue-size", "1", "--queue-full-status", "429"]);
    let _first = at_once(&server, 2, IRIS);
    let turned = until("two requests", Duration::from_secs(5), || {
        Some(server.post(IRIS)).filter(|a| a.status != 200)
    });
    assert_eq!(turned.status, 429);
    assert!(failures(&server) >= 1);
}

#[test]
fn patience_ends() {
    let server = slow(&["--request-timeout-ms", "1500"]);
    let answers: Vec<Answer> = at_once(&server, 2, IRIS).iter_mut().map(Client::read).collect();
    // Which of the two connections is read from first is the server's to choose.
    let (late, in_time): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 504);
    let ([late], [in_time]) = (&late[..], &in_time[..]) else {
        panic!("one is late and one is not: {answers:?}")
    };
    is_setosa(in_time);
    assert_eq!(late.json()["error"]["message"], "not answered within 1500 ms");
    assert_eq!(failures(&server), 1);
}
