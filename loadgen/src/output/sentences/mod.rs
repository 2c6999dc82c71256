//! Results in plain words.

mod below;
mod scaling;

use below::below;
use scaling::replicas_shrink;

use crate::{
    sweep::{
        Answer, Finding, Load, Mode, Purpose, ReplicaAnswer, Settings, Trial, TrialSpec, largest_drift, ramps,
        unevenness,
    },
    verdict::Verdict,
};

/// How much more of the reference's requests its fastest second may have than the mean. Chance makes it a few percent.
const MOST_UNEVEN: f64 = 0.1;

/// Why a trial is made.
pub fn purpose(spec: &TrialSpec) -> &'static str {
    match (spec.purpose, spec.load) {
        (Purpose::Calibrate, _) => "what does a request cost, and can the target be reached?",
        (Purpose::Search, _) => "searching",
        (Purpose::Confirm, Load::Loss) => "what if one of them is killed?",
        (Purpose::Confirm, Load::Ramp) => "confirming through every step",
        (Purpose::Confirm, _) => "does less fail?",
        (Purpose::Reference, _) => "the most it can take; is the machine still the same?",
    }
}

/// How a trial ended.
pub fn trial(trial: &Trial) -> String {
    let usage = &trial.usage;
    let figures = trial.steps.last().map_or_else(String::new, |s| {
        format!(
            "{} users, {:.0} req/s, p95 {:.1} ms, p99 {:.1} ms, {} of {} failed; ",
            s.users, s.requests_per_second, s.intended_ms.p95, s.intended_ms.p99, s.failures, s.requests
        )
    });
    let server = match (usage.server_queue_ms, usage.server_inference_ms) {
        (Some(queue), Some(inference)) => format!(", {queue:.2} ms in its queue and {inference:.2} ms in inference"),
        _ => String::new(),
    };
    let why = if trial.reasons.is_empty() { String::new() } else { format!(" ({})", trial.reasons.join("; ")) };
    let bound = trial.binding_resource.map_or_else(String::new, |b| format!(", limit: {b}"));
    // What was in the page cache before is charged to nobody here, and to the replica on a fresh machine.
    let mapped = match usage.mapped_file_bytes.filter(|_| !trial.cold) {
        Some(bytes) => format!(" charged to it and {} mapped, for it began warm", bytes >> 20),
        None => String::new(),
    };
    let thefts = match usage.thefts {
        0 => String::new(),
        times => format!(", its window begun again {times} x for steal"),
    };
    format!(
        "{}{bound}: {figures}{:.2} CPU used, {:.0}% of periods throttled, memory peak {} MiB ({} anonymous, {} files{mapped}, {} sockets){server}{thefts}{why}",
        trial.verdict.to_string().to_uppercase(),
        usage.cpus_used,
        usage.throttled_share * 100.0,
        usage.memory_peak_bytes >> 20,
        usage.anon_bytes >> 20,
        usage.file_bytes >> 20,
        usage.sock_bytes >> 20
    )
}

/// The answer for one replica count.
pub fn replicas(answer: &ReplicaAnswer, settings: &Settings, trials: &[Trial]) -> String {
    let count = if answer.replicas == 1 { "1 replica".to_owned() } else { format!("{} replicas", answer.replicas) };
    match &answer.finding {
        Finding::Minimum(minimum) => {
            let limits = minimum.point.limits;
            format!(
                "{count} with {} CPU and {} MiB each {} {} users. {}",
                limits.cpus,
                limits.memory_bytes >> 20,
                if answer.replicas == 1 { "holds" } else { "hold" },
                settings.max_users,
                below(minimum, settings, trials)
            )
        }
        Finding::NotHeld { held_users, is_close: true } => format!(
            "{count}: whether {} users are held by the largest limits that were tried is too close to call; {held_users} users are.",
            settings.max_users
        ),
        Finding::NotHeld { held_users, is_close: false } => format!(
            "{count}: {} users are not held by the largest limits that were tried; {held_users} users are.",
            settings.max_users
        ),
        Finding::Capacity { point, users } if *users >= settings.max_users => {
            format!("{point}: {users} users are held; more were not tried.")
        }
        Finding::Capacity { point, users } => format!("{point}: {users} users are held; more were not confirmed."),
        Finding::Grid { cheapest: Some(cheapest) } => format!("{count}: the cheapest point that holds is {cheapest}."),
        Finding::Grid { cheapest: None } => format!("{count}: no point holds {} users.", settings.max_users),
        Finding::NotTried => format!(
            "{count}: not tried, since so many cannot have even the smallest limits: {} CPU and {} MiB each.",
            settings.cpus.rung(0) as f64 / 1000.0,
            settings.memory.rung(0) >> 20
        ),
        Finding::Unmeasurable => format!(
            "{count}: not known, since a trial that it needs was invalid, again and again: it was the generator or the hypervisor, and \
             not the server, that set its figures. Its reasons name which; use a quieter machine, or more processors."
        ),
    }
}

