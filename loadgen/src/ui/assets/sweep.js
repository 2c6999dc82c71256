// The sweep page: form, live view, archive, and judging again.
import { Chart } from "./chart.js";
import { byId, day, duration, getJson, make, number, percent, post, table } from "./dom.js";
import { add, t } from "./words.js";

add({
  newSweep: "New sweep", archive: "Sweeps in {dir}", noSweeps: "No sweep yet.", workload: "Image, model or service", images: "Images", models: "Models", services: "Running Compose services",
  maxUsers: "Number of users to hold", step: "Step of users", confidence: "Confidence", replicas: "Replica counts", cpus: "CPU limits (empty: default ladder)", memory: "Memory limits (empty: default ladder)",
  headroom: "Headroom", mode: "Mode", maxDuration: "Longest duration", startSweep: "Size a container", date: "Date", answer: "Answer", trials: "Trials", endedEarly: "ended early", damaged: "damaged",
  live: "Running", estimate: "Edge", interval: "Edge, 90% interval", timeLeft: "Time left", trial: "Trial", phold: "p_hold of each CPU limit", curve: "Latency by CPU limit (ms)", violations: "Requests that violate the objective (%)", probe: "probe",
  pass: "passed", fail: "failed", undecidedDot: "undecided", ramp: "Running trial: users and p95", usersAxis: "users", ms95: "p95 (ms)", number: "#", kind: "Kind", limits: "Limits", verdict: "Verdict", rate: "Rate",
  throttledPart: "Throttled", bottleneck: "Bottleneck", why: "Next trial", files: "Files", judge: "Judge again, without measuring", objective: "Objective", cpuPrice: "Price of a processor (e.g. 31.5 USD/month)", memoryPrice: "Price of a GiB",
  judgeNow: "Judge again", compare: "Compare with", questions: "The four questions", qSmallest: "The smallest limits?", qReplicas: "Do more replicas let them shrink?", qMost: "The most it takes?", qInstances: "One instance or several?",
  qStricter: "A stricter objective?", qRemaining: "What remained to be done?", report: "Open the report", resume: "Resume", back: "All sweeps", each: "{replicas} × {cpus} CPU, {memory}", holds: "holds {users} users in {p} of starts",
  nothingConfirmed: "Nothing is confirmed", chooseOne: "choose one", noEngine: "Images and services cannot be listed: {why}", command: "Command", messages: "Messages", exit: "The sweep ended with exit code {status}.", perReplicas: "Replica counts", each1: "Each replica",
  total: "Total", cost: "Cost (relative)", finding: "Finding", share: "Share", cpuAxis: "CPU limit of a replica", starting: "starting", compared: "Compared", least: "answer",
}, {
  newSweep: "Nuevo barrido", archive: "Barridos en {dir}", noSweeps: "Aún no hay barridos.", workload: "Imagen, modelo o servicio", images: "Imágenes", models: "Modelos", services: "Servicios de Compose en marcha",
  maxUsers: "Usuarios que sostener", step: "Escalón de usuarios", confidence: "Confianza", replicas: "Números de réplicas", cpus: "Límites de CPU (vacío: escala por defecto)", memory: "Límites de memoria (vacío: escala por defecto)",
  headroom: "Margen", mode: "Modo", maxDuration: "Duración máxima", startSweep: "Dimensionar un contenedor", date: "Fecha", answer: "Respuesta", trials: "Ensayos", endedEarly: "terminó antes", damaged: "dañado",
  live: "En marcha", estimate: "Borde", interval: "Borde, intervalo del 90%", timeLeft: "Falta", trial: "Ensayo", phold: "p_hold de cada límite de CPU", curve: "Latencia según el límite de CPU (ms)", violations: "Peticiones que incumplen el objetivo (%)", probe: "sondeo",
  pass: "cumple", fail: "no cumple", undecidedDot: "sin decidir", ramp: "Ensayo en marcha: usuarios y p95", usersAxis: "usuarios", ms95: "p95 (ms)", number: "N.º", kind: "Clase", limits: "Límites", verdict: "Veredicto", rate: "Ritmo",
  throttledPart: "Frenado", bottleneck: "Cuello de botella", why: "Próximo ensayo", files: "Archivos", judge: "Juzgar otra vez, sin medir", objective: "Objetivo", cpuPrice: "Precio de un procesador (p. ej. 31.5 USD/month)", memoryPrice: "Precio de un GiB",
  judgeNow: "Juzgar otra vez", compare: "Comparar con", questions: "Las cuatro preguntas", qSmallest: "¿Los límites más pequeños?", qReplicas: "¿Bajan con más réplicas?", qMost: "¿Cuánto aguanta como máximo?", qInstances: "¿Una instancia o varias?",
  qStricter: "¿Un objetivo más estricto?", qRemaining: "¿Qué quedó por hacer?", report: "Abrir el informe", resume: "Continuar", back: "Todos los barridos", each: "{replicas} × {cpus} CPU, {memory}", holds: "sostiene {users} usuarios en el {p} de los arranques",
  nothingConfirmed: "Nada está confirmado", chooseOne: "elija uno", noEngine: "No se pueden listar imágenes ni servicios: {why}", command: "Orden", messages: "Mensajes", exit: "El barrido terminó con el código {status}.", perReplicas: "Números de réplicas", each1: "Cada réplica",
  total: "Total", cost: "Coste (relativo)", finding: "Resultado", share: "Parte", cpuAxis: "Límite de CPU de una réplica", starting: "empezando", compared: "Comparado", least: "respuesta",
});

