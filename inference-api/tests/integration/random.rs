//! Whatever is thrown at `/predict`, the answer is JSON and never a 5xx, and the server stays well.

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{Client, IRIS, Server, is_setosa};

/// Anything JSON can say, leaning towards what a model might take.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-10.0..10.0).prop_map(|x: f64| x.into()),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,6}",
        prop::sample::select(vec![
            "features",
            "instances",
            "price",
            "count",
            "city",
            "window",
            "island",
            "x",
            "sepal_length"
        ])
        .prop_map(str::to_owned),
    ]
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        any_json().prop_map(|v| v.to_string().into_bytes()),
        any_json().prop_map(|v| json!({ "features": v }).to_string().into_bytes()),
        prop::collection::vec(any_json(), 0..4).prop_map(|v| json!({ "instances": v }).to_string().into_bytes()),
        // Nearly right: one byte off.
        (0..IRIS.len(), any::<u8>()).prop_map(|(at, byte)| {
            let mut body = IRIS.as_bytes().to_vec();
            body[at] = byte;
            body
        }),
    ]
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn any_body_gets_json_and_never_a_5xx() {
    let servers = ["iris", "penguins", "multi", "tensor", "open", "rank1"].map(Server::of);
    let clients: Vec<RefCell<Client>> = servers.iter().map(|s| RefCell::new(s.client())).collect();
    let check = |(body, which): (Vec<u8>, usize)| {
        let mut client = clients[which].borrow_mut();
        client.send(format!("POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len()));
        client.send(&body);
        let answer = client.read();
        prop_assert!(matches!(answer.status, 200 | 400 | 422), "{} for {:?}", answer.status, body);
        let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
        if answer.status != 200 {
            for key in ["field", "expected", "got", "message"] {
                prop_assert!(said["error"][key].is_string(), "no {key} in {said}");
            }
        }
        prop_assert_eq!(client.get("/health").status, 200);
        Ok(())
    };
    runner(3000).run(&(any_body(), 0..servers.len()), check).unwrap();
}

#[test]
fn any_bytes_on_the_socket_leave_the_server_well() {
    let server = Server::of("iris");
    let check = |bytes: Vec<u8>| {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        // The server may close before it has all; what matters is the next client.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        prop_assert!(!answer.starts_with(b"HTTP/1.1 5"));
        is_setosa(&server.post(IRIS));
        Ok(())
    };
    runner(500).run(&prop::collection::vec(any::<u8>(), 0..400), check).unwrap();
}
