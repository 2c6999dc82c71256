//! Whatever is thrown at paths that run models, the answer is JSON and never a 5xx, and the server
//! stays well.

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
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().collect()),
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
        prop::collection::vec(any_json(), 0..4)
            .prop_map(|v| json!({ "instances": v }).to_string().into_bytes()),
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
        client.send(format!(
            "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
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

/// What MLflow's and Triton's clients might send, more or less.
fn any_protocol_body() -> impl Strategy<Value = Vec<u8>> {
    let name = || {
        prop::sample::select(vec![
            "input", "x", "price", "city", "window", "count", "label", "y", "a",
        ])
    };
    let kind =
        prop::sample::select(vec!["FP32", "INT64", "BYTES", "FP16", "BOOL", "UINT8", "WHAT"]);
    let size = prop_oneof![-1_i64..5, Just(i64::MAX), Just(1 << 40)];
    let tensor =
        (name(), kind, prop::collection::vec(size, 0..4), any_json(), prop::option::of(0_u64..40))
            .prop_map(|(name, kind, shape, data, bytes)| match bytes {
                Some(bytes) => json!({
                    "name": name,
                    "datatype": kind,
                    "shape": shape,
                    "parameters": { "binary_data_size": bytes },
                }),
                None => json!({ "name": name, "datatype": kind, "shape": shape, "data": data }),
            });
    let outputs = prop::collection::vec(name().prop_map(|name| json!({ "name": name })), 0..3);
    let infer = (
        prop::collection::vec(tensor, 0..4),
        outputs,
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(inputs, outputs, binary, bytes)| {
            let json = json!({
                "inputs": inputs,
                "outputs": outputs,
                "parameters": { "binary_data_output": binary },
            });
            [json.to_string().into_bytes(), bytes].concat()
        });
    let way =
        prop::sample::select(vec!["dataframe_split", "dataframe_records", "instances", "inputs"]);
    let score =
        (way, any_json()).prop_map(|(way, value)| json!({ way: value }).to_string().into_bytes());
    let split = (prop::collection::vec(key(), 0..4), any_json()).prop_map(|(columns, data)| {
        json!({ "dataframe_split": { "columns": columns, "data": data } }).to_string().into_bytes()
    });
    let csv = "[a-z0-9,.\"\n]{0,60}".prop_map(String::into_bytes);
    prop_oneof![infer, score, split, csv, any_body()]
}

#[test]
fn any_body_in_any_protocol_gets_no_5xx() {
    let servers = ["iris", "penguins", "multi", "tensor", "open", "scalar"]
        .map(|name| (name, Server::of(name)));
    let clients: Vec<RefCell<Client>> =
        servers.iter().map(|(_, s)| RefCell::new(s.client())).collect();
    let check =
        |(body, which, path, media, json_length): (Vec<u8>, usize, usize, usize, Option<usize>)| {
            let path =
                [format!("/v2/models/{}/infer", servers[which].0), "/invocations".to_owned()][path]
                    .clone();
            let media = ["application/json", "text/csv"][media];
            let end = body.iter().rposition(|b| *b == b'}').map_or(0, |at| at + 1).to_string();
            let mut headers = vec![("content-type", media)];
            let given = json_length.map(|length| length.to_string());
            headers.push(("inference-header-content-length", given.as_deref().unwrap_or(&end)));
            let mut client = clients[which].borrow_mut();
            let answer = client.post_to(&path, &headers, &body);
            prop_assert!(
                matches!(answer.status, 200 | 400),
                "{} for {:?}",
                answer.status,
                String::from_utf8_lossy(&body)
            );
            prop_assert_eq!(client.get("/health").status, 200);
            Ok(())
        };
    let cases = (
        any_protocol_body(),
        0..servers.len(),
        0..2_usize,
        0..2_usize,
        prop::option::weighted(0.1, 0..200_usize),
    );
    runner(3000).run(&cases, check).unwrap();
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
