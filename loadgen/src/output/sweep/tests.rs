//! Tests of a sweep's folder, report and judgements, on simulated services.

use std::{fs, path::Path};

use sizing::{
    simulator::{KINDS, World},
    sweep::{Next, next},
    trial::{Headroom, Settings, Trial},
};
use toml::Table;

use super::{Basis, Environment, JudgedSweep, Judging, Kept, SweepFolder, judge_again};
use crate::output::{Context, Journal, Source, Theme};

/// Makes a folder of a sweep over a simulated service, with all of the sweep's own files.
pub(crate) fn simulated(dir: &Path, settings: Settings, kind: usize, seed: u64) -> JudgedSweep {
    let mut world = World::new(KINDS[kind].service, KINDS[kind].machine, seed);
    let mut trials: Vec<Trial> = Vec::new();
    let journal = Journal::create(dir, &Context::example(&settings)).unwrap();
    while let Next::Try(planned) = next(&settings, &trials) {
        let trial = world.trial(&settings, planned.spec);
        journal.add(&trial).unwrap();
        trials.push(trial);
    }
    let source = Source {
        image: Some("registry.example/iris:1".to_owned()),
        port: 8000,
        env: vec![("TOKEN".to_owned(), "se<cret".to_owned())],
        ready_path: "/health".to_owned(),
        ..Source::default()
    };
    let environment = Environment::example(&settings);
    let basis = Basis { settings, prices: None, source, environment, timeout_seconds: 5.0 };
    Kept::here(Table::new(), &basis).unwrap().write(dir).unwrap();
    let sweep = JudgedSweep::ended(dir.to_owned(), basis, trials, journal, true);
    sweep.write(dir, Theme::Auto).unwrap();
    sweep
}

pub(crate) fn settings(replicas: &[u32]) -> Settings {
    Settings { replicas: replicas.to_vec(), ..Settings::example() }
}

fn files(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_sweep_judged_by_its_own_options_has_its_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let own = simulated(dir.path(), settings(&[1, 2]), 0, 7);
    let before = files(dir.path());
    for judging in [
        Judging::default(),
        Judging {
            confidence: Some(0.95),
            objective: Some("p95<100ms,failures<0.1%,rate>=95%".parse().unwrap()),
            ..Judging::default()
        },
    ] {
        let again = judge_again(dir.path(), &judging).unwrap();
        assert_eq!(again.changes, [] as [String; 0]);
        assert_eq!(again.summary(), own.summary());
        assert_eq!(again.text(), own.text());
        again.write(dir.path(), Theme::Auto).unwrap();
    }
    for ((name, was), (_, is)) in before.iter().zip(files(dir.path())) {
        // Probabilities that are read from a file may differ in their last digit.
        assert!(name == "sweep.json" || *was == is, "{name} differs");
    }
}

#[test]
fn other_options_change_the_answer_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let own = simulated(dir.path(), settings(&[1, 2]), 0, 7);
    let folder = SweepFolder::open(dir.path()).unwrap();
    let minimum = |sweep: &JudgedSweep| sweep.answer().cheapest(&sweep.basis.settings);
    let judged = |judging: Judging| folder.judge(&judging).unwrap();

    let priced = super::Prices::new("30 USD/month".parse().ok(), "4 USD/month".parse().ok());
    let priced = judged(Judging { prices: priced.unwrap(), ..Judging::default() });
    assert_eq!(minimum(&priced).unwrap().point, minimum(&own).unwrap().point);
    assert!(priced.page(Theme::Auto).contains("USD a month"), "{:?}", priced.changes);
    assert!(priced.note().starts_with("Judged again, nothing was measured: prices 30 USD/month"));

    let sure = judged(Judging { confidence: Some(0.999), ..Judging::default() });
    assert!(
        minimum(&sure)
            .is_none_or(|m| m.point.limits.cpus >= minimum(&own).unwrap().point.limits.cpus)
    );
    assert!(!sure.text().contains("goes on where it ended"), "nothing is to be resumed");

    let roomy = Headroom { cpu: 0.5, memory: 0.0 };
    let roomy = judged(Judging { headroom: Some(roomy), ..Judging::default() });
    assert!(roomy.summary().minimum.contains("headroom"), "{}", roomy.summary().minimum);

    let strict = judged(Judging { objective: "p95<60ms".parse().ok(), ..Judging::default() });
    let cpus = |sweep: &JudgedSweep| sweep.answer().per_replicas[0].estimate.unwrap().cpus;
    assert!(cpus(&strict) > cpus(&own), "{} {}", cpus(&strict), cpus(&own));
    assert!(strict.json()["judged_again"][0].as_str().unwrap().starts_with("objective p95<60ms"));
}

