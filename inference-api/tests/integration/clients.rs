//! The clients that users have, unmodified. `cargo xtask clients` installs them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{BINARY, Server, model};

/// A program of the environment that `cargo xtask clients` makes.
fn client(name: &str) -> Command {
    let target = Path::new(BINARY).ancestors().nth(2).unwrap();
    let program = target.join("clients/bin").join(name);
    assert!(program.exists(), "there is no {}: run `cargo xtask clients`", program.display());
    Command::new(program)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a client to its end, and returns what it said.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn nvidias_client() {
    let others = ["digits", "identity"].map(|name| model(name).display().to_string());
    let server = Server::with(
        "iris",
        &["--model", &others[0], "--model", &others[1], "--model-control-mode", "explicit"],
    );
    let said = succeeds(client("python").arg(script("triton.py")).arg(server.addr.to_string()));
    assert_eq!(said.matches(": ok").count(), 6, "{said}");
}

#[test]
fn nvidias_perf_analyzer() {
    let server = Server::of("iris");
    let cuda = client("python")
        .args(["-c", "import nvidia.cuda_runtime as c; print(c.__path__[0] + '/lib')"])
        .output()
        .unwrap();
    let libraries = String::from_utf8(cuda.stdout).unwrap();
    let said = succeeds(
        client("perf_analyzer")
            .env("LD_LIBRARY_PATH", libraries.trim())
            .args([
                "-m",
                "iris",
                "-u",
                &server.addr.to_string(),
                "-b",
                "2",
                "--concurrency-range",
                "2",
            ])
            .args([
                "--measurement-mode",
                "count_windows",
                "--measurement-request-count",
                "200",
                "--stability-percentage",
                "999",
            ]),
    );
    // It finds the server's own statistics, and so tells queue and compute apart.
    for part in ["Throughput:", "Inference count:", "Avg request latency:", "compute infer"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn mlflows_registry() {
    let said = succeeds(
        client("python")
            .arg(script("registry.py"))
            .arg(BINARY)
            .args([model("iris"), model("flower")]),
    );
    assert!(said.contains("0 failed"), "{said}");
}

#[test]
fn a_tester_of_openapi_documents() {
    for name in ["iris", "penguins", "multi"] {
        let server = Server::with(name, &["--model-control-mode", "explicit"]);
        let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
            response_schema_conformance";
        let said = succeeds(
            client("schemathesis")
                .args(["run", &format!("http://{}/openapi.json", server.addr), "--checks", checks])
                .args([
                    "--max-examples",
                    "50",
                    "--seed",
                    "1",
                    "--no-color",
                    "--suppress-health-check",
                    "all",
                ]),
        );
        assert!(said.contains("passed"), "{said}");
    }
}
