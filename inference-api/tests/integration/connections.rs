//! Connections: kept, parked, revived, split and joined in every way TCP allows.

use std::{
    io::{Read, Write},
    net::Shutdown,
    time::{Duration, Instant},
};

use crate::support::{Client, IRIS, Server, is_setosa, pause, predict, until};

#[test]
fn a_connection_is_kept_and_comes_back_from_the_parking() {
    // The head's time limit is for heads that have begun, and not for idle connections.
    let server = Server::with("iris", &["--head-seconds", "1"]);
    let mut fresh = server.client();
    let mut client = server.client();
    for _ in 0..100 {
        is_setosa(&client.post(IRIS));
    }
    pause(2500);
    is_setosa(&client.post(IRIS));
    is_setosa(&fresh.post(IRIS));
    pause(50);
    is_setosa(&fresh.post(IRIS));
    client.get("/health").ok();
    assert_eq!(client.get("/nope").status, 404);
    is_setosa(&client.post(IRIS));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::of("iris");
    let mut client = server.client();
    let health = "GET /health HTTP/1.1\r\nhost: test\r\n\r\n";
    let all = format!("{}{health}{}", predict(IRIS), predict("{}")).repeat(40);
    client.send(&all);
    for _ in 0..40 {
        is_setosa(&client.read());
        assert_eq!(client.read().ok()["status"], "ok");
        assert_eq!(client.read().status, 422);
    }
    is_setosa(&client.post(IRIS));
}

#[test]
fn the_beginning_of_the_next_request_is_not_lost() {
    let server = Server::of("iris");
    let request = predict(IRIS);
    let mut client = server.client();
    // The first request with ever more of the second: its head, all of it, its body.
    for cut in 0..=request.len() {
        client.send(format!("{request}{}", &request[..cut]));
        is_setosa(&client.read());
        if cut % 16 == 0 {
            pause(5);
        }
        client.send(&request[cut..]);
        is_setosa(&client.read());
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::of("iris");
    let mut client = server.client();
    for _ in 0..2 {
        for byte in predict(IRIS).bytes() {
            client.send([byte]);
            pause(1);
        }
        is_setosa(&client.read());
    }
    let mut chunked =
        b"POST /predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for byte in IRIS.bytes() {
        chunked.extend_from_slice(format!("1\r\n{}\r\n", char::from(byte)).as_bytes());
    }
    chunked.extend_from_slice(b"0\r\nx-trailer: yes\r\n\r\n");
    for part in chunked.chunks(7) {
        client.send(part);
    }
    is_setosa(&client.read());
    client.send(&chunked);
    is_setosa(&client.read());
    is_setosa(&client.post(IRIS));
}

#[test]
fn a_client_that_has_closed_its_side_gets_its_answers() {
    let server = Server::of("iris");
    for requests in [1, 3] {
        let mut client = server.client();
        client.send(predict(IRIS).repeat(requests));
        client.stream().shutdown(Shutdown::Write).unwrap();
        for _ in 0..requests {
            is_setosa(&client.read());
        }
        client.closed();
    }
    // The body behind the head, so that the end comes while the answer is awaited.
    let request = predict(IRIS);
    let (head, body) = request.split_at(request.find('{').unwrap());
    let mut client = server.client();
    client.send(head);
    pause(30);
    client.send(body);
    client.stream().shutdown(Shutdown::Write).unwrap();
    is_setosa(&client.read());
    client.closed();
    // Nothing asked: nothing said.
    let mut client = server.client();
    client.stream().shutdown(Shutdown::Write).unwrap();
    client.closed();
}

#[test]
fn clients_that_vanish_are_nobodys_fault() {
    let server = Server::of("iris");
    for sent in ["", "POST /pre", "POST /predict HTTP/1.1\r\ncontent-length: 100\r\n\r\n{\"fea"] {
        for how in [Shutdown::Write, Shutdown::Both] {
            let mut client = server.client();
            client.send(sent);
            client.stream().shutdown(how).unwrap();
        }
        drop(server.client());
    }
    let mut client = server.client();
    client.send(predict(IRIS).repeat(100));
    drop(client);
    is_setosa(&server.post(IRIS));
    until("the connections to end", Duration::from_secs(5), || {
        (server.metric("inference_connections") == 1.0).then_some(())
    });
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    assert!(!metrics.contains("code=\"5"), "{metrics}");
}

#[test]
fn large_bodies_and_answers_take_many_reads_and_writes() {
    let server = Server::of("iris");
    let rows = 50_000;
    let body = format!(
        r#"{{"instances": [{}[5.1, 3.5, 1.4, 0.2]]}}"#,
        "[5.1, 3.5, 1.4, 0.2],".repeat(rows - 1)
    );
    let mut client = server.client();
    for round in 0..2 {
        client.send(predict(&body));
        // The answer is larger than the socket's buffers: the server must wait for a slow reader.
        pause(300);
        let answer = client.read();
        assert!(answer.body.len() > 4 << 20, "{}", answer.body.len());
        assert_eq!(answer.ok()["predictions"].as_array().unwrap().len(), rows, "round {round}");
        is_setosa(&client.post(IRIS));
    }
    // The same behind another, with the next already there.
    client.send(format!("{}{}{}", predict(IRIS), predict(&body), predict(IRIS)));
    is_setosa(&client.read());
    assert_eq!(client.read().ok()["predictions"].as_array().unwrap().len(), rows);
    is_setosa(&client.read());
}

