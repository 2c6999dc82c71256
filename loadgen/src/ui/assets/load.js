// The load test page: its form, live figures, and charts.
import { Chart } from "./chart.js";
import { byId, clock, duration, getJson, make, number, percent, post, table, tabs } from "./dom.js";
import { t, translate } from "./words.js";

const PERCENTILES = ["p50", "p75", "p90", "p95", "p99", "p99.9"];
const COLORS = ["--c3", "--c5", "--c1", "--c2", "--c4", "--c6"];
const LATE_MS = 10, BUSY = 0.9;

let report = { state: "ready", stats: [], errors: [], addresses: [], tests: [] };
let points = [], log = [], test = 0, shown = new Set(["p50", "p95", "p99"]), overlay = null, charts = null, source = null, isOpen = false;

export function start() {
  tabs(document.querySelector("#test-body [role=tablist]"), () => redraw());
  byId("swarm").addEventListener("submit", begin);
  byId("edit-form").addEventListener("submit", change);
  byId("edit").addEventListener("click", edit);
  byId("new").addEventListener("click", () => { isOpen = true; fill(report.form); redraw(); byId("swarm").elements.user_count.focus(); });
  byId("stop").addEventListener("click", () => post("/stop", {}));
  byId("reset").addEventListener("click", () => post("/stats/reset", {}));
  byId("example").addEventListener("click", example);
  byId("times").addEventListener("change", () => redraw());
  byId("overlay").addEventListener("change", pickOverlay);
  byId("swarm").elements.scenario.addEventListener("change", scenario);
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => { byId(button.dataset.close).hidden = true; isOpen = false; redraw(); });
  }
  percentileBoxes();
  getJson("/api/form").then((initial) => {
    byId("swarm").elements.scenario.append(...initial.scenarios.map((name) => make("option", { value: name, text: name })));
    fill(initial.form);
  });
  listen();
}

// Server-sent events; where a proxy swallows them, a question each second.
function listen() {
  source = new EventSource("/api/live");
  let isLive = false;
  source.onmessage = (event) => { isLive = true; byId("lost").hidden = true; take(JSON.parse(event.data)); };
  source.onerror = () => { if (source.readyState !== EventSource.OPEN) byId("lost").hidden = !isLive; };
  setTimeout(() => { if (!isLive) { source.close(); poll(); } }, 3000);
}

async function poll() {
  try {
    const last = points.length ? points.first + points.length : 0;
    take(await getJson(`/api/poll?test=${test}&point=${last}&line=${log.length}`));
    byId("lost").hidden = true;
  } catch { byId("lost").hidden = false; }
  setTimeout(poll, 1000);
}

function take(update) {
  if (update.test !== test) { [points, log, test] = [[], [], update.test]; isOpen = false; }
  if (update.points) {
    points.first ??= update.from;
    const keep = update.from - points.first;
    const old = keep < points.length ? points.slice(0, Math.max(0, keep)) : points;
    const cut = Math.max(0, update.first_point - points.first);
    const first = points.first + cut;
    points = [...old, ...update.points].slice(cut);
    points.first = first;
    log = [...log.slice(0, update.line), ...update.log];
  }
  report = { stats: [], errors: [], addresses: [], tasks: [], ...update };
  redraw();
}

