//! Error rates of verdicts, on simulated services whose truth is known, with latencies
//! correlated as throttling does it.
//!
//!     cargo bench -p loadtest --bench verdicts [-- SERVICES]

use loadtest::verdict::{
    LEAST_CHANCE,
    simulate::{Counts, Truth, judge_services},
};

fn main() {
    let services: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1000);
    println!(
        "{services} services for each row; p95<100ms; a window of 15 s, extended to 25, 40 and 60 \
            s while undecided; in brackets while that has a chance of {:.0}% to decide it, as \
            sweeps do\n",
        LEAST_CHANCE * 100.0
    );
    println!(
        "| true share over the limit / allowed | pass | fail | undecided | wrong | seconds \
            |\n|---|---|---|---|---|---|"
    );
    let mut worst: f64 = 0.0;
    for ratio in [0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0] {
        let both = [0.0, LEAST_CHANCE]
            .map(|least_chance| judge_services(services, ratio, least_chance, 1));
        let share = |count: u32| f64::from(count) / f64::from(services) * 100.0;
        let wrong = |counts: &Counts| match counts.truth {
            Truth::Holds => share(counts.fail),
            Truth::Misses => share(counts.pass),
            Truth::Edge => 0.0,
        };
        worst = both.iter().map(wrong).fold(worst, f64::max);
        let cell = |of: &dyn Fn(&Counts) -> f64, unit: &str| {
            let [whole, curtailed] = both.each_ref().map(of);
            format!("{whole:.1}{unit} ({curtailed:.1}{unit})")
        };
        println!(
            "| {ratio:.1} | {} | {} | {} | {} | {} |",
            cell(&|counts| share(counts.pass), "%"),
            cell(&|counts| share(counts.fail), "%"),
            cell(&|counts| share(counts.undecided), "%"),
            cell(&wrong, "%"),
            cell(&|counts| counts.seconds as f64 / f64::from(services), ""),
        );
    }
    println!("\nThe most that was wrong beyond 10% of the limit: {worst:.1}% (5% allowed).");
    if worst > 5.0 {
        std::process::exit(1);
    }
}
