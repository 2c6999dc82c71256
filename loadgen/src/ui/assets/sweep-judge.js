// The form that judges a finished sweep again without measuring, and compares it with another.
import { getJson, labelled, make } from "./dom.js";
import { percent } from "./format.js";
import { sweepPath } from "./sweep-parts.js";
import { t } from "./words.js";

// Creates the form. `onJudged` takes the sweep as judged again and the values of the form,
// `onCompare` the name of another sweep, or "".
export function judgeForm(sweep, judged, other, { onJudged, onCompare }) {
  const message = make("p", { class: "message", role: "alert" });
  const form = make(
    "form",
    { class: "card", id: "judge-form" },
    make(
      "details",
      { open: Boolean(judged) || Boolean(other) },
      make("summary", { text: t("judge") }),
      fields(sweep, judged),
      make(
        "p",
        { class: "row" },
        make("button", { type: "submit", class: "primary", text: t("judgeNow") }),
        labelled(t("compare"), compareSelect(sweep, other, onCompare)),
      ),
      message,
    ),
  );
  // Fields that nobody touched keep the values of the sweep.
  const touched = new Set(judged?.touched);
  form.addEventListener("input", (event) => touched.add(event.target.name));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = { ...Object.fromEntries(new FormData(form)), touched };
    const path = `${sweepPath(sweep.name)}?${query(sweep, values, touched)}`;
    try {
      onJudged(await getJson(path), values);
    } catch (error) {
      message.textContent = error.message;
    }
  });
  return form;
}

function query(sweep, values, touched) {
  const isTouched = (...names) => names.some((name) => touched.has(name));
  const headroom = `cpu=${values.cpu_headroom}%,memory=${values.memory_headroom}%`;
  return new URLSearchParams({
    slo: isTouched("slo") ? values.slo : "",
    confidence: isTouched("confidence") ? values.confidence : "",
    cpu_price: values.cpu_price,
    memory_price: values.memory_price,
    headroom: isTouched("cpu_headroom", "memory_headroom") ? headroom : "",
  });
}

function fields(sweep, judged) {
  const field = (name, title, initial) => {
    return labelled(t(title), make("input", { name, value: judged?.[name] ?? initial }));
  };
  const headroom = (name, title) => {
    const value = String(Number(judged?.[name] ?? 0));
    const range = { name, min: "0", max: "100", step: "5", value };
    return slider(t(title), range, (percents) => `${percents}%`);
  };
  const confidence = {
    name: "confidence",
    min: "0.55",
    max: "0.995",
    step: "0.005",
    value: String(judged?.confidence ?? sweep.confidence),
  };
  return make(
    "div",
    { class: "grid" },
    field("slo", "objective", sweep.objective),
    slider(t("confidence"), confidence, (value) => percent(Number(value), 1)),
    headroom("cpu_headroom", "cpuHeadroom"),
    headroom("memory_headroom", "memoryHeadroom"),
    field("cpu_price", "cpuPrice", ""),
    field("memory_price", "memoryPrice", ""),
  );
}

// A range with its value as `text` writes it.
function slider(title, range, text) {
  const input = make("input", { type: "range", ...range });
  const output = make("output", { text: text(input.value) });
  input.addEventListener("input", () => {
    output.textContent = text(input.value);
  });
  return make("label", {}, make("span", {}, `${title} `, output), input);
}

function compareSelect(sweep, other, onCompare) {
  const none = make("option", { value: "", text: t("nothing") });
  const select = make("select", { id: "compare" }, none);
  getJson("/api/sweeps").then(({ sweeps }) => {
    const others = sweeps.filter(({ name }) => name !== sweep.name);
    select.append(...others.map(({ name }) => make("option", { value: name, text: name })));
    select.value = other?.name ?? "";
  });
  select.addEventListener("change", () => onCompare(select.value));
  return select;
}
