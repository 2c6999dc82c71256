//! Summary of a sweep in sentences.

use loadtest::verdict::Verdict;
use sizing::{
    sweep::{Answer, Finding, Minimum, ReplicaAnswer, RungAnswer},
    trial::{Bottleneck, Headroom, Mode, Point, Purpose, Settings, THROTTLED, Trial},
};

use crate::output::sweep::rows::thousands;

/// Summary of a sweep, with a sentence or two on each question.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Words {
    /// Smallest limits that hold the objective.
    pub minimum: String,
    /// Effect of more replicas on the limits.
    pub replicas_shrink: String,
    /// Highest request rate of the service.
    pub capacity: String,
    /// Comparison of one instance with several.
    pub instances: String,
    /// Remaining work of a sweep that ended early; empty for a complete one.
    pub remaining: String,
    /// Noise of the machine.
    pub machine: String,
    /// Validity of the memory limits for a cold start.
    pub cold_start: String,
    /// Evidence for a stricter objective.
    pub stricter: String,
}

/// Limit of a stricter objective's p99. A p95 limit of 100 ms can hide a stop of a whole quota
/// period (100 ms).
const STRICTER_P99_MS: f64 = 50.0;

impl Words {
    /// Summarizes answers; `is_whole` is true for a completed sweep.
    pub fn new(settings: &Settings, answer: &Answer<'_>, trials: &[Trial], is_whole: bool) -> Self {
        Self {
            minimum: minimum(settings, answer, is_whole),
            replicas_shrink: replicas_shrink(settings, answer, trials),
            capacity: capacity(settings, answer),
            instances: instances(settings, answer, trials),
            remaining: if is_whole { String::new() } else { remaining(settings, answer) },
            machine: machine(trials),
            cold_start: cold_start(trials),
            stricter: stricter(settings, trials),
        }
    }
}

/// Returns the answer for one replica count as a line.
pub fn count_line(answer: &ReplicaAnswer, settings: &Settings) -> String {
    let count = replicas(answer.replicas);
    let users = settings.max_users;
    match &answer.finding {
        Finding::Minimum(minimum) => {
            format!("{}: {}", holds(minimum, settings), neighbours(answer, minimum))
        }
        Finding::Unconfirmed { minimum, .. } => format!(
            "{count}: {} CPU holds in {} of starts; not confirmed yet.",
            minimum.point.limits.cpus,
            percent(minimum.p_hold)
        ),
        Finding::Growing { minimum, growth } => format!(
            "{count}: no minimum. Memory still grows by {} a second at the end of a hold: {} MiB \
                last for {} more. {} CPU holds the objective until then.",
            bytes(growth.bytes_per_second),
            minimum.point.limits.memory_bytes >> 20,
            length(growth.lasts_seconds),
            minimum.point.limits.cpus
        ),
        Finding::Unknown => format!("{count}: unknown."),
        Finding::NotHeld { held_users, is_undecided: true } => {
            format!(
                "{count}: whether the largest limits hold {users} users is undecided; {held_users} \
                    users are held."
            )
        }
        Finding::NotHeld { held_users, is_undecided: false } => {
            format!(
                "{count}: the largest limits do not hold {users} users; {held_users} users are \
                    held."
            )
        }
        Finding::Capacity { point, users: held, p_hold } if *held > 0 => {
            let more = if *held >= users { "; more were not tried" } else { "" };
            format!("{point} holds {held} users in {} of starts{more}.", percent(*p_hold))
        }
        Finding::Capacity { point, .. } => {
            format!("{point} does not hold {} users.", settings.step)
        }
        Finding::Grid { cheapest: Some(cheapest) } => {
            format!("{count}: the cheapest point that holds is {cheapest}.")
        }
        Finding::Grid { cheapest: None } => format!("{count}: no point holds {users} users."),
        Finding::NotTried => format!(
            "{count}: not tried; this machine cannot give each the smallest limits, {} CPU and {} \
                MiB.",
            settings.cpus.rung(0) as f64 / 1000.0,
            settings.memory.rung(0) >> 20
        ),
        Finding::Unmeasurable => format!(
            "{count}: unknown; every attempt at a required trial was invalid, limited by the load \
                generator or by CPU steal, not by the server. Use a quieter machine, or more \
                processors."
        ),
    }
}

/// Formats a probability in percent, never rounded to certainty.
pub fn percent(p: f64) -> String {
    match p {
        p if p > 0.99 => ">99%".to_owned(),
        p if p < 0.01 => "<1%".to_owned(),
        p => format!("{:.0}%", p * 100.0),
    }
}

fn bytes(bytes: f64) -> String {
    if bytes < 1e6 { format!("{:.0} kB", bytes / 1e3) } else { format!("{:.1} MB", bytes / 1e6) }
}

