/** Compare: a second configuration on the same data and seed, beside the first. @module */

import { button, number, select } from "../parts/controls.js";
import { h, refill } from "../parts/dom.js";
import { short } from "../parts/numbers.js";
import { WORDS } from "../words.js";
import { CurveView } from "./curve_view.js";
import { MapView } from "./map_view.js";
import { named } from "./topbar.js";

/** @typedef {import("../desk.js").Desk} Desk */

const W = WORDS.compare;
/** Fields that the data are made of are shared by both sides. */
const SHARED = ["room", "dataset", "noise", "train_ratio", "n_samples", "data_seed", "problem", "scale"];

/** @param {Desk} desk */
export function comparePanel(desk) {
  const { store } = desk;
  const sides = h("div", { class: "compare-sides" });
  const begin = button({ label: W.begin, class: "primary", onclick: () => void send({ ...store.get("configuration") }) });
  const end = button({ label: W.end, onclick: () => void send(null) });
  const send = async (/** @type {Record<string, any> | null} */ b) => {
    const answer = await desk.quietlyB(b);
    if (answer === null) return;
    store.set("b", b === null ? null : answer.configuration ?? b);
    if (b === null) store.set("frameB", null);
  };
  const form = formFor(desk, (changes) => void send({ ...store.get("b"), ...changes }));
  const map = new MapView(desk, "b");
  const curve = new CurveView(desk, desk.curveB);
  const figures = h("p", { class: "compare-figures", "aria-live": "off" });
  const different = h("p", { class: "note" });
  refill(sides, h("div", { class: "compare-form" }, h("h4", {}, W.settingsB), form.element, different), h("div", {}, map.element), h("div", {}, h("h4", {}, W.curveB), curve.element, figures));
  store.on(["b", "configuration"], () => {
    const b = store.get("b");
    sides.hidden = end.hidden = b === null;
    begin.hidden = b !== null;
    if (!b) return;
    form.set(b);
    const a = store.get("configuration");
    const names = Object.keys(b).filter((name) => !SHARED.includes(name) && JSON.stringify(a[name]) !== JSON.stringify(b[name]));
    different.textContent = names.length > 0 ? W.differs(names.map((name) => WORDS.training.fields[name] ?? name.replace(/_/g, " "))) : W.same;
  });
  store.on(["frame", "frameB"], () => {
    const a = store.get("frame")?.losses.test;
    const b = store.get("frameB")?.losses.test;
    figures.textContent = W.losses(short(a), short(b));
  });
  return h("div", { class: "panel compare-panel" }, h("div", { class: "row" }, h("p", { class: "lead" }, W.lead), h("span", { class: "grow" }), begin, end), sides);
}

/** @param {Desk} desk @param {(changes: Record<string, any>) => void} report */
function formFor(desk, report) {
  const choices = () => /** @type {import("../types.js").Hello} */ (desk.store.get("hello")).choices;
  const rate = number({ label: WORDS.bar.rate, min: 0, onchange: (value) => value !== null && report({ learning_rate: value }) });
  const solver = select({ label: WORDS.training.solver, options: named(choices().solvers), onchange: (value) => report({ solver: value, solver_settings: {} }) });
  const activation = select({ label: WORDS.bar.activation, options: named(choices().activations), onchange: (value) => report({ activations: (desk.store.get("b")?.hidden ?? []).map(() => value) }) });
  const batch = number({ label: WORDS.data.batch, min: 1, step: 1, onchange: (value) => value !== null && report({ batch_size: value }) });
  const l1 = number({ label: "L1", min: 0, onchange: (value) => value !== null && report({ l1: value }) });
  const l2 = number({ label: "L2", min: 0, onchange: (value) => value !== null && report({ l2: value }) });
  const initializer = select({ label: WORDS.training.fields.initializer, options: named(choices().initializers), onchange: (value) => report({ initializer: value }) });
  const layers = h("input", { type: "text", onchange: () => {
    const sizes = layers.value.split(/[^0-9]+/).filter(Boolean).map(Number).slice(0, 6);
    const now = desk.store.get("b")?.activations ?? [];
    report({ hidden: sizes, activations: sizes.map((_, at) => now[at] ?? now.at(-1) ?? "tanh"), dropout: [] });
  } });
  const element = h("div", { class: "settings" }, h("label", { class: "field" }, h("span", { class: "label" }, W.layers), layers),
    rate.element, solver.element, activation.element, batch.element, l1.element, l2.element, initializer.element);
  return {
    element,
    /** @param {Record<string, any>} b */
    set(b) {
      if (document.activeElement !== layers) layers.value = b.hidden.join(", ");
      rate.set(b.learning_rate);
      solver.set(b.solver);
      activation.set(b.activations[0] ?? "");
      batch.set(b.batch_size);
      l1.set(b.l1);
      l2.set(b.l2);
      initializer.set(b.initializer);
    },
  };
}
