/** The room *Codes*: an autoencoder with its plane of codes, or a Boltzmann machine with its filters, as they learn. @module */

import { check, select } from "../parts/controls.js";
import { h, refill, say } from "../parts/dom.js";
import { short } from "../parts/numbers.js";
import { messageBar } from "../neurons/message_bar.js";
import { shortcuts } from "../neurons/shortcuts.js";
import { transport } from "../neurons/topbar.js";
import { chart } from "../studio/chart.js";
import { StudioDesk, untilOpen } from "../studio/desk.js";
import { digitLegend, plane } from "../studio/plane.js";
import { Tiles } from "../studio/tiles.js";
import { WORDS_ROOMS } from "../studio/words_rooms.js";
import { WORDS } from "../words.js";

const W = WORDS_ROOMS;
/** @param {(number | string)[]} values */
const options = (values) => values.map((each) => ({ value: String(each), label: String(each) }));
const isMachine = (/** @type {Record<string, any>} */ at) => at.kind === "machine";

/**
 * @param {HTMLElement} element
 * @param {import("../connection.js").Connection} connection
 * @returns {{unmount: () => void}}
 */
export function mount(element, connection) {
  const desk = new StudioDesk(connection, "codes");
  const autoencoder = h("div", { class: "columns codes-columns" }, planeColumn(desk), cursorColumn(desk), backColumn(desk, false));
  const machine = h("div", { class: "columns codes-columns machine-columns" }, filterColumn(desk), dreamColumn(desk), backColumn(desk, true));
  element.append(topbar(desk), messageBar(desk), autoencoder, machine);
  desk.store.on(["configuration"], () => {
    const on = isMachine(desk.store.get("configuration"));
    autoencoder.hidden = on;
    machine.hidden = !on;
  });
  untilOpen(desk, element);
  const stop = shortcuts(desk);
  return { unmount() { stop(); element.replaceChildren(); } };
}

/** @param {StudioDesk} desk */
function topbar(desk) {
  const { store } = desk;
  const set = (/** @type {string} */ name, /** @type {any} */ value) => void desk.change({ [name]: value });
  const number = (/** @type {string} */ name) => (/** @type {string} */ value) => set(name, Number(value));
  const kind = select({ label: W.settings.kind, class: "kind", options: Object.entries(W.kinds).map(([value, label]) => ({ value, label })), onchange: (value) => set("kind", value) });
  const dataset = select({ label: W.settings.dataset, class: "pictures", options: [], onchange: (value) => set("dataset", value) });
  /** Selects of one of the two kinds: name of the field, control. @type {{of: "autoencoder" | "machine", name: string, control: {element: HTMLElement, set: (value: any) => void}}[]} */
  const own = [
    { of: "autoencoder", name: "n_components", control: select({ label: W.settings.numbers, class: "narrow", options: options([2, 3, 4, 8, 16]), onchange: number("n_components") }) },
    { of: "autoencoder", name: "layers", control: select({ label: W.settings.hidden, class: "narrow", options: [{ value: "0", label: W.settings.none }, ...["32", "64", "64-32", "128-64", "128-64-32"].map((value) => ({ value, label: value }))], onchange: (value) => {
      const sizes = value.split("-").map(Number);
      void desk.change({ hidden: sizes[0], depth: Math.max(1, sizes[0] ? sizes.length : 1) });
    } }) },
    { of: "autoencoder", name: "noise", control: select({ label: W.settings.noise, class: "narrow", options: [{ value: "0", label: W.settings.none }, ...options([0.1, 0.3, 0.5])], onchange: number("noise") }) },
    { of: "autoencoder", name: "learning_rate", control: select({ label: W.settings.rate, class: "narrow", options: options([0.0003, 0.001, 0.003, 0.01, 0.03]), onchange: number("learning_rate") }) },
    { of: "autoencoder", name: "variational", control: check({ label: W.settings.variational, onchange: (value) => set("variational", value) }) },
    { of: "machine", name: "units", control: select({ label: W.settings.units, class: "narrow", options: options([9, 16, 36, 64, 100]), onchange: number("units") }) },
    { of: "machine", name: "machine_rate", control: select({ label: W.settings.rate, class: "narrow", options: options([0.005, 0.01, 0.02, 0.05, 0.1]), onchange: number("machine_rate") }) },
    { of: "machine", name: "n_gibbs_steps", control: select({ label: W.settings.steps, class: "narrow", options: options([1, 2, 5, 10]), onchange: number("n_gibbs_steps") }) },
    { of: "machine", name: "persistent", control: check({ label: W.settings.persistent, onchange: (value) => set("persistent", value) }) },
    { of: "machine", name: "sparse", control: check({ label: W.settings.sparse, onchange: (value) => set("sparse", value) }) },
  ];
  store.on(["configuration"], () => {
    const at = store.get("configuration");
    for (const { of, control } of own) control.element.hidden = of !== (at.kind ?? "autoencoder");
    if (!at.kind) return;
    kind.set(at.kind);
    dataset.set(at.dataset, (desk.choices.datasets ?? ["digits"]).map((/** @type {string} */ value) => ({ value, label: W.sets[value] })));
    const sizes = at.hidden ? Array.from({ length: at.depth }, (_, each) => Math.max(2, Math.floor(at.hidden / 2 ** each))).join("-") : "0";
    for (const { of, name, control } of own) {
      control.element.hidden = of !== at.kind;
      control.set(name === "layers" ? sizes : at[name]);
    }
  });
  return h("div", { class: "topbar codes-bar", role: "toolbar", "aria-label": WORDS.bar.name }, transport(desk), h("div", { class: "presets" }, kind.element, dataset.element, ...own.map(({ control }) => control.element)));
}

