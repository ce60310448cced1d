/** The pad: a drawing of grey levels made by mouse, finger or keys. What is drawn is handed on, at most once a frame. @module */

import { colours, onTheme } from "../colours.js";
import { h, perFrame } from "../parts/dom.js";
import { STROKES } from "./strokes.js";
import { WORDS_ROOMS } from "./words_rooms.js";

/** Pixels of a side of the drawing, and how far an arrow key moves the pen. */
export const SIDE = 112;
const STEP = 3;
const MOST_UNDO = 30;

export class Pad {
  /** @param {(pixels: Uint8Array, side: number) => void} onchange */
  constructor(onchange) {
    this.buffer = h("canvas", { width: SIDE, height: SIDE });
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.buffer.getContext("2d", { willReadFrequently: true }));
    this.canvas = h("canvas", { class: "pad", tabIndex: 0, role: "application", "aria-label": WORDS_ROOMS.pad.name, width: 2 * SIDE, height: 2 * SIDE });
    this.empty = h("span", { class: "pad-empty", "aria-hidden": "true" }, WORDS_ROOMS.pad.empty);
    this.element = h("div", { class: "pad-frame" }, this.canvas, this.empty);
    this.width = 9;
    this.erasing = false;
    this.cursor = { x: SIDE / 2, y: SIDE / 2 };
    this.held = false;
    /** @type {{x: number, y: number} | null} */
    this.last = null;
    /** @type {ImageData[]} */
    this.past = [];
    this.playing = 0;
    this.report = perFrame(() => onchange(this.levels(), SIDE));
    this.wipe();
    this.listen();
    onTheme(() => this.paint());
    this.paint();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.remember();
      this.last = this.place(event);
      this.line(this.last, this.last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length > 0 ? events : [event]) {
        const now = this.place(each);
        this.line(this.last, now);
        this.last = now;
      }
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { this.last = null; });
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("keyup", (event) => { if (event.key === " ") this.held = false; });
    canvas.addEventListener("focus", () => this.paint());
    canvas.addEventListener("blur", () => { this.held = false; this.paint(); });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) {
      const before = { ...this.cursor };
      const step = event.shiftKey ? 3 * STEP : STEP;
      this.cursor.x = Math.max(0, Math.min(SIDE, this.cursor.x + step * move[0]));
      this.cursor.y = Math.max(0, Math.min(SIDE, this.cursor.y + step * move[1]));
      if (this.held) this.line(before, this.cursor);
      else this.paint();
    } else if (event.key === " ") {
      if (!this.held) {
        this.held = true;
        this.remember();
        this.line(this.cursor, this.cursor);
      }
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {PointerEvent} event */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    this.cursor = { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
    return { ...this.cursor };
  }

  /** @param {{x: number, y: number}} from @param {{x: number, y: number}} to */
  line(from, to) {
    const { pen } = this;
    this.playing += 1;
    pen.strokeStyle = this.erasing ? "#000" : "#fff";
    pen.lineWidth = this.erasing ? 2 * this.width : this.width;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x + 0.01, to.y);
    pen.stroke();
    this.changed();
  }

  changed() {
    this.paint();
    this.report();
  }

  wipe() {
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, SIDE, SIDE);
  }

  clear() {
    this.playing += 1;
    this.remember();
    this.wipe();
    this.changed();
  }

  remember() {
    this.past.push(this.pen.getImageData(0, 0, SIDE, SIDE));
    if (this.past.length > MOST_UNDO) this.past.shift();
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.playing += 1;
    this.pen.putImageData(before, 0, 0);
    this.changed();
  }

  /** Grey levels, row by row. */
  levels() {
    const { data } = this.pen.getImageData(0, 0, SIDE, SIDE);
    return Uint8Array.from({ length: SIDE * SIDE }, (_, at) => data[at * 4]);
  }

  /** Draw a digit stroke by stroke, so that one sees the answer change. @param {number} digit */
  play(digit) {
    this.remember();
    this.wipe();
    const points = STROKES[digit].flatMap((stroke) => stroke.slice(1).map((to, at) => [stroke[at], to]));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const erasing = this.erasing;
    let at = 0;
    let turn = 0;
    const go = () => {
      if (this.playing !== turn && at > 0) return; // the reader began to draw
      this.erasing = false;
      const upTo = still ? points.length : Math.min(points.length, at + Math.max(1, Math.ceil(points.length / 28)));
      for (; at < upTo; at += 1) {
        const [from, to] = points[at];
        this.line({ x: from[0] * SIDE, y: from[1] * SIDE }, { x: to[0] * SIDE, y: to[1] * SIDE });
      }
      this.erasing = erasing;
      turn = this.playing;
      if (at < points.length) requestAnimationFrame(go);
    };
    go();
  }

  /** Take a picture of a few pixels. @param {Uint8Array} pixels @param {number} side */
  take(pixels, side) {
    this.playing += 1;
    this.remember();
    const small = h("canvas", { width: side, height: side });
    const image = new ImageData(side, side);
    for (let at = 0; at < side * side; at += 1) image.data.set([pixels[at], pixels[at], pixels[at], 255], at * 4);
    small.getContext("2d")?.putImageData(image, 0, 0);
    this.wipe();
    this.pen.imageSmoothingEnabled = true;
    this.pen.imageSmoothingQuality = "high";
    this.pen.drawImage(small, 0.1 * SIDE, 0.1 * SIDE, 0.8 * SIDE, 0.8 * SIDE);
    this.changed();
  }

  paint() {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const { card, ink, line } = colours();
    const { data } = this.pen.getImageData(0, 0, SIDE, SIDE);
    const image = new ImageData(SIDE, SIDE);
    let any = false;
    for (let at = 0; at < data.length; at += 4) {
      const share = data[at] / 255;
      any ||= share > 0;
      for (let part = 0; part < 3; part += 1) image.data[at + part] = card[part] + (ink[part] - card[part]) * share;
      image.data[at + 3] = 255;
    }
    const shown = h("canvas", { width: SIDE, height: SIDE });
    shown.getContext("2d")?.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(shown, 0, 0, 2 * SIDE, 2 * SIDE);
    this.empty.hidden = any;
    if (document.activeElement === this.canvas && !this.last) {
      context.strokeStyle = `rgb(${(any ? colours().positive : line).join(" ")})`;
      context.lineWidth = 3;
      context.beginPath();
      context.arc(2 * this.cursor.x, 2 * this.cursor.y, this.width + 3, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
