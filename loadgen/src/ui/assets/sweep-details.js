// A finished sweep: its answer, charts, replica counts, questions, trials and files.
import { getJson, make, scrollRegion } from "./dom.js";
import { number, percent } from "./format.js";
import { drawHold, drawLatency, holdChart, latencyChart } from "./sweep-charts.js";
import { judgeForm } from "./sweep-judge.js";
import {
  backLink,
  body,
  limitsOf,
  memory,
  resumeRow,
  sweepPath,
  trialTable,
} from "./sweep-parts.js";
import { table } from "./table.js";
import { t } from "./words.js";

const QUESTIONS = [
  ["questionSmallest", "minimum"],
  ["questionReplicas", "replicas_shrink"],
  ["questionMost", "capacity"],
  ["questionInstances", "instances"],
  ["questionStricter", "stricter"],
  ["questionRemaining", "remaining"],
];

// The sweep that the shown one is compared with.
let other = null;

export function discardComparison() {
  other = null;
}

// Shows a sweep. `judged` has the values that it was judged again by, if it was. `showFailure`
// shows an error in place of the sweep.
export function showDetails(sweep, showFailure, judged) {
  const figures = [make("figure", { class: "wide" }), make("figure")];
  const counts = make("table");
  const trials = make("table");
  const countsFigure = make(
    "figure",
    {},
    make("figcaption", { text: t("perReplicas") }),
    scrollRegion(t("perReplicas"), counts),
  );
  body().replaceChildren(
    backLink(),
    make("h2", { text: `${sweep.name} · ${sweep.environment?.image ?? t("models")}` }),
    ...(sweep.note ? [make("p", { class: "banner warn", role: "status", text: sweep.note })] : []),
    answer(sweep),
    ...(sweep.ended_early && !judged ? [resumeRow(sweep.name)] : []),
    judgeForm(sweep, judged, other, {
      onJudged: (again, values) => showDetails(again, showFailure, values),
      onCompare: (name) => compare(name, sweep, showFailure, judged),
    }),
    make("div", { class: "charts" }, ...figures, countsFigure),
    make("h2", { text: t("questions") }),
    questions(sweep.answers),
    make("h2", { text: t("trials") }),
    scrollRegion(t("trials"), trials),
    make("h2", { text: t("files") }),
    files(sweep),
  );
  drawCharts(figures, sweep, judged);
  countTable(counts, sweep);
  trialTable(trials, sweep.trials);
}

async function compare(name, sweep, showFailure, judged) {
  other = null;
  try {
    if (name) other = await getJson(sweepPath(name));
  } catch (error) {
    showFailure(error);
    return;
  }
  showDetails(sweep, showFailure, judged);
}

function answer(sweep) {
  const { minimal } = sweep;
  if (!minimal) {
    const text = `${t("nothingConfirmed")}. ${sweep.answers.minimum}`;
    return make("p", { class: "card answer", text });
  }
  const users = number(sweep.max_users);
  const holds = t("holds", { users, p: percent(minimal.p_hold, 1) });
  const limits = make("strong", { text: limitsOf(minimal) });
  return make("p", { class: "card answer" }, limits, ` ${holds}.`);
}

function drawCharts([latencyFigure, holdFigure], sweep, judged) {
  const second = other && {
    name: other.name,
    trials: other.trials,
    replicas: other.minimal?.replicas,
    rungs: rungsOf(other),
  };
  drawLatency(latencyChart(latencyFigure), sweep.trials, {
    estimate: sweep.estimate,
    answer: sweep.minimal,
    limit: sweep.limit_ms,
    other: second,
  });
  const confidence = judged ? Number(judged.confidence) : sweep.confidence;
  drawHold(holdChart(holdFigure), rungsOf(sweep), second, confidence);
}

// Returns the rungs of the answer's replica count, or else those of the first count.
function rungsOf({ minimal, per_replicas }) {
  const found = per_replicas.find((one) => one.replicas === (minimal?.replicas ?? one.replicas));
  return found?.rungs ?? [];
}

function countTable(node, sweep) {
  const rows = [sweep, ...(other ? [other] : [])].flatMap(({ name, per_replicas }) => {
    return per_replicas.map((count) => ({ ...count, name }));
  });
  const limits = ({ cpus, memory_bytes }) => `${cpus} CPU, ${memory(memory_bytes)}`;
  const each = ({ minimal, finding }) => (minimal ? limits(minimal) : finding);
  const total = ({ minimal }) => {
    if (!minimal) return "–";
    return `${number(minimal.total.cpus)} CPU, ${memory(minimal.total.memory_bytes)}`;
  };
  const columns = [
    { title: t("replicas"), value: (row) => row.replicas },
    { title: t("eachReplica"), text: true, value: each },
    { title: t("total"), text: true, value: total },
    { title: "p_hold", value: ({ minimal }) => (minimal ? percent(minimal.p_hold, 1) : "–") },
    { title: t("cost"), value: (row) => row.cost },
  ];
  if (other) columns.unshift({ title: t("sweeps"), text: true, value: (row) => row.name });
  table(node, columns, rows, { caption: t("perReplicas") });
}

function questions(answers) {
  const entries = QUESTIONS.filter(([, key]) => answers[key]).flatMap(([word, key]) => [
    make("dt", { text: t(word) }),
    make("dd", { text: answers[key], class: "words" }),
  ]);
  return make("dl", { class: "card" }, ...entries);
}

function files(sweep) {
  const folder = `${sweepPath(sweep.name)}/files`;
  const report = make("a", {
    href: `${folder}/report.html`,
    target: "_blank",
    rel: "noopener",
    text: t("report"),
  });
  const links = sweep.files.map((name) => {
    return make("a", { href: `${folder}/${name}?download=1`, download: "", text: name });
  });
  const items = [report, ...links].map((link) => make("li", {}, link));
  return make("ul", { class: "files" }, ...items);
}