export function redraw(isNew) {
  if (isNew) charts = null;
  const isActive = ["running", "spawning"].includes(report.state), has = report.test > 0;
  byId("state").textContent = t(report.state);
  byId("state").dataset.state = report.state;
  byId("host").textContent = byId("host").title = report.host ?? report.form?.host ?? "–";
  byId("users").textContent = number(report.users ?? 0);
  const total = report.stats.at(-1);
  byId("rps").textContent = number(total?.current_rps ?? 0, 1);
  byId("ratio").textContent = percent(total ? total.num_failures / Math.max(1, total.num_requests) : 0);
  byId("test-actions").hidden = !has;
  byId("edit").hidden = !isActive || Boolean(report.form?.shape || report.form?.arrivals);
  byId("stop").hidden = !isActive;
  byId("new").hidden = isActive || report.state === "stopping";
  byId("swarm").hidden = has && !isOpen;
  byId("cancel-swarm").hidden = !has;
  byId("test-body").hidden = !has || isOpen;
  if (!isActive) byId("edit-form").hidden = true;
  banners();
  if (!has || isOpen) return;
  statistics();
  failures();
  drawCharts();
  generator();
  table(byId("tasks"), [{ title: t("task"), text: true, of: (task) => `${task[0]} ${task[1]}` }, { title: t("share"), of: (task) => percent(task[2]) }], report.tasks, { caption: t("ratio") });
  downloads();
  const lines = log.map((line) => `${clock(line.time)}  ${line.text}`).join("\n");
  if (byId("log").textContent !== lines) byId("log").textContent = lines;
}

function banners() {
  byId("problem").hidden = !report.problem;
  byId("problem").textContent = report.problem ?? "";
  const [verdict, reasons] = report.verdict ?? [];
  byId("verdict").hidden = !verdict;
  if (!verdict) return;
  byId("verdict").className = `banner ${{ pass: "good", fail: "bad" }[verdict] ?? "warn"}`;
  const word = { pass: t("met"), fail: t("missed") }[verdict] ?? t(verdict);
  byId("verdict").textContent = `${word}: ${report.objective}${reasons ? `\n${reasons}` : ""}`;
}

function statistics() {
  const column = (title, name, digits) => ({ title: t(title), of: (row) => number(row[name], digits), key: (row) => row[name] });
  table(byId("stats"), [
    { title: t("type"), text: true, of: (row) => row.method }, { title: t("name"), text: true, of: (row) => row.name },
    column("requests", "num_requests", 0), column("fails", "num_failures", 0), column("median", "median_response_time"), column("p95", "response_time_percentile_0.95"),
    column("p99", "response_time_percentile_0.99"), column("average", "avg_response_time"), column("min", "min_response_time"), column("max", "max_response_time"),
    column("size", "avg_content_length"), column("currentRps", "current_rps", 1), column("currentFails", "current_fail_per_sec", 1),
  ], report.stats, { sortable: true, caption: t("statistics"), rowClass: (row) => (row.name === "Aggregated" ? "total" : null) });
  byId("spread").textContent = report.spread ?? "";
  table(byId("addresses"), [
    { title: t("address"), text: true, of: (row) => row.address }, { title: t("host"), text: true, of: (row) => row.host }, { title: t("requests"), of: (row) => row.requests },
    { title: t("fails"), of: (row) => row.failures }, { title: t("median"), of: (row) => row.p50 }, { title: t("p95"), of: (row) => row.p95 },
  ], report.addresses, { caption: t("addresses") });
}

function failures() {
  const count = report.errors.reduce((sum, row) => sum + row.occurrences, 0);
  byId("failure-count").hidden = count === 0;
  byId("failure-count").textContent = number(count);
  table(byId("errors"), [
    { title: t("occurrences"), of: (row) => number(row.occurrences), key: (row) => row.occurrences }, { title: t("method"), text: true, of: (row) => row.method },
    { title: t("name"), text: true, of: (row) => row.name }, { title: t("message"), text: true, wrap: true, of: (row) => row.error },
    { title: t("firstSeen"), of: (row) => clock(row.first_seen * 1000), key: (row) => row.first_seen }, { title: t("lastSeen"), of: (row) => clock(row.last_seen * 1000), key: (row) => row.last_seen },
  ], report.errors, { sortable: true, caption: t("failures"), sorted: { index: 0, down: true } });
}

const seconds = (point, began) => Math.round((point.time - began) / 1000);

