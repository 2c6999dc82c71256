// The tests of the session: which one is shown.
import { byId, getJson, make } from "./dom.js";
import { clock } from "./format.js";
import { state } from "./load-state.js";
import { locale, t } from "./words.js";

// Returns the test that is shown: the current one, or an earlier one that was chosen.
export function viewed() {
  if (!state.viewed) return state;
  const report = { stats: [], errors: [], addresses: [], tasks: [], ...state.viewed };
  return { report, test: report.test, points: report.points, log: report.log };
}

// Returns the options for the tests other than the one that is shown.
export function testOptions(tests) {
  return tests.map(({ id, began, load, users }) => {
    const text = load || t("usersOf", { users });
    return make("option", { value: String(id), text: `${clock(began)} · ${text}` });
  });
}

// Lists the tests. The list is only replaced when it changes, for it may be open.
export function listTests(redraw) {
  const select = byId("shown-test");
  const tests = state.report.tests;
  byId("shown-label").hidden = tests.length < 2;
  const names = `${tests.map((test) => test.id).join()}${locale()}`;
  if (select.dataset.names !== names) {
    select.dataset.names = names;
    select.replaceChildren(...testOptions(tests).reverse());
    select.onchange = async () => {
      const id = Number(select.value);
      try {
        state.viewed = id === state.test ? null : await getJson(`/api/tests/${id}`);
      } catch {
        state.viewed = null;
      }
      redraw();
    };
  }
  select.value = String(viewed().test);
}
