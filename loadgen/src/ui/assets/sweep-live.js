// The running sweep: estimate, latencies as the probe measures them, trials, the ramp in progress,
// and the reason for the next trial.
import { Chart } from "./chart.js";
import { make, scrollRegion } from "./dom.js";
import { duration, number } from "./format.js";
import { drawHold, drawLatency, holdChart, latencyChart, limitOf } from "./sweep-charts.js";
import { backLink, body, trialTable } from "./sweep-parts.js";
import { t } from "./words.js";

let parts = null;

// Discards the elements, so that they are created anew.
export function discardLive() {
  parts = null;
}

function build(name) {
  const figures = [make("figure", { class: "wide" })];
  figures.push(make("figure"), make("figure"), make("figure"));
  parts = {
    name,
    tiles: make("dl", { class: "tiles" }),
    reason: make("p", { class: "banner", role: "status" }),
    trials: make("table"),
    log: make("pre", { class: "log", tabindex: "0" }),
    command: make("code"),
  };
  body().replaceChildren(
    backLink(),
    parts.tiles,
    parts.reason,
    make("div", { class: "charts" }, ...figures),
    make("h2", { text: t("trials") }),
    scrollRegion(t("trials"), parts.trials),
    make("h2", { text: t("messages") }),
    parts.log,
    make("p", {}, parts.command),
  );
  parts.latency = latencyChart(figures[0]);
  parts.hold = holdChart(figures[1]);
  parts.ramp = new Chart(figures[2], { title: t("rampChart"), unit: " ms" });
  parts.users = new Chart(figures[3], { title: t("rampUsers") });
}

// Draws an update. The elements are created once, so that charts keep their zoom and log axis.
export function drawLive(live, trials) {
  if (parts?.name !== live.name || !parts.tiles.isConnected) build(live.name);
  const { estimate, next, seconds } = live;
  const probe = { purpose: "probe", readings: live.readings };
  parts.tiles.replaceChildren(...tiles(live));
  parts.reason.textContent = next
    ? `${t("why")}: ${next.reason}`
    : (live.messages.at(-1) ?? t("starting"));
  drawLatency(parts.latency, [...trials, probe], { estimate });
  drawHold(parts.hold, live.rungs ?? []);
  const points = seconds.map((one) => [one.second, one.requests ? one.intended_ms.p95 : null]);
  const limit = limitOf([...trials, probe]);
  const lines = limit ? [{ y: limit, label: t("limit", { ms: number(limit) }) }] : [];
  parts.ramp.set([{ name: "p95", color: "--c2", points }], { lines });
  const users = seconds.map((one) => [one.second, one.users]);
  parts.users.set([{ name: t("users"), color: "--c1", points: users }]);
  trialTable(parts.trials, trials);
  parts.log.textContent = live.messages.join("\n");
  parts.command.textContent = live.command;
}

function tiles({ estimate, next, seconds }) {
  const last = seconds.at(-1);
  const [low, high] = estimate?.interval ?? [];
  return [
    tile(t("estimate"), estimate ? `${number(estimate.cpus, 3)} CPU` : "–"),
    tile(t("interval"), estimate ? `${number(low, 3)} – ${number(high, 3)}` : "–"),
    tile(t("trial"), next ? `${next.trial} · ${next.spec.purpose}` : t("starting")),
    tile(t("timeLeft"), next ? `≈ ${duration(next.seconds_left)}` : "–"),
    tile(t("users"), number(last?.users ?? 0)),
    tile("p95", last?.requests ? `${number(last.intended_ms.p95)} ms` : "–"),
  ];
}

function tile(title, value) {
  return make("div", {}, make("dt", { text: title }), make("dd", { text: value }));
}
