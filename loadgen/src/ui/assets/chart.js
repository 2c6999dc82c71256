// Line and dot charts on a canvas: hover, zoom, legend, logarithmic axis, save as PNG.
import { Painter } from "./chart-paint.js";
import { isMissing, minutes, Scale, short } from "./chart-scale.js";
import { make } from "./dom.js";
import { number } from "./format.js";
import { t } from "./words.js";

export class Chart {
  // Options: title, unit, x ("time" in seconds, or "value"), logX, log, min (of the highest value
  // of the axis), formatX (text of a tick), at (text of the cursor).
  constructor(figure, options) {
    Object.assign(this, { options, series: [], marks: [], lines: [], bands: [] });
    this.hiddenNames = new Set();
    this.isLog = options.log ?? false;
    this.zoom = this.cursor = this.drag = this.scale = null;
    this.build(figure);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  build(figure) {
    this.canvas = make("canvas", { tabindex: "0", role: "img" });
    this.title = make("span", { text: this.options.title });
    this.logButton = make("button", {
      type: "button",
      text: "log",
      title: t("logAxis"),
      "aria-pressed": String(this.isLog),
    });
    this.resetButton = make("button", { type: "button", text: t("zoomOut"), hidden: true });
    this.saveButton = make("button", { type: "button", text: "PNG", title: t("savePng") });
    this.legend = make("div", { class: "legend" });
    const buttons = make(
      "span",
      { class: "buttons" },
      this.resetButton,
      this.logButton,
      this.saveButton,
    );
    figure.replaceChildren(
      make("figcaption", {}, this.title, buttons),
      this.canvas,
      this.legend,
    );
  }

  listen() {
    this.logButton.addEventListener("click", () => {
      this.isLog = !this.isLog;
      this.logButton.setAttribute("aria-pressed", String(this.isLog));
      this.draw();
    });
    const zoomOut = () => {
      this.zoom = null;
      this.draw();
    };
    this.resetButton.addEventListener("click", zoomOut);
    this.saveButton.addEventListener("click", () => this.save());
    this.canvas.addEventListener("pointercancel", () => {
      this.drag = this.cursor = null;
      this.draw();
    });
    this.canvas.addEventListener("dblclick", zoomOut);
    this.canvas.addEventListener("pointermove", (event) => this.onMove(event));
    this.canvas.addEventListener("pointerleave", () => {
      if (this.drag) return;
      this.cursor = null;
      this.draw();
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.drag = { from: event.offsetX, to: event.offsetX };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointerup", () => this.onDrop());
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
  }

  // A series has: name, color (a CSS variable), points ([x, y, dot]), dash, faint, and dots (true,
  // or "only" for no line). Without a y there is a gap. A dot may have a color and a shape.
  // Extras: marks ({x, label, color}), lines ({y, label, color}) and bands ({from, to, color}).
  set(series, extras = {}) {
    this.series = series;
    this.marks = extras.marks ?? [];
    this.lines = extras.lines ?? [];
    this.bands = extras.bands ?? [];
    this.draw();
  }

  get shown() {
    return this.series.filter((series) => !this.hiddenNames.has(series.name));
  }

  draw() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
      canvas.width = pixelWidth;
      canvas.height = pixelHeight;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.scale = new Scale(this, width, height);
    new Painter(context, this.scale, width, height).paint(this);
    this.drawLegend();
    this.resetButton.hidden = !this.zoom;
    canvas.setAttribute("aria-label", `${this.title.textContent}: ${this.legend.textContent}`);
  }

  xText(value) {
    if (this.options.formatX) return this.options.formatX(value);
    return this.options.x === "value" ? short(value) : minutes(value);
  }

  // Buttons stay while the series do: one may have the focus, or be pressed just now.
  drawLegend() {
    const style = getComputedStyle(document.documentElement);
    const names = this.series.map((series) => `${series.name}${series.dash ?? ""}`).join();
    if (this.legend.dataset.names !== names) {
      this.legend.dataset.names = names;
      this.legend.replaceChildren(...this.series.map((series) => this.legendButton(series)));
      this.legend.append(make("span", { class: "at" }));
    }
    this.series.forEach((series, index) => {
      const button = this.legend.children[index];
      const line = button.firstChild;
      button.setAttribute("aria-pressed", String(!this.hiddenNames.has(series.name)));
      line.style.borderColor = style.getPropertyValue(series.color).trim();
      line.style.borderTopStyle = series.dash ? "dashed" : "solid";
      button.lastChild.textContent = this.legendText(series);
    });
    const at = isMissing(this.cursor)
      ? ""
      : `· ${this.options.at?.(this.cursor) ?? this.xText(this.cursor)}`;
    this.legend.lastChild.textContent = at;
  }

  legendButton({ name }) {
    const button = make("button", { type: "button" }, make("i"), make("span"));
    button.addEventListener("click", () => {
      if (this.hiddenNames.has(name)) this.hiddenNames.delete(name);
      else this.hiddenNames.add(name);
      this.draw();
    });
    return button;
  }

  // The name of a series with its value at the cursor, or its last one.
  legendText(series) {
    if (series.dots === "only") return series.name;
    const point = isMissing(this.cursor)
      ? series.points.findLast(([, y]) => !isMissing(y))
      : this.nearest(series);
    const value = isMissing(point?.[1]) ? "–" : number(point[1]);
    return `${series.name} ${value}${this.options.unit ?? ""}`;
  }

  nearest(series) {
    const distance = ([x]) => Math.abs(x - this.cursor);
    let best = null;
    for (const point of series.points) {
      if (!best || distance(point) < distance(best)) best = point;
    }
    return best;
  }

  // The x of all points of the series that are shown.
  shownX() {
    return this.shown.flatMap((series) => series.points.map(([x]) => x));
  }

  onMove(event) {
    if (this.drag) this.drag.to = event.offsetX;
    const value = this.scale?.valueAt(event.offsetX);
    const closer = (a, b) => (Math.abs(b - value) < Math.abs(a - value) ? b : a);
    const all = this.shownX();
    this.cursor = all.length ? all.reduce(closer) : null;
    this.draw();
  }

  onDrop() {
    const { from, to } = this.drag ?? { from: 0, to: 0 };
    this.drag = null;
    if (Math.abs(to - from) > 8) {
      this.zoom = [
        this.scale.valueAt(Math.min(from, to)),
        this.scale.valueAt(Math.max(from, to)),
      ];
    }
    this.draw();
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const all = [...new Set(this.shownX())].sort((a, b) => a - b);
    if (event.key === "Escape") {
      this.cursor = null;
      this.zoom = null;
    } else if (step && all.length) {
      const outside = step > 0 ? -1 : all.length;
      const index = isMissing(this.cursor) ? outside : all.indexOf(this.cursor);
      this.cursor = all[Math.min(Math.max(index + step, 0), all.length - 1)];
    } else {
      return;
    }
    event.preventDefault();
    this.draw();
  }

  save() {
    const name = this.title.textContent.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
    const link = make("a", { download: `${name}.png` });
    this.canvas.toBlob((blob) => {
      link.href = URL.createObjectURL(blob);
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
}
