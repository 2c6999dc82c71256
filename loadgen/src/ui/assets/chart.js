// Line and dot charts on a canvas: hover, zoom, legend, log axis, save as PNG. Nulls are gaps.
import { make, number } from "./dom.js";
import { t } from "./words.js";

const PAD = { left: 58, right: 14, top: 12, bottom: 26 };

export class Chart {
  // `options`: title, unit, x ("time" in seconds or "value"), xTitle, logX, log, min, formatX.
  constructor(figure, options) {
    Object.assign(this, { figure, options, series: [], marks: [], lines: [], bands: [], hiddenNames: new Set(), isLog: options.log ?? false });
    this.canvas = make("canvas", { tabindex: "0", role: "img" });
    this.title = make("span", { text: options.title });
    this.logButton = make("button", { type: "button", text: "log", title: t("logAxis"), "aria-pressed": String(this.isLog) });
    this.resetButton = make("button", { type: "button", text: t("zoomOut"), hidden: true });
    const save = make("button", { type: "button", text: "PNG", title: t("savePng") });
    this.legend = make("div", { class: "legend" });
    figure.replaceChildren(make("figcaption", {}, this.title, make("span", { class: "buttons" }, this.resetButton, this.logButton, save)), this.canvas, this.legend);
    this.logButton.addEventListener("click", () => { this.isLog = !this.isLog; this.logButton.setAttribute("aria-pressed", String(this.isLog)); this.draw(); });
    this.resetButton.addEventListener("click", () => { this.zoom = null; this.draw(); });
    save.addEventListener("click", () => this.save());
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerleave", () => { if (!this.drag) { this.cursor = null; this.draw(); } });
    this.canvas.addEventListener("pointerdown", (event) => { this.drag = { from: event.offsetX, to: event.offsetX }; this.canvas.setPointerCapture(event.pointerId); });
    this.canvas.addEventListener("pointerup", () => this.drop());
    this.canvas.addEventListener("dblclick", () => { this.zoom = null; this.draw(); });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // Series: {name, color (a CSS variable), points: [[x, y or null]], dash, dots, faint}. A dot may have {color, shape, label}.
  set(series, extras = {}) {
    Object.assign(this, { series, marks: extras.marks ?? [], lines: extras.lines ?? [], bands: extras.bands ?? [] });
    if (extras.title) this.title.textContent = extras.title;
    this.draw();
  }

  shown() { return this.series.filter((series) => !this.hiddenNames.has(series.name)); }

  draw() {
    const { canvas } = this;
    const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paint(context, width, height);
    this.describe();
  }

  paint(context, width, height) {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    context.fillStyle = color("--card");
    context.fillRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    this.scales(width, height);
    this.grid(context, width, height, color);
    context.save();
    context.beginPath();
    context.rect(PAD.left, PAD.top - 6, width - PAD.left - PAD.right, height - PAD.top - PAD.bottom + 8);
    context.clip();
    for (const band of this.bands) {
      context.fillStyle = color(band.color);
      context.globalAlpha = 0.14;
      context.fillRect(this.x(band.from), PAD.top, Math.max(1, this.x(band.to) - this.x(band.from)), height - PAD.top - PAD.bottom);
      context.globalAlpha = 1;
    }
    for (const mark of this.marks) this.vertical(context, this.x(mark.x), height, color(mark.color ?? "--quiet"), mark.label);
    for (const line of this.lines) this.horizontal(context, width, line, color);
    for (const series of this.shown()) this.line(context, series, color(series.color));
    if (this.drag && Math.abs(this.drag.to - this.drag.from) > 3) {
      context.fillStyle = color("--c1");
      context.globalAlpha = 0.18;
      context.fillRect(this.drag.from, PAD.top, this.drag.to - this.drag.from, height - PAD.top - PAD.bottom);
      context.globalAlpha = 1;
    } else if (this.cursor !== null && this.cursor !== undefined) this.vertical(context, this.x(this.cursor), height, color("--text"));
    context.restore();
    this.names(color);
  }

  scales(width, height) {
    const inside = [], values = [];
    for (const series of this.shown()) for (const [x, y] of series.points) {
      if (y === null || y === undefined) continue;
      if (this.zoom && (x < this.zoom[0] || x > this.zoom[1])) continue;
      inside.push(x);
      values.push(y);
    }
    for (const line of this.lines) if (values.length) values.push(line.y);
    const all = this.series.flatMap((series) => series.points.map(([x]) => x));
    const least = (list, or) => list.reduce((a, b) => Math.min(a, b), list.length ? Infinity : or);
    const most = (list, or) => list.reduce((a, b) => Math.max(a, b), list.length ? -Infinity : or);
    const log = this.options.logX;
    let [low, high] = this.zoom ?? [least(all, log ? 0.01 : 0), most(all, 1)];
    if (log) low = Math.max(low, 1e-4);
    if (this.options.logX && !this.zoom && all.length) { low *= 0.93; high *= 1.07; }
    if (high <= low) high = low + 1;
    let top = most(values, 1), bottom = 0;
    if (this.isLog) {
      bottom = Math.max(least(values.filter((v) => v > 0), 0.1), top / 1e6) * 0.8;
      top = Math.max(top * 1.2, bottom * 10);
    } else top = Math.max(top * 1.08, this.options.min ?? 1e-9);
    const span = [PAD.left, width - PAD.right], rise = [height - PAD.bottom, PAD.top];
    this.range = { low, high, bottom, top };
    this.x = (value) => span[0] + ((log ? Math.log(Math.max(value, 1e-9) / low) / Math.log(high / low) : (value - low) / (high - low)) * (span[1] - span[0]));
    this.back = (place) => { const share = (place - span[0]) / (span[1] - span[0]); return log ? low * (high / low) ** share : low + share * (high - low); };
    this.y = (value) => {
      const share = this.isLog ? Math.log(Math.max(value, bottom) / bottom) / Math.log(top / bottom) : (value - bottom) / (top - bottom);
      return rise[0] + share * (rise[1] - rise[0]);
    };
  }

  grid(context, width, height, color) {
    const { low, high, bottom, top } = this.range;
    context.strokeStyle = color("--grid");
    context.fillStyle = color("--quiet");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of this.isLog ? powers(bottom, top) : steps(bottom, top, 4)) {
      const y = Math.round(this.y(value)) + 0.5;
      context.beginPath(); context.moveTo(PAD.left, y); context.lineTo(width - PAD.right, y); context.stroke();
      context.fillText(short(value) + (this.options.unit ?? ""), PAD.left - 6, y);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    const count = Math.max(2, Math.floor(width / 110));
    for (const value of this.options.logX ? powers(low, high) : this.options.x === "value" ? steps(low, high, count) : clockSteps(low, high, count)) {
      if (value < low || value > high) continue;
      context.fillText(this.xText(value), Math.min(Math.max(this.x(value), PAD.left + 8), width - 24), height - PAD.bottom + 8);
    }
  }

  xText(value) { return this.options.formatX ? this.options.formatX(value) : this.options.x === "value" ? short(value) : `${Math.floor(value / 60)}:${String(Math.round(value % 60)).padStart(2, "0")}`; }

  line(context, series, stroke) {
    context.strokeStyle = context.fillStyle = stroke;
    context.globalAlpha = series.faint ? 0.45 : 1;
    context.lineWidth = series.faint ? 1.2 : 1.8;
    context.lineJoin = "round";
    context.setLineDash(series.dash ?? []);
    context.beginPath();
    let isOpen = false, alone = null;
    for (const [x, y] of series.dots === "only" ? [] : series.points) {
      if (y === null || y === undefined) {
        if (alone) context.rect(alone[0] - 1, alone[1] - 1, 2, 2);
        [isOpen, alone] = [false, null];
        continue;
      }
      const [px, py] = [this.x(x), this.y(y)];
      if (isOpen) { context.lineTo(px, py); alone = null; } else { context.moveTo(px, py); alone = [px, py]; }
      isOpen = true;
    }
    context.stroke();
    context.setLineDash([]);
    if (series.dots) for (const [x, y, dot] of series.points) if (y !== null && y !== undefined) this.dot(context, this.x(x), this.y(y), dot, stroke);
    context.globalAlpha = 1;
  }

  // Verdicts differ in shape as well as in colour: a disc passes, a cross fails, a ring is open.
  dot(context, x, y, dot = {}, stroke) {
    context.strokeStyle = context.fillStyle = dot.color ? getComputedStyle(document.documentElement).getPropertyValue(dot.color).trim() : stroke;
    context.lineWidth = 2.2;
    context.beginPath();
    if (dot.shape === "cross") { context.moveTo(x - 5, y - 5); context.lineTo(x + 5, y + 5); context.moveTo(x + 5, y - 5); context.lineTo(x - 5, y + 5); context.stroke(); }
    else if (dot.shape === "ring") { context.arc(x, y, 5, 0, 7); context.stroke(); }
    else { context.arc(x, y, dot.shape === "disc" ? 5.5 : 3, 0, 7); context.fill(); }
  }

  vertical(context, x, height, stroke, label) {
    context.strokeStyle = context.fillStyle = stroke;
    context.lineWidth = 1;
    context.setLineDash(label ? [2, 4] : []);
    context.beginPath(); context.moveTo(x, PAD.top); context.lineTo(x, height - PAD.bottom); context.stroke();
    context.setLineDash([]);
    if (label) { context.textAlign = "left"; context.textBaseline = "top"; context.fillText(label, x + 4, PAD.top); }
  }

  horizontal(context, width, line, color) {
    const y = this.y(line.y);
    context.strokeStyle = context.fillStyle = color(line.color ?? "--bad");
    context.lineWidth = 1.4;
    context.setLineDash([7, 4]);
    context.beginPath(); context.moveTo(PAD.left, y); context.lineTo(width - PAD.right, y); context.stroke();
    context.setLineDash([]);
    context.textAlign = "right"; context.textBaseline = "bottom";
    context.fillText(line.label, width - PAD.right - 4, y - 2);
  }

  // The legend shows the values at the cursor, or the last ones.
  names(color) {
    const at = (series) => {
      if (this.cursor === null || this.cursor === undefined) return [...series.points].reverse().find(([, y]) => y !== null && y !== undefined)?.[1];
      return this.nearest(series)?.[1];
    };
    const entries = this.series.map((series) => {
      const isShown = !this.hiddenNames.has(series.name);
      const value = at(series);
      const line = make("i");
      line.style.borderColor = color(series.color);
      line.style.borderTopStyle = series.dash ? "dashed" : "solid";
      const text = series.dots === "only" ? series.name : `${series.name} ${value === undefined || value === null ? "–" : number(value)}${this.options.unit ?? ""}`;
      const button = make("button", { type: "button", "aria-pressed": String(isShown) }, line, text);
      button.addEventListener("click", () => { isShown ? this.hiddenNames.add(series.name) : this.hiddenNames.delete(series.name); this.draw(); });
      return button;
    });
    if (this.cursor !== null && this.cursor !== undefined) entries.push(make("span", { class: "at", text: `· ${this.options.at?.(this.cursor) ?? this.xText(this.cursor)}` }));
    this.legend.replaceChildren(...entries);
  }

  nearest(series) {
    let best = null;
    for (const point of series.points) if (!best || Math.abs(point[0] - this.cursor) < Math.abs(best[0] - this.cursor)) best = point;
    return best;
  }

  move(event) {
    if (this.drag) this.drag.to = event.offsetX;
    this.cursor = this.snap(this.back?.(event.offsetX));
    this.draw();
  }

  snap(value) {
    const xs = this.shown().flatMap((series) => series.points.map(([x]) => x));
    return xs.length ? xs.reduce((a, b) => (Math.abs(b - value) < Math.abs(a - value) ? b : a)) : null;
  }

  drop() {
    const { from, to } = this.drag ?? { from: 0, to: 0 };
    this.drag = null;
    if (Math.abs(to - from) > 8) this.zoom = [this.back(Math.min(from, to)), this.back(Math.max(from, to))];
    this.resetButton.hidden = !this.zoom;
    this.draw();
  }

  key(event) {
    const xs = [...new Set(this.shown().flatMap((series) => series.points.map(([x]) => x)))].sort((a, b) => a - b);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") { this.cursor = null; this.zoom = null; this.resetButton.hidden = true; }
    else if (step && xs.length) {
      const now = this.cursor === null || this.cursor === undefined ? (step > 0 ? -1 : xs.length) : xs.indexOf(this.cursor);
      this.cursor = xs[Math.min(Math.max(now + step, 0), xs.length - 1)];
    } else return;
    event.preventDefault();
    this.draw();
  }

  describe() { this.canvas.setAttribute("aria-label", `${this.title.textContent}: ${this.legend.textContent}`); }

  save() {
    const link = make("a", { download: `${this.title.textContent.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.png` });
    this.canvas.toBlob((blob) => { link.href = URL.createObjectURL(blob); link.click(); URL.revokeObjectURL(link.href); });
  }
}

function steps(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= rough);
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high * 1.0001; value += step) all.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return all;
}

function clockSteps(low, high, count) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400].find((step) => (high - low) / step <= count) ?? 28800;
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) all.push(value);
  return all;
}

function powers(low, high) {
  const all = [];
  const digits = high / low > 200 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) for (const digit of digits) all.push(digit * 10 ** power);
  return all.filter((value) => value >= low && value <= high);
}

function short(value) {
  const abs = Math.abs(value);
  if (abs >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (abs >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}
