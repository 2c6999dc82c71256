//! Keys, names of requests, and clients that are slow or too large.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use crate::support::{Client, IRIS, Server, is_setosa, pause};

#[test]
fn a_key_guards_all_but_health() {
    let server = Server::with("iris", &["--api-key", "secret", "--model-control-mode", "explicit"]);
    for path in
        ["/health", "/ping", "/v2/health/ready", "/v2/health/live", "/openapi.json", "/docs"]
    {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for path in ["/metrics", "/model", "/v2/models/iris", "/nope"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, Some("Bearer")),
            "{path}"
        );
        assert!(answer.json()["error"].as_str().unwrap().contains("X-API-Key"));
    }
    for path in [
        "/predict",
        "/invocations",
        "/v2/models/iris/infer",
        "/v2/repository/models/iris/unload",
        "/v2/repository/index",
    ] {
        assert_eq!(server.post_to(path, &[], "{}").status, 401, "{path}");
        assert_eq!(
            server.post_to(path, &[("authorization", "Bearer wrong")], "{}").status,
            401,
            "{path}"
        );
    }
    is_setosa(&server.post_to("/predict", &[("authorization", "Bearer secret")], IRIS));
    is_setosa(&server.post_to("/predict", &[("x-api-key", "secret")], IRIS));
    assert_eq!(server.client().get_with("/metrics", &[("x-api-key", "secret")]).status, 200);
}

#[test]
fn requests_have_names() {
    let server = Server::of("iris");
    let id = |headers: &[(&str, &str)]| {
        server.post_to("/predict", headers, IRIS).header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id(&[("x-request-id", "order-17")]), "order-17");
    let (a, b) = (id(&[]), id(&[]));
    assert_ne!(a, b);
    // What could be taken for another line or field of a log is not given back.
    assert_ne!(id(&[("x-request-id", "two words")]), "two words");
    assert_ne!(id(&[("x-request-id", &"x".repeat(500))]), "x".repeat(500));
}

#[test]
fn a_body_that_does_not_come_is_cut_off() {
    let server = Server::with("iris", &["--body-seconds", "1"]);
    for path in ["/predict", "/v2/models/iris/infer", "/v2/repository/index"] {
        let mut client = server.client();
        client.send(format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n{{"));
        let begun = Instant::now();
        assert_eq!(client.read().status, 408, "{path}");
        client.closed();
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    // One that comes slowly, and in time.
    let mut client = server.client();
    client.send(format!(
        "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
        IRIS.len()
    ));
    for part in IRIS.as_bytes().chunks(16) {
        client.send(part);
        pause(100);
    }
    is_setosa(&client.read());
    is_setosa(&client.post(IRIS));
}

#[test]
fn a_client_that_takes_no_answer_is_cut_off() {
    let server = Server::with("iris", &["--body-seconds", "1"]);
    let rows = vec!["[5.1,3.5,1.4,0.2]"; 60_000].join(",");
    let client = Client::connect(server.addr);
    let body = format!("{{\"instances\": [{rows}]}}");
    // Several answers of megabytes, none of which is read for a while.
    for _ in 0..4 {
        let head = format!(
            "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if std::io::Write::write_all(&mut client.stream(), head.as_bytes()).is_err()
            || std::io::Write::write_all(&mut client.stream(), body.as_bytes()).is_err()
        {
            break;
        }
    }
    crate::support::until("the end of the connection", Duration::from_secs(30), || {
        (server.metric("inference_connections") == 1.0).then_some(())
    });
    let mut rest = Vec::new();
    // Cut in the middle: an end, or a reset.
    let _ = client.stream().read_to_end(&mut rest);
    assert!(rest.len() < 4 * body.len());
}
