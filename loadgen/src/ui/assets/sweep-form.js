// The form of a new sweep.
import { getJson, labelled, make, post } from "./dom.js";
import { body, sweepHash } from "./sweep-parts.js";
import { t } from "./words.js";

const MODES = ["minimal", "demand", "capacity", "frontier", "grid"];

// Shows the form, if `isWanted` still says so when its values have come.
export async function showForm(isWanted) {
  const { form: initial, workloads, problem } = await getJson("/api/sweeps/form");
  if (!isWanted()) return;
  const message = make("p", { class: "message", role: "alert" });
  const form = make(
    "form",
    { class: "card narrow", id: "sweep-form" },
    make("h2", { text: t("startSweep") }),
    problem ? make("p", { class: "banner warn", text: t("noEngine", { why: problem }) }) : null,
    labelled(t("workload"), workloadSelect(workloads)),
    ...fields(initial),
    make(
      "p",
      { class: "row" },
      make("button", { type: "submit", class: "primary", text: t("start") }),
      make("a", { href: "#/sweeps", text: t("cancel") }),
    ),
    message,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    const answer = await post("/api/sweeps", new FormData(form));
    if (answer.success) location.hash = sweepHash(answer.name);
    else message.textContent = answer.message;
  });
  body().replaceChildren(form);
}

function workloadSelect(workloads) {
  const group = (kind, title) => {
    const options = workloads
      .filter(({ workload }) => workload.kind === kind)
      .map(({ value, workload }) => make("option", { value, text: workload.name }));
    return options.length ? make("optgroup", { label: title }, ...options) : null;
  };
  return make(
    "select",
    { name: "workload", required: "" },
    make("option", { value: "", text: t("chooseOne") }),
    group("service", t("services")),
    group("image", t("images")),
    group("model", t("models")),
  );
}

function fields(initial) {
  const field = (name, title, more) => {
    return labelled(t(title), make("input", { name, value: initial[name] ?? "", ...more }));
  };
  const modes = MODES.map((name) => make("option", { value: name, text: name }));
  return [
    make(
      "div",
      { class: "grid" },
      field("max_users", "maxUsers", { inputmode: "numeric" }),
      field("step", "step", { inputmode: "numeric" }),
      field("replicas", "replicas"),
      field("confidence", "confidence"),
    ),
    field("slo", "objective"),
    make(
      "details",
      {},
      make("summary", { text: t("advanced") }),
      make(
        "div",
        { class: "grid" },
        field("cpus", "cpus", { placeholder: "0.1:1:0.1" }),
        field("memory", "memory", { placeholder: "32Mi,48Mi,64Mi" }),
        field("headroom", "headroom", { placeholder: "cpu=20%,memory=15%" }),
        field("wait_time", "waitTime", { placeholder: "between(1, 2.5)" }),
        field("max_duration", "maxDuration", { placeholder: "30m" }),
        labelled(t("mode"), make("select", { name: "mode" }, ...modes)),
      ),
    ),
  ];
}
