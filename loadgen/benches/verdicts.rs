//! How often is the verdict wrong? On simulated services whose truth is known, with latencies correlated as throttling does it.
//!
//!     cargo bench -p loadgen --bench verdicts [-- SERVICES]

use loadgen::verdict::simulate::{Truth, judge_services};

fn main() {
    let services: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1000);
    println!(
        "{services} services for each row; p95<100ms; a window of 15 s, extended to 25, 40 and 60 s while undecided\n"
    );
    println!("| true share over the limit / allowed | pass | fail | undecided | wrong |\n|---|---|---|---|---|");
    let mut worst: f64 = 0.0;
    for ratio in [0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0] {
        let counts = judge_services(services, ratio, 1);
        let share = |count: u32| f64::from(count) / f64::from(services) * 100.0;
        let wrong = match counts.truth {
            Truth::Holds => share(counts.fail),
            Truth::Misses => share(counts.pass),
            Truth::Edge => 0.0,
        };
        worst = worst.max(wrong);
        println!(
            "| {ratio:.1} | {:.1}% | {:.1}% | {:.1}% | {wrong:.1}% |",
            share(counts.pass),
            share(counts.fail),
            share(counts.undecided)
        );
    }
    println!("\nThe most that was wrong beyond 10% of the limit: {worst:.1}% (5% allowed).");
    if worst > 5.0 {
        std::process::exit(1);
    }
}
