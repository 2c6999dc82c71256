// The sweep page: which view it shows, the stream of the running sweep, and the archive.
import { byId, getJson, make, post, scrollRegion } from "./dom.js";
import { day, percent } from "./format.js";
import { discardComparison, showDetails } from "./sweep-details.js";
import { showForm } from "./sweep-form.js";
import { discardLive, drawLive } from "./sweep-live.js";
import { backLink, body, limitsOf, resumeRow, sweepHash, sweepPath } from "./sweep-parts.js";
import "./sweep-words.js";
import { Stream } from "./stream.js";
import { table } from "./table.js";
import { t } from "./words.js";

// "list", "new", or the name of a sweep; null while the page is hidden.
let view = null;
// The last update of the running sweep, or of the one that ran last, and its trials.
let live = null;
let trials = [];
let stream = null;

export function open(name) {
  view = name || "list";
  discardComparison();
  discardLive();
  byId("sweep-new").onclick = () => {
    location.hash = "#/sweeps/new";
  };
  byId("sweep-stop").onclick = () => post("/api/sweeps/stop", {});
  stream ??= new Stream("/api/sweeps/live", nextPoll, receive);
  show();
}

export function close() {
  stream?.close();
  stream = null;
  view = null;
}

// Draws the page anew, for another theme or language.
export function redraw() {
  discardLive();
  if (view) show();
}

// Names the updates that the page has, so that a poll returns the rest.
const nextPoll = () => {
  return `/api/sweeps/poll?name=${encodeURIComponent(live?.name ?? "")}&trials=${trials.length}`;
};

// Takes an update. Each trial comes once; all else comes with every update.
function receive(update) {
  const wasRunning = live?.running;
  if (update) {
    trials = [...(update.from === 0 ? [] : trials.slice(0, update.from)), ...update.trials];
  }
  live = update;
  drawStop();
  if (view === "list" && wasRunning !== update?.running) {
    show();
  } else if (update && view === update.name) {
    if (update.running) drawLive(live, trials);
    else if (wasRunning) show();
  }
}

const isRunning = () => live?.running && live.name === view;

// A second stop would break the sweep off, so that one is enough.
function drawStop() {
  byId("sweep-stop").hidden = !live?.running;
  byId("sweep-stop").disabled = Boolean(live?.stopping);
  byId("sweep-stop").textContent = t(live?.stopping ? "stopping" : "stop");
}

async function show() {
  drawStop();
  if (view === "new") return showForm(() => view === "new");
  if (view === "list") return showList().catch(showFailure);
  if (isRunning()) return drawLive(live, trials);
  const name = view;
  try {
    const sweep = await getJson(sweepPath(name));
    // Another view may have been opened meanwhile.
    if (view === name) showDetails(sweep, showFailure);
  } catch (error) {
    if (view === name) showFailure(error);
  }
}

function showFailure(error) {
  // A sweep that has just started has no files yet.
  if (isRunning()) return drawLive(live, trials);
  const nodes = [
    backLink(),
    make("p", { class: "banner bad", role: "alert", text: error.message }),
  ];
  if (live?.name === view && !live.running) {
    const text = t("exitCode", { status: live.status ?? "–" });
    nodes.push(
      make("p", { class: "banner bad", text }),
      make("pre", { class: "log", text: live.messages.join("\n") }),
    );
  }
  if (view && !["list", "new"].includes(view)) nodes.push(resumeRow(view));
  body().replaceChildren(...nodes);
}

async function showList() {
  const { dir, sweeps, running } = await getJson("/api/sweeps");
  if (view !== "list") return;
  const link = ({ name }) => {
    return make("a", { href: sweepHash(name), text: name });
  };
  const columns = [
    { title: t("sweepName"), text: true, value: link },
    { title: t("date"), text: true, value: (row) => day(row.changed * 1000) },
    { title: t("workload"), text: true, value: (row) => row.image ?? t("models") },
    { title: t("users"), value: (row) => row.max_users },
    { title: t("answer"), text: true, value: (row) => answer(row, running) },
    { title: "p_hold", value: ({ minimal }) => (minimal ? percent(minimal.p_hold, 1) : "–") },
    { title: t("trials"), value: (row) => row.trials },
    { title: "", text: true, value: (row) => (row.ended_early ? t("endedEarly") : "") },
  ];
  const rows = make("table");
  table(rows, columns, sweeps, { caption: t("sweeps"), empty: t("noSweeps") });
  body().replaceChildren(
    make("h2", { text: t("archive", { dir }) }),
    scrollRegion(t("sweeps"), rows),
  );
}

function answer(row, running) {
  if (row.name === running) return t("live");
  if (row.is_damaged) return t("damaged");
  return row.minimal ? limitsOf(row.minimal) : t("nothingConfirmed");
}
