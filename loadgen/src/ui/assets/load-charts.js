// Charts of the load test page, with an earlier test beneath if one is chosen.
import { Chart } from "./chart.js";
import { byId, getJson, make } from "./dom.js";
import { clock, number } from "./format.js";
import { state } from "./load-state.js";
import { testOptions, viewed } from "./load-tests.js";
import { locale, t } from "./words.js";

const PERCENTILES = [
  { name: "p50", color: "--c3" },
  { name: "p75", color: "--c5" },
  { name: "p90", color: "--c1" },
  { name: "p95", color: "--c2" },
  { name: "p99", color: "--c4" },
  { name: "p99.9", color: "--c6" },
];
const REPLICA_COLORS = ["--c1", "--c3", "--c4", "--c2", "--c5", "--c6"];
const MIB = 2 ** 20;

const shownPercentiles = new Set(["p50", "p95", "p99"]);
let charts = null;
// The earlier test that is drawn beneath: {test, began, points, label}.
let overlay = null;

// `redraw` draws the page.
export function startCharts(redraw) {
  byId("times").addEventListener("change", () => redraw());
  byId("overlay").addEventListener("change", async (event) => {
    await chooseOverlay(event.target);
    redraw();
  });
  const boxes = PERCENTILES.map(({ name }) => {
    const box = make("input", { type: "checkbox", checked: shownPercentiles.has(name) });
    box.addEventListener("change", () => {
      if (box.checked) shownPercentiles.add(name);
      else shownPercentiles.delete(name);
      redraw();
    });
    return make("label", { class: "check" }, box, name);
  });
  byId("percentiles").replaceChildren(...boxes);
  byId("percentiles").className = "row";
}

// Discards the charts, so that they are created in another language.
export function discardCharts() {
  charts = null;
}

function createCharts() {
  const at = (second) => `${t("at")} ${clock(viewed().report.began + second * 1000)}`;
  const chart = (name, options) => new Chart(byId(`chart-${name}`), { ...options, at });
  return {
    rps: chart("rps", { title: t("rpsChart") }),
    times: chart("times", { title: t("timesChart") }),
    users: chart("users", { title: t("usersChart") }),
    lag: chart("lag", { title: t("lagChart") }),
    generator: chart("generator", { title: t("generatorChart"), unit: "%", min: 100 }),
    cpu: chart("cpu", { title: t("cpuChart") }),
    memory: chart("memory", { title: t("memoryChart") }),
  };
}

const pointsOf = (test, points, value) => {
  return points.map((point) => [Math.round((point.time - test.began) / 1000), value(point)]);
};

// The series of a figure; `value` returns it from a point.
function series(name, color, value, more = {}) {
  return { name, color, points: pointsOf(viewed().report, viewed().points, value), ...more };
}

// The same series of the earlier test, or none.
function earlier(name, color, value) {
  if (!overlay) return [];
  return [{
    name: `${name} (${overlay.label})`,
    color,
    faint: true,
    dash: [4, 3],
    points: pointsOf(overlay, overlay.points, value),
  }];
}

const percentOrGap = (share) => (share === null ? null : share * 100);

export function drawCharts() {
  charts ??= createCharts();
  charts.rps.set([
    series(t("rps"), "--c3", (p) => p.requests),
    series(t("failuresPerSecond"), "--c2", (p) => p.failures, { dash: [6, 3] }),
    ...earlier(t("rps"), "--c5", (p) => p.requests),
  ]);
  drawTimes();
  charts.users.set([
    series(t("users"), "--c1", (p) => p.users),
    ...earlier(t("users"), "--c5", (p) => p.users),
  ]);
  charts.lag.set([series(t("lag"), "--c1", (p) => p.lag)]);
  charts.generator.set([
    series(t("busiest"), "--c1", (p) => p.cpu * 100),
    series(t("runDelay"), "--c2", (p) => percentOrGap(p.run_delay), { dash: [6, 3] }),
    series(t("steal"), "--c4", (p) => percentOrGap(p.steal), { dash: [2, 3] }),
  ]);
  drawReplicas();
  listOverlays();
}

function drawTimes() {
  const { limit_ms } = viewed().report;
  const kind = byId("times").value;
  const chosen = PERCENTILES
    .map(({ name, color }, index) => [name, color, (point) => point[kind]?.[index] ?? null])
    .filter(([name]) => shownPercentiles.has(name));
  charts.times.set([
    ...chosen.map((percentile) => series(...percentile)),
    ...chosen.flatMap((percentile) => earlier(...percentile)),
  ], { lines: limit_ms ? [{ y: limit_ms, label: t("limit", { ms: number(limit_ms) }) }] : [] });
}

// Draws processors and memory of the loaded containers, each against its limit, and throttling as
// a share of the periods.
function drawReplicas() {
  const replicas = viewed().report.replicas ?? [];
  byId("chart-cpu").hidden = byId("chart-memory").hidden = replicas.length === 0;
  if (!replicas.length) return;
  const color = (index) => REPLICA_COLORS[index % REPLICA_COLORS.length];
  const limits = (values, unit) => {
    return [...new Set(values.filter(Boolean))].map((y) => ({
      y,
      label: t("containerLimit", { value: `${number(y)}${unit}` }),
    }));
  };
  const cpu = replicas.flatMap(({ name }, index) => {
    const throttled = (point) => point.replicas[index]?.[1] ?? null;
    const style = { dash: [2, 4], faint: true };
    return [
      series(name, color(index), (point) => point.replicas[index]?.[0] ?? null),
      series(`${name}: ${t("throttled")}`, color(index), throttled, style),
    ];
  });
  const memory = replicas.map(({ name }, index) => {
    const used = ({ replicas: all }) => (all[index] ? all[index][2] / MIB : null);
    return series(name, color(index), used);
  });
  charts.cpu.set(cpu, { lines: limits(replicas.map((one) => one.cpus), " CPU") });
  charts.memory.set(memory, {
    lines: limits(replicas.map((one) => one.memory_bytes && one.memory_bytes / MIB), " MiB"),
  });
}

// Lists the other tests. The list is only replaced when it changes, for it may be open.
function listOverlays() {
  const select = byId("overlay");
  const tests = state.report.tests.filter((other) => other.id !== viewed().test);
  const names = `${tests.map((other) => other.id).join()}${locale()}`;
  if (select.dataset.names === names) return;
  select.dataset.names = names;
  const none = make("option", { value: "", text: t("nothing") });
  select.replaceChildren(none, ...testOptions(tests));
  select.value = overlay ? String(overlay.test) : "";
}

async function chooseOverlay(select) {
  const id = select.value;
  overlay = null;
  if (!id) return;
  const label = select.selectedOptions[0].textContent;
  try {
    overlay = { ...(await getJson(`/api/tests/${id}`)), label };
  } catch {
    select.value = "";
  }
}