const SHAPES = { pass: { shape: "disc", color: "--good" }, fail: { shape: "cross", color: "--bad" }, undecided: { shape: "ring", color: "--warn" } };
const memory = (bytes) => (bytes >= 2 ** 30 ? `${number(bytes / 2 ** 30, 0)} GiB` : `${number(bytes / 2 ** 20, 0)} MiB`);
const point = (of) => t("each", { replicas: of.replicas, cpus: of.cpus ?? of.limits.cpus, memory: memory(of.memory_bytes ?? of.limits.memory_bytes) });
const body = () => byId("sweep-body");

let view = null, live = null, trials = [], source = null, charts = null, other = null;

export function open(name) {
  view = name || "list";
  other = null;
  charts = null;
  byId("sweep-new").onclick = () => { location.hash = "#/sweeps/new"; };
  byId("sweep-stop").onclick = () => post("/api/sweeps/stop", {});
  if (!source) {
    source = new EventSource("/api/sweeps/live");
    source.onmessage = (event) => take(JSON.parse(event.data));
  }
  show();
}

export function close() { source?.close(); [source, view] = [null, null]; }

export function redraw() {
  charts = null;
  if (view) show();
}

// What the running sweep tells. Trials come once; the rest comes with every update.
function take(state) {
  const was = live?.running;
  if (state) trials = state.from === 0 ? state.trials : [...trials.slice(0, state.from), ...state.trials];
  live = state;
  byId("sweep-stop").hidden = !state?.running;
  if (view === "list" && was !== state?.running) show();
  else if (state && view === state.name) {
    if (state.running) drawLive();
    else if (was) show();
  }
}

async function show() {
  byId("sweep-stop").hidden = !live?.running;
  if (view === "new") return form();
  if (view === "list") return list();
  if (live?.running && live.name === view) return drawLive();
  try { details(await getJson(`/api/sweeps/${encodeURIComponent(view)}`)); } catch (error) { failed(error); }
}

function failed(error) {
  // A sweep that has just started has no files yet.
  if (live?.running && live.name === view) return drawLive();
  charts = null;
  const ended = live?.name === view && !live.running ? [make("p", { class: "banner bad", text: t("exit", { status: live.status ?? "–" }) }), make("pre", { class: "log", text: live.messages.join("\n") })] : [];
  body().replaceChildren(back(), make("p", { class: "banner bad", role: "alert", text: error.message }), ...ended, ...(view && view !== "list" ? [resumeButton()] : []));
}

const back = () => make("p", {}, make("a", { href: "#/sweeps", text: `← ${t("back")}` }));

async function list() {
  const { dir, sweeps, running } = await getJson("/api/sweeps");
  if (view !== "list") return;
  const rows = make("table");
  const link = (row) => make("a", { href: `#/sweeps/${encodeURIComponent(row.name)}`, text: row.name });
  table(rows, [
    { title: t("newSweep").split(" ").pop(), text: true, of: link }, { title: t("date"), text: true, of: (row) => day(row.changed * 1000) }, { title: t("workload"), text: true, of: (row) => row.image ?? t("models") },
    { title: t("users"), of: (row) => row.max_users }, { title: t("answer"), text: true, of: (row) => (row.name === running ? t("live") : row.is_damaged ? t("damaged") : row.minimal ? point(row.minimal) : t("nothingConfirmed")) },
    { title: "p_hold", of: (row) => (row.minimal ? percent(row.minimal.p_hold, 1) : "–") }, { title: t("trials"), of: (row) => row.trials }, { title: "", text: true, of: (row) => (row.ended_early ? t("endedEarly") : "") },
  ], sweeps, { caption: t("sweeps"), empty: t("noSweeps") });
  body().replaceChildren(make("h2", { text: t("archive", { dir }) }), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("sweeps") }, rows));
}