fn length(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

fn replicas(count: u32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

fn holds(minimum: &Minimum, settings: &Settings) -> String {
    let Minimum { point, p_hold, .. } = minimum;
    let each = if point.replicas == 1 { "" } else { " each" };
    format!(
        "{point}{each} holds {} users in {} of starts ({} asked for)",
        settings.max_users,
        percent(*p_hold),
        percent(settings.confidence)
    )
}

/// Returns the rungs beside a minimum with their probabilities, and the evidence on less memory.
fn neighbours(answer: &ReplicaAnswer, minimum: &Minimum) -> String {
    let at =
        answer.rungs.iter().position(|rung| rung.cpus == minimum.point.limits.cpus).unwrap_or(0);
    let below = &answer.rungs[at.saturating_sub(2)..at];
    let above = answer.rungs.iter().skip(at + 1).take(2);
    // A smaller limit under which a start passed looks like a contradiction, so its counts are
    // shown.
    let passed = |rung: &RungAnswer| match (rung.passed, rung.passed + rung.failed) {
        (0, _) => String::new(),
        (passed, all) if rung.cpus < minimum.point.limits.cpus => {
            format!(" ({passed} of {all} starts passed)")
        }
        _ => String::new(),
    };
    let told = below
        .iter()
        .chain(above)
        .map(|rung| format!("{} CPU {}{}", rung.cpus, percent(rung.p_hold), passed(rung)));
    let cpus = told.collect::<Vec<String>>().join(", ");
    let lowest = if minimum.is_lowest_cpu { "no smaller CPU limit was tried" } else { "" };
    let memory = match (minimum.is_lowest_memory, minimum.less_memory_lacks) {
        (true, _) => "no smaller memory limit was tried",
        (false, true) => "the next smaller memory limit is too little",
        (false, false) => "less memory was not tried",
    };
    let parts = [lowest, &cpus, memory].into_iter().filter(|part| !part.is_empty());
    format!("{}.", parts.collect::<Vec<_>>().join("; "))
}

fn minimum(settings: &Settings, answer: &Answer<'_>, is_whole: bool) -> String {
    if matches!(settings.mode, Mode::Capacity | Mode::Grid) {
        return answer
            .per_replicas
            .iter()
            .map(|known| count_line(known, settings))
            .collect::<Vec<_>>()
            .join(" ");
    }
    if settings.mode == Mode::Demand {
        return demand(answer);
    }
    let cheapest = answer.cheapest(settings);
    let its = cheapest.and_then(|minimum| {
        let known =
            answer.per_replicas.iter().find(|known| known.replicas == minimum.point.replicas)?;
        Some((minimum, known))
    });
    match its {
        Some((minimum, known)) => {
            let early = if is_whole { "" } else { "The sweep ended early; confirmed by then: " };
            let headroom = headroom(settings, known);
            format!(
                "{early}{}. Beside it: {}{headroom}",
                holds(&minimum, settings),
                neighbours(known, &minimum)
            )
        }
        None if !is_whole => {
            let known: Vec<String> =
                answer.per_replicas.iter().map(|known| count_line(known, settings)).collect();
            match known.is_empty() {
                true => "The sweep ended before anything was measured.".to_owned(),
                false => {
                    format!("The sweep ended early, with nothing confirmed. {}", known.join(" "))
                }
            }
        }
        None => answer
            .per_replicas
            .iter()
            .map(|known| count_line(known, settings))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Returns the sentence on the manifests, if headroom is set.
fn headroom(settings: &Settings, known: &ReplicaAnswer) -> String {
    match (settings.headroom == Headroom::default(), known.recommended) {
        (true, _) => String::new(),
        (false, Some(point)) if is_cut(settings, known, point) => format!(
            " The manifests have {point}, the most that this machine and --cpus and --memory \
                allow: less headroom than was asked for."
        ),
        (false, Some(point)) => format!(" The manifests have {point}, with headroom."),
        (false, None) => {
            " The headroom was not confirmed: the manifests have the minimum.".to_owned()
        }
    }
}

/// Returns true if limits with headroom have less of it than requested.
fn is_cut(settings: &Settings, known: &ReplicaAnswer, point: Point) -> bool {
    let Some(minimum) = known.minimum() else { return false };
    let share = |of: fn(Point) -> f64| of(point) / of(minimum.point) - 1.0 + 1e-6;
    share(|point| point.limits.cpus.millis.into()) < settings.headroom.cpu
        || share(|point| point.limits.memory_bytes as f64) < settings.headroom.memory
}

fn demand(answer: &Answer<'_>) -> String {
    let (Some(first), Some(last)) = (answer.demand.first(), answer.demand.last()) else {
        return "The demand was not measured.".to_owned();
    };
    let middle = answer.demand[answer.demand.len() / 2];
    let verified = answer.demand.iter().filter(|point| point.is_verified).count();
    format!(
        "Least CPU: {:.2} for {} users, {:.2} for {}, {:.2} for {}; {verified} of these verified \
            by fresh trials.",
        first.cpus, first.users, middle.cpus, middle.users, last.cpus, last.users
    )
}

fn remaining(settings: &Settings, answer: &Answer<'_>) -> String {
    let begun: Vec<u32> = answer.per_replicas.iter().map(|known| known.replicas).collect();
    let missing = answer.per_replicas.iter().filter_map(|known| {
        let count = replicas(known.replicas);
        match &known.finding {
            Finding::Unconfirmed { fresh, ramps, .. } => {
                let trials =
                    |n: &usize, what: &str| format!("{n} {what}{}", if *n == 1 { "" } else { "s" });
                Some(format!(
                    "{count}: {} and {}",
                    trials(fresh, "fresh trial"),
                    trials(ramps, "ramp")
                ))
            }
            Finding::Unknown => Some(format!("{count}: everything after the first trials")),
            Finding::Minimum(_) => known.remaining.map(|purpose| match purpose {
                Purpose::ReplicaFailure => format!("{count}: the failure of one"),
                _ => format!("{count}: the trial with headroom"),
            }),
            _ => None,
        }
    });
    let untried = settings
        .replicas
        .iter()
        .filter(|count| !begun.contains(count))
        .map(|count| format!("{}: everything", replicas(*count)));
    let all: Vec<String> = missing.chain(untried).collect();
    if all.is_empty() { String::new() } else { format!("Remaining: {}.", all.join("; ")) }
}

fn replicas_shrink(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> String {
    let mut known =
        answer.per_replicas.iter().filter_map(ReplicaAnswer::minimum).map(|minimum| minimum.point);
    let Some(one) = known.next() else {
        return "Unknown: no replica count has a confirmed minimum.".to_owned();
    };
    let rest: Vec<Point> = known.collect();
    if rest.is_empty() {
        return "Unknown: only one replica count has a confirmed minimum.".to_owned();
    }
    let each: Vec<String> = rest
        .iter()
        .map(|more| {
            let total = settings.cost(*more) - settings.cost(one);
            let verdict = if total < -1e-9 {
                "cheaper in all"
            } else if total < 1e-9 {
                "the same in all"
            } else {
                "dearer in all"
            };
            format!(
                "{} need {} CPU and {} MiB each, {:.2} CPU and {} MiB together: {verdict}",
                replicas(more.replicas),
                more.limits.cpus,
                more.limits.memory_bytes >> 20,
                more.total_cpus(),
                more.total_memory_bytes() >> 20
            )
        })
        .collect();
    let throttling =
        throttling(settings, one, trials).map_or_else(String::new, |broken| format!(" {broken}"));
    format!(
        "Against {:.2} CPU and {} MiB alone, {}.{throttling}",
        one.total_cpus(),
        one.total_memory_bytes() >> 20,
        each.join("; ")
    )
}

/// Returns the smallest count at which CPU throttling breaks the objective, although the work would
/// fit: its total CPU is no less than that with which fewer replicas hold.
fn throttling(settings: &Settings, one: Point, trials: &[Trial]) -> Option<String> {
    let is_broken = |trial: &&Trial| {
        trial.spec.point.replicas > one.replicas
            && trial.spec.users == settings.max_users
            && matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
            && trial.verdict == Verdict::Fail
            && trial.bottleneck == Some(Bottleneck::Cpu)
            && trial.usage.throttled_share > THROTTLED
            && trial.spec.point.total_cpus() + 1e-9 >= one.total_cpus()
    };
    let broken = trials.iter().filter(is_broken).min_by_key(|trial| trial.spec.point.replicas)?;
    Some(format!(
        "With {} replicas CPU throttling breaks the objective: {} is {:.2} CPU in all and fails \
            with {:.0}% of periods throttled.",
        broken.spec.point.replicas,
        broken.spec.point,
        broken.spec.point.total_cpus(),
        broken.usage.throttled_share * 100.0
    ))
}

fn capacity(settings: &Settings, answer: &Answer<'_>) -> String {
    let Some((trial, step)) = answer.capacity.and_then(|trial| Some((trial, trial.steps.last()?)))
    else {
        return "The most that the service takes was not measured.".to_owned();
    };
    let answered = 1.0 - step.failures as f64 / step.requests.max(1) as f64;
    let rate = step.requests_per_second * answered;
    if rate <= 0.0 {
        let why: Vec<String> =
            step.failed.iter().map(|(kind, count)| format!("{count} times {kind}")).collect();
        let why =
            if why.is_empty() { "no request was answered".to_owned() } else { why.join(", ") };
        return format!("Not known: {} answered no request ({why}).", trial.spec.point);
    }
    let think = settings.wait_time.mean().as_secs_f64();
    let users = rate * (think + step.service_ms.mean / 1000.0);
    let limited = if step.generator_busy > 0.9 {
        " The generator was near its own limit, so it may be more."
    } else {
        ""
    };
    format!(
        "{} requests/s with {} ({} users without think time), as many as about {} users with a \
            mean think time of {think} s send (X = N / (R + Z)).{limited}",
        thousands(rate),
        trial.spec.point,
        step.users,
        thousands(users)
    )
}

fn instances(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> String {
    let Some(cheapest) = answer.cheapest(settings) else {
        return "Unknown: no minimum was confirmed.".to_owned();
    };
    let count = cheapest.point.replicas;
    let answered = answer.per_replicas.iter().filter(|known| known.minimum().is_some()).count();
    let cost = match (answered, count) {
        (1, count) => format!("{} (no other count was answered)", replicas(count)),
        (_, 1) => "One instance is the cheapest".to_owned(),
        (_, count) => format!("{count} instances are the cheapest"),
    };
    let losses: Vec<String> = losses(trials);
    let loss = if losses.is_empty() { String::new() } else { format!("; {}", losses.join("; ")) };
    format!("{cost}{loss}.")
}

/// Returns the effect of a killed replica on requests, from the last trial of each replica count.
fn losses(trials: &[Trial]) -> Vec<String> {
    let lost = trials
        .iter()
        .filter(|t| t.spec.purpose == Purpose::ReplicaFailure && t.verdict != Verdict::Invalid);
    let last: std::collections::BTreeMap<u32, &Trial> =
        lost.map(|trial| (trial.spec.point.replicas, trial)).collect();
    let of = |trial: &Trial| {
        let [before, .., after] = &trial.steps[..] else { return None };
        let failures: u64 = trial.steps.iter().map(|s| s.failures).sum();
        let held = match after.verdict {
            Verdict::Pass => "the rest hold the objective",
            Verdict::Undecided | Verdict::Invalid => {
                "whether the rest hold the objective is undecided"
            }
            Verdict::Fail if !trial.usage.ended.is_empty() => "the rest end too",
            Verdict::Fail => "the rest do not hold the objective",
        };
        Some(format!(
            "when 1 of {} is killed, {} of {} requests fail and {held}",
            trial.spec.point.replicas,
            thousands(failures as f64),
            thousands((before.requests + after.requests) as f64)
        ))
    };
    last.into_values().filter_map(of).collect()
}

fn machine(trials: &[Trial]) -> String {
    let invalid = trials.iter().filter(|t| t.verdict == Verdict::Invalid).count();
    let steal = trials.iter().filter_map(|t| t.usage.steal_share).fold(0.0, f64::max);
    let invalid = match invalid {
        0 => "No trial was invalid".to_owned(),
        1 => "1 trial was invalid".to_owned(),
        n => format!("{n} trials were invalid"),
    };
    format!("{invalid}; the hypervisor took {:.1}% of the machine at most.", steal * 100.0)
}

fn cold_start(trials: &[Trial]) -> String {
    let is_start = |t: &&Trial| {
        matches!(t.spec.purpose, Purpose::Fresh | Purpose::Ramp) && !t.steps.is_empty()
    };
    let judged = || trials.iter().filter(is_start);
    let warm = judged().filter(|t| !t.cold_start).count();
    match judged().find_map(|t| t.warm_because.as_ref()) {
        None if judged().count() == 0 => "No trial tells of cold starts.".to_owned(),
        None if judged().any(|t| t.spec.point.replicas > 1) => {
            // The kernel charges a page to the cgroup that touches it first.
            "Every fresh trial began cold. Replicas on one machine share the pages of their files; \
                one on a machine of its own needs as much memory for them as a single replica."
                .to_owned()
        }
        None => "Every fresh trial began cold.".to_owned(),
        Some(why) => format!(
            "{warm} of {} fresh trials did not begin cold ({why}): memory limits are not claimed \
                for a cold start.",
            judged().count()
        ),
    }
}

fn stricter(settings: &Settings, trials: &[Trial]) -> String {
    match Answer::cheapest_with_p99(settings, trials, STRICTER_P99_MS) {
        None => format!("No trial shows limits with p99 < {STRICTER_P99_MS} ms."),
        Some(trial) => format!(
            "The cheapest trial with p99 < {STRICTER_P99_MS} ms was {} (p99 {:.1} ms); cheaper \
                ones were not looked for.",
            trial.spec.point,
            trial.steps.last().map_or(0.0, |s| s.intended_ms.p99)
        ),
    }
}
