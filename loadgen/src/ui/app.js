// Shows what /stats/requests says. Text from the server only ever becomes textContent, never markup.
"use strict";

const byId = (id) => document.getElementById(id);

function rows(body, table) {
  body.replaceChildren(...table.map((cells) => {
    const tr = document.createElement("tr");
    for (const cell of cells) {
      const td = document.createElement("td");
      td.textContent = typeof cell === "number" ? round(cell) : cell;
      tr.append(td);
    }
    return tr;
  }));
}

const round = (n) => (Number.isInteger(n) ? String(n) : n.toFixed(n < 10 ? 2 : 1));

function chart(canvas, points, keys) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const style = getComputedStyle(document.documentElement);
  const left = 50, bottom = 18, top = 8;
  context.clearRect(0, 0, width, height);
  const most = Math.max(1e-9, ...points.flatMap((p) => keys.map((k) => p[k])));
  context.font = "11px system-ui";
  context.fillStyle = style.color || "#888";
  context.strokeStyle = "#8884";
  for (const share of [0, 0.5, 1]) {
    const y = top + (1 - share) * (height - top - bottom);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(width, y);
    context.stroke();
    context.fillText(round(most * share), 4, y + 4);
  }
  if (points.length) {
    const time = (p) => new Date(p.time).toLocaleTimeString();
    context.fillText(time(points[0]), left, height - 4);
    context.fillText(time(points[points.length - 1]), width - 60, height - 4);
  }
  keys.forEach((key, i) => {
    context.strokeStyle = style.getPropertyValue(i === 0 ? "--a" : "--b");
    context.lineWidth = 1.5;
    context.beginPath();
    points.forEach((p, x) => {
      const at = left + (x / Math.max(1, points.length - 1)) * (width - left);
      context.lineTo(at, top + (1 - p[key] / most) * (height - top - bottom));
    });
    context.stroke();
    context.lineWidth = 1;
  });
}

async function refresh() {
  try {
    const report = await (await fetch("/stats/requests")).json();
    byId("state").textContent = report.state;
    byId("host").textContent = report.host;
    byId("users").textContent = report.user_count;
    byId("rps").textContent = round(report.total_rps);
    byId("ratio").textContent = `${round(report.fail_ratio * 100)}%`;
    byId("start").disabled = report.state === "running";
    byId("stop").disabled = report.state !== "running";
    rows(byId("stats"), report.stats.map((s) => [
      s.method, s.name, s.num_requests, s.num_failures, s.median_response_time, s["response_time_percentile_0.95"],
      s["response_time_percentile_0.99"], s.avg_response_time, s.min_response_time, s.max_response_time,
      s.avg_content_length, s.current_rps, s.current_fail_per_sec,
    ]));
    rows(byId("addresses"), report.addresses.map((a) => [
      a.host, a.address, a.num_requests, a.num_failures, a.median_response_time, a["response_time_percentile_0.95"],
    ]));
    byId("spread").textContent = report.spread;
    rows(byId("errors"), report.errors.map((e) => [e.occurrences, e.method, e.name, e.error]));
    chart(byId("chart-rps"), report.history, ["rps", "failures"]);
    chart(byId("chart-times"), report.history, ["p50", "p95"]);
    if (report.problem) byId("message").textContent = report.problem;
  } catch (error) {
    byId("state").textContent = "loadgen does not answer";
  }
}

byId("swarm").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("message").textContent = "";
  const answer = await fetch("/swarm", { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
  byId("message").textContent = answer.ok ? (await answer.json()).message : await answer.text();
  refresh();
});
byId("stop").addEventListener("click", async () => { await fetch("/stop"); refresh(); });
byId("reset").addEventListener("click", async () => { await fetch("/stats/reset"); refresh(); });
setInterval(refresh, 1000);
refresh();
