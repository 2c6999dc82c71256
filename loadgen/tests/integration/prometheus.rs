//! `loadgen run --prometheus`, scraped while it runs.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use load_engine::null_server::{Behaviour, NullServer};
use serde_json::Value;

use crate::server::{http_client, loadgen};

/// A scrape: each series' name with its labels, and its value.
type Series = BTreeMap<String, f64>;

fn scrape(url: &str) -> Series {
    let text = http_client().get(url).send().unwrap().error_for_status().unwrap().text().unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Scrapes until it is as wanted; a fixed wait would not do, since a client of reqwest may leave
/// its thread unparked.
fn scrape_until(url: &str, wanted: impl Fn(&Series) -> bool) -> Series {
    let began = Instant::now();
    loop {
        let series = scrape(url);
        if wanted(&series) {
            return series;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{series:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Where the run says that its metrics are.
fn told_url(run: &mut Child) -> String {
    let stderr = BufReader::new(run.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    let url =
        lines.find_map(|line| line.strip_prefix("metrics are on ").map(str::to_owned)).unwrap();
    // What nobody reads would stop who writes it.
    std::thread::spawn(move || lines.for_each(drop));
    url
}

#[test]
fn what_is_scraped_during_a_run_is_what_the_json_says_after_it() {
    let server =
        NullServer::start("127.0.0.1:0".parse().unwrap(), None, Behaviour::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (scenario, file) = (dir.path().join("s.toml"), dir.path().join("run.json"));
    // Every user sends once, in the first second; then there is time to scrape what stays as it is.
    let text = "wait_time = 'constant(60)'\n\
        [[task]]\nname = 'good'\nmethod = 'GET'\npath = '/a'\n\
        [[task]]\nname = 'bad'\npath = '/b'\nbody = '{}'\ncheck = [{ contains = 'nowhere' }]\n";
    std::fs::write(&scenario, text).unwrap();
    let mut run = loadgen(&[
        "run",
        "-H",
        &format!("http://{}", server.addr()),
        "-u",
        "40",
        "-r",
        "100",
        "-t",
        "6s",
    ])
    .args(["--no-calibrate", "--prometheus", "127.0.0.1:0", "--scenario"])
    .arg(&scenario)
    .arg("--json")
    .arg(&file)
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let url = told_url(&mut run);
    let first = scrape(&url);
    assert_eq!(
        first["loadgen_requests_total{method=\"GET\",name=\"good\"}"], 0.0,
        "rates begin with a zero"
    );
    let ended = |series: &Series| {
        let of_tasks = series.iter().filter(|(name, _)| name.starts_with("loadgen_requests_total"));
        of_tasks.map(|(_, count)| count).sum::<f64>()
    };
    let scraped = scrape_until(&url, |series| ended(series) >= 40.0);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert!(http_client().get(&url).send().is_err(), "it ends with the run");

    let result: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut all = 0.0;
    for (task, labels) in result["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["method=\"GET\",name=\"good\"", "method=\"POST\",name=\"bad\""])
    {
        let total = &task["total"];
        let of = |name: &str| scraped[&format!("loadgen_{name}{{{labels}}}")];
        assert_eq!(of("requests_total"), total["requests"].as_f64().unwrap());
        assert_eq!(of("received_bytes_total"), total["bytes"].as_f64().unwrap());
        assert_eq!(of("dropped_requests_total"), 0.0);
        for (clock, figures) in [("service", "service_ms"), ("intended", "intended_ms")] {
            let count = of(&format!("{clock}_time_seconds_count"));
            assert_eq!(count, total["requests"].as_f64().unwrap(), "failed checks took their time");
            let mean_ms = of(&format!("{clock}_time_seconds_sum")) / count * 1e3;
            assert!(
                (mean_ms / total[figures]["mean"].as_f64().unwrap() - 1.0).abs() < 0.01,
                "{mean_ms} {total}"
            );
            let bucket = |bound: &str| {
                scraped[&format!("loadgen_{clock}_time_seconds_bucket{{le=\"{bound}\",{labels}}}")]
            };
            let p95 = total[figures]["p95"].as_f64().unwrap() / 1e3;
            assert!(bucket("+Inf") == count && bucket("0.00001") <= bucket("0.001"));
            let bounds = ["0.0001", "0.001", "0.01", "0.1", "1.0", "10.0"];
            let above = bounds
                .into_iter()
                .find(|bound| bound.parse::<f64>().unwrap() > p95 * 1.01)
                .unwrap();
            assert!(bucket(above) >= 0.95 * count, "the p95 of the JSON is within its bucket");
        }
        all += of("requests_total");
    }
    assert_eq!(all, 40.0);
    let failures: Vec<_> =
        scraped.iter().filter(|(name, _)| name.starts_with("loadgen_failures_total")).collect();
    let failed = r#"error="check failed: bad: the answer has \"nowhere\" in it""#;
    assert!(failures.len() == 1 && failures[0].0.contains(failed), "{failures:?}");
    assert_eq!(*failures[0].1, result["total"]["failures"].as_f64().unwrap());
    assert_eq!(scraped["loadgen_users"], 40.0);
    assert_eq!(scraped["loadgen_step"], 0.0);
    let planned = result["summary"]["planned_per_second"].as_f64().unwrap();
    assert!((scraped["loadgen_step_planned_requests_per_second"] - planned).abs() < 1e-9);
    assert_eq!(scraped["loadgen_generator_lag_seconds_count"], 40.0);
    assert!((0.0..=1.0).contains(&scraped["loadgen_generator_cpu_ratio"]));
}

#[test]
fn dropped_requests_and_steps_are_told() {
    let server = NullServer::start(
        "127.0.0.1:0".parse().unwrap(),
        None,
        Behaviour { delay: Some("constant(0.5)".parse().unwrap()), ..Behaviour::default() },
    )
    .unwrap();
    let mut run = loadgen(&[
        "run",
        "-H",
        &format!("http://{}", server.addr()),
        "--arrivals",
        "constant(20:40:20)",
    ])
    .args(["--users", "4", "--step-duration", "3s", "--body", "{}", "--no-calibrate"])
    .args(["--prometheus", "127.0.0.1:0"])
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let url = told_url(&mut run);
    let dropped = "loadgen_dropped_requests_total{method=\"POST\",name=\"/predict\"}";
    let early = scrape_until(&url, |series| series[dropped] > 0.0);
    let late = scrape_until(&url, |series| {
        series["loadgen_step"] > 0.0 && series[dropped] > early[dropped]
    });
    run.wait().unwrap();
    for (name, before, after) in [
        ("loadgen_step", 0.0, 1.0),
        ("loadgen_step_target", 20.0, 40.0),
        ("loadgen_step_planned_requests_per_second", 20.0, 40.0),
    ] {
        assert_eq!((early[name], late[name]), (before, after), "{name}");
    }
    let failed = late.iter().find(|(name, _)| name.starts_with("loadgen_failures_total")).unwrap();
    assert!(
        failed.0.contains("error=\"dropped: never sent") && *failed.1 == late[dropped],
        "{failed:?}"
    );
}

#[test]
fn an_address_that_is_taken_is_known_before_the_run() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let server =
        NullServer::start("127.0.0.1:0".parse().unwrap(), None, Behaviour::default()).unwrap();
    let output = loadgen(&[
        "run",
        "-H",
        &format!("http://{}", server.addr()),
        "--body",
        "{}",
        "--prometheus",
        &addr,
    ])
    .output()
    .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains(&format!("--prometheus {addr}: cannot listen there"))
            && told.contains("port 0"),
        "{told}"
    );
}
