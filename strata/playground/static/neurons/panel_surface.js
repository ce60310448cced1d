/** The loss over two directions through the present weights, with the path that the optimizer took. @module */

import { button, select } from "../parts/controls.js";
import { h, refill, s } from "../parts/dom.js";
import { short, tick, ticks } from "../parts/numbers.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {{x: number[], y: number[], losses: (number | null)[][], path: number[][], axes: string[], sentence: string}} Surface */

const W = WORDS.surface;
const BOX = { left: 52, right: 12, top: 8, bottom: 40, side: 420 };

/** @param {Desk} desk */
export function surfacePanel(desk) {
  const place = h("div", { class: "surface" });
  const text = h("p", { class: "note", role: "status" });
  const span = select({ label: W.span, class: "narrow", options: [0.5, 1, 2, 4].map((each) => ({ value: String(each), label: `× ${each}` })), onchange: () => void ask() });
  span.set(1);
  const ask = async () => {
    draw.disabled = true;
    text.textContent = W.busy;
    const answer = await desk.quietly("surface", { span: Number(span.box.value), grid: 31 });
    draw.disabled = false;
    text.textContent = answer?.sentence ?? "";
    if (answer) refill(place, picture(answer), scaleBar(answer));
  };
  const draw = button({ label: W.draw, class: "primary", onclick: () => void ask() });
  return h("div", { class: "panel" }, h("div", { class: "row" }, h("p", { class: "lead" }, W.lead), h("span", { class: "grow" }), span.element, draw), text, place);
}

/** @param {Surface} surface */
function range(surface) {
  const all = surface.losses.flat().filter((each) => each !== null).map((each) => Math.log10(Math.max(1e-9, each)));
  return [Math.min(...all), Math.max(...all)];
}

/** One hue from dark (low) to light (high), so that it reads without colour. @param {number} share */
const shade = (share) => `hsl(${210 + 30 * share} ${60 - 20 * share}% ${22 + 70 * share}%)`;

/** @param {Surface} surface */
function picture(surface) {
  const { x, y, losses, path, axes } = surface;
  const [low, high] = range(surface);
  const width = BOX.side + BOX.left + BOX.right;
  const height = BOX.side + BOX.top + BOX.bottom;
  const canvas = document.createElement("canvas");
  canvas.width = x.length;
  canvas.height = y.length;
  const context = canvas.getContext("2d");
  losses.forEach((row, at) => row.forEach((value, column) => {
    if (!context) return;
    const share = value === null ? 1 : (Math.log10(Math.max(1e-9, value)) - low) / (high - low || 1);
    context.fillStyle = value === null ? "hsl(0 0% 60%)" : shade(Math.floor(share * 12) / 12);
    context.fillRect(column, y.length - 1 - at, 1, 1);
  }));
  const step = (x[x.length - 1] - x[0]) / (x.length - 1) / 2;
  const [x0, x1, y0, y1] = [x[0] - step, x[x.length - 1] + step, y[0] - step, y[y.length - 1] + step];
  const px = (/** @type {number} */ value) => BOX.left + ((value - x0) / (x1 - x0)) * BOX.side;
  const py = (/** @type {number} */ value) => BOX.top + (1 - (value - y0) / (y1 - y0)) * BOX.side;
  const bottom = BOX.top + BOX.side;
  const line = path.map(([a, b], at) => `${at === 0 ? "M" : "L"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`).join("");
  const [first, last] = [path[0], path[path.length - 1]];
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "surface-picture", role: "img", "aria-label": W.name },
    s("image", { href: canvas.toDataURL(), x: BOX.left, y: BOX.top, width: BOX.side, height: BOX.side, preserveAspectRatio: "none" }),
    ...ticks(x0, x1, 5).flatMap((each) => [s("line", { class: "axis", x1: px(each), x2: px(each), y1: bottom, y2: bottom + 4 }), s("text", { x: px(each), y: bottom + 16, "text-anchor": "middle" }, tick(each))]),
    ...ticks(y0, y1, 5).flatMap((each) => [s("line", { class: "axis", x1: BOX.left - 4, x2: BOX.left, y1: py(each), y2: py(each) }), s("text", { x: BOX.left - 7, y: py(each) + 4, "text-anchor": "end" }, tick(each))]),
    s("text", { class: "name", x: BOX.left + BOX.side / 2, y: height - 4, "text-anchor": "middle" }, axes[0]),
    s("text", { class: "name", x: 12, y: BOX.top + BOX.side / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${BOX.top + BOX.side / 2})` }, axes[1]),
    s("path", { class: "path-under", d: line }), s("path", { class: "path-over", d: line }),
    first && s("rect", { class: "path-start", x: px(first[0]) - 5, y: py(first[1]) - 5, width: 10, height: 10 }),
    last && s("circle", { class: "path-end", cx: px(last[0]), cy: py(last[1]), r: 6 }));
}

/** @param {Surface} surface */
function scaleBar(surface) {
  const [low, high] = range(surface);
  return h("div", { class: "surface-scale" }, h("p", {}, W.scale),
    ...Array.from({ length: 7 }, (_, k) => k / 6).map((share) => h("div", { class: "surface-step" }, h("i", { style: { "background-color": shade(share) } }), h("span", {}, short(10 ** (low + share * (high - low)))))),
    h("p", { class: "note" }, W.marks));
}
