// Elements, requests and tabs. Text from servers only ever becomes textContent, never markup.
import { t } from "./words.js";

export const byId = (id) => document.getElementById(id);

// Creates an element. Values that are no strings become properties, strings become attributes.
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name in node && typeof value !== "string") node[name] = value;
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

// Wraps a field in its label.
export function labelled(title, field) {
  return make("label", {}, make("span", { text: title }), field);
}

// Wraps a table that may be wider than the page. The keyboard must reach it in order to scroll it.
export function scrollRegion(title, node) {
  const properties = { class: "scroll", tabindex: "0", role: "region", "aria-label": title };
  return make("div", properties, node);
}

// Posts a form. Returns the parsed answer, or an object with the message of the failure.
export async function post(path, fields) {
  try {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
    const text = await answer.text();
    try {
      return JSON.parse(text);
    } catch {
      return { success: answer.ok, message: text.trim() };
    }
  } catch {
    return { success: false, message: t("lost") };
  }
}

export async function getJson(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

// Connects tabs with their panels. Arrow keys move, as assistive technology expects.
export function tabs(list, onChange) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const select = (tab, focus) => {
    for (const other of all) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
    if (focus) tab.focus();
    onChange?.(tab);
  };
  all.forEach((tab, index) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const targets = {
        ArrowRight: index + 1,
        ArrowLeft: index - 1,
        Home: 0,
        End: all.length - 1,
      };
      const target = targets[event.key];
      if (target === undefined) return;
      event.preventDefault();
      select(all[(target + all.length) % all.length], true);
    });
  });
  select(all[0]);
  return select;
}
