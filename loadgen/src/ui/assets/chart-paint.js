// Painting of a chart on its canvas.
import { isMissing, PAD, short } from "./chart-scale.js";

export class Painter {
  constructor(context, scale, width, height) {
    Object.assign(this, { context, scale, width, height });
    this.plotHeight = height - PAD.top - PAD.bottom;
    this.style = getComputedStyle(document.documentElement);
  }

  // The color that a CSS variable has in the theme.
  color(name) {
    return this.style.getPropertyValue(name).trim();
  }

  // Paints the whole chart: its series, marks, lines, bands, drag and cursor.
  paint(chart) {
    const { context, width, height } = this;
    context.fillStyle = this.color("--card");
    context.fillRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    this.axes(chart);
    context.save();
    context.beginPath();
    context.rect(PAD.left, PAD.top - 6, width - PAD.left - PAD.right, this.plotHeight + 8);
    context.clip();
    for (const band of chart.bands) {
      const from = this.scale.x(band.from);
      this.area(from, Math.max(1, this.scale.x(band.to) - from), band.color, 0.14);
    }
    for (const mark of chart.marks) this.vertical(mark.x, mark.color ?? "--quiet", mark.label);
    for (const line of chart.lines) this.horizontal(line);
    for (const series of chart.shown) this.series(series);
    if (chart.drag && Math.abs(chart.drag.to - chart.drag.from) > 3) {
      this.area(chart.drag.from, chart.drag.to - chart.drag.from, "--c1", 0.18);
    } else if (!isMissing(chart.cursor)) {
      this.vertical(chart.cursor, "--text");
    }
    context.restore();
  }

  axes(chart) {
    const { context, scale, width, height } = this;
    context.strokeStyle = this.color("--grid");
    context.fillStyle = this.color("--quiet");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of scale.verticalTicks()) {
      const y = Math.round(scale.y(value)) + 0.5;
      this.stroke([PAD.left, y], [width - PAD.right, y]);
      context.fillText(short(value) + (chart.options.unit ?? ""), PAD.left - 6, y);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    const count = Math.max(2, Math.floor(width / 110));
    for (const value of scale.horizontalTicks(count, chart.options.x !== "value")) {
      const x = Math.min(Math.max(scale.x(value), PAD.left + 8), width - 24);
      context.fillText(chart.xText(value), x, height - PAD.bottom + 8);
    }
  }

  stroke(from, to) {
    this.context.beginPath();
    this.context.moveTo(...from);
    this.context.lineTo(...to);
    this.context.stroke();
  }

  area(x, width, color, alpha) {
    this.context.fillStyle = this.color(color);
    this.context.globalAlpha = alpha;
    this.context.fillRect(x, PAD.top, width, this.plotHeight);
    this.context.globalAlpha = 1;
  }

  vertical(value, color, label) {
    const { context } = this;
    const x = this.scale.x(value);
    context.strokeStyle = context.fillStyle = this.color(color);
    context.lineWidth = 1;
    context.setLineDash(label ? [2, 4] : []);
    this.stroke([x, PAD.top], [x, this.height - PAD.bottom]);
    context.setLineDash([]);
    if (!label) return;
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(label, x + 4, PAD.top);
  }

  horizontal(line) {
    const { context } = this;
    const y = this.scale.y(line.y);
    const right = this.width - PAD.right;
    context.strokeStyle = context.fillStyle = this.color(line.color ?? "--bad");
    context.lineWidth = 1.4;
    context.setLineDash([7, 4]);
    this.stroke([PAD.left, y], [right, y]);
    context.setLineDash([]);
    context.textAlign = "right";
    context.textBaseline = "bottom";
    context.fillText(line.label, right - 4, y - 2);
  }

  series(series) {
    const { context, scale } = this;
    context.globalAlpha = series.faint ? 0.45 : 1;
    if (series.dots !== "only") this.curve(series);
    for (const [x, y, dot] of series.dots ? series.points : []) {
      if (!isMissing(y)) this.dot(scale.x(x), scale.y(y), dot, series.color);
    }
    context.globalAlpha = 1;
  }

  curve(series) {
    const { context, scale } = this;
    context.strokeStyle = context.fillStyle = this.color(series.color);
    context.lineWidth = series.faint ? 1.2 : 1.8;
    context.lineJoin = "round";
    context.setLineDash(series.dash ?? []);
    context.beginPath();
    let isOpen = false;
    // A point between two gaps has no line; a small square shows it.
    let alone = null;
    for (const [x, y] of series.points) {
      if (isMissing(y)) {
        if (alone) context.rect(alone[0] - 1, alone[1] - 1, 2, 2);
        [isOpen, alone] = [false, null];
        continue;
      }
      const pixel = [scale.x(x), scale.y(y)];
      if (isOpen) context.lineTo(...pixel);
      else context.moveTo(...pixel);
      alone = isOpen ? null : pixel;
      isOpen = true;
    }
    context.stroke();
    context.setLineDash([]);
  }

  // Verdicts differ in shape as well as in colour: a disc passes, a cross fails, a ring is open.
  dot(x, y, dot = {}, seriesColor) {
    const { context } = this;
    context.strokeStyle = context.fillStyle = this.color(dot.color ?? seriesColor);
    context.lineWidth = 2.2;
    context.beginPath();
    if (dot.shape === "cross") {
      context.moveTo(x - 5, y - 5);
      context.lineTo(x + 5, y + 5);
      context.moveTo(x + 5, y - 5);
      context.lineTo(x - 5, y + 5);
      context.stroke();
    } else if (dot.shape === "ring") {
      context.arc(x, y, 5, 0, 7);
      context.stroke();
    } else {
      context.arc(x, y, dot.shape === "disc" ? 5.5 : 3, 0, 7);
      context.fill();
    }
  }
}