/// The answers to the questions that a sweep is made for, a sentence or two each.
pub struct Answers {
    /// The minimum found.
    pub minimum: String,
    /// Whether more replicas let it shrink, in total and per replica.
    pub replicas_shrink: String,
    /// The most it could take.
    pub capacity: String,
    /// How far it got and what the limit was, if the target was not reached; what was proved, if it was.
    pub limit: String,
    /// What the trials show for a stricter objective, under which the stops of a quota would not hide.
    pub tighter: String,
    /// Whether the machine was the same all the time.
    pub machine: String,
    /// Whether memory minima hold for a replica that starts on a fresh machine.
    pub page_cache: String,
}

/// Answers from all trials.
pub fn answers(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> Answers {
    Answers {
        minimum: minimum(settings, answer, trials),
        replicas_shrink: replicas_shrink(settings, answer, trials),
        capacity: capacity(settings, answer),
        limit: limit(settings, answer, trials),
        tighter: tighter(settings, trials),
        machine: machine(trials),
        page_cache: page_cache(trials),
    }
}

/// With a limit of 100 ms on the 95th percentile, a stop of a quota's period of 100 ms hides.
const TIGHTER_P99_MS: f64 = 50.0;

fn tighter(settings: &Settings, trials: &[Trial]) -> String {
    match Answer::cheapest_with_p99(settings, trials, TIGHTER_P99_MS) {
        None => format!("No trial shows limits with p99 < {TIGHTER_P99_MS} ms."),
        Some(trial) => format!(
            "For p99 < {TIGHTER_P99_MS} ms the cheapest of these trials is {} (p99 {:.1} ms, {:.0}% of periods throttled); cheaper ones were \
             not looked for.",
            trial.spec.point,
            trial.steps.last().map_or(0.0, |s| s.intended_ms.p99),
            trial.usage.throttled_share * 100.0
        ),
    }
}

/// Of a sweep that was ended before there was an answer.
fn ended_before(settings: &Settings, trials: &[Trial]) -> String {
    if let Some(minimum) = Answer::before_the_change(settings, trials) {
        return format!(
            "No minimum is known of the machine as it is now: it changed, so that trials have to be made again, and the sweep was ended \
             before. As it was, {} was {} {} users, confirmed by ramps on fresh replicas.",
            minimum.point,
            if minimum.is_refined() { "the minimum for" } else { "known to hold" },
            settings.max_users
        );
    }
    match Answer::best_so_far(settings, trials) {
        None => "No minimum is known yet: the sweep was ended before.".to_owned(),
        Some(best) => format!(
            "No minimum is known yet: the sweep was ended before. The cheapest limits that passed a trial by then are {}; that was not \
             confirmed.",
            best.spec.point
        ),
    }
}

fn machine(trials: &[Trial]) -> String {
    let invalid = trials.iter().filter(|t| t.verdict == Verdict::Invalid).count();
    let invalid = match invalid {
        0 => "no trial was invalid".to_owned(),
        n => format!("{n} trial(s) were invalid, since the generator, the machine or the Engine stood in the way"),
    };
    let uneven = unevenness(trials).filter(|more| *more > MOST_UNEVEN).map(|more| {
        format!(
            " The machine was uneven: a saturated replica answered {:.0}% more requests in its fastest second than on average, as it does when \
             other guests share the cores. Trials near the edge pass and fail by chance then.",
            more * 100.0
        )
    });
    let changed = match largest_drift(trials) {
        None => format!("Whether the machine changed meanwhile was not measured; {invalid}."),
        Some(change) => {
            format!(
                "CPU seconds a request of the reference changed by {:+.1}% at most while the sweep ran; {invalid}.",
                change * 100.0
            )
        }
    };
    changed + &uneven.unwrap_or_default()
}

fn page_cache(trials: &[Trial]) -> String {
    // The first trial teaches what is evicted before the others, and its memory limit is no candidate.
    let judged = || trials.iter().filter(|t| t.spec.purpose != Purpose::Calibrate && !t.steps.is_empty());
    let warm = judged().filter(|t| !t.cold).count();
    match judged().find_map(|t| t.warm_because.as_ref()) {
        None if judged().count() == 0 => "No trial tells of cold starts.".to_owned(),
        None => {
            let cold = "Every trial began cold: the files that the replicas run from were evicted from the page cache, so that what they \
                        read is charged to them";
            match judged().any(|t| t.spec.point.replicas > 1) {
                false => format!("{cold} as on a fresh machine."),
                // A page is charged to the cgroup that touches it first.
                true => format!(
                    "{cold}. Replicas on one machine share the pages of these files, each charged to the first that reads it: what is said \
                     of several replicas holds for them together on one machine, and one that starts on a machine of its own needs as \
                     much memory for its files as a single replica."
                ),
            }
        }
        Some(why) => format!(
            "{warm} of {} trials did not begin cold ({why}): memory minima are not claimed for a cold start.",
            judged().count()
        ),
    }
}

fn minimum(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> String {
    if matches!(settings.mode, Mode::Capacity | Mode::Grid) {
        return answer.per_replicas.iter().map(|a| replicas(a, settings, trials)).collect::<Vec<_>>().join(" ");
    }
    match answer.cheapest(settings) {
        Some(minimum) => {
            let point = minimum.point;
            let is = if minimum.is_refined() { "The minimum for" } else { "What is known to hold" };
            format!(
                "{is} {} users is {point}{}. {}",
                settings.max_users,
                if point.replicas > 1 {
                    format!(" each ({} CPU and {} MiB in total)", point.total_cpus(), point.total_memory_bytes() >> 20)
                } else {
                    String::new()
                },
                below(&minimum, settings, trials)
            )
        }
        None if answer.per_replicas.is_empty() => ended_before(settings, trials),
        None => {
            let is_known = answer
                .per_replicas
                .iter()
                .all(|a| matches!(a.finding, Finding::NotHeld { is_close: false, .. } | Finding::NotTried));
            match is_known {
                true => format!("No limits that were tried hold {} users.", settings.max_users),
                false => {
                    format!("No limits were shown to hold {} users; it is not known that none do.", settings.max_users)
                }
            }
        }
    }
}

fn capacity(settings: &Settings, answer: &Answer<'_>) -> String {
    let Some(step) = answer.capacity.and_then(|t| t.steps.last().map(|s| (t, s))) else {
        return "The most it can take was not measured.".to_owned();
    };
    let (trial, step) = step;
    let think = settings.wait_time.mean().as_secs_f64();
    let share = if step.generator_busy > 0.9 {
        " The generator was near its own limit then, so the server may do more."
    } else {
        ""
    };
    let users = step.requests_per_second * (think + step.service_ms.mean / 1000.0);
    let held = answer.per_replicas.iter().filter_map(ReplicaAnswer::held_users).max();
    let beside = match held.filter(|_| answer.cheapest(settings).is_none()) {
        Some(held) => format!("; within the objective {held} were held"),
        None if users > f64::from(settings.max_users) => "; so many were not tried".to_owned(),
        None => String::new(),
    };
    format!(
        "The most it took is {:.0} requests/s with {} ({} users without think time, p95 {:.1} ms). By X = N / (R + Z) that is what about {users:.0} users with a mean think time of {think} s would send{beside}.{share}",
        step.requests_per_second, trial.spec.point, step.users, step.service_ms.p95,
    )
}

fn limit(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> String {
    if matches!(settings.mode, Mode::Capacity | Mode::Grid) {
        let failed = trials.iter().rev().find(|t| t.verdict == Verdict::Fail).and_then(|t| t.binding_resource);
        return failed
            .map_or_else(|| "No trial failed.".to_owned(), |b| format!("Where trials failed, the limit was: {b}."));
    }
    if settings.mode == Mode::Frontier {
        let front: Vec<String> = Answer::front(settings, trials).iter().map(ToString::to_string).collect();
        return format!("Confirmed, and not beaten in CPU, memory and replicas by others: {}.", front.join("; "));
    }
    if let Some(minimum) = answer.cheapest(settings) {
        let (passed, close) = ramps(settings, trials, minimum.point);
        let close = match close {
            0 => String::new(),
            close => format!(" ({close} more stayed too close to call)"),
        };
        return format!(
            "{} users were reached, {} at a time; the winner went through every step {passed} time(s) on fresh replicas{close}.",
            settings.max_users, settings.step
        );
    }
    let best = answer.per_replicas.iter().filter(|a| a.held_users().is_some()).max_by_key(|a| a.held_users());
    match best {
        Some(best) => {
            let is_missed = |t: &&Trial| {
                t.spec.load == Load::Ramp
                    && t.spec.users == settings.max_users
                    && t.spec.point.replicas == best.replicas
                    && matches!(t.verdict, Verdict::Fail | Verdict::Undecided)
            };
            let bound = trials
                .iter()
                .rev()
                .find(is_missed)
                .and_then(|t| t.binding_resource)
                .map_or_else(|| "not known".to_owned(), |b| b.to_string());
            let is_close = matches!(best.finding, Finding::NotHeld { is_close: true, .. });
            format!(
                "{} users were {}. The most held is {} users with {} replica(s); the limit was: {bound}.",
                settings.max_users,
                if is_close { "too close to call" } else { "not reached" },
                best.held_users().unwrap_or(0),
                best.replicas
            )
        }
        None if answer.per_replicas.is_empty() => "The sweep was ended before there was an answer.".to_owned(),
        None => answer.per_replicas.iter().map(|a| replicas(a, settings, trials)).collect::<Vec<_>>().join(" "),
    }
}
