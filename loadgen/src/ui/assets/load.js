// The load test page: its stream of updates, and what it shows outside of form and charts.
import { byId, make, post, tabs } from "./dom.js";
import { clock, number, percent } from "./format.js";
import { discardCharts, drawCharts, startCharts } from "./load-charts.js";
import { startForm } from "./load-form.js";
import { state } from "./load-state.js";
import { drawErrors, drawStatistics, drawTasks } from "./load-tables.js";
import { listTests, viewed } from "./load-tests.js";
import { Stream } from "./stream.js";
import { t } from "./words.js";

// The generator counts as late, or as busy, above these.
const LATE_MS = 10;
const BUSY_CPU = 0.9;
// Share of the time that others take its processor.
const TAKEN = 0.05;

export function start() {
  tabs(document.querySelector("#test-body [role=tablist]"), () => redraw());
  byId("stop").addEventListener("click", () => post("/stop", {}));
  byId("reset").addEventListener("click", () => post("/stats/reset", {}));
  startForm(redraw);
  startCharts(redraw);
  new Stream("/api/live", nextPoll, receive);
}

// Names the updates that the page has, so that a poll returns the rest.
function nextPoll() {
  const { points, firstPoint, test, log, firstLine } = state;
  const point = points.length ? firstPoint + points.length : 0;
  return `/api/poll?test=${test}&point=${point}&line=${firstLine + log.length}`;
}

function receive(update) {
  if (update.test !== state.test) {
    Object.assign(state, { points: [], firstPoint: null, log: [], firstLine: 0 });
    Object.assign(state, { isFormOpen: false, viewed: null });
    state.test = update.test;
  }
  if (update.points) {
    addPoints(update);
    addLines(update);
  }
  state.report = { stats: [], errors: [], addresses: [], tasks: [], ...update };
  redraw();
}

// Adds new points from the index `from`, and drops those that loadgen no longer keeps.
function addPoints({ points, from, first_point }) {
  state.firstPoint ??= from;
  const kept = state.points.slice(0, Math.max(0, from - state.firstPoint));
  const dropped = Math.max(0, first_point - state.firstPoint);
  state.points = [...kept, ...points].slice(dropped);
  state.firstPoint += dropped;
}

// Adds new lines of the log; loadgen keeps the newest ones.
function addLines({ line, log }) {
  if (line < state.firstLine || line > state.firstLine + state.log.length) {
    Object.assign(state, { log: [], firstLine: line });
  }
  state.log = [...state.log.slice(0, line - state.firstLine), ...log];
}

// Draws the page. `isNew` also creates the charts anew, for another language.
export function redraw(isNew) {
  if (isNew) discardCharts();
  const { isFormOpen } = state;
  const hasTest = state.report.test > 0;
  drawHead(state.report);
  drawActions(state.report, hasTest);
  listTests(redraw);
  // An earlier test stands still in place of the current one.
  const report = viewed().report;
  byId("swarm").hidden = hasTest && !isFormOpen;
  byId("cancel-swarm").hidden = !hasTest;
  byId("test-body").hidden = !hasTest || isFormOpen;
  drawBanners(report);
  if (!hasTest || isFormOpen) return;
  drawStatistics(report);
  drawErrors(report);
  drawTasks(report);
  drawCharts();
  drawGenerator();
  drawDownloads();
  drawLog();
}

function drawHead(report) {
  const total = report.stats.at(-1);
  const failures = total ? total.num_failures / Math.max(1, total.num_requests) : 0;
  // Written only when it changes, for it is read aloud.
  if (byId("state").textContent !== t(report.state)) byId("state").textContent = t(report.state);
  byId("state").dataset.state = report.state;
  byId("host").textContent = byId("host").title = report.host ?? report.form?.host ?? "–";
  byId("users").textContent = number(report.users ?? 0);
  byId("rps").textContent = number(total?.current_rps ?? 0, 1);
  byId("ratio").textContent = percent(failures);
}

function drawActions(report, hasTest) {
  const isActive = ["running", "spawning"].includes(report.state);
  byId("test-actions").hidden = !hasTest;
  // Users of a shape or of arrivals follow a plan; they cannot be changed by hand.
  byId("edit").hidden = !isActive || Boolean(report.form?.shape || report.form?.arrivals);
  byId("stop").hidden = !isActive;
  byId("new").hidden = isActive || report.state === "stopping";
  if (!isActive) byId("edit-form").hidden = true;
}

function drawBanners(report) {
  byId("problem").hidden = !report.problem;
  byId("problem").textContent = report.problem ?? "";
  const [verdict, reasons] = report.verdict ?? [];
  byId("verdict").hidden = !verdict;
  if (!verdict) return;
  const kind = { pass: "good", fail: "bad" }[verdict] ?? "warn";
  const word = { pass: t("met"), fail: t("missed") }[verdict] ?? t(verdict);
  const detail = reasons ? `\n${reasons}` : "";
  byId("verdict").className = `banner ${kind}`;
  byId("verdict").textContent = `${word}: ${report.objective}${detail}`;
}

// Says whether the generator limits the test, by the last ten seconds.
function drawGenerator() {
  const recent = viewed().points.slice(-10);
  const cpu = Math.max(0, ...recent.map((point) => point.cpu));
  const lag = Math.max(0, ...recent.map((point) => point.lag));
  const mean = (of) => recent.reduce((sum, point) => sum + (of(point) ?? 0), 0) / recent.length;
  const taken = Math.max(mean((point) => point.steal), mean((point) => point.run_delay));
  byId("limited").hidden = recent.length === 0;
  let [kind, text] = ["good", t("limitedNot")];
  if (taken > TAKEN) [kind, text] = ["warn", t("limitedTaken", { share: percent(taken) })];
  if (cpu > BUSY_CPU) [kind, text] = ["bad", t("limitedYes", { cpu: percent(cpu) })];
  else if (lag > LATE_MS) [kind, text] = ["warn", t("limitedLate", { lag: number(lag, 0) })];
  byId("limited").className = `banner ${kind}`;
  byId("limited").textContent = text;
}

const FILES = [
  ["reportFile", "report.html?download=1"],
  ["statsFile", "stats.csv"],
  ["historyFile", "stats_history.csv"],
  ["failuresFile", "failures.csv"],
  ["exceptionsFile", "exceptions.csv"],
  ["jsonFile", "run.json"],
  ["hlogFile", "latencies.hlog"],
];

// Lists the files once a test and language, so that a link keeps the focus.
function drawDownloads() {
  const list = byId("files");
  const shown = `${viewed().test}${t("download")}`;
  if (list.dataset.test === shown) return;
  list.dataset.test = shown;
  const path = (file) => `/api/tests/${viewed().test}/${file}`;
  const items = FILES.map(([word, file]) => {
    return make("li", {}, make("a", { href: path(file), download: "", text: t(word) }));
  });
  const open = make("a", {
    href: path(`report.html?theme=${document.documentElement.dataset.theme}`),
    target: "_blank",
    rel: "noopener",
    text: t("openReport"),
  });
  items[0].append(" · ", open);
  list.replaceChildren(...items);
}

function drawLog() {
  const lines = viewed().log.map((line) => `${clock(line.time)}  ${line.text}`).join("\n");
  if (byId("log").textContent !== lines) byId("log").textContent = lines;
}
