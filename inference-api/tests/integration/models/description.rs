//! Descriptions and examples of models, and files that are none.

use std::fs;

use serde_json::json;

use crate::support::Server;

const SERVABLE: [&str; 21] = [
    "orchard",
    "dictionary",
    "iris",
    "penguins",
    "digits",
    "regressor",
    "fixed_batch",
    "tensor",
    "open",
    "rank1",
    "int64",
    "uint8",
    "double",
    "bool",
    "multi",
    "zipmap_string",
    "zipmap_int",
    "float16",
    "identity",
    "control",
    "external",
];

#[test]
fn the_example_of_every_model_is_accepted_by_it() {
    for name in SERVABLE {
        let server = Server::of(name);
        let mut client = server.client();
        let told = client.get("/model");
        assert!(!told.body.contains(&b'\n'), "{name}: the example is not compact");
        let told = told.ok();
        assert_eq!(told["name"], name);
        let answer = client.post(&told["example"].to_string()).ok();
        assert!(
            answer["predictions"].is_array() || answer["outputs"].is_object(),
            "{name}: {answer}"
        );
    }
}

#[test]
fn the_model_path_describes_a_model_with_a_sidecar() {
    let told = Server::of("penguins").get("/model").ok();
    assert_eq!(
        told["features"][0],
        json!({ "name": "island", "datatype": "string", "nullable": false })
    );
    assert_eq!(
        told["features"][1],
        json!({ "name": "bill_length_mm", "datatype": "float32", "nullable": true })
    );
    assert_eq!(told["classes"], json!(["Adelie", "Chinstrap", "Gentoo"]));
    assert_eq!(told["inputs"][0]["shape"][0], -1);
}

/// A file of 200 bytes whose row has 12 million values.
#[test]
fn a_row_without_end_has_no_example() {
    let server = Server::of("wide");
    assert!(server.resident() < 200_000, "{} kB", server.resident());
    let told = server.get("/model");
    assert!(
        told.body.len() < 10_000 && told.ok()["example"].is_null(),
        "{} bytes",
        told.body.len()
    );
    assert_eq!(server.get("/openapi.json").status, 200);
}

#[test]
fn what_is_no_onnx_file_is_told_with_how_to_make_one() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, says) in [
        ("model.pkl", &b"\x80\x04\x95\x10"[..], "skl2onnx"),
        ("model.pt", b"PK\x03\x04....", "torch.onnx.export"),
        ("empty.onnx", b"", "it is empty"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let told = crate::support::refusal(&path);
        assert!(told.contains(says), "{name}: {told}");
    }
}
