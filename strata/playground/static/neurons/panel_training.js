/** Every setting of the core: optimizer and its own constants, schedule, initial weights, dropout, early stopping, modes. @module */

import { check, number, select, settingsForm } from "../parts/controls.js";
import { h, refill } from "../parts/dom.js";
import { WORDS } from "../words.js";
import { named } from "./topbar.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {import("../types.js").Choice} Choice */

const W = WORDS.training;

/** @param {Desk} desk */
export function trainingPanel(desk) {
  return h("div", { class: "panel training-panel" },
    group(W.mode, modes(desk)), group(W.optimizer, optimizer(desk)), group(W.schedule, schedule(desk)),
    group(W.start, start(desk)), group(W.regularize, regularize(desk)), group(W.stopping, stopping(desk)), group(W.problem, problem(desk)));
}

/** @param {string} title @param {Node[]} children */
function group(title, children) {
  return h("fieldset", { class: "group" }, h("legend", {}, title), ...children);
}

/** A number of the configuration. @param {Desk} desk @param {string} name @param {{min?: number, max?: number, step?: number | "any", empty?: boolean}} [limits] */
function field(desk, name, limits = {}) {
  const made = number({ label: W.fields[name] ?? name, ...limits, onchange: (value) => void desk.change({ [name]: value }) });
  desk.store.on(["configuration"], () => made.set(desk.store.get("configuration")[name]));
  return made.element;
}

/**
 * A choice with settings of its own.
 * @param {Desk} desk @param {string} name @param {string} label @param {string} settingsName @param {(choices: import("../types.js").Choices) => Choice[]} list
 */
function choiceWithSettings(desk, name, label, settingsName, list) {
  const { store } = desk;
  const place = h("div", { class: "settings" });
  const box = select({ label, options: [], onchange: (value) => void desk.change({ [name]: value, [settingsName]: {} }) });
  let shown = "";
  store.on(["hello", "configuration"], () => {
    const hello = store.get("hello");
    if (!hello) return;
    const at = store.get("configuration");
    const choices = list(hello.choices) ?? [];
    box.set(at[name] ?? "", named(choices));
    const text = JSON.stringify([at[name], at[settingsName]]);
    if (text === shown || place.contains(document.activeElement)) return;
    shown = text;
    const settings = choices.find((each) => each.name === at[name])?.settings ?? [];
    refill(place, ...settingsForm(settings, at[settingsName] ?? {}, (key, value) => void desk.change({ [settingsName]: { ...store.get("configuration")[settingsName], [key]: value } })));
  });
  return [box.element, place];
}

/** @param {Desk} desk */
function optimizer(desk) {
  return [...choiceWithSettings(desk, "solver", W.solver, "solver_settings", (choices) => choices.solvers),
    field(desk, "learning_rate", { min: 0 }), field(desk, "batch_size", { min: 1, step: 1 }), field(desk, "grad_clip", { min: 0, empty: true })];
}

/** @param {Desk} desk */
function schedule(desk) {
  return choiceWithSettings(desk, "schedule", W.scheduleName, "schedule_settings", (choices) => choices.schedules);
}

/** @param {Desk} desk */
function modes(desk) {
  const networks = field(desk, "n_networks", { min: 2, step: 1 });
  desk.store.on(["configuration"], () => { networks.hidden = desk.store.get("configuration").mode !== "bagging"; });
  return [...choiceWithSettings(desk, "mode", W.modeName, "mode_settings", (choices) => choices.modes), networks];
}

/** @param {Desk} desk */
function start(desk) {
  return [pick(desk, "initializer", (choices) => choices.initializers), field(desk, "seed", { min: 0, step: 1 }), field(desk, "data_seed", { min: 0, step: 1 }), field(desk, "n_samples", { min: 4, step: 1, empty: true })];
}

/** @param {Desk} desk */
function regularize(desk) {
  const { store } = desk;
  const layers = h("div", { class: "settings" });
  store.on(["configuration"], () => {
    const { hidden = [], dropout = [] } = store.get("configuration");
    if (layers.contains(document.activeElement)) return;
    refill(layers, ...hidden.map((/** @type {number} */ _, /** @type {number} */ at) => {
      const made = number({
        label: W.dropoutOf(at + 1), min: 0, max: 0.95,
        onchange: (value) => {
          const now = store.get("configuration");
          void desk.change({ dropout: now.hidden.map((/** @type {number} */ __, /** @type {number} */ k) => k === at ? value ?? 0 : now.dropout[k] ?? 0) });
        },
      });
      made.set(dropout[at] ?? 0);
      return made.element;
    }));
  });
  return [field(desk, "l1", { min: 0 }), field(desk, "l2", { min: 0 }), field(desk, "input_dropout", { min: 0, max: 0.95 }), layers];
}

/** @param {Desk} desk */
function stopping(desk) {
  const { store } = desk;
  const on = check({ label: W.early, onchange: (value) => void desk.change({ early_stopping: value }) });
  const place = h("div", { class: "settings" });
  store.on(["configuration", "hello"], () => {
    const at = store.get("configuration");
    on.set(Boolean(at.early_stopping));
    if (place.contains(document.activeElement)) return;
    const settings = store.get("hello")?.choices.early_stopping?.settings ?? [];
    refill(place, ...(at.early_stopping ? settingsForm(settings, at.early_stopping_settings ?? {}, (key, value) => void desk.change({ early_stopping_settings: { ...store.get("configuration").early_stopping_settings, [key]: value } })) : []));
  });
  return [on.element, place, field(desk, "max_epochs", { min: 1, step: 1 })];
}

/** @param {Desk} desk @param {string} name @param {(choices: import("../types.js").Choices) => Choice[]} list */
function pick(desk, name, list) {
  const box = select({ label: W.fields[name] ?? name, options: [], onchange: (value) => void desk.change({ [name]: value }) });
  desk.store.on(["configuration", "hello"], () => {
    const hello = desk.store.get("hello");
    if (hello) box.set(desk.store.get("configuration")[name] ?? "", named(list(hello.choices) ?? []));
  });
  return box.element;
}

/** @param {Desk} desk */
function problem(desk) {
  const scale = select({
    label: W.scale, options: [{ value: "", label: W.scaleAuto }, { value: "1", label: W.yes }, { value: "0", label: W.no }],
    onchange: (value) => void desk.change({ scale: value === "" ? null : value === "1" }),
  });
  desk.store.on(["configuration"], () => {
    const { scale: value } = desk.store.get("configuration");
    scale.set(value === null || value === undefined ? "" : value ? "1" : "0");
  });
  const auto = { name: "auto", label: W.auto };
  return [
    pick(desk, "loss", (choices) => [auto, ...choices.losses.filter((each) => each.name !== "auto")]),
    pick(desk, "out_activation", (choices) => choices.out_activations), scale.element,
  ];
}
