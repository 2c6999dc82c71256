// The forms of the load test page: a new test, and other users in a running one.
import { byId, getJson, make, post } from "./dom.js";
import { state } from "./load-state.js";

const fields = () => byId("swarm").elements;

// `redraw` draws the page.
export function startForm(redraw) {
  byId("swarm").addEventListener("submit", async (event) => {
    event.preventDefault();
    await begin(event.target);
    redraw();
  });
  byId("edit-form").addEventListener("submit", change);
  byId("edit").addEventListener("click", edit);
  byId("new").addEventListener("click", () => {
    state.isFormOpen = true;
    fill(state.report.form);
    redraw();
    fields().user_count.focus();
  });
  byId("example").addEventListener("click", fillExample);
  fields().scenario.addEventListener("change", showRequest);
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => {
      byId(button.dataset.close).hidden = true;
      state.isFormOpen = false;
      redraw();
    });
  }
  getJson("/api/form").then(({ form, scenarios, has_login }) => {
    byId("logout").hidden = !has_login;
    const options = scenarios.map((name) => make("option", { value: name, text: name }));
    fields().scenario.append(...options);
    fill(form);
    suggestExample();
  }, () => {});
}

function fill(form) {
  if (!form) return;
  for (const [name, value] of Object.entries(form)) {
    if (fields()[name]) fields()[name].value = value;
  }
  showRequest();
}

// A scenario has requests of its own.
function showRequest() {
  byId("request-fields").hidden = fields().scenario.value !== "";
}

async function begin(form) {
  const message = form.querySelector(".message");
  message.textContent = "";
  byId("start").disabled = true;
  const answer = await post("/swarm", new FormData(form));
  byId("start").disabled = false;
  if (answer.success) state.isFormOpen = false;
  else message.textContent = answer.message;
}

function edit() {
  const { report } = state;
  const form = byId("edit-form");
  form.elements.user_count.value = report.target_users;
  form.elements.spawn_rate.value = report.form.spawn_rate;
  form.hidden = false;
  form.elements.user_count.focus();
}

async function change(event) {
  event.preventDefault();
  const form = event.target;
  const answer = await post("/swarm", {
    host: state.report.form.host,
    user_count: form.elements.user_count.value,
    spawn_rate: form.elements.spawn_rate.value,
    // The rest of the run time; none if the test lasts until it is stopped.
    run_time: state.report.seconds_left ? `${state.report.seconds_left}s` : "",
  });
  form.querySelector(".message").textContent = answer.success ? "" : answer.message;
  if (answer.success) form.hidden = true;
}

// Shows the model's example where the body is left empty; then users send just that.
async function suggestExample() {
  const answer = await post("/api/example", { host: fields().host.value });
  if (answer.success) fields().body.placeholder = answer.body;
}

async function fillExample() {
  const message = byId("swarm").querySelector(".message");
  const answer = await post("/api/example", { host: fields().host.value });
  message.textContent = answer.success ? "" : answer.message;
  if (answer.success) fields().body.value = answer.body;
}
