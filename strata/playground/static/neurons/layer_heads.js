/** Above each column: how many units, its activation, and the buttons that change them. @module */

import { h } from "../parts/dom.js";
import { icon } from "../parts/icons.js";
import { select, slider } from "../parts/controls.js";
import { showPopover } from "../parts/popover.js";
import { percent } from "../parts/numbers.js";
import { WORDS } from "../words.js";
import { layersCanChange } from "./network_model.js";
import { named } from "./topbar.js";

/** @typedef {import("../desk.js").Desk} Desk */

/**
 * @param {Desk} desk
 * @param {import("./network_layout.js").Plan} plan
 */
export function layerHeads(desk, plan) {
  const network = desk.store.get("network");
  if (!network) return [];
  const heads = [h("div", { class: "head" }, h("span", { class: "head-name" }, WORDS.net.inputs))];
  network.layers.forEach((layer, at) => heads.push(layer.kind === "hidden" ? hiddenHead(desk, at) : outputHead(layer)));
  heads.forEach((head, at) => {
    const column = plan.columns[at];
    if (!column) return;
    head.style.left = `${column.centre - column.width / 2}px`;
    head.style.width = `${column.width}px`;
  });
  return heads;
}

/** @param {import("../types.js").Layer} layer */
function outputHead(layer) {
  return h("div", { class: "head" }, h("span", { class: "head-name" }, WORDS.net.outputs), h("span", { class: "head-kind" }, activationName(layer.activation)));
}

/** @param {string} name */
const activationName = (name) => WORDS.activations[name] ?? name;

/** @param {Desk} desk @param {number} at */
function hiddenHead(desk, at) {
  const { hidden, activations } = desk.store.get("configuration");
  const units = hidden[at] ?? 0;
  const most = desk.store.get("hello")?.choices.limits.units ?? 8;
  const can = layersCanChange(desk.store);
  const resize = (/** @type {number} */ size) => {
    const next = [...desk.store.get("configuration").hidden];
    next[at] = size;
    void desk.change({ hidden: next });
  };
  const kind = h("button", {
    type: "button", class: "head-kind", "data-does": `kind:${at}`, "aria-label": WORDS.net.layerSettings(at + 1, activationName(activations[at])),
    title: WORDS.net.layerSettings(at + 1, activationName(activations[at])), onclick: () => layerPopover(desk, at, kind),
  }, activationName(activations[at] ?? ""));
  return h("div", { class: "head" },
    can && h("div", { class: "head-buttons" },
      h("button", { type: "button", class: "mini", "data-does": `less:${at}`, disabled: units <= 1, "aria-label": WORDS.net.fewer(at + 1), title: WORDS.net.fewer(at + 1), onclick: () => resize(units - 1) }, icon("minus")),
      h("span", { class: "head-count", "aria-hidden": "true" }, String(units)),
      h("button", { type: "button", class: "mini", "data-does": `more:${at}`, disabled: units >= most, "aria-label": WORDS.net.extra(at + 1), title: WORDS.net.extra(at + 1), onclick: () => resize(units + 1) }, icon("plus"))),
    kind);
}

/** @param {Desk} desk @param {number} at @param {HTMLElement} back */
function layerPopover(desk, at, back) {
  const { store } = desk;
  const configuration = store.get("configuration");
  const list = named(store.get("hello")?.choices.activations ?? []);
  const activation = select({
    label: WORDS.bar.activation, options: list,
    onchange: (value) => {
      const next = [...store.get("configuration").activations];
      next[at] = value;
      void desk.change({ activations: next });
    },
  });
  activation.set(configuration.activations[at]);
  const dropout = slider({
    label: WORDS.net.dropout, min: 0, max: 0.9, step: 0.05, format: percent,
    onchange: (value) => {
      const now = store.get("configuration");
      const next = now.hidden.map((/** @type {number} */ _, /** @type {number} */ k) => k === at ? value : now.dropout[k] ?? 0);
      void desk.change({ dropout: next });
    },
  });
  dropout.set(configuration.dropout[at] ?? 0);
  const box = back.getBoundingClientRect();
  showPopover({ title: WORDS.net.layer(at + 1), at: { x: box.left + box.width / 2, y: box.bottom }, back, content: [activation.element, dropout.element] });
}

/** The row above the network: how many hidden layers. @param {Desk} desk */
export function layerCount(desk) {
  const { store } = desk;
  const name = h("span", { class: "layer-count" });
  const set = (/** @type {number} */ change) => {
    const { hidden, activations, dropout } = store.get("configuration");
    const last = activations.at(-1) ?? store.get("hello")?.defaults.activations?.[0] ?? "tanh";
    void desk.change(change > 0
      ? { hidden: [...hidden, 2], activations: [...activations, last], ...(dropout?.length ? { dropout: [...dropout, 0] } : {}) }
      : { hidden: hidden.slice(0, -1), activations: activations.slice(0, -1), ...(dropout?.length ? { dropout: dropout.slice(0, hidden.length - 1) } : {}) });
  };
  const less = h("button", { type: "button", class: "mini", "aria-label": WORDS.net.removeLayer, title: WORDS.net.removeLayer, onclick: () => set(-1) }, icon("minus"));
  const more = h("button", { type: "button", class: "mini", "aria-label": WORDS.net.addLayer, title: WORDS.net.addLayer, onclick: () => set(1) }, icon("plus"));
  store.on(["configuration", "hello"], () => {
    const { hidden = [] } = store.get("configuration");
    const can = layersCanChange(store);
    name.textContent = can ? WORDS.net.layers(hidden.length) : WORDS.modes[store.get("configuration").mode] ?? store.get("configuration").mode;
    less.hidden = more.hidden = !can;
    less.disabled = hidden.length === 0;
    more.disabled = hidden.length >= (store.get("hello")?.choices.limits.layers ?? 6);
  });
  return h("div", { class: "layer-bar" }, less, name, more);
}