function drawCharts() {
  const at = (s) => `${t("at")} ${clock(report.began + s * 1000)}`;
  charts ??= Object.fromEntries([
    ["rps", { title: t("rpsChart") }], ["times", { title: t("timesChart") }], ["users", { title: t("usersChart") }], ["lag", { title: t("lagChart") }],
    ["generator", { title: t("generatorChart"), unit: "%", min: 100 }], ["cpu", { title: t("cpuChart") }], ["memory", { title: t("memoryChart") }],
  ].map(([name, options]) => [name, new Chart(byId(`chart-${name}`), { ...options, at })]));
  const line = (name, color, of, more = {}) => ({ name, color, points: points.map((point) => [seconds(point, report.began), of(point)]), ...more });
  const earlier = (name, color, of) => (overlay ? [{ name: `${name} (${overlay.label})`, color, faint: true, dash: [4, 3], points: overlay.points.map((point) => [seconds(point, overlay.began), of(point)]) }] : []);
  charts.rps.set([
    line(t("rps"), "--c3", (p) => p.requests), line(t("failuresPerSecond"), "--c2", (p) => p.failures, { dash: [6, 3] }), ...earlier(t("rps"), "--c5", (p) => p.requests),
  ]);
  const kind = byId("times").value;
  const chosen = PERCENTILES.map((name, index) => [name, index]).filter(([name]) => shown.has(name));
  const limit = report.limit_ms ? [{ y: report.limit_ms, label: t("limit", { ms: number(report.limit_ms) }) }] : [];
  charts.times.set([
    ...chosen.map(([name, index]) => line(name, COLORS[index], (p) => p[kind]?.[index] ?? null)), ...chosen.flatMap(([name, index]) => earlier(name, COLORS[index], (p) => p[kind]?.[index] ?? null)),
  ], { lines: limit });
  charts.users.set([line(t("users"), "--c1", (p) => p.users), ...earlier(t("users"), "--c5", (p) => p.users)]);
  charts.lag.set([line(t("lag"), "--c1", (p) => p.lag)]);
  charts.generator.set([
    line(t("busiest"), "--c1", (p) => p.cpu * 100), line(t("runDelay"), "--c2", (p) => (p.run_delay === null ? null : p.run_delay * 100), { dash: [6, 3] }),
    line(t("steal"), "--c4", (p) => (p.steal === null ? null : p.steal * 100), { dash: [2, 3] }),
  ]);
  containers(line);
  const tests = report.tests.filter((other) => other.id !== report.test);
  const names = tests.map((other) => other.id).join();
  if (byId("overlay").dataset.names !== names) {
    byId("overlay").dataset.names = names;
    byId("overlay").replaceChildren(make("option", { value: "", text: t("nothing") }), ...tests.map((other) => make("option", { value: String(other.id), text: `${clock(other.began)} · ${other.label}` })));
    byId("overlay").value = overlay ? String(overlay.test) : "";
  }
}

// Processors and memory of the loaded containers, each against its limit; throttling as a share of the periods.
function containers(line) {
  const replicas = report.replicas ?? [];
  byId("chart-cpu").hidden = byId("chart-memory").hidden = replicas.length === 0;
  if (!replicas.length) return;
  const color = (index) => ["--c1", "--c3", "--c4", "--c2", "--c5", "--c6"][index % 6];
  const limits = (of, unit) => [...new Set(replicas.map(of).filter(Boolean))].map((y) => ({ y, label: t("containerLimit", { value: `${number(y)}${unit}` }) }));
  charts.cpu.set(replicas.flatMap((replica, index) => [
    line(replica.name, color(index), (p) => p.replicas[index]?.[0] ?? null), line(`${replica.name}: ${t("throttled")}`, color(index), (p) => p.replicas[index]?.[1] ?? null, { dash: [2, 4], faint: true }),
  ]), { lines: limits((replica) => replica.cpus, " CPU") });
  charts.memory.set(replicas.map((replica, index) => line(replica.name, color(index), (p) => (p.replicas[index] ? p.replicas[index][2] / 2 ** 20 : null))), { lines: limits((replica) => replica.memory_bytes && replica.memory_bytes / 2 ** 20, " MiB") });
}

