//! SIGTERM: what is asked is answered, also for a moment longer, and then nothing new is taken;
//! idle connections hold nobody up.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{Client, IRIS, Server, is_setosa, pause, predict, until};

#[test]
fn idle_connections_are_closed_after_a_moment() {
    let server = Server::of("iris");
    let mut fresh = server.client();
    let mut parked: Vec<_> = (0..50).map(|_| server.client()).collect();
    for client in &mut parked {
        is_setosa(&client.post(IRIS));
    }
    pause(50);
    let told = Instant::now();
    server.terminate();
    fresh.closed();
    for client in &mut parked {
        client.closed();
    }
    assert!(server.exit(Duration::from_secs(5)).success());
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
}

#[test]
fn without_connections_it_ends_at_once() {
    let server = Server::of("iris");
    is_setosa(&server.post(IRIS));
    pause(100);
    let told = Instant::now();
    server.terminate();
    assert!(server.exit(Duration::from_secs(5)).success());
    assert!(told.elapsed() < Duration::from_millis(900), "{:?}", told.elapsed());
}

/// Clients on kept connections that never pause, as a pool of workers has them: each learns from
/// its last answer that it was the last.
#[test]
fn no_client_of_a_kept_connection_loses_a_request() {
    for _ in 0..3 {
        let server = Server::of("iris");
        let addr = server.addr;
        let clients: Vec<_> = (0..20)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut client = Client::connect(addr);
                    loop {
                        let answer = client.post(IRIS);
                        is_setosa(&answer);
                        if answer.header("connection") == Some("close") {
                            return;
                        }
                    }
                })
            })
            .collect();
        pause(300);
        server.terminate();
        for client in clients {
            client.join().expect("no request is lost");
        }
        assert!(server.exit(Duration::from_secs(5)).success());
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let mut command = std::process::Command::new(crate::support::BINARY);
    command
        .args(crate::support::serve_args(&crate::support::model("iris")))
        .args(["--log", "access=debug"]);
    let (server, _unread) = Server::with_unread_log(command);
    // Some 200 bytes a line: far more than a pipe holds.
    let mut client = server.client();
    for _ in 0..2000 {
        is_setosa(&client.post(IRIS));
    }
    drop(client);
    server.terminate();
    assert!(server.exit(Duration::from_secs(8)).success());
}

#[test]
fn a_request_under_way_is_answered_and_nothing_new_is_taken() {
    let server = Server::of("iris");
    let request = predict(IRIS);
    let body = request.find('{').unwrap();
    // One within its body, and one within the head of its second request.
    let mut in_body = server.client();
    in_body.send(&request[..body + 5]);
    let mut in_head = server.client();
    is_setosa(&in_head.post(IRIS));
    in_head.send(&request[..10]);
    pause(100);
    server.terminate();
    until("the listener to close", Duration::from_secs(5), || {
        TcpStream::connect(server.addr).is_err().then_some(())
    });
    pause(100);
    for (mut client, sent) in [(in_body, body + 5), (in_head, 10)] {
        client.send(&request[sent..]);
        let answer = client.read();
        is_setosa(&answer);
        assert_eq!(answer.header("connection"), Some("close"));
        client.closed();
    }
    assert!(server.exit(Duration::from_secs(5)).success());
}

#[test]
fn an_answer_that_is_being_read_is_written_to_its_end() {
    let server = Server::of("iris");
    let rows = 50_000;
    let mut client = server.client();
    client.send(predict(&format!(
        r#"{{"instances": [{}[5.1, 3.5, 1.4, 0.2]]}}"#,
        "[5.1, 3.5, 1.4, 0.2],".repeat(rows - 1)
    )));
    pause(1500);
    server.terminate();
    pause(200);
    assert_eq!(client.read().ok()["predictions"].as_array().unwrap().len(), rows);
    client.closed();
    assert!(server.exit(Duration::from_secs(5)).success());
}

#[test]
fn the_drain_time_is_a_limit() {
    let server = Server::with("iris", &["--drain-seconds", "1"]);
    let mut client = server.client();
    client.send(&predict(IRIS)[..60]);
    pause(100);
    let told = Instant::now();
    server.terminate();
    assert!(server.exit(Duration::from_secs(8)).success());
    assert!(told.elapsed() > Duration::from_millis(900), "{:?}", told.elapsed());
}
