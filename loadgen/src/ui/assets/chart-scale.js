// Scales of a chart: from values to pixels and back, and the values that the axes name.

export const PAD = { left: 58, right: 14, top: 12, bottom: 26 };

export const isMissing = (value) => value === null || value === undefined;

// The least and the most of a list, or another value if it is empty. A list may be too long for the
// arguments of one call of Math.min.
function least(list, otherwise) {
  return list.length ? list.reduce((a, b) => Math.min(a, b)) : otherwise;
}

function most(list, otherwise) {
  return list.length ? list.reduce((a, b) => Math.max(a, b)) : otherwise;
}

// The place of a value between two others, from 0 to 1.
const share = (value, from, to) => (value - from) / (to - from);
const logShare = (value, from, to) => Math.log(value / from) / Math.log(to / from);

// The scales of both axes in an area of `width` by `height` pixels.
export class Scale {
  // `chart`: series (all), shown (those not hidden), lines, zoom ([from, to] or null),
  // isLog (the vertical axis), options (logX, min).
  constructor(chart, width, height) {
    this.isLog = chart.isLog;
    this.isLogX = chart.options.logX;
    [this.left, this.right] = [PAD.left, width - PAD.right];
    [this.floor, this.ceiling] = [height - PAD.bottom, PAD.top];
    this.setHorizontal(chart);
    this.setVertical(chart);
  }

  setHorizontal({ series, zoom }) {
    const all = series.flatMap((one) => one.points.map(([x]) => x));
    let [low, high] = zoom ?? [least(all, this.isLogX ? 0.01 : 0), most(all, 1)];
    if (this.isLogX) low = Math.max(low, 1e-4);
    // Dots at the edges need room; on a logarithmic axis that is a factor.
    if (this.isLogX && !zoom && all.length) {
      low *= 0.93;
      high *= 1.07;
    }
    if (high <= low) high = low + 1;
    [this.low, this.high] = [low, high];
  }

  setVertical({ shown, lines, zoom, options }) {
    const values = shown
      .flatMap((series) => series.points)
      .filter(([x, y]) => !isMissing(y) && !(zoom && (x < zoom[0] || x > zoom[1])))
      .map(([, y]) => y);
    if (values.length) values.push(...lines.map((line) => line.y));
    const top = most(values, 1);
    if (this.isLog) {
      const positive = values.filter((value) => value > 0);
      this.bottom = Math.max(least(positive, 0.1), top / 1e6) * 0.8;
      this.top = Math.max(top * 1.2, this.bottom * 10);
    } else {
      this.bottom = 0;
      this.top = Math.max(top * 1.08, options.min ?? 1e-9);
    }
  }

  // The pixel of a value on the horizontal axis.
  x(value) {
    const place = this.isLogX
      ? logShare(Math.max(value, 1e-9), this.low, this.high)
      : share(value, this.low, this.high);
    return this.left + place * (this.right - this.left);
  }

  // The value at a pixel of the horizontal axis.
  valueAt(pixel) {
    const place = share(pixel, this.left, this.right);
    if (this.isLogX) return this.low * (this.high / this.low) ** place;
    return this.low + place * (this.high - this.low);
  }

  // The pixel of a value on the vertical axis.
  y(value) {
    const place = this.isLog
      ? logShare(Math.max(value, this.bottom), this.bottom, this.top)
      : share(value, this.bottom, this.top);
    return this.floor + place * (this.ceiling - this.floor);
  }

  // The values that the vertical axis names.
  verticalTicks() {
    return this.isLog ? powers(this.bottom, this.top) : steps(this.bottom, this.top, 4);
  }

  // The values that the horizontal axis names; `isTime` for seconds.
  horizontalTicks(count, isTime) {
    const { low, high } = this;
    const ticks = isTime ? clockSteps(low, high, count) : steps(low, high, count);
    const all = this.isLogX ? powers(low, high) : ticks;
    return all.filter((value) => value >= low && value <= high);
  }
}

function steps(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= rough);
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high * 1.0001; value += step) {
    all.push(Math.abs(value) < step / 1e6 ? 0 : value);
  }
  return all;
}

const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

function clockSteps(low, high, count) {
  const step = CLOCK_STEPS.find((size) => (high - low) / size <= count) ?? 28800;
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) all.push(value);
  return all;
}

function powers(low, high) {
  const digits = high / low > 200 ? [1] : [1, 2, 5];
  const last = Math.ceil(Math.log10(high));
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= last; power++) {
    all.push(...digits.map((digit) => digit * 10 ** power));
  }
  return all.filter((value) => value >= low && value <= high);
}

export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}

export function minutes(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
}