async function form() {
  const { form: initial, workloads, problem } = await getJson("/api/sweeps/form");
  if (view !== "new") return;
  const group = (kind, title) => {
    const options = workloads.filter((one) => one.workload.kind === kind).map((one) => make("option", { value: one.value, text: one.workload.name }));
    return options.length ? [make("optgroup", { label: title }, ...options)] : [];
  };
  const field = (name, title, value, more = {}) => make("label", {}, make("span", { text: title }), make("input", { name, value: value ?? "", ...more }));
  const modes = make("select", { name: "mode" }, ...["minimal", "demand", "capacity", "frontier", "grid"].map((name) => make("option", { value: name, text: name })));
  const message = make("p", { class: "message", role: "alert" });
  const node = make("form", { class: "card narrow", id: "sweep-form" },
    make("h2", { text: t("startSweep") }),
    problem ? make("p", { class: "banner warn", text: t("noEngine", { why: problem }) }) : null,
    make("label", {}, make("span", { text: t("workload") }), make("select", { name: "workload", required: "" }, make("option", { value: "", text: t("chooseOne") }), ...group("service", t("services")), ...group("image", t("images")), ...group("model", t("models")))),
    make("div", { class: "grid" }, field("max_users", t("maxUsers"), initial.max_users, { inputmode: "numeric" }), field("step", t("step"), initial.step, { inputmode: "numeric" }), field("replicas", t("replicas"), initial.replicas), field("confidence", t("confidence"), initial.confidence)),
    field("slo", t("objective"), initial.slo),
    make("details", {}, make("summary", { text: t("advanced") }),
      make("div", { class: "grid" }, field("cpus", t("cpus"), initial.cpus, { placeholder: "0.1:1:0.1" }), field("memory", t("memory"), initial.memory, { placeholder: "32Mi,48Mi,64Mi" }), field("headroom", t("headroom"), initial.headroom, { placeholder: "cpu=20%,memory=15%" }),
        field("wait_time", t("waitTime"), initial.wait_time, { placeholder: "between(1, 2.5)" }), field("max_duration", t("maxDuration"), initial.max_duration, { placeholder: "30m" }), make("label", {}, make("span", { text: t("mode") }), modes))),
    make("p", { class: "row" }, make("button", { type: "submit", class: "primary", text: t("start") }), make("a", { href: "#/sweeps", text: t("cancel") })), message);
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    const answer = await post("/api/sweeps", new FormData(node));
    if (answer.success) location.hash = `#/sweeps/${answer.name}`;
    else message.textContent = answer.message;
  });
  body().replaceChildren(node);
}

const tile = (title, value) => make("div", {}, make("dt", { text: title }), make("dd", { text: value }));

