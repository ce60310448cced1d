/** The room *Pictures*: a digit is drawn, a network answers, and its layers are seen at work. @module */

import { button, select, slider } from "../parts/controls.js";
import { h, say } from "../parts/dom.js";
import { count, percent } from "../parts/numbers.js";
import { messageBar } from "../neurons/message_bar.js";
import { shortcuts } from "../neurons/shortcuts.js";
import { transport } from "../neurons/topbar.js";
import { bars } from "../studio/bars.js";
import { chart } from "../studio/chart.js";
import { StudioDesk, untilOpen } from "../studio/desk.js";
import { layers } from "../studio/layers.js";
import { Pad } from "../studio/pad.js";
import { Tiles } from "../studio/tiles.js";
import { WORDS_ROOMS } from "../studio/words_rooms.js";
import { WORDS } from "../words.js";

const W = WORDS_ROOMS;
/** @param {(number | string)[]} values */
const options = (values) => values.map((each) => ({ value: String(each), label: String(each) }));

/**
 * @param {HTMLElement} element
 * @param {import("../connection.js").Connection} connection
 * @returns {{unmount: () => void}}
 */
export function mount(element, connection) {
  const desk = new StudioDesk(connection, "pictures");
  element.append(topbar(desk), messageBar(desk), h("div", { class: "columns pictures-columns" }, padColumn(desk), layers(desk), answerColumn(desk)));
  untilOpen(desk, element);
  const stop = shortcuts(desk);
  return { unmount() { stop(); element.replaceChildren(); } };
}

/** @param {StudioDesk} desk */
function topbar(desk) {
  const { store } = desk;
  const set = (/** @type {string} */ name, /** @type {any} */ value) => void desk.change({ [name]: value });
  const network = select({ label: W.settings.network, class: "wide", options: Object.entries(W.networks).map(([value, label]) => ({ value, label })), onchange: (value) => set("network", value) });
  const rate = select({ label: W.settings.rate, class: "narrow", options: options([0.0005, 0.001, 0.002, 0.005, 0.01, 0.03]), onchange: (value) => set("learning_rate", Number(value)) });
  const batch = select({ label: W.settings.batch, class: "narrow", options: options([8, 16, 32, 64, 128]), onchange: (value) => set("batch_size", Number(value)) });
  const activation = select({ label: W.settings.activation, class: "narrow", options: [{ value: "relu", label: "ReLU" }, { value: "tanh", label: "tanh" }], onchange: (value) => set("activation", value) });
  const units = select({ label: W.settings.units, class: "narrow", options: options([4, 8, 16, 32, 64]), onchange: (value) => set("hidden", Number(value)) });
  const facts = h("p", { class: "note facts" });
  const run = transport(desk);
  store.on(["configuration"], () => {
    const at = store.get("configuration");
    const live = String(at.network ?? "").startsWith("live_");
    network.set(at.network ?? "lenet5");
    rate.set(at.learning_rate);
    batch.set(at.batch_size);
    activation.set(at.activation);
    units.set(at.hidden);
    run.hidden = !live;
    for (const each of [rate, batch, activation]) each.element.hidden = !live;
    units.element.hidden = at.network !== "live_mlp";
    const measured = desk.choices.measured?.[at.network];
    if (measured) say(facts, W.facts.measured(percent(measured.accuracy), count(measured.n_parameters)));
    else if (desk.facts.n_train) say(facts, W.facts.live(desk.facts.n_train, desk.facts.n_test));
  });
  return h("div", { class: "topbar", role: "toolbar", "aria-label": WORDS.bar.name }, run, h("div", { class: "presets" }, network.element, rate.element, batch.element, activation.element, units.element, facts));
}

