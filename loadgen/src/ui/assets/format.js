// Figures and moments as text, in the language of the page.
import { locale } from "./words.js";

export function number(value, digits) {
  if (value === undefined || value === null || Number.isNaN(value)) return "–";
  const places = digits ?? defaultDigits(value);
  return value.toLocaleString(locale(), {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
}

// Three significant digits or so: more would be noise in a measured figure.
function defaultDigits(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return 0;
  return Math.abs(value) >= 10 ? 1 : 2;
}

export function percent(share, digits) {
  const places = digits ?? (share > 0 && share < 0.1 ? 2 : 0);
  return `${number(share * 100, places)}%`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString(locale());

export function day(ms) {
  return new Date(ms).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
}

export function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