// The running sweep: estimate, curve as the probe draws it, trials as dots, p_hold, the ramp in progress, and why the next trial comes.
function drawLive() {
  if (!charts || charts.name !== live.name || !charts.isLive) {
    const parts = { tiles: make("dl", { class: "tiles" }), why: make("p", { class: "banner", role: "status" }), curve: make("figure", { class: "wide" }), hold: make("figure"), ramp: make("figure"), trials: make("table"), log: make("pre", { class: "log", tabindex: "0" }), command: make("p", {}, make("code")) };
    body().replaceChildren(back(), parts.tiles, parts.why, make("div", { class: "charts" }, parts.curve, parts.hold, parts.ramp), make("h2", { text: t("trials") }), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("trials") }, parts.trials), make("h2", { text: t("messages") }), parts.log, parts.command);
    charts = { name: live.name, isLive: true, parts, curve: curveChart(parts.curve), hold: holdChart(parts.hold), ramp: new Chart(parts.ramp, { title: t("ramp"), unit: " ms" }) };
  }
  const { parts } = charts;
  const edge = live.estimate, last = live.seconds.at(-1);
  parts.tiles.replaceChildren(
    tile(t("estimate"), edge ? `${number(edge.cpus, 3)} CPU` : "–"), tile(t("interval"), edge ? `${number(edge.interval[0], 3)} – ${number(edge.interval[1], 3)}` : "–"), tile(t("trial"), live.next ? `${live.next.trial} · ${live.next.spec.purpose}` : t("starting")),
    tile(t("timeLeft"), live.next ? `≈ ${duration(live.next.seconds_left)}` : "–"), tile(t("users"), number(last?.users ?? 0)), tile("p95", last?.requests ? `${number(last.intended_ms.p95)} ms` : "–"),
  );
  parts.why.textContent = live.next ? `${t("why")}: ${live.next.reason}` : live.messages.at(-1) ?? t("starting");
  drawCurve(charts.curve, [...trials, { purpose: "probe", readings: live.readings }], live.estimate, null);
  drawHold(charts.hold, live.rungs ?? []);
  charts.ramp.set([{ name: "p95", color: "--c2", points: live.seconds.map((s) => [s.second, s.requests ? s.intended_ms.p95 : null]) }], { marks: stepsOf(live.seconds) });
  trialTable(parts.trials, trials);
  parts.log.textContent = live.messages.join("\n");
  parts.command.firstChild.textContent = live.command;
}

// A mark at every fifth second, with the users of that second.
const stepsOf = (seconds) => seconds.filter((s, index) => index > 0 && Math.floor(s.users / 1000) > Math.floor(seconds[index - 1].users / 1000)).map((s) => ({ x: s.second, label: number(s.users) })).slice(-8);

const curveChart = (figure) => new Chart(figure, { title: t("curve"), x: "value", logX: true, log: true, unit: " ms", formatX: (v) => `${number(v, v < 0.1 ? 3 : 2)}` });
const holdChart = (figure) => new Chart(figure, { title: t("phold"), x: "value", logX: true, unit: "%", min: 100, formatX: (v) => number(v, v < 0.1 ? 3 : 2) });

const quantile = (of) => of.violation_rates?.map((rate) => rate.quantile_ms).find((ms) => ms !== null) ?? of.intended_ms?.p95;

// Points of one replica count: the one of the answer, or the first that was measured.
function curveSeries(every, replicas, name, faint) {
  const count = replicas ?? every.find((trial) => ["probe", "fresh"].includes(trial.purpose))?.replicas;
  const all = every.filter((trial) => (trial.replicas ?? count) === count);
  const probes = all.filter((trial) => trial.readings?.length).map((trial) => trial.readings.filter((r) => !r.is_memory && !r.is_recovery));
  const series = probes.map((readings) => ({ name: name ? `${t("probe")} (${name})` : t("probe"), color: name ? "--c4" : "--c1", faint, dots: true, points: readings.map((r) => [r.limits.cpus, Math.max(quantile(r), 0.01)]).sort((a, b) => a[0] - b[0]) }));
  const starts = all.filter((trial) => ["fresh", "ramp"].includes(trial.purpose) && trial.steps?.length && trial.steps.at(-1).requests > 0);
  for (const verdict of ["pass", "fail", "undecided"]) {
    const points = starts.filter((trial) => trial.verdict === verdict).map((trial) => [trial.limits.cpus, Math.max(quantile(trial.steps.at(-1)), 0.01), name ? { ...SHAPES[verdict], color: "--c4" } : SHAPES[verdict]]);
    if (points.length) series.push({ name: `${t(verdict === "undecided" ? "undecidedDot" : verdict)}${name ? ` (${name})` : ""}`, color: name ? "--c4" : SHAPES[verdict].color, dots: "only", points });
  }
  return series;
}

// The latency limit that the trials were judged by.
const limitOf = (all) => all.flatMap((trial) => [...(trial.readings ?? []), ...(trial.steps ?? [])]).flatMap((of) => of.violation_rates ?? []).find((rate) => rate.over_ms !== null)?.over_ms;

function drawCurve(chart, all, edge, answer, limit = limitOf(all), second = null) {
  const bands = edge ? [{ from: edge.interval[0], to: edge.interval[1], color: "--c6" }] : [];
  const marks = answer ? [{ x: answer.cpus, label: t("least"), color: "--good" }] : [];
  chart.set([...curveSeries(all, answer?.replicas), ...(second ? curveSeries(second.trials, second.replicas, second.name, true) : [])], { bands, marks, lines: limit ? [{ y: limit, label: t("limit", { ms: number(limit) }) }] : [] });
}

