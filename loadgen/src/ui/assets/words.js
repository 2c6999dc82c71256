// The words of the page in the chosen language.
import { EN } from "./words-en.js";
import { ES } from "./words-es.js";

const WORDS = { en: EN, es: ES };

const preferred = navigator.language.startsWith("es") ? "es" : "en";
let language = localStorage.getItem("language") ?? preferred;

export const locale = () => language;

// Returns the text of a key, with the values in place of the names in braces.
export function t(key, values = {}) {
  const text = WORDS[language][key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function setLanguage(to) {
  language = WORDS[to] ? to : "en";
  localStorage.setItem("language", language);
  translate();
}

// Fills the elements of the document that name a key.
export function translate(root = document) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  }
}

// Adds the words of a part of the page. A key that exists would change the text of another part.
export function addWords(en, es) {
  for (const [words, added] of [[EN, en], [ES, es]]) {
    const shared = Object.keys(added).filter((key) => Object.hasOwn(words, key));
    if (shared.length) throw new Error(`words defined twice: ${shared.join(", ")}`);
    Object.assign(words, added);
  }
}
