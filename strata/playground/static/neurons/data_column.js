/** The left column: which data, how noisy, how split, in what batches. @module */

import { colours, onTheme, traceMarker } from "../colours.js";
import { button, select, slider } from "../parts/controls.js";
import { h, refill } from "../parts/dom.js";
import { count } from "../parts/numbers.js";
import { WORDS } from "../words.js";
import { startDrawing } from "./drawing.js";
import { inputName } from "./map_view.js";
import { ownDataButton } from "./own_data.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {import("../types.js").Dataset} Dataset */

/** @param {Desk} desk */
export function dataColumn(desk) {
  return h("section", { class: "column data", "aria-labelledby": "data-title" },
    h("div", { class: "middle-head" }, h("h2", { id: "data-title" }, WORDS.data.title), regenerate(desk)), pictures(desk), bundled(desk), own(desk), shownInputs(desk), sliders(desk));
}

/** @param {Dataset} dataset */
const isPicture = (dataset) => dataset.group === "plane" && !dataset.name.startsWith("gate");

/** The sets of the plane, as little pictures. @param {Desk} desk */
function pictures(desk) {
  const { store } = desk;
  const element = h("div", { class: "datasets", role: "group", "aria-label": WORDS.data.sets });
  /** @type {{canvas: HTMLCanvasElement, dataset: Dataset}[]} */
  let made = [];
  let shown = "";
  const draw = () => made.forEach(({ canvas, dataset }) => drawPreview(canvas, dataset));
  store.on(["hello", "configuration", "data"], () => {
    const hello = store.get("hello");
    if (!hello) return;
    const { dataset: chosen } = store.get("configuration");
    const source = store.get("data")?.source ?? "";
    const text = `${chosen}|${source}`;
    if (text === shown) return;
    const focused = element.contains(document.activeElement);
    shown = text;
    made = [];
    const isOwn = chosen === "own";
    refill(element, ...hello.choices.datasets.filter(isPicture).sort((a, b) => WORDS.datasetRank(a) - WORDS.datasetRank(b)).map((dataset) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      made.push({ canvas, dataset });
      return h("button", {
        type: "button", class: "dataset", "data-name": dataset.name, "aria-pressed": String(!isOwn && dataset.name === chosen),
        onclick: () => choose(desk, dataset),
      }, canvas, h("span", {}, WORDS.dataset(dataset)));
    }));
    draw();
    if (focused) /** @type {HTMLElement | null} */ (element.querySelector('[aria-pressed="true"]'))?.focus();
  });
  onTheme(draw);
  return element;
}

/** A set brings its own problem and, where columns have other names, its own inputs. @param {Desk} desk @param {Dataset} dataset */
export function choose(desk, dataset) {
  desk.curve.clear();
  desk.store.set("drawing", null);
  const current = desk.store.get("configuration").problem;
  const problem = current === "auto" ? {} : { problem: dataset.problem };
  if (dataset.group === "plane") {
    const names = new Set(desk.store.get("hello")?.choices.features.map((each) => each.name));
    const kept = desk.store.get("configuration").features.filter((/** @type {string} */ each) => names.has(each));
    return desk.change({ dataset: dataset.name, ...problem, features: kept.length > 0 ? kept : ["x1", "x2"] });
  }
  return desk.quietly("data", { source: "bundled", name: dataset.name });
}

/** @param {HTMLCanvasElement} canvas @param {Dataset} dataset */
function drawPreview(canvas, dataset) {
  const size = 112;
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext("2d");
  if (!context) return;
  const palette = colours();
  context.clearRect(0, 0, size, size);
  for (const [x, y, label] of dataset.preview) {
    traceMarker(context, (x + 1.12) * size / 2.24, (1.12 - y) * size / 2.24, 4, dataset.problem === "regression" ? 1 : label, 2);
    context.fillStyle = dataset.problem === "regression" ? palette.signed(label) : palette.classCss(label, dataset.preview.some((each) => each[2] > 1) ? 10 : 2);
    context.fill();
  }
}

/** @param {Desk} desk */
function bundled(desk) {
  const { store } = desk;
  // Gates and tables: their pictures would say little.
  const box = select({
    label: WORDS.data.bundled, options: [],
    onchange: (name) => {
      const dataset = store.get("hello")?.choices.datasets.find((each) => each.name === name);
      if (dataset) void choose(desk, dataset);
    },
  });
  store.on(["hello", "configuration", "data"], () => {
    const sets = store.get("hello")?.choices.datasets.filter((each) => !isPicture(each)) ?? [];
    const { dataset } = store.get("configuration");
    const list = [{ value: "", label: WORDS.data.chooseBundled }, ...sets.map((each) => ({ value: each.name, label: WORDS.dataset(each) }))];
    box.set(sets.some((each) => each.name === dataset) ? dataset : "", list);
  });
  return box.element;
}

/** @param {Desk} desk */
function own(desk) {
  return h("div", { class: "buttons" },
    button({ label: WORDS.data.draw, icon: "pencil", hint: WORDS.data.drawHint, onclick: () => {
      startDrawing(desk);
      /** @type {HTMLElement | null} */ (document.querySelector(".map-frame canvas"))?.focus();
    } }),
    ownDataButton(desk));
}

/** @param {Desk} desk */
function regenerate(desk) {
  return button({ label: WORDS.data.regenerate, icon: "reset", class: "small", hint: WORDS.data.regenerateHint, onclick: () => { desk.curve.clear(); void desk.quietly("regenerate"); } });
}

/** Which two inputs the map shows. @param {Desk} desk */
function shownInputs(desk) {
  const { store } = desk;
  const x = select({ label: WORDS.data.across, options: [], onchange: (value) => desk.look({ x: value, y: y.box.value }) });
  const y = select({ label: WORDS.data.up, options: [], onchange: (value) => desk.look({ x: x.box.value, y: value }) });
  const note = h("p", { class: "note" }, WORDS.data.others);
  const element = h("div", { class: "shown-inputs" }, h("div", { class: "pair" }, x.element, y.element), note);
  store.on(["data"], () => {
    const data = store.get("data");
    element.hidden = !data || data.columns.length < 3;
    if (!data) return;
    const list = data.columns.map((name) => ({ value: name, label: inputName(desk, name) }));
    x.set(data.shown[0], list);
    y.set(data.shown[1], list);
  });
  return element;
}

/** @param {Desk} desk */
function sliders(desk) {
  const { store } = desk;
  const share = slider({ label: WORDS.data.ratio, min: 10, max: 90, step: 10, format: (value) => `${value} %`, onchange: (value) => void desk.change({ train_ratio: value }) });
  const noise = slider({ label: WORDS.data.noise, min: 0, max: 50, step: 5, format: String, onchange: (value) => void desk.change({ noise: value }) });
  const batch = slider({ label: WORDS.data.batch, min: 1, max: 30, step: 1, format: count, onchange: (value) => void desk.change({ batch_size: value }) });
  const sizes = h("p", { class: "note" });
  store.on(["configuration", "data"], () => {
    const at = store.get("configuration");
    const data = store.get("data");
    if (at.noise === undefined) return;
    share.set(at.train_ratio);
    noise.set(at.noise);
    batch.set(at.batch_size, Math.max(30, at.batch_size));
    const plane = store.get("hello")?.choices.datasets.some((each) => each.name === at.dataset && each.group === "plane") ;
    noise.box.disabled = !plane;
    sizes.textContent = data ? WORDS.data.sizes(data.n_train, data.n_test, at.batch_size) : "";
  });
  return h("div", { class: "sliders" }, share.element, noise.element, batch.element, sizes);
}
