//! `https://` hosts.

use std::{path::Path, process::Output, time::Duration};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::Value;

use crate::server::{Manners, Misbehaving, loadgen, root};

fn run(server: &Misbehaving, words: &[&str], json: &Path) -> Output {
    let host = format!("https://localhost:{}", server.addr.port());
    let common = [
        "run",
        "--host",
        &host,
        "-u",
        "20",
        "-r",
        "200",
        "-t",
        "2s",
        "--wait-time",
        "constant(0.1)",
    ];
    loadgen(&common)
        .args(["--no-calibrate", "--slo", "p95<5s,failures<1%", "--json"])
        .arg(json)
        .args(words)
        .output()
        .unwrap()
}

fn summary(json: &Path) -> Value {
    let result: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    result["summary"].clone()
}

#[test]
fn users_speak_tls_over_connections_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (json, cacert) = (dir.path().join("run.json"), dir.path().join("ca.pem"));
    // Of more than a TLS record, and more than a session keeps.
    let body = dir.path().join("body.json");
    std::fs::write(&body, format!("\"{}\"", "x".repeat(300_000))).unwrap();
    let (cacert_flag, large) =
        (["--cacert".to_owned(), cacert.display().to_string()], format!("@{}", body.display()));
    for version in [&TLS12, &TLS13] {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"example\":{}}";
        let (server, certificate) =
            Misbehaving::start_tls(Manners { answer, ..Manners::default() }, version);
        std::fs::write(&cacert, certificate).unwrap();
        // Without a body the server is asked for an example.
        for (body, others) in [(vec![], 2), (vec!["--body", "{}"], 1), (vec!["--body", &large], 1)]
        {
            let before = server.connections();
            let words: Vec<&str> = cacert_flag.iter().map(String::as_str).chain(body).collect();
            let output = run(&server, &words, &json);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let summary = summary(&json);
            assert_eq!(summary["failures"], 0, "{summary}");
            assert!(summary["requests"].as_u64().unwrap() > 200, "{summary}");
            // One looked at the certificate before.
            assert_eq!(server.connections() - before, 20 + others);
        }
    }
}

#[test]
fn a_session_that_was_closed_while_idle_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("run.json");
    let manners = Manners { idle_close: Some(Duration::from_millis(40)), ..Manners::default() };
    let (server, _) = Misbehaving::start_tls(manners, &TLS13);
    let output = run(&server, &["--insecure", "--body", "{}"], &json);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(summary(&json)["failures"], 0);
    assert!(server.connections() > 200, "{} connections", server.connections());
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_said_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = Misbehaving::start_tls(Manners::default(), &TLS13);
    let output = run(&server, &["--body", "{}"], &dir.path().join("run.json"));
    assert_eq!(output.status.code(), Some(4));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("certificate") && told.contains("--insecure"), "{told}");
    let plain = Misbehaving::start(Manners {
        answer: "HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n",
        ..Manners::default()
    });
    let output = run(&plain, &["--insecure", "--body", "{}"], &dir.path().join("run.json"));
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_certificate_of_version_1_passes_where_none_is_verified() {
    let fixture = |name: &str| root().join("loadgen/tests/fixtures").join(name);
    let certificate = CertificateDer::from_pem_file(fixture("v1.pem")).unwrap();
    for version in [&TLS12, &TLS13] {
        let key = PrivateKeyDer::from_pem_file(fixture("v1.key")).unwrap();
        let server = Misbehaving::start_with(Manners::default(), version, certificate.clone(), key);
        let dir = tempfile::tempdir().unwrap();
        let json = dir.path().join("run.json");
        let output = run(&server, &["--insecure", "--body", "{}"], &json);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{version:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(summary(&json)["failures"], 0, "{version:?}");
    }
}