function drawHold(chart, rungs, second, confidence = 0.95) {
  const line = (list, name, color, faint) => ({ name, color, faint, dots: true, points: list.map((rung) => [rung.cpus, rung.p_hold * 100]) });
  chart.set([line(rungs, "p_hold", "--c1"), ...(second ? [line(second.rungs, second.name, "--c4", true)] : [])], { lines: [{ y: confidence * 100, label: percent(confidence), color: "--c3" }] });
}

function trialTable(node, all) {
  const last = (trial) => trial.steps?.at(-1);
  table(node, [
    { title: t("number"), of: (trial) => all.indexOf(trial) + 1 }, { title: t("kind"), text: true, of: (trial) => trial.purpose }, { title: t("limits"), text: true, of: point }, { title: t("users"), of: (trial) => trial.users },
    { title: t("verdict"), text: true, of: (trial) => trial.verdict, class: (trial) => trial.verdict }, { title: t("bottleneck"), text: true, of: (trial) => trial.bottleneck ?? "" },
    { title: t("ms95"), of: (trial) => (last(trial)?.requests ? number(quantile(last(trial))) : "–") }, { title: t("rate"), of: (trial) => (last(trial) ? `${number(last(trial).requests_per_second, 0)}/s` : "–") },
    { title: t("throttledPart"), of: (trial) => (trial.usage?.throttled_share == null ? "–" : percent(trial.usage.throttled_share, 0)) }, { title: "", text: true, wrap: true, of: (trial) => (trial.reasons ?? []).join("; ") },
  ], all, { caption: t("trials") });
}

function resumeButton() {
  const button = make("button", { type: "button", text: t("resume") });
  const message = make("span", { class: "message", role: "alert" });
  button.addEventListener("click", async () => {
    const answer = await post(`/api/sweeps/${encodeURIComponent(view)}/resume`, {});
    message.textContent = answer.success ? "" : answer.message;
  });
  return make("p", { class: "row" }, button, message);
}

// A finished sweep: the answer in words, curve, p_hold, replica counts, questions, files; sliders judge it again.
function details(sweep, judged) {
  const minimal = sweep.minimal;
  const parts = { curve: make("figure", { class: "wide" }), hold: make("figure"), trials: make("table"), counts: make("table") };
  const answer = minimal
    ? make("p", { class: "card answer" }, make("strong", { text: point(minimal) }), ` ${t("holds", { users: number(sweep.max_users), p: percent(minimal.p_hold, 1) })}.`)
    : make("p", { class: "card answer", text: `${t("nothingConfirmed")}. ${sweep.answers.minimum}` });
  const files = sweep.files.map((name) => make("li", {}, make("a", { href: `/api/sweeps/${encodeURIComponent(sweep.name)}/files/${name}?download=1`, download: "", text: name })));
  const report = make("a", { href: `/api/sweeps/${encodeURIComponent(sweep.name)}/files/report.html`, target: "_blank", rel: "noopener", text: t("report") });
  const questions = [["qSmallest", "minimum"], ["qReplicas", "replicas_shrink"], ["qMost", "capacity"], ["qInstances", "instances"], ["qStricter", "stricter"], ["qRemaining", "remaining"]];
  body().replaceChildren(back(), make("h2", { text: `${sweep.name} · ${sweep.environment?.image ?? t("models")}` }), ...(sweep.note ? [make("p", { class: "banner warn", role: "status", text: sweep.note })] : []), answer,
    ...(sweep.ended_early && !judged ? [resumeButton()] : []), judgeForm(sweep, judged),
    make("div", { class: "charts" }, parts.curve, parts.hold, make("figure", {}, make("figcaption", { text: t("perReplicas") }), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("perReplicas") }, parts.counts))),
    make("h2", { text: t("questions") }), make("dl", { class: "card" }, ...questions.filter(([, key]) => sweep.answers[key]).flatMap(([word, key]) => [make("dt", { text: t(word) }), make("dd", { text: sweep.answers[key], class: "words" })])),
    make("h2", { text: t("trials") }), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("trials") }, parts.trials), make("h2", { text: t("files") }), make("ul", { class: "files" }, make("li", {}, report), ...files));
  charts = { name: sweep.name, curve: curveChart(parts.curve), hold: holdChart(parts.hold) };
  const of = (one) => one.per_replicas.find((count) => count.replicas === (one.minimal?.replicas ?? count.replicas)) ?? { rungs: [] };
  const second = other ? { name: other.name, trials: other.trials, replicas: other.minimal?.replicas, rungs: of(other).rungs } : null;
  drawCurve(charts.curve, sweep.trials, sweep.estimate, minimal, sweep.limit_ms ?? undefined, second);
  drawHold(charts.hold, of(sweep).rungs, second, judged ? Number(judged.confidence) : sweep.confidence);
  const rows = [...sweep.per_replicas.map((count) => ({ ...count, name: sweep.name })), ...(other ? other.per_replicas.map((count) => ({ ...count, name: other.name })) : [])];
  table(parts.counts, [
    ...(other ? [{ title: t("sweeps"), text: true, of: (row) => row.name }] : []), { title: t("replicas"), of: (row) => row.replicas }, { title: t("each1"), text: true, of: (row) => (row.minimal ? `${row.minimal.cpus} CPU, ${memory(row.minimal.memory_bytes)}` : row.finding) },
    { title: t("total"), text: true, of: (row) => (row.minimal ? `${number(row.minimal.total.cpus)} CPU, ${memory(row.minimal.total.memory_bytes)}` : "–") }, { title: "p_hold", of: (row) => (row.minimal ? percent(row.minimal.p_hold, 1) : "–") }, { title: t("cost"), of: (row) => row.cost },
  ], rows, { caption: t("perReplicas") });
  trialTable(parts.trials, sweep.trials);
}

