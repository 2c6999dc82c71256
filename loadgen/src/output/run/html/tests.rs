//! Tests of a run's page.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use loadtest::{
    measure::{FailureKind, Failures, Measured, Outcome, Second, Window},
    slo::Slo,
    verdict::{Judgement, StepsJudgement, Verdict},
    workload::{Plan, Request, Scenario},
};

use super::{RunReport, page};
use crate::output::Theme;

const OBJECTIVE: &str = "p95<100ms,failures<0.1%";

fn second(index: u64, requests: u64) -> Second {
    let mut second = Second { index, requests, users: 10, ..Second::default() };
    for latencies in [&mut second.service, &mut second.intended] {
        latencies.record_many(Duration::from_millis(20 + index), requests);
    }
    second
}

/// Returns the report of 10 seconds, in which the seconds 5 and 6 had no answer.
fn report(verdict: Verdict) -> RunReport {
    let plan = Plan::steady(10, 10.0, Duration::from_secs(10), "constant(1)".parse().unwrap());
    let seconds: Vec<Second> =
        (1..=10).map(|index| second(index, if (5..=6).contains(&index) { 0 } else { 8 })).collect();
    let mut all = Window { users: 10, ..Window::so_far(seconds.iter()) };
    let refused = Failures {
        count: 3,
        first: Duration::from_secs(4),
        last: Duration::from_secs(6),
        ..Failures::default()
    };
    all.failures.insert(FailureKind::Status(503), refused);
    let measured = Measured { all, tasks: Vec::new() };
    let judged = Judgement { verdict, reasons: vec!["7% of requests took over 100 ms".to_owned()] };
    let words = [(FailureKind::Status(503), "<script>alert(1)</script>".to_owned())];
    RunReport {
        hosts: vec!["http://127.0.0.1:8000".to_owned()],
        scenario: Arc::new(Scenario::single(&Request::get("/"))),
        plan: plan.unwrap(),
        due_per_second: vec![Some(10.0)],
        objective: OBJECTIVE.parse::<Slo>().ok(),
        judged: StepsJudgement { steps: vec![judged.clone()], overall: judged },
        aborted: None,
        calibrated: Some(50_000.0),
        began: UNIX_EPOCH + Duration::from_secs(1_795_889_728),
        seconds,
        earlier: Second::default(),
        outcome: Outcome {
            steps: vec![measured.clone()],
            total: measured,
            words: words.into_iter().collect(),
            ..Outcome::default()
        },
        command: ["loadgen", "run", "--api-key", "…"].map(str::to_owned).to_vec(),
    }
}

#[test]
fn a_page_is_one_file_that_loads_nothing_and_escapes_what_servers_say() {
    let page = page(&report(Verdict::Fail), Theme::Auto);
    for absent in ["<script", "src=", "href=", "@import", "<link", "url("] {
        assert!(!page.contains(absent), "{absent} is in the page");
    }
    assert_eq!(page.matches("http://").count(), page.matches("http://127.0.0.1:8000").count());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn the_verdict_comes_first_in_words_with_figures() {
    for (verdict, says) in [
        (Verdict::Pass, "The service met p95&lt;100ms,failures&lt;0.1%."),
        (Verdict::Fail, "The service missed p95&lt;100ms,failures&lt;0.1%: 7% of requests"),
        (Verdict::Undecided, "The requests are too few to decide"),
        (Verdict::Invalid, "The run does not tell whether"),
    ] {
        let page = page(&report(verdict), Theme::Auto);
        let lead = &page[page.find("class=\"lead\"").unwrap()..page.find("<dl").unwrap()];
        assert!(lead.contains(says) && lead.contains(&verdict.to_string()), "{lead}");
        assert!(lead.contains("With 10 users it answered"), "{lead}");
    }
    let without = RunReport { objective: None, ..report(Verdict::Pass) };
    assert!(page(&without, Theme::Auto).contains("No objective was set."));
}

#[test]
fn seconds_without_an_answer_are_gaps_in_times_and_zeros_in_rates() {
    let page = page(&report(Verdict::Pass), Theme::Auto);
    let chart = |title: &str| {
        let from = page.find(&format!("aria-label=\"{title}")).unwrap();
        &page[from..from + page[from..].find("</svg>").unwrap()]
    };
    let lines = |chart: &str| chart.matches("<polyline class=\"l0\"").count();
    assert_eq!(lines(chart("Response times from the due time")), 2);
    assert_eq!(lines(chart("Requests and failures")), 1);
    assert!(chart("Response times from the due time").contains("objective: p95&lt;100ms"));
}

#[test]
fn the_page_has_everything_a_reader_asks_for() {
    let page = page(&report(Verdict::Pass), Theme::Auto);
    for present in [
        "2026-11-28 18:15:28 UTC",
        "<td class=\"words\">intended</td>",
        "lag p99 ms",
        "run-queue delay",
        "50000 requests/s",
        "--api-key …",
        "first s",
    ] {
        assert!(page.contains(present), "{present} is not in the page");
    }
}
