/** The large map: what the network answers over the plane of two inputs, with the points, axes and a pad to draw on. @module */

import { colours, onTheme } from "../colours.js";
import { h, perFrame, say } from "../parts/dom.js";
import { short, tick, ticks } from "../parts/numbers.js";
import { WORDS } from "../words.js";
import { drawingPad } from "./drawing.js";
import { paintMap, paintPoints, paintSpread } from "./map_paint.js";
import { scale } from "./scale.js";
import { paintTile } from "./tiles.js";

/** @typedef {import("../desk.js").Desk} Desk */

const MARGIN = { left: 44, right: 8, top: 8, bottom: 34 };

export class MapView {
  /** @param {Desk} desk @param {"a" | "b"} [side] */
  constructor(desk, side = "a") {
    this.desk = desk;
    this.side = side;
    this.raw = document.createElement("canvas");
    this.canvas = h("canvas", { class: "map", role: "img", "aria-label": WORDS.map.name });
    this.frame = h("div", { class: "map-frame" }, this.canvas);
    this.caption = h("p", { class: "map-caption" }, WORDS.map.caption);
    this.element = h("div", { class: "map-view" }, side === "b" && this.caption, this.frame);
    /** @type {import("./scale.js").Scale | null} */
    this.scale = null;
    const paint = perFrame(() => this.paint());
    const { store } = desk;
    store.on([side === "a" ? "frame" : "frameB", "data", "view", "shownUnit", "drawing"], paint);
    onTheme(paint);
    new ResizeObserver(paint).observe(this.frame);
    if (side === "a") drawingPad(this);
  }

  paint() {
    const data = this.desk.store.get("data");
    const size = this.frame.clientWidth;
    if (!data || size === 0) return;
    const ratio = Math.min(3, devicePixelRatio || 1);
    const height = size - MARGIN.left - MARGIN.right + MARGIN.top + MARGIN.bottom;
    if (this.canvas.width !== Math.round(size * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(size * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.height = `${height}px`;
    }
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size, height);
    const at = scale(data.range, { left: MARGIN.left, top: MARGIN.top, width: size - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom });
    this.scale = at;
    this.paintGround(context, at);
    this.paintAxes(context, data, at);
    context.save();
    context.beginPath();
    context.rect(at.left, at.top, at.width, at.height);
    context.clip();
    const { drawing } = this.desk.store.known;
    const shown = drawing && this.side === "a" ? { ...data, points: drawing.points.map((point) => [...point, 0]), problem: "classification", classes: drawnClasses(drawing.points) } : data;
    paintPoints(context, shown, at, this.desk.store.get("view").show_test);
    context.restore();
  }

  /** @param {CanvasRenderingContext2D} context @param {import("./scale.js").Scale} at */
  paintGround(context, at) {
    const { store } = this.desk;
    const frame = store.get(this.side === "a" ? "frame" : "frameB");
    const { discretize, spread } = store.get("view");
    const unit = this.side === "a" ? store.get("shownUnit") : null;
    const maps = frame?.arrays.units;
    let smooth = true;
    if (unit && maps && unit.unit < maps.shape[0]) {
      paintTile(this.raw, maps.data, unit.unit * maps.shape[1] * maps.shape[2], maps.shape[1]);
      say(this.caption, unit.title);
    } else if (frame?.arrays.map) {
      paintMap(this.raw, frame.arrays.map, discretize);
      smooth = !discretize;
      say(this.caption, this.side === "a" ? WORDS.map.caption : WORDS.map.captionB);
    } else {
      context.fillStyle = `rgb(${colours().neutral.join(" ")})`;
      context.fillRect(at.left, at.top, at.width, at.height);
      return;
    }
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.raw, at.left, at.top, at.width, at.height);
    if (!unit && spread && frame.arrays.spread) paintSpread(context, frame.arrays.spread, at);
  }

  /** @param {CanvasRenderingContext2D} context @param {import("../types.js").Data} data @param {import("./scale.js").Scale} at */
  paintAxes(context, data, at) {
    const { muted } = colours();
    const [[x0, x1], [y0, y1]] = data.range;
    const style = getComputedStyle(this.frame);
    context.strokeStyle = `rgb(${muted.join(" ")})`;
    context.fillStyle = `rgb(${muted.join(" ")})`;
    context.lineWidth = 1;
    context.strokeRect(at.left - 0.5, at.top - 0.5, at.width + 1, at.height + 1);
    context.font = `12px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const value of ticks(x0, x1, 6)) {
      context.fillRect(at.x(value) - 0.5, at.top + at.height, 1, 4);
      context.fillText(tick(value), at.x(value), at.top + at.height + 6);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of ticks(y0, y1, 6)) {
      context.fillRect(at.left - 4, at.y(value) - 0.5, 4, 1);
      context.fillText(tick(value), at.left - 6, at.y(value));
    }
    context.font = `600 12px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.fillText(inputName(this.desk, data.shown[0]), at.left + at.width / 2, at.top + at.height + MARGIN.bottom - 1);
    context.save();
    context.translate(9, at.top + at.height / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = "middle";
    context.fillText(inputName(this.desk, data.shown[1]), 0, 0);
    context.restore();
  }

  /** What lies at a place of the window, in words. @param {number} x @param {number} y */
  describe(x, y) {
    return this.scale ? `(${short(this.scale.backX(x), 2)}, ${short(this.scale.backY(y), 2)})` : "";
  }
}

/** @param {Desk} desk @param {string} name */
export function inputName(desk, name) {
  return desk.store.get("hello")?.choices.features.some((each) => each.name === name) ? WORDS.input(name) : name;
}

/** @param {number[][]} points */
export function drawnClasses(points) {
  const most = points.reduce((top, point) => Math.max(top, point[2] + 1), 2);
  return Array.from({ length: most }, (_, index) => String(index));
}
