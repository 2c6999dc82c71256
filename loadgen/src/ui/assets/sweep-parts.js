// Parts that the views of the sweep page share.
import { byId, make, post } from "./dom.js";
import { number, percent } from "./format.js";
import { table } from "./table.js";
import { t } from "./words.js";

export const body = () => byId("sweep-body");

// The address of a sweep on the page, and the path of its data.
export const sweepHash = (name) => `#/sweeps/of/${encodeURIComponent(name)}`;
export const sweepPath = (name) => `/api/sweeps/of/${encodeURIComponent(name)}`;

export function memory(bytes) {
  if (bytes >= 2 ** 30) return `${number(bytes / 2 ** 30, 0)} GiB`;
  return `${number(bytes / 2 ** 20, 0)} MiB`;
}

// The replicas and limits of a trial or of an answer.
export function limitsOf(one) {
  return t("limitsOfEach", {
    replicas: one.replicas,
    cpus: one.cpus ?? one.limits.cpus,
    memory: memory(one.memory_bytes ?? one.limits.memory_bytes),
  });
}

// The quantile of the objective, as a trial's step or a reading measured it. Without one, the p95.
export function quantile(measured) {
  const quantiles = measured.violation_rates?.map((rate) => rate.quantile_ms);
  return quantiles?.find((ms) => ms !== null) ?? measured.intended_ms?.p95;
}

export function backLink() {
  return make("p", {}, make("a", { href: "#/sweeps", text: `← ${t("back")}` }));
}

export function resumeRow(name) {
  const button = make("button", { type: "button", text: t("resume") });
  const message = make("span", { class: "message", role: "alert" });
  button.addEventListener("click", async () => {
    const answer = await post(`${sweepPath(name)}/resume`, {});
    message.textContent = answer.success ? "" : answer.message;
  });
  return make("p", { class: "row" }, button, message);
}

export function trialTable(node, trials) {
  const verdict = (trial) => trial.verdict;
  const lastStep = (trial) => trial.steps?.at(-1);
  const p95 = (trial) => {
    const step = lastStep(trial);
    return step?.requests ? number(quantile(step)) : "–";
  };
  const rate = (trial) => {
    const step = lastStep(trial);
    return step ? `${number(step.requests_per_second, 0)}/s` : "–";
  };
  const throttled = ({ usage }) => {
    return usage?.throttled_share == null ? "–" : percent(usage.throttled_share, 0);
  };
  const reasons = (trial) => (trial.reasons ?? []).join("; ");
  const columns = [
    { title: t("number"), value: (trial) => trials.indexOf(trial) + 1 },
    { title: t("kind"), text: true, value: (trial) => trial.purpose },
    { title: t("limits"), text: true, value: limitsOf },
    { title: t("users"), value: (trial) => trial.users },
    { title: t("verdict"), text: true, value: verdict, class: verdict },
    { title: t("bottleneck"), text: true, value: (trial) => trial.bottleneck ?? "" },
    { title: t("p95Ms"), value: p95 },
    { title: t("rate"), value: rate },
    { title: t("throttledShare"), value: throttled },
    { title: "", text: true, wrap: true, value: reasons },
  ];
  table(node, columns, trials, { caption: t("trials") });
}
