// Tables of the load test page: statistics, addresses, failures and the ratio of the tasks.
import { byId } from "./dom.js";
import { clock, number, percent } from "./format.js";
import { table } from "./table.js";
import { t } from "./words.js";

export function drawStatistics(report) {
  const figure = (title, name, digits) => ({
    title: t(title),
    value: (row) => number(row[name], digits),
    key: (row) => row[name],
  });
  const columns = [
    { title: t("type"), text: true, value: (row) => row.method },
    { title: t("name"), text: true, value: (row) => row.name },
    figure("requests", "num_requests", 0),
    figure("fails", "num_failures", 0),
    figure("median", "median_response_time"),
    figure("p95", "response_time_percentile_0.95"),
    figure("p99", "response_time_percentile_0.99"),
    figure("average", "avg_response_time"),
    figure("min", "min_response_time"),
    figure("max", "max_response_time"),
    figure("size", "avg_content_length"),
    figure("currentRps", "current_rps", 1),
    figure("currentFails", "current_fail_per_sec", 1),
  ];
  table(byId("stats"), columns, report.stats, {
    sortable: true,
    caption: t("statistics"),
    rowClass: (row) => (row.name === "Aggregated" ? "total" : null),
  });
  const loaded = report.addresses.filter((row) => row.requests > row.failures).length;
  const all = report.addresses.length;
  byId("spread").textContent = report.spread || (all ? t("spread", { loaded, all }) : "");
  drawAddresses(report);
}

function drawAddresses(report) {
  const columns = [
    { title: t("address"), text: true, value: (row) => row.address },
    { title: t("host"), text: true, value: (row) => row.host },
    { title: t("requests"), value: (row) => row.requests },
    { title: t("fails"), value: (row) => row.failures },
    { title: t("median"), value: (row) => row.p50 },
    { title: t("p95"), value: (row) => row.p95 },
  ];
  table(byId("addresses"), columns, report.addresses, { caption: t("addresses") });
}

export function drawErrors(report) {
  const count = report.errors.reduce((sum, row) => sum + row.occurrences, 0);
  byId("failure-count").hidden = count === 0;
  byId("failure-count").textContent = number(count);
  const moment = (title, name) => ({
    title: t(title),
    value: (row) => clock(row[name] * 1000),
    key: (row) => row[name],
  });
  const columns = [
    {
      title: t("occurrences"),
      value: (row) => number(row.occurrences),
      key: (row) => row.occurrences,
    },
    { title: t("method"), text: true, value: (row) => row.method },
    { title: t("name"), text: true, value: (row) => row.name },
    { title: t("message"), text: true, wrap: true, value: (row) => row.error },
    moment("firstSeen", "first_seen"),
    moment("lastSeen", "last_seen"),
  ];
  table(byId("errors"), columns, report.errors, {
    sortable: true,
    caption: t("failures"),
    sorted: { index: 0, down: true },
  });
}

export function drawTasks(report) {
  const columns = [
    { title: t("task"), text: true, value: ([method, name]) => `${method} ${name}` },
    { title: t("share"), value: ([, , share]) => percent(share) },
  ];
  table(byId("tasks"), columns, report.tasks, { caption: t("ratio") });
}