#[test]
fn what_cannot_be_judged_is_refused_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    simulated(dir.path(), settings(&[1]), 0, 7);
    for (judging, says) in [
        (
            Judging { objective: "p95<6s".parse().ok(), ..Judging::default() },
            "gave requests up after 5 s",
        ),
        (
            Judging { objective: "p99.9999<50ms".parse().ok(), ..Judging::default() },
            "allows less than one slow request",
        ),
        (Judging { confidence: Some(0.2), ..Judging::default() }, "above 0.5 and below 1"),
    ] {
        let error = judge_again(dir.path(), &judging).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let trials = dir.path().join("trials.jsonl");
    let text = fs::read_to_string(&trials).unwrap();
    fs::write(&trials, &text[..text.len() - 20]).unwrap();
    let error = judge_again(dir.path(), &Judging::default()).unwrap_err().to_string();
    assert!(error.contains("is cut off") && error.contains("--resume"), "{error}");
}

#[test]
fn every_result_follows_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    simulated(dir.path(), settings(&[1, 2]), 0, 7);
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/sweep.schema.json");
    let schema = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for objective in [None, "p95<60ms".parse().ok()] {
        let judging = Judging { objective, ..Judging::default() };
        let json = judge_again(dir.path(), &judging).unwrap().json();
        let errors: Vec<String> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [] as [String; 0]);
    }
}

#[test]
fn a_report_is_one_file_that_loads_nothing_and_hides_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = simulated(dir.path(), settings(&[1, 2]), 0, 7);
    let page = sweep.page(Theme::Dark);
    for absent in ["<script", "http://", "src=", "@import", "<link", "se<cret", "se&lt;cret"] {
        assert!(!page.contains(absent), "{absent} is in the page");
    }
    for present in [
        "<html lang=\"en\" data-theme=\"dark\">",
        "<h1>The smallest limits for 10,000 users</h1>",
        "TOKEN",
        "compose.yaml",
        "kubernetes.yaml",
        "docker run",
        "Not proved",
        "<caption><span>All trials, in the order in which they were made</span></caption>",
        "scope=\"row\"",
    ] {
        assert!(page.contains(present), "{present} is not in the page");
    }
    let charts = sweep.charts();
    let names: Vec<&str> = charts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["curve", "map", "replicas", "ramp"]);
    assert_eq!(page.matches("<figure").count(), charts.len());
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), charts.len());
    let text = fs::read_to_string(dir.path().join("REPORT.md")).unwrap();
    assert!(text.contains("TOKEN=…") && !text.contains("se<cret"));
    let (first, second) = (page.find("<h2").unwrap(), page.find("<h3").unwrap());
    assert!(page.find("<h1").unwrap() < first && first < second, "headings are in order");
}

#[test]
fn the_words_of_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let page = simulated(dir.path(), settings(&[1, 2]), 0, 7).page(Theme::Auto);
    let body = &page[page.find("<main>").unwrap()..];
    let mut words = String::new();
    let mut rest = body;
    // Charts have tests of their own.
    while let Some(from) = rest.find("<svg") {
        words.push_str(&rest[..from]);
        rest = &rest[from + rest[from..].find("</svg>").unwrap() + 6..];
    }
    words.push_str(rest);
    let environment = words.find("<h2>Environment").unwrap();
    insta::assert_snapshot!(text_of(&words[..environment]));
}

/// Returns the text of markup, a line for each block.
fn text_of(markup: &str) -> String {
    let blocks = ["</p>", "</tr>", "</h1>", "</h2>", "</h3>", "</caption>", "</li>", "</dd>"];
    let spaced = markup.replace("</td>", " | ").replace("</th>", " | ").replace("</dt>", ": ");
    let lines = blocks.iter().fold(spaced, |text, end| text.replace(end, "\n"));
    let mut text = String::new();
    let mut is_tag = false;
    for c in lines.chars() {
        match c {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
