//! Tests of `file`.

use super::*;
use crate::workload::{Authority, Sender};

fn read(text: &str) -> Result<Scenario, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), "a,b\n1,\"x\"\"y\"\n2,z\n").unwrap();
    std::fs::write(folder.path().join("rows.jsonl"), "{\"a\": [1, 2]}\n").unwrap();
    std::fs::write(folder.path().join("golden.json"), "{\"p\": [0.5, 1]}").unwrap();
    let path = folder.path().join("scenario.toml");
    std::fs::write(&path, text).unwrap();
    Scenario::read(&path)
        .map_err(|e| e.to_string().rsplit_once("scenario.toml").unwrap().1.to_owned())
}

fn rendered(scenario: &Scenario, task: u16, iteration: u64) -> String {
    let to = Authority { host: "h".to_owned(), base_path: "/base".to_owned() };
    let sender = Sender { user: 7, iteration, token: "T", random: 3 };
    let (mut body, mut out) = (Vec::new(), Vec::new());
    scenario.render(task, &to, sender, &mut body, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn requests_are_filled_in() {
    let scenario = read(
        "wait_time = 'constant(1)'\n[data.rows]\nfile = 'rows.csv'\n[data.lines]\nfile = \
            'rows.jsonl'\n\
         [login]\npath = '/login'\nbody = '{\"user\": \"u{{user}}\"}'\ntoken = '/token'\n\
         [[task]]\nname = 'predict'\nweight = 3\npath = '/p/{{iteration}}'\nbody = \
         '[{{rows.a}}, \"{{rows.b}}\", {{lines.a}}]'\n\
         headers = { Authorization = 'Bearer {{token}}' }\n[[task]]\npath = '/health'\n",
    )
    .unwrap();
    assert_eq!(
        rendered(&scenario, 0, 1),
        "POST /base/p/1 HTTP/1.1\r\nhost: h\r\nuser-agent: loadgen\r\nAuthorization: Bearer \
            T\r\n\
         content-type: application/json\r\ncontent-length: 18\r\n\r\n[1, \"x\\\"y\", [1,2]]"
    );
    assert!(rendered(&scenario, 0, 2).ends_with("[2, \"z\", [1,2]]"), "the next row");
    assert_eq!(
        rendered(&scenario, 1, 0),
        "GET /base/health HTTP/1.1\r\nhost: h\r\nuser-agent: loadgen\r\n\r\n"
    );
    assert_eq!(
        (scenario.login(), scenario.token(b"{\"token\": \"abc\"}")),
        (Some(2), Some("abc".to_owned()))
    );
    let mut rng = rand_pcg::Pcg32::new(5, 5);
    let first = (0..4000).filter(|_| scenario.draw(&mut rng) == 0).count();
    assert!(first.abs_diff(3000) < 150, "three of four: {first}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, says) in [
        ("[[task]]\npath = '/x'\nbody = '{{row.a}}'", ":3:9: {{row.a}} is not known"),
        (
            "[data.rows]\nfile = 'rows.csv'\n[[task]]\npath = '/{{rows.c}}'",
            ":4:10: rows has no column \"c\"; it has a, b",
        ),
        ("[[task]]\npath = '/x'\nbody = '{{user'", ":3:9: {{ without }}"),
        ("[[task]]\npath = 'x'", ":2:8: a path begins with /"),
        ("[[task]]\npath = '/x'\nweight = 0", ":3:10: a weight is from 1"),
        ("[[task]]\npath = '/x'\nwaight = 1", ":3:1: unknown field `waight`"),
        ("wait_time = 'between(1)'\n[[task]]\npath = '/'", ":1:13: wait time"),
        ("task = []", ":1:8: there is no [[task]]"),
        (
            "[[task]]\npath = '/'\n[[task.check]]\nstatus = [200]\ncontains = 'x'",
            "a check has status",
        ),
        ("[[task]]\npath = '/{{token}}'", "there is no [login]"),
        ("[[task]]\nweight = 1", "a [[task]] has no path"),
        ("[[task]]\ntensors = { model = 'm' }\nbody = ''", ":2:11: a task has a body or tensors"),
        ("[[task]]\ntensors = { model = 'm', batch_size = 0 }", ":2:11: a batch_size is from 1"),
        ("[[task]]\npath = '/'\n[[task.check]]\ngolden = 'none.json'", "none.json"),
        (
            "[[task]]\npath = '/'\n[[task.check]]\njson = ''\nequals = 'a{{b}}'",
            "{{b}} is not known",
        ),
        ("[data.x]\nfile = 'none.csv'\n[[task]]\npath = '/'", ":2:8:"),
        ("[[task]\n", ":1:8:"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(says), "{says:?} is not in {error:?}");
    }
}

#[test]
fn checks_look_at_status_and_body() {
    let passes = |check: &str, status, body: &str| {
        let text = format!(
            "[data.rows]\nfile = 'rows.csv'\n[[task]]\npath = '/{{{{rows.a}}}}'\ncheck = \
                [{check}]"
        );
        let scenario = read(&text).unwrap();
        // The second row: a = 2, b = z.
        let sender = Sender { user: 0, iteration: 1, token: "", random: 0 };
        scenario.failed_check(0, status, body.as_bytes(), sender).is_none()
    };
    for (check, status, good, bad) in [
        ("{ status = [200, 201] }", 201, "", None),
        ("{ json = '/a/0', equals = 5 }", 200, "{\"a\": [5.0]}", Some("{\"a\": [6]}")),
        ("{ contains = 'b' }", 200, "abc", Some("ac")),
        (
            "{ json = '/n', equals = '{{rows.a}}', tolerance = 0.1 }",
            200,
            "{\"n\": 2.05}",
            Some("{\"n\": 2.2}"),
        ),
        ("{ json = '', equals = '{{rows.b}}' }", 200, "\"z\"", Some("\"x\"")),
        (
            "{ golden = 'golden.json', tolerance = 1e-3 }",
            200,
            "{\"p\": [0.5001, 1.0]}",
            Some("{\"p\": [0.51, 1]}"),
        ),
        (
            "{ json = '/q', golden = 'golden.json' }",
            200,
            "{\"q\": {\"p\": [0.5, 1]}}",
            Some("{\"q\": {\"p\": [0.5]}}"),
        ),
    ] {
        assert!(passes(check, status, good), "{check} refuses {good}");
        if let Some(bad) = bad {
            assert!(!passes(check, status, bad), "{check} takes {bad}");
            assert!(!passes(check, status, "no JSON"), "{check}");
        }
    }
    assert!(!passes("{ status = [200, 201] }", 204, ""));
}

#[test]
fn tensors_are_drawn_in_the_shape_that_the_model_has() {
    let metadata = r#"{"name": "m", "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
        {"name": "s", "datatype": "BYTES", "shape": [-1]},
        {"name": "h", "datatype": "FP16", "shape": [2]}
    ]}"#;
    let metadata = serde_json::from_str(metadata).unwrap();
    for binary in [false, true] {
        let text =
            format!("[[task]]\ntensors = {{ model = 'm', batch_size = 3, binary = {binary} }}");
        let mut scenario = read(&text).unwrap();
        assert_eq!(scenario.wanted_tensors()[0].1.metadata_path(), "/v2/models/m");
        scenario.draw_tensors(0, &metadata, &mut rand_pcg::Pcg32::new(1, 1)).unwrap();
        assert!(scenario.wanted_tensors().is_empty());
        let to = Authority { host: "h".to_owned(), base_path: String::new() };
        assert_eq!(scenario.fixed(0, &to), None, "bodies differ");
        let sender = Sender { user: 7, iteration: 1, token: "T", random: 3 };
        let (mut room, mut out) = (Vec::new(), Vec::new());
        scenario.render(0, &to, sender, &mut room, &mut out);
        let end = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(out[..end].to_vec()).unwrap();
        let header = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
        };
        assert!(head.starts_with("POST /v2/models/m/infer HTTP/1.1\r\n"), "{head}");
        assert_eq!(header("content-length:"), (out.len() - end).to_string());
        assert_eq!(header("content-type:"), "application/octet-stream");
        let json: usize = header("inference-header-content-length:").parse().unwrap();
        let raw = out.len() - end - json;
        let request: serde_json::Value = serde_json::from_slice(&out[end..end + json]).unwrap();
        assert_eq!(request["inputs"][0]["shape"], serde_json::json!([3, 4]));
        assert_eq!(request["inputs"][1]["shape"], serde_json::json!([3]));
        // 12 FP32, three texts of 8 bytes behind their lengths, and two FP16, for which JSON
        // has no numbers.
        assert_eq!(raw, 48 + 36 + 4);
        assert_eq!(request["parameters"]["binary_data_output"] == true, binary);
    }
    let unknown =
        serde_json::from_str(r#"{"inputs": [{"name": "x", "datatype": "COMPLEX", "shape": [1]}]}"#)
            .unwrap();
    let mut scenario = read("[[task]]\ntensors = { model = 'm' }").unwrap();
    let refusal = scenario.draw_tensors(0, &unknown, &mut rand_pcg::Pcg32::new(1, 1)).unwrap_err();
    assert!(refusal.contains("COMPLEX"), "{refusal}");
}
