/** A few figures against the epoch, with axes and named lines. @module */

import { h, perFrame, refill, s } from "../parts/dom.js";
import { tick, ticks } from "../parts/numbers.js";
import { WORDS } from "../words.js";

/** @typedef {{column: number, label: string, kind: "train" | "test" | "penalty"}} Line */

const BOX = { left: 50, right: 74, top: 10, bottom: 36 };

/**
 * @param {import("./desk.js").StudioDesk} desk
 * @param {{name: string, unit: string, lines: Line[], zero?: boolean, shown?: (configuration: Record<string, any>) => boolean}} options
 */
export function chart(desk, { name, unit, lines, zero = true, shown }) {
  const svg = s("svg", { class: "curve", role: "img", "aria-label": name });
  const element = h("div", { class: "curve-view" }, svg);
  const draw = perFrame(() => {
    if (shown) element.hidden = !shown(desk.store.get("configuration"));
    const width = element.clientWidth;
    if (width === 0) return;
    const height = Math.max(150, Math.min(230, Math.round(width * 0.46)));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", String(height));
    const { rows } = desk;
    const values = rows.flatMap((row) => lines.map((line) => row[line.column])).filter(Number.isFinite);
    const [least, most] = [Math.min(...values, zero ? 0 : Infinity), Math.max(...values, zero ? 0 : -Infinity)];
    const steps = values.length > 0 && most > least ? ticks(least, most + 0.02 * (most - least), 4) : [0, 1];
    const pace = steps.length > 1 ? steps[1] - steps[0] : 1;
    const low = Math.min(steps[0], Math.floor(least / pace) * pace);
    const high = Math.max(steps[steps.length - 1], Math.ceil((values.length > 0 ? most : 1) / pace) * pace);
    const last = Math.max(5, rows.at(-1)?.[0] ?? 0);
    const x = (/** @type {number} */ epoch) => BOX.left + (epoch / last) * (width - BOX.left - BOX.right);
    const y = (/** @type {number} */ value) => height - BOX.bottom - ((value - low) / (high - low || 1)) * (height - BOX.top - BOX.bottom);
    const bottom = height - BOX.bottom;
    const parts = [];
    for (const value of ticks(low, high, 4)) {
      parts.push(s("line", { class: "grid", x1: BOX.left, x2: width - BOX.right, y1: y(value), y2: y(value) }),
        s("text", { x: BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, tick(value)));
    }
    for (const value of ticks(0, last, Math.max(3, Math.round(width / 90)))) {
      if (Number.isInteger(value)) parts.push(s("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, tick(value)));
    }
    parts.push(s("line", { class: "axis", x1: BOX.left, x2: width - BOX.right, y1: bottom, y2: bottom }),
      s("text", { class: "name", x: (BOX.left + width - BOX.right) / 2, y: height - 3, "text-anchor": "middle" }, WORDS.curve.x),
      s("text", { class: "name", x: 11, y: (BOX.top + bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(BOX.top + bottom) / 2})` }, unit));
    const thin = Math.max(1, Math.floor(rows.length / (1.5 * width)));
    /** @type {{kind: string, label: string, y: number}[]} */
    const ends = [];
    for (const { column, kind, label } of lines) {
      const points = rows.filter((row, at) => Number.isFinite(row[column]) && (at % thin === 0 || at === rows.length - 1));
      if (points.length === 0) continue;
      parts.push(s("path", { class: `loss ${kind}`, d: points.map((row, at) => `${at === 0 ? "M" : "L"}${x(row[0]).toFixed(1)} ${y(row[column]).toFixed(1)}`).join("") }));
      ends.push({ kind, label, y: y(points[points.length - 1][column]) });
    }
    ends.sort((a, b) => a.y - b.y);
    ends.forEach((end, at) => { if (at > 0) end.y = Math.max(end.y, ends[at - 1].y + 14); });
    const over = ends.length > 0 ? Math.max(0, ends[ends.length - 1].y - bottom) : 0;
    for (const end of ends) parts.push(s("text", { class: `end ${end.kind}`, x: width - BOX.right + 6, y: end.y - over + 4 }, end.label));
    refill(svg, ...parts);
  });
  desk.store.on(["frame", "configuration"], draw);
  new ResizeObserver(draw).observe(element);
  return element;
}