function generator() {
  const recent = points.slice(-10);
  const cpu = Math.max(0, ...recent.map((p) => p.cpu)), lag = Math.max(0, ...recent.map((p) => p.lag));
  const isBusy = cpu > BUSY, isLate = lag > LATE_MS;
  byId("limited").className = `banner ${isBusy ? "bad" : isLate ? "warn" : "good"}`;
  byId("limited").textContent = isBusy ? t("limitedYes", { cpu: percent(cpu) }) : isLate ? t("limitedLate", { lag: number(lag, 0) }) : t("limitedNot");
}

function downloads() {
  if (byId("files").dataset.test === `${test}${t("download")}`) return;
  byId("files").dataset.test = `${test}${t("download")}`;
  const path = (file) => `/api/tests/${test}/${file}`;
  const theme = () => document.documentElement.dataset.theme;
  const files = [["reportFile", "report.html?download=1"], ["statsFile", "stats.csv"], ["historyFile", "stats_history.csv"], ["failuresFile", "failures.csv"], ["exceptionsFile", "exceptions.csv"], ["jsonFile", "run.json"], ["hlogFile", "latencies.hlog"]];
  const open = make("a", { href: path(`report.html?theme=${theme()}`), target: "_blank", rel: "noopener", text: t("openReport") });
  byId("files").replaceChildren(...files.map(([word, file], index) => make("li", {}, make("a", { href: path(file), download: "", text: t(word) }), index === 0 ? " · " : "", index === 0 ? open : "")));
}

function percentileBoxes() {
  byId("percentiles").replaceChildren(...PERCENTILES.map((name) => {
    const box = make("input", { type: "checkbox", checked: shown.has(name) });
    box.addEventListener("change", () => { box.checked ? shown.add(name) : shown.delete(name); redraw(); });
    return make("label", { class: "check" }, box, name);
  }));
  byId("percentiles").className = "row";
}

async function pickOverlay(event) {
  const id = event.target.value;
  overlay = null;
  if (id) {
    const label = event.target.selectedOptions[0].textContent;
    try { overlay = { ...(await getJson(`/api/tests/${id}`)), label }; } catch { event.target.value = ""; }
  }
  redraw();
}

function fill(form) {
  if (!form) return;
  for (const [name, value] of Object.entries(form)) {
    const field = byId("swarm").elements[name];
    if (field) field.value = value;
  }
  scenario();
}

function scenario() {
  byId("request-fields").hidden = byId("swarm").elements.scenario.value !== "";
}

async function begin(event) {
  event.preventDefault();
  const message = event.target.querySelector(".message");
  message.textContent = "";
  byId("start").disabled = true;
  const answer = await post("/swarm", new FormData(event.target));
  byId("start").disabled = false;
  if (answer.success) isOpen = false;
  else message.textContent = answer.message;
  redraw();
}

function edit() {
  const form = byId("edit-form");
  form.elements.user_count.value = report.target_users_now ?? report.form.user_count;
  form.elements.spawn_rate.value = report.form.spawn_rate;
  form.hidden = false;
  form.elements.user_count.focus();
}

async function change(event) {
  event.preventDefault();
  const answer = await post("/swarm", { host: report.form.host, user_count: event.target.elements.user_count.value, spawn_rate: event.target.elements.spawn_rate.value });
  event.target.querySelector(".message").textContent = answer.success ? "" : answer.message;
  if (answer.success) event.target.hidden = true;
}

async function example() {
  const message = byId("swarm").querySelector(".message");
  const answer = await post("/api/example", { host: byId("swarm").elements.host.value });
  message.textContent = answer.success ? "" : answer.message;
  if (answer.success) byId("swarm").elements.body.value = answer.body;
}

export { duration, translate };
