// Start of the page: language, theme, and which of the two pages is shown.
import { byId } from "./dom.js";
import * as load from "./load.js";
import * as sweep from "./sweep.js";
import { locale, setLanguage, t, translate } from "./words.js";

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}

function show() {
  const page = location.hash.startsWith("#/sweeps") ? "sweeps" : "test";
  for (const name of ["test", "sweeps"]) byId(`page-${name}`).hidden = name !== page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `loadgen · ${t(page === "test" ? "loadTest" : "sweeps")}`;
  if (page === "sweeps") {
    const [, , kind, name] = location.hash.split("/");
    sweep.open(kind === "of" ? decodeURIComponent(name ?? "") : kind);
  }
  if (page === "test") sweep.close();
}

const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
setTheme(localStorage.getItem("theme") ?? preferred);
byId("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  load.redraw();
  sweep.redraw();
});
byId("language").value = locale();
byId("language").addEventListener("change", (event) => {
  setLanguage(event.target.value);
  load.redraw(true);
  show();
});
translate();
load.start();
addEventListener("hashchange", show);
show();
