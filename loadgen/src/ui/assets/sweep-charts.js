// Charts of a sweep: latency and p_hold of each CPU limit.
import { Chart } from "./chart.js";
import { number, percent } from "./format.js";
import { quantile } from "./sweep-parts.js";
import { t } from "./words.js";

const VERDICTS = {
  pass: { word: "passedTrial", dot: { shape: "disc", color: "--good" } },
  fail: { word: "failedTrial", dot: { shape: "cross", color: "--bad" } },
  undecided: { word: "undecidedTrial", dot: { shape: "ring", color: "--warn" } },
};
// The color of the sweep that another is compared with.
const OTHER = "--c4";

const cpuText = (cpus) => number(cpus, cpus < 0.1 ? 3 : 2);

export function latencyChart(figure) {
  return new Chart(figure, {
    title: t("curveChart"),
    x: "value",
    logX: true,
    log: true,
    unit: " ms",
    formatX: cpuText,
  });
}

export function holdChart(figure) {
  return new Chart(figure, {
    title: t("holdChart"),
    x: "value",
    logX: true,
    unit: "%",
    min: 100,
    formatX: cpuText,
  });
}

// The latency at a CPU limit. A logarithmic axis has no place for 0.
const latencyPoint = (limits, measured) => [limits.cpus, Math.max(quantile(measured), 0.01)];

// Returns the series of one replica count: the given one, or the first that was measured. A name
// is that of a sweep to compare with.
function latencySeries(trials, replicas, name) {
  const first = trials.find((trial) => ["probe", "fresh"].includes(trial.purpose));
  const count = replicas ?? first?.replicas;
  const all = trials.filter((trial) => (trial.replicas ?? count) === count);
  return [...probeSeries(all, name), ...verdictSeries(all, name)];
}

const titled = (word, name) => (name ? `${t(word)} (${name})` : t(word));

function probeSeries(trials, name) {
  const probes = trials.filter((trial) => trial.readings?.length);
  return probes.map(({ readings }) => ({
    name: titled("probeReadings", name),
    color: name ? OTHER : "--c1",
    faint: Boolean(name),
    dots: true,
    points: readings
      .filter((reading) => !reading.is_memory && !reading.is_recovery)
      .map((reading) => latencyPoint(reading.limits, reading))
      .sort(([a], [b]) => a - b),
  }));
}

// Returns a series of dots for each verdict of the trials that started containers.
function verdictSeries(trials, name) {
  const measured = trials.filter((trial) => {
    return ["fresh", "ramp"].includes(trial.purpose) && trial.steps?.at(-1)?.requests > 0;
  });
  return Object.entries(VERDICTS).flatMap(([verdict, { word, dot }]) => {
    const color = name ? OTHER : dot.color;
    const points = measured
      .filter((trial) => trial.verdict === verdict)
      .map((trial) => [...latencyPoint(trial.limits, trial.steps.at(-1)), { ...dot, color }]);
    return points.length ? [{ name: titled(word, name), color, dots: "only", points }] : [];
  });
}

// Returns the latency limit that the trials were judged by.
export function limitOf(trials) {
  const rates = trials
    .flatMap((trial) => [...(trial.readings ?? []), ...(trial.steps ?? [])])
    .flatMap((measured) => measured.violation_rates ?? []);
  return rates.find((rate) => rate.over_ms !== null)?.over_ms;
}

// Draws latencies by CPU limit. `estimate` is the edge of what holds, `other` a sweep to compare
// with: {name, trials, replicas}.
export function drawLatency(chart, trials, { estimate, answer, limit, other }) {
  const limitMs = limit ?? limitOf(trials);
  const series = [
    ...latencySeries(trials, answer?.replicas),
    ...(other ? latencySeries(other.trials, other.replicas, other.name) : []),
  ];
  const [from, to] = estimate?.interval ?? [];
  chart.set(series, {
    bands: estimate ? [{ from, to, color: "--c6" }] : [],
    marks: answer ? [{ x: answer.cpus, label: t("answerMark"), color: "--good" }] : [],
    lines: limitMs ? [{ y: limitMs, label: t("limit", { ms: number(limitMs) }) }] : [],
  });
}

// Draws p_hold by CPU limit against the confidence that is required.
export function drawHold(chart, rungs, other, confidence = 0.95) {
  const series = (list, name, color, faint) => {
    const points = list.map((rung) => [rung.cpus, rung.p_hold * 100]);
    return { name, color, faint, dots: true, points };
  };
  const all = [series(rungs, "p_hold", "--c1")];
  if (other) all.push(series(other.rungs, other.name, OTHER, true));
  const line = { y: confidence * 100, label: percent(confidence), color: "--c3" };
  chart.set(all, { lines: [line] });
}
