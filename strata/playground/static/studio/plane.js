/** The plane of codes: held-out pictures as points by class, and a cursor whose numbers are decoded. @module */

import { colours, markerPath, onTheme, traceMarker } from "../colours.js";
import { h, perFrame, s } from "../parts/dom.js";
import { tick, ticks } from "../parts/numbers.js";
import { paintPicture } from "./tiles.js";
import { WORDS_ROOMS } from "./words_rooms.js";

const BOX = { left: 40, right: 8, top: 8, bottom: 26 };

/** @param {import("./desk.js").StudioDesk} desk */
export function plane(desk) {
  const canvas = h("canvas", { class: "plane", tabIndex: 0, role: "application", "aria-label": WORDS_ROOMS.plane.name });
  const element = h("div", { class: "plane-frame" }, canvas);
  /** @type {number[] | null} the cursor as the reader moved it; the server follows */
  let cursor = null;
  let generation = "";
  const send = perFrame(() => { if (cursor) desk.connection.send({ do: "cursor", code: cursor }); });

  const scale = () => {
    const { frame } = desk;
    const range = frame?.arrays.range?.data;
    if (!frame || !range) return null;
    const side = element.clientWidth;
    const [width, height] = [side - BOX.left - BOX.right, side - BOX.top - BOX.bottom];
    const [x0, x1, y0, y1] = range;
    return {
      side, width, height, x0, x1, y0, y1,
      x: (/** @type {number} */ value) => BOX.left + ((value - x0) / (x1 - x0)) * width,
      y: (/** @type {number} */ value) => BOX.top + (1 - (value - y0) / (y1 - y0)) * height,
    };
  };

  const move = (/** @type {number} */ x, /** @type {number} */ y) => {
    const { frame } = desk;
    const at = scale();
    if (!frame || !at) return;
    const next = [...(cursor ?? frame.cursor)];
    next[frame.axes[0]] = Math.max(at.x0, Math.min(at.x1, x));
    next[frame.axes[1]] = Math.max(at.y0, Math.min(at.y1, y));
    cursor = next;
    draw();
    send();
  };

  const draw = perFrame(() => {
    const { frame } = desk;
    const at = scale();
    const context = canvas.getContext("2d");
    if (!frame || !at || !context || at.side === 0) return;
    const dense = Math.min(3, devicePixelRatio || 1);
    if (canvas.width !== Math.round(at.side * dense)) canvas.width = canvas.height = Math.round(at.side * dense);
    context.setTransform(dense, 0, 0, dense, 0, 0);
    const palette = colours();
    const css = (/** @type {number[]} */ colour) => `rgb(${colour.join(" ")})`;
    context.fillStyle = css(palette.card);
    context.fillRect(0, 0, at.side, at.side);
    const { mosaic, codes } = frame.arrays;
    if (mosaic) {
      const [n, rows, columns] = mosaic.shape;
      const beside = Math.round(Math.sqrt(n));
      for (let each = 0; each < n; each += 1) {
        const box = { x: BOX.left + ((each % beside) * at.width) / beside, y: BOX.top + (Math.floor(each / beside) * at.height) / beside, width: at.width / beside, height: at.height / beside };
        paintPicture(context, mosaic.data, each * rows * columns, rows, columns, box, "ink", 255);
      }
    }
    context.strokeStyle = css(palette.line);
    context.lineWidth = 1;
    context.strokeRect(BOX.left, BOX.top, at.width, at.height);
    context.fillStyle = css(palette.muted);
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    for (const value of ticks(at.x0, at.x1, 6)) context.fillText(tick(value), at.x(value), at.side - 9);
    context.textAlign = "right";
    for (const value of ticks(at.y0, at.y1, 6)) context.fillText(tick(value), BOX.left - 5, at.y(value) + 4);
    const { labels } = desk.facts;
    if (codes && labels && !mosaic) {
      const radius = Math.max(3.4, at.side / 130);
      context.save();
      context.beginPath();
      context.rect(BOX.left, BOX.top, at.width, at.height);
      context.clip();
      context.lineWidth = 0.8;
      context.strokeStyle = css(palette.card);
      for (let each = 0; each < codes.shape[0]; each += 1) {
        traceMarker(context, at.x(codes.data[2 * each]), at.y(codes.data[2 * each + 1]), radius, labels[each], 10);
        context.fillStyle = palette.classCss(labels[each], 10);
        context.fill();
        context.stroke();
      }
      context.restore();
    }
    const now = cursor ?? frame.cursor;
    const [x, y] = [at.x(now[frame.axes[0]]), at.y(now[frame.axes[1]])];
    for (const [colour, width] of /** @type {[number[], number][]} */ ([[palette.card, 5], [palette.ink, 2]])) {
      context.strokeStyle = css(colour);
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, 9, 0, 2 * Math.PI);
      context.moveTo(x - 14, y);
      context.lineTo(x + 14, y);
      context.moveTo(x, y - 14);
      context.lineTo(x, y + 14);
      context.stroke();
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" && event.buttons === 0) return;
    toPointer(event);
  });
  canvas.addEventListener("pointerdown", (event) => { canvas.focus({ preventScroll: true }); toPointer(event); });
  /** @param {PointerEvent} event */
  function toPointer(event) {
    const at = scale();
    if (!at) return;
    const box = canvas.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * at.side, ((event.clientY - box.top) / box.height) * at.side];
    move(at.x0 + ((px - BOX.left) / at.width) * (at.x1 - at.x0), at.y0 + (1 - (py - BOX.top) / at.height) * (at.y1 - at.y0));
  }
  canvas.addEventListener("keydown", (event) => {
    const at = scale();
    const { frame } = desk;
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const by = moves[event.key];
    if (!at || !frame || !by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const step = event.shiftKey ? 0.1 : 0.025;
    const now = cursor ?? frame.cursor;
    move(now[frame.axes[0]] + by[0] * step * (at.x1 - at.x0), now[frame.axes[1]] + by[1] * step * (at.y1 - at.y0));
  });
  desk.store.on(["frame"], () => {
    const { frame } = desk;
    if (!frame?.cursor) return;
    const now = `${frame.cursor.length}`;
    if (frame.fresh || now !== generation) cursor = null;
    generation = now;
    draw();
  });
  new ResizeObserver(draw).observe(element);
  onTheme(draw);
  return element;
}

/** The classes with their colours and markers. */
export function digitLegend() {
  return h("div", { class: "legend" }, ...Array.from({ length: 10 }, (_, digit) => h("span", { class: "entry" },
    s("svg", { viewBox: "0 0 20 20", class: "marker", "aria-hidden": "true" }, s("path", { d: markerPath(digit, 10), fill: colours().classCss(digit, 10) })), String(digit))));
}
