//! What heads may ask of a connection: to be closed, to be kept, to wait, to leave the body out.

use crate::support::{Answer, Client, IRIS, Server, is_setosa, predict};

fn ask(client: &mut Client, first: &str, headers: &str, body: &str) -> Answer {
    client.send(format!(
        "{first}\r\nhost: test\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.read()
}

#[test]
fn connection_close_closes() {
    let server = Server::of("iris");
    let mut client = server.client();
    is_setosa(&client.post(IRIS));
    let answer = ask(&mut client, "POST /predict HTTP/1.1", "connection: close\r\n", IRIS);
    is_setosa(&answer);
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed();
}

#[test]
fn http_1_0_closes_unless_it_asks() {
    let server = Server::of("iris");
    let mut client = server.client();
    is_setosa(&ask(&mut client, "POST /predict HTTP/1.0", "", IRIS));
    client.closed();
    let mut client = server.client();
    for _ in 0..2 {
        let answer = ask(&mut client, "POST /predict HTTP/1.0", "connection: keep-alive\r\n", IRIS);
        is_setosa(&answer);
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }
    is_setosa(&ask(&mut client, "POST /predict HTTP/1.0", "", IRIS));
    client.closed();
}

#[test]
fn a_client_may_ask_before_it_sends_the_body() {
    let server = Server::of("iris");
    let mut client = server.client();
    for _ in 0..2 {
        let length = IRIS.len();
        client.send(format!(
            "POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: \
                {length}\r\n\r\n"
        ));
        assert_eq!(client.read_head().status, 100);
        client.send(IRIS);
        is_setosa(&client.read());
    }
    is_setosa(&client.post(IRIS));
}

#[test]
fn head_has_no_body() {
    let server = Server::of("iris");
    let mut client = server.client();
    for path in ["/health", "/model", "/nope"] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        let answer = client.read_head();
        assert_eq!(answer.status, if path == "/nope" { 404 } else { 200 });
        assert!(answer.header("content-length").is_some());
        is_setosa(&client.post(IRIS));
    }
}

#[test]
fn a_body_that_nobody_reads_is_never_taken_for_a_request() {
    let server = Server::of("iris");
    let smuggled = "GET /model HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut client = server.client();
    for path in ["/health", "/nope"] {
        let answer = ask(&mut client, &format!("GET {path} HTTP/1.1"), "", smuggled);
        assert!(matches!(answer.status, 200 | 404));
        is_setosa(&client.post(IRIS));
    }
    // The body behind the answer: then the connection must end, whatever the body looks like.
    let mut client = server.client();
    client.send(format!(
        "GET /health HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
        smuggled.len()
    ));
    client.read().ok();
    client.send(smuggled);
    client.closed();
    assert_eq!(server.metric("inference_requests_total{path=\"/model\",code=\"200\"}"), 0.0);
}

#[test]
fn a_malformed_head_is_a_400_and_the_end() {
    let server = Server::of("iris");
    for head in [
        "nonsense\r\n\r\n",
        "GET /health HTTP/1.1\r\nbad header\r\n\r\n",
        "POST /predict HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        "POST /predict HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    ] {
        let mut client = server.client();
        // More than the head, unread: the answer must still arrive.
        client.send(format!("{head}{}", predict(IRIS).repeat(20)));
        assert_eq!(client.read().status, 400, "{head}");
    }
    let mut client = server.client();
    client.send(format!("GET /health HTTP/1.1\r\nlong: {}\r\n\r\n", "x".repeat(500_000)));
    assert_eq!(client.read().status, 431);
    is_setosa(&server.post(IRIS));
}