/** @param {StudioDesk} desk */
function planeColumn(desk) {
  let pictures = false;
  const axis = (/** @type {string} */ label, /** @type {() => void} */ onchange) => select({ label, class: "narrow", options: [], onchange });
  const send = () => {
    const [a, b] = [Number(x.box.value), Number(y.box.value)];
    desk.connection.send({ do: "axes", x: a, y: b === a ? (a === 0 ? 1 : 0) : b, pictures });
  };
  const x = axis(W.plane.axisX, send);
  const y = axis(W.plane.axisY, send);
  const chips = [false, true].map((value) => h("button", { type: "button", class: "chip", "aria-pressed": String(!value), onclick: () => {
    pictures = value;
    chips.forEach((chip, at) => chip.setAttribute("aria-pressed", String((at === 1) === pictures)));
    send();
  } }, value ? W.plane.pictures : W.plane.points));
  const axes = h("div", { class: "row" }, x.element, y.element);
  desk.store.on(["frame"], () => {
    const { frame } = desk;
    if (!frame?.axes) return;
    const list = frame.cursor.map((/** @type {number} */ _, /** @type {number} */ at) => ({ value: String(at), label: W.plane.number(at + 1) }));
    axes.hidden = list.length <= 2;
    x.set(frame.axes[0], list);
    y.set(frame.axes[1], list);
  });
  return h("section", { class: "column plane-column", "aria-labelledby": "plane-title" },
    h("div", { class: "middle-head" }, h("h2", { id: "plane-title" }, W.plane.title), h("div", { class: "row", role: "group", "aria-label": W.plane.view }, ...chips)),
    plane(desk), digitLegend(), h("p", { class: "note" }, W.plane.hint), axes);
}

/** @param {StudioDesk} desk */
function cursorColumn(desk) {
  const decoded = new Tiles({ paint: "ink", most: 240, columns: 1 });
  const where = h("span", { class: "muted" });
  const place = h("div", { class: "sweeps" });
  /** @type {{tiles: Tiles, ends: HTMLElement}[]} */
  let sweeps = [];
  desk.store.on(["frame"], () => {
    const { frame } = desk;
    if (!frame?.arrays.decoded) return;
    decoded.show(frame.arrays.decoded, W.plane.decoded);
    say(where, W.plane.at(short(frame.cursor[frame.axes[0]], 2), short(frame.cursor[frame.axes[1]], 2)));
    const { data, shape: [n, rows, columns] } = frame.arrays.sweeps;
    const { data: ends, shape: [numbers] } = frame.arrays.sweep_ends;
    const each = n / numbers;
    if (sweeps.length !== numbers) {
      sweeps = Array.from({ length: numbers }, () => ({ tiles: new Tiles({ paint: "ink", most: 60, columns: each, gap: 2 }), ends: h("span", { class: "muted" }) }));
      refill(place, ...sweeps.map((sweep, at) => h("figure", { class: "layer" }, h("figcaption", {}, h("b", {}, W.plane.number(at + 1)), sweep.ends), sweep.tiles.element)));
    }
    const size = each * rows * columns;
    sweeps.forEach(({ tiles, ends: text }, at) => {
      tiles.show({ data: data.slice(at * size, (at + 1) * size), shape: [each, rows, columns] }, W.plane.number(at + 1));
      say(text, `${short(ends[2 * at], 1)} … ${short(ends[2 * at + 1], 1)}`);
    });
  });
  return h("section", { class: "column cursor-column", "aria-labelledby": "cursor-title" },
    h("h2", { id: "cursor-title" }, W.plane.decoded, " ", where), decoded.element,
    h("h3", { class: "small-title" }, W.plane.sweeps), place);
}

