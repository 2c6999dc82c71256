//! Fuzz target for scenario files: accepted files render and check, rejected ones have a reason.

#![no_main]

use std::{path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use loadtest::workload::{Authority, ModelMetadata, Scenario, Sender};
use rand::SeedableRng;

/// Folder in memory with the data files that scenarios may name.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let shm = PathBuf::from("/dev/shm");
    let folder = tempfile::tempdir_in(if shm.is_dir() { shm } else { std::env::temp_dir() })
        .expect("a folder")
        .keep();
    std::fs::write(folder.join("rows.csv"), "a,b\n1,\"x\"\"y\"\n2,z\n").expect("rows.csv");
    std::fs::write(folder.join("rows.jsonl"), "{\"a\": [1, 2], \"b\": \"\\\"\"}\n")
        .expect("rows.jsonl");
    folder
});

static METADATA: LazyLock<ModelMetadata> = LazyLock::new(|| {
    let inputs = r#"{"inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "s", "datatype": "BYTES", "shape": [1]}
    ]}"#;
    serde_json::from_str(inputs).expect("metadata")
});

fuzz_target!(|text: &str| {
    // A scenario may name any file of the machine; reading /dev and /proc may block or never end.
    if ["/dev", "/proc", "/sys", "\\u", "\\U", "\\x"].iter().any(|word| text.contains(word)) {
        return;
    }
    let path = FOLDER.join("scenario.toml");
    std::fs::write(&path, text).expect("scenario.toml");
    let mut scenario = match Scenario::read(&path) {
        Ok(scenario) => scenario,
        Err(error) => {
            return assert!(error.to_string().len() > path.as_os_str().len() + 2, "{error}");
        }
    };
    // A batch of millions of rows makes a large body, which is not a bug.
    for (task, tensors) in scenario.wanted_tensors() {
        if tensors.batch_size <= 64 {
            let drawn =
                scenario.draw_tensors(task, &METADATA, &mut rand_pcg::Pcg32::seed_from_u64(1));
            assert!(drawn.is_ok(), "{drawn:?}");
        }
    }
    let to = Authority { host: "host".to_owned(), base_path: "/base".to_owned() };
    let mut rng = rand_pcg::Pcg32::seed_from_u64(1);
    let (mut body, mut out) = (Vec::new(), Vec::new());
    for iteration in 0..3 {
        assert!(usize::from(scenario.draw(&mut rng)) < scenario.tasks().len());
        for task in 0..u16::try_from(scenario.tasks().len()).expect("a task's number has 16 bits") {
            let sender = Sender {
                user: u32::MAX,
                iteration: u64::MAX - iteration,
                token: "T",
                random: iteration,
            };
            out.clear();
            scenario.render(task, &to, sender, &mut body, &mut out);
            assert!(out.windows(4).any(|end| end == b"\r\n\r\n"), "a head that has no end");
            if let Some(number) =
                scenario.failed_check(task, 200, b"{\"a\": [1, {\"b\": null}]}", sender)
            {
                assert!(scenario.check(number).is_some());
            }
        }
    }
    let _ = scenario.token(b"{\"token\": \"T\"}");
});