function judgeForm(sweep, judged) {
  const confidence = make("input", { name: "confidence", type: "range", min: "0.55", max: "0.995", step: "0.005", value: String(judged?.confidence ?? sweep.confidence) });
  const shown = make("output", { text: percent(Number(confidence.value), 1) });
  confidence.addEventListener("input", () => { shown.textContent = percent(Number(confidence.value), 1); });
  const slider = (name, title) => {
    const was = Number(judged?.[name] ?? 0);
    const input = make("input", { type: "range", min: "0", max: "100", step: "5", value: String(was), name });
    const text = make("output", { text: `${was}%` });
    input.addEventListener("input", () => { text.textContent = `${input.value}%`; });
    return make("label", {}, make("span", {}, `${title} `, text), input);
  };
  const field = (name, title) => make("label", {}, make("span", { text: title }), make("input", { name, value: judged?.[name] ?? (name === "slo" ? sweep.objective : "") }));
  const message = make("p", { class: "message", role: "alert" });
  const form = make("form", { class: "card", id: "judge-form" }, make("details", { open: Boolean(judged) || Boolean(other) }, make("summary", { text: t("judge") }),
    make("div", { class: "grid" }, field("slo", t("objective")), make("label", {}, make("span", {}, `${t("confidence")} `, shown), confidence), slider("cpu_headroom", `${t("headroom")} CPU`), slider("memory_headroom", `${t("headroom")} ${t("memory").split(" ")[0]}`), field("cpu_price", t("cpuPrice")), field("memory_price", t("memoryPrice"))),
    make("p", { class: "row" }, make("button", { type: "submit", class: "primary", text: t("judgeNow") }), compareSelect(sweep, judged)), message));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    const query = new URLSearchParams({ slo: values.slo === sweep.objective && !judged ? "" : values.slo, confidence: values.confidence, cpu_price: values.cpu_price, memory_price: values.memory_price, headroom: `cpu=${values.cpu_headroom}%,memory=${values.memory_headroom}%` });
    try { details(await getJson(`/api/sweeps/${encodeURIComponent(sweep.name)}?${query}`), values); } catch (error) { message.textContent = error.message; }
  });
  return form;
}

function compareSelect(sweep, judged) {
  const select = make("select", { id: "compare" }, make("option", { value: "", text: t("nothing") }));
  getJson("/api/sweeps").then(({ sweeps }) => {
    select.append(...sweeps.filter((one) => one.name !== sweep.name).map((one) => make("option", { value: one.name, text: one.name })));
    select.value = other?.name ?? "";
  });
  select.addEventListener("change", async () => {
    other = null;
    try { if (select.value) other = await getJson(`/api/sweeps/${encodeURIComponent(select.value)}`); } catch (error) { return failed(error); }
    details(sweep, judged);
  });
  return make("label", {}, make("span", { text: t("compare") }), select);
}
