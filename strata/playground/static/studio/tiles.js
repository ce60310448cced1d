/** Small pictures on one canvas: maps, filters, units, digits. Colour is the theme's; nothing is computed here but paint. @module */

import { colours, onTheme } from "../colours.js";
import { h } from "../parts/dom.js";

/** @typedef {import("../types.js").NumberArray} NumberArray */
/** "signed": blue and orange around zero, each array by its largest size. "ink": paper to ink, 0 to 1 or 0 to 255. @typedef {"signed" | "ink"} Paint */

const scratch = document.createElement("canvas");

/**
 * Paint one picture of an array into a rectangle.
 * @param {CanvasRenderingContext2D} context
 * @param {NumberArray["data"]} data
 * @param {number} offset @param {number} rows @param {number} columns
 * @param {{x: number, y: number, width: number, height: number}} box
 * @param {Paint} paint @param {number} most
 */
export function paintPicture(context, data, offset, rows, columns, box, paint, most) {
  const palette = colours();
  const image = new ImageData(columns, rows);
  const [card, ink] = [palette.card, palette.ink];
  for (let at = 0; at < rows * columns; at += 1) {
    const value = data[offset + at] / most;
    if (paint === "signed") {
      const step = Math.round((Math.max(-1, Math.min(1, value || 0)) + 1) * 127.5) * 4;
      image.data.set(palette.ramp.subarray(step, step + 4), at * 4);
    } else {
      for (let part = 0; part < 3; part += 1) image.data[at * 4 + part] = card[part] + (ink[part] - card[part]) * value;
      image.data[at * 4 + 3] = 255;
    }
  }
  scratch.width = columns;
  scratch.height = rows;
  scratch.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, box.x, box.y, box.width, box.height);
}

/** Largest size in an array, never zero. @param {NumberArray} array */
export function largest(array) {
  let most = 0;
  for (const value of array.data) most = Math.max(most, Math.abs(value));
  return most || 1;
}

export class Tiles {
  /**
   * @param {{paint: Paint, most: number, least?: number, gap?: number, columns?: number, class?: string}} options
   * `most`: widest a tile may be, in pixels of the page; `columns`: tiles beside each other, else as many as fit.
   */
  constructor(options) {
    this.options = options;
    this.canvas = h("canvas", { role: "img" });
    this.element = h("div", { class: `tiles ${options.class ?? ""}` }, this.canvas);
    /** @type {NumberArray | null} */
    this.array = null;
    new ResizeObserver(() => this.draw()).observe(this.element);
    onTheme(() => this.draw());
  }

  /** Show an array of shape (n, rows, columns) or (n,). @param {NumberArray | null | undefined} array @param {string} name */
  show(array, name) {
    this.array = array ?? null;
    if (this.canvas.getAttribute("aria-label") !== name) this.canvas.setAttribute("aria-label", name);
    this.draw();
  }

  draw() {
    const { array, canvas, options } = this;
    const width = this.element.clientWidth;
    if (!array || width === 0) return;
    const [n, rows = 1, columns = 1] = array.shape;
    const gap = options.gap ?? 4;
    const beside = Math.min(n, options.columns ?? Math.max(1, Math.ceil(n / Math.ceil((n * ((options.least ?? options.most) + gap)) / width))));
    const side = Math.max(2, Math.min(options.most, Math.floor((width - (beside - 1) * gap) / beside)));
    const tall = Math.round((side * rows) / columns);
    const lines = Math.ceil(n / beside);
    const scale = Math.min(3, devicePixelRatio || 1);
    const [wide, high] = [beside * side + (beside - 1) * gap, lines * tall + (lines - 1) * gap];
    if (canvas.width !== Math.round(wide * scale) || canvas.height !== Math.round(high * scale)) {
      canvas.width = Math.round(wide * scale);
      canvas.height = Math.round(high * scale);
      canvas.style.width = `${wide}px`;
      canvas.style.height = `${high}px`;
    }
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, wide, high);
    const most = options.paint === "signed" ? largest(array) : array.data instanceof Uint8Array ? 255 : 1;
    for (let at = 0; at < n; at += 1) {
      const box = { x: (at % beside) * (side + gap), y: Math.floor(at / beside) * (tall + gap), width: side, height: tall };
      paintPicture(context, array.data, at * rows * columns, rows, columns, box, options.paint, most);
    }
  }
}
