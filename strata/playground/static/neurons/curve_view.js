/** The losses against the epoch: axes with numbers, lines named at their end, and where the reader stands. @module */

import { h, perFrame, refill, s } from "../parts/dom.js";
import { tick, ticks } from "../parts/numbers.js";
import { WORDS } from "../words.js";

/** @typedef {import("../curve.js").Curve} Curve */
/** @typedef {import("../desk.js").Desk} Desk */

const BOX = { left: 46, right: 62, top: 10, bottom: 36 };
/** @type {{column: 1 | 2 | 3, name: "train" | "test" | "penalty"}[]} */
const LINES = [{ column: 3, name: "penalty" }, { column: 1, name: "train" }, { column: 2, name: "test" }];

export class CurveView {
  /** @param {Desk} desk @param {Curve} curve */
  constructor(desk, curve) {
    this.desk = desk;
    this.curve = curve;
    this.svg = s("svg", { class: "curve", role: "img", "aria-label": WORDS.curve.name });
    this.element = h("div", { class: "curve-view" }, this.svg);
    const draw = perFrame(() => this.draw());
    desk.store.on([curve === desk.curve ? "frame" : "frameB", "view", "run"], draw);
    new ResizeObserver(draw).observe(this.element);
  }

  draw() {
    const width = this.element.clientWidth;
    if (width === 0) return;
    const height = Math.max(150, Math.min(240, Math.round(width * 0.46)));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", String(height));
    const { log } = this.desk.store.get("view");
    const rows = this.curve.rows;
    const run = this.desk.store.get("run");
    const last = Math.max(10, this.curve.end, run.epochs);
    const [low, high] = span(rows, log);
    const x = (/** @type {number} */ epoch) => BOX.left + (epoch / last) * (width - BOX.left - BOX.right);
    const place = (/** @type {number} */ value) => log ? (Math.log10(Math.max(value, 1e-12)) - low) / (high - low) : (value - low) / (high - low);
    const y = (/** @type {number} */ value) => height - BOX.bottom - Math.max(-0.02, Math.min(1.02, place(value))) * (height - BOX.top - BOX.bottom);
    refill(this.svg,
      ...this.axes(width, height, last, low, high, log, x, y),
      run.epoch < last && s("line", { class: "now", x1: x(run.epoch), x2: x(run.epoch), y1: BOX.top, y2: height - BOX.bottom }),
      ...this.lines(rows, x, y, width, height));
  }

  /**
   * @param {number} width @param {number} height @param {number} last @param {number} low @param {number} high @param {boolean} log
   * @param {(value: number) => number} x @param {(value: number) => number} y
   */
  axes(width, height, last, low, high, log, x, y) {
    const bottom = height - BOX.bottom;
    const out = [];
    const heights = log ? ticks(low, high, 4).filter((each) => Number.isInteger(each)).map((each) => 10 ** each) : ticks(low, high, 4);
    for (const value of heights) {
      out.push(s("line", { class: "grid", x1: BOX.left, x2: width - BOX.right, y1: y(value), y2: y(value) }),
        s("text", { x: BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, tick(value)));
    }
    for (const value of ticks(0, last, Math.max(3, Math.round(width / 90)))) {
      out.push(s("line", { class: "axis", x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4 }),
        s("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, tick(value)));
    }
    out.push(s("line", { class: "axis", x1: BOX.left, x2: width - BOX.right, y1: bottom, y2: bottom }),
      s("text", { class: "name", x: (BOX.left + width - BOX.right) / 2, y: height - 3, "text-anchor": "middle" }, WORDS.curve.x),
      s("text", { class: "name", x: 11, y: (BOX.top + bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(BOX.top + bottom) / 2})` }, WORDS.curve.y));
    return out;
  }

  /**
   * @param {import("../curve.js").Row[]} rows @param {(value: number) => number} x @param {(value: number) => number} y
   * @param {number} width @param {number} height
   */
  lines(rows, x, y, width, height) {
    const out = [];
    /** @type {{name: string, y: number}[]} */
    const ends = [];
    const pace = Math.max(1, Math.floor(rows.length / (width * 1.5)));
    for (const { column, name } of LINES) {
      if (name === "penalty" && !rows.some((row) => row[3] > 0)) continue;
      let path = "";
      let pen = false;
      rows.forEach((row, at) => {
        if (at % pace !== 0 && at !== rows.length - 1) return;
        if (!Number.isFinite(row[column])) {
          pen = false;
          return;
        }
        path += `${pen ? "L" : "M"}${x(row[0]).toFixed(1)} ${y(row[column]).toFixed(1)}`;
        pen = true;
      });
      out.push(s("path", { class: `loss ${name}`, d: path }));
      const tip = rows.at(-1);
      if (tip && Number.isFinite(tip[column])) out.push(s("circle", { class: `tip ${name}`, cx: x(tip[0]), cy: y(tip[column]), r: 3 }));
      const end = rows.at(-1)?.[column];
      if (end !== undefined && Number.isFinite(end)) ends.push({ name, y: y(end) });
    }
    ends.sort((a, b) => a.y - b.y);
    ends.forEach((end, at) => { if (at > 0) end.y = Math.max(end.y, ends[at - 1].y + 14); });
    const over = ends.length > 0 ? Math.max(0, ends[ends.length - 1].y - (height - BOX.bottom)) : 0;
    for (const end of ends) out.push(s("text", { class: `end ${end.name}`, x: width - BOX.right + 6, y: end.y - over + 4 }, WORDS.curve.lines[end.name]));
    return out;
  }
}

/** @param {import("../curve.js").Row[]} rows @param {boolean} log @returns {[number, number]} */
function span(rows, log) {
  let low = Infinity;
  let high = 0;
  for (const row of rows) {
    for (const value of [row[1], row[2], row[3]]) {
      if (!Number.isFinite(value) || value <= 0) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (!(high > 0)) return log ? [-2, 0] : [0, 1];
  if (log) return [Math.floor(Math.log10(Math.max(low, high * 1e-5))), Math.ceil(Math.log10(high) + 1e-9)];
  const steps = ticks(0, high * 1.02, 4);
  const pace = steps.length > 1 ? steps[1] - steps[0] : high;
  return [0, Math.ceil((high * 1.02) / pace) * pace];
}