/** @param {StudioDesk} desk @param {boolean} machine */
function backColumn(desk, machine) {
  /** @type {[string, string][]} */
  const kinds = [["originals", W.back.original], ["rebuilt", machine ? W.back.machine : W.back.autoencoder], ...(machine ? [] : [/** @type {[string, string]} */ (["pca", W.back.pca])])];
  const rows = kinds.map(([name, label]) => ({ name, label, tiles: new Tiles({ paint: "ink", most: 56, columns: 8, gap: 3 }) }));
  const figures = h("p", { class: "score" });
  const id = machine ? "back-machine" : "back-title";
  desk.store.on(["frame"], () => {
    const { frame } = desk;
    if (!frame || (frame.kind === "machine") !== machine) return;
    for (const { name, label, tiles } of rows) if (frame.arrays[name]) tiles.show(frame.arrays[name], label);
    const row = desk.rows.at(-1);
    if (!row) return;
    say(figures, machine ? `${W.back.better}: ${short(row[2], 4)}` : W.back.besides(short(row[2], 4), short(row[3], 4), frame.cursor.length));
  });
  /** @type {import("../studio/chart.js").Line[]} */
  const lines = [{ column: 1, label: W.facts.train, kind: "train" }, { column: 2, label: W.facts.test, kind: "test" }];
  if (!machine) lines.push({ column: 3, label: W.back.pca, kind: "penalty" });
  return h("section", { class: "column back-column", "aria-labelledby": id },
    h("h2", { id }, W.back.title),
    ...rows.map(({ label, tiles }) => h("figure", { class: "layer" }, h("figcaption", {}, h("span", { class: "muted" }, label)), tiles.element)),
    h("h3", { class: "small-title" }, W.back.curveTitle), figures, chart(desk, { name: W.back.curve, unit: W.back.error, lines, shown: (at) => isMachine(at) === machine }));
}

/** @param {StudioDesk} desk */
function filterColumn(desk) {
  const tiles = new Tiles({ paint: "signed", most: 96, least: 64, gap: 5, class: "filters" });
  desk.store.on(["frame"], () => {
    const array = desk.frame?.kind === "machine" ? desk.frame.arrays.filters : null;
    if (array) tiles.show(array, `${W.machine.filters}: ${array.shape[0]}`);
  });
  return h("section", { class: "column", "aria-labelledby": "filters-title" }, h("h2", { id: "filters-title" }, W.machine.filters), h("p", { class: "note" }, W.machine.filtersNote), tiles.element);
}

/** @param {StudioDesk} desk */
function dreamColumn(desk) {
  const tiles = new Tiles({ paint: "ink", most: 72, columns: 5, gap: 4 });
  const note = h("p", { class: "note" });
  desk.store.on(["frame"], () => {
    const array = desk.frame?.arrays.fantasies;
    if (array) tiles.show(array, W.machine.fantasies);
    say(note, desk.store.get("configuration").persistent ? W.machine.fantasiesNote : W.machine.fantasiesNew);
  });
  return h("section", { class: "column", "aria-labelledby": "dream-title" }, h("h2", { id: "dream-title" }, W.machine.fantasies), note, tiles.element,
    h("h3", { class: "small-title" }, W.machine.gap),
    chart(desk, { name: W.machine.gapCurve, unit: W.machine.gapLine, zero: true, lines: [{ column: 3, label: W.machine.gapLine, kind: "test" }], shown: isMachine }),
    h("p", { class: "note" }, W.machine.gapNote));
}