#[test]
fn many_connections_are_served_each() {
    let server = Server::of("iris");
    let mut clients: Vec<Client> = (0..500).map(|_| server.client()).collect();
    for _ in 0..4 {
        for client in &mut clients {
            client.send(predict(IRIS));
        }
        for client in &mut clients {
            is_setosa(&client.read());
        }
    }
    assert_eq!(server.metric("inference_connections"), 501.0);
    drop(clients);
    until("the connections to end", Duration::from_secs(5), || {
        (server.metric("inference_connections") == 1.0).then_some(())
    });
}

#[test]
fn an_idle_connection_costs_next_to_nothing() {
    let server = Server::of("iris");
    for _ in 0..50 {
        is_setosa(&server.post(IRIS));
    }
    let before = server.resident();
    let mut clients: Vec<Client> = (0..800).map(|_| server.client()).collect();
    for client in &mut clients {
        is_setosa(&client.post(IRIS));
    }
    let each = (server.resident() - before) * 1024 / clients.len();
    // Parked about 1 kB, with hyper's buffers about 13 kB.
    assert!(each < 4096, "{each} bytes a connection");
}

#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let server = Server::with("iris", &["--head-seconds", "1"]);
    let request = predict(IRIS);
    let slow = |prelude: &str| {
        let mut client = server.client();
        if !prelude.is_empty() {
            client.send(prelude);
            is_setosa(&client.read());
        }
        // Up to the value of a header, where any byte may follow.
        client.send(&request[..30]);
        let begun = Instant::now();
        // A byte now and then does not help: the time is for the whole head.
        let mut stream = client.stream().try_clone().unwrap();
        let feeder = std::thread::spawn(move || {
            while begun.elapsed() < Duration::from_secs(5) && stream.write_all(b"x").is_ok() {
                pause(100);
            }
        });
        assert_eq!(client.read().status, 408);
        let taken = begun.elapsed();
        assert!(taken > Duration::from_millis(900) && taken < Duration::from_secs(3), "{taken:?}");
        drop(client.stream().shutdown(Shutdown::Both));
        feeder.join().unwrap();
    };
    slow("");
    slow(&request);
    // The limit is for the head; the body may take longer.
    let mut client = server.client();
    let (head, body) = request.split_at(request.find('{').unwrap());
    client.send(head);
    pause(1500);
    client.send(body);
    is_setosa(&client.read());
    // A head that begins with the answer before has its own second.
    let mut client = server.client();
    client.send(format!("{request}{}", &request[..10]));
    is_setosa(&client.read());
    let begun = Instant::now();
    let mut answer = String::new();
    let mut stream = client.stream();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() > Duration::from_millis(800));
}

/// The rest of a body that was not read would be taken for the next request: the client is told
/// that there is no next one.
#[test]
fn an_answer_before_the_body_was_read_announces_the_close() {
    let server = Server::of("iris");
    let body = format!("{{\"inputs\": \"{}\"}}", "x".repeat(100_000));
    for path in ["/v2/models/nope/infer", "/nope", "/v2/models/iris/versions/9/infer"] {
        let mut client = server.client();
        let answer = client.post_to(path, &[("content-type", "application/json")], &body);
        assert_eq!((answer.status, answer.header("connection")), (404, Some("close")), "{path}");
        client.closed();
    }
    // With nothing left to read the connection is kept.
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.get("/nope").status, 404);
    }
}

/// Each connection holds one answer at most, and all of them together no more than there is room
/// for.
#[test]
fn answers_that_nobody_reads_are_bounded_together() {
    let server = Server::of("zeros");
    server.forget_peak();
    let before = server.peak();
    // An answer of some 40 MB each.
    let request =
        r#"{"inputs": [{"name": "size", "datatype": "INT64", "shape": [1], "data": [10000000]}]}"#;
    let mut clients: Vec<_> = (0..24).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(format!(
            "POST /v2/models/zeros/infer HTTP/1.1\r\nhost: test\r\ncontent-type: \
                application/json\r\ncontent-length: {}\r\n\r\n{request}",
            request.len()
        ));
    }
    let statuses: Vec<u16> = clients.iter_mut().map(|client| client.read_head().status).collect();
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert!((2..20).contains(&served), "{statuses:?}");
    let more = (server.peak() - before) / 1000;
    assert!(more < 1200, "{more} MB more");
    drop(clients);
    until("room again", Duration::from_secs(10), || {
        (server.ask("/v2/models/zeros/infer", &serde_json::from_str(request).unwrap()).status
            == 200)
            .then_some(())
    });
}