/** @param {StudioDesk} desk */
function padColumn(desk) {
  const pad = new Pad((pixels, side) => desk.connection.send({ do: "draw", side, pixels: base64(pixels) }));
  const width = slider({ label: W.pad.thickness, min: 4, max: 16, step: 1, onchange: () => {}, oninput: (value) => { pad.width = value; } });
  width.set(pad.width);
  const eraser = h("button", { type: "button", class: "button small", "aria-pressed": "false", onclick: () => {
    pad.erasing = !pad.erasing;
    eraser.setAttribute("aria-pressed", String(pad.erasing));
  } }, W.pad.eraser);
  const tests = h("div", { class: "examples", role: "group", "aria-label": W.pad.tests });
  let generation = -1;
  desk.store.on(["hello"], () => {
    if (generation === desk.generation || !desk.choices.examples) return;
    generation = desk.generation;
    tests.replaceChildren(...desk.choices.examples.map((/** @type {any} */ each) => {
      const tile = new Tiles({ paint: "ink", most: 40, columns: 1 });
      const pixels = Uint8Array.from(atob(each.pixels), (letter) => letter.charCodeAt(0));
      tile.show({ data: pixels, shape: [1, each.side, each.side] }, String(each.digit));
      return h("button", { type: "button", class: "example", title: W.pad.test(each.digit), "aria-label": W.pad.test(each.digit), onclick: () => pad.take(pixels, each.side) }, tile.element);
    }));
    pad.report();
  });
  return h("section", { class: "column pad-column", "aria-labelledby": "pad-title" },
    h("h2", { id: "pad-title" }, W.pad.title), pad.element,
    h("div", { class: "row pad-tools" }, button({ label: W.pad.clear, class: "small", onclick: () => pad.clear() }), button({ label: W.pad.undo, class: "small", onclick: () => pad.undo() }), eraser),
    width.element, h("p", { class: "note" }, W.pad.hint),
    h("h3", { class: "small-title" }, W.pad.examples),
    h("div", { class: "examples", role: "group", "aria-label": W.pad.examples }, ...Array.from({ length: 10 }, (_, digit) => h("button", { type: "button", class: "example digit", title: W.pad.example(digit), "aria-label": W.pad.example(digit), onclick: () => pad.play(digit) }, String(digit)))),
    h("h3", { class: "small-title" }, W.pad.tests), tests);
}

/** @param {StudioDesk} desk */
function answerColumn(desk) {
  const sees = new Tiles({ paint: "ink", most: 190, columns: 1 });
  const owes = new Tiles({ paint: "signed", most: 190, columns: 1 });
  const title = h("b", {}, W.answer.saliency);
  const note = h("p", { class: "note" });
  const curve = chart(desk, {
    name: W.facts.error, unit: W.facts.error, shown: (at) => String(at.network ?? "").startsWith("live_"),
    lines: [{ column: 1, label: W.facts.train, kind: "train" }, { column: 2, label: W.facts.test, kind: "test" }],
  });
  const score = h("p", { class: "score" });
  desk.store.on(["frame", "configuration"], () => {
    const { frame } = desk;
    if (!frame?.arrays.input) return;
    sees.show(one(frame.arrays.input), W.answer.sees);
    const wished = Boolean(frame.arrays.wish);
    say(title, wished ? W.answer.wish(frame.wish) : W.answer.saliency);
    say(note, wished ? W.answer.wishNote : W.answer.saliencyNote);
    const array = frame.arrays.wish ?? frame.arrays.saliency ?? { data: new Float32Array(frame.arrays.input.data.length), shape: frame.arrays.input.shape };
    owes.show(one(array), title.textContent ?? "");
    const row = desk.rows.at(-1);
    score.hidden = !String(frame.network).startsWith("live_") || !row;
    if (row) say(score, W.facts.heldOut(percent(1 - row[2])));
  });
  return h("section", { class: "column output", "aria-labelledby": "answer-title" },
    h("h2", { id: "answer-title" }, W.answer.title), bars(desk),
    h("div", { class: "two-tiles" }, h("figure", { class: "layer" }, h("figcaption", {}, h("b", {}, W.answer.sees)), sees.element), h("figure", { class: "layer" }, h("figcaption", {}, title), owes.element)),
    note, score, curve);
}

/** @param {import("../types.js").NumberArray} array @returns {import("../types.js").NumberArray} */
const one = ({ data, shape }) => ({ data, shape: [1, ...shape] });

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
