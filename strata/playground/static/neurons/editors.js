/** Small windows that change one weight, or the bias and all incoming weights of a unit. @module */

import { h } from "../parts/dom.js";
import { check, number } from "../parts/controls.js";
import { showPopover } from "../parts/popover.js";
import { WORDS } from "../words.js";
import { offeredInputs } from "./network_model.js";
import { paintTile } from "./tiles.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {import("./network_model.js").Unit} Unit */

/** @param {Desk} desk @param {number} layer @param {number | null} from @param {number} to */
function value(desk, layer, from, to) {
  const frame = desk.store.get("frame");
  if (from === null) return frame?.arrays[`biases.${layer}`]?.data[to];
  const matrix = frame?.arrays[`weights.${layer}`];
  return matrix?.data[from * matrix.shape[1] + to];
}

/**
 * @param {Desk} desk @param {string} label @param {number} layer @param {number | null} from @param {number} to
 */
function field(desk, label, layer, from, to) {
  const made = number({ label, class: "weight", onchange: (next) => { if (next !== null) void desk.quietly("edit", { layer, from, to, value: next }); } });
  made.box.disabled = desk.store.get("network")?.editable === false;
  made.set(value(desk, layer, from, to));
  return made;
}

/** @param {Desk} desk @param {Unit} from @param {Unit} to @param {{x: number, y: number}} at */
export function editLink(desk, from, to, at) {
  const name = from.kind === "input" ? from.label : from.title;
  const made = field(desk, WORDS.net.weight(name, to.title), to.layer, from.index, to.index);
  made.box.addEventListener("keydown", (event) => { if (event.key === "Enter") made.box.blur(); });
  showPopover({ title: WORDS.edit.weight, at, content: [made.element] });
}

/**
 * @param {Desk} desk @param {Unit[][]} columns @param {Unit} unit @param {{x: number, y: number}} at @param {HTMLElement} back
 */
export function editUnit(desk, columns, unit, at, back) {
  const { store } = desk;
  const canvas = h("canvas", { class: "enlarged", role: "img", "aria-label": WORDS.edit.map(unit.title) });
  const fields = [field(desk, WORDS.net.bias, unit.layer, null, unit.index)];
  for (const from of columns[unit.layer]) {
    if (from.index >= 0) fields.push(field(desk, from.kind === "input" ? from.label : WORDS.edit.unit(from.index + 1), unit.layer, from.index, unit.index));
  }
  let live = true;
  store.on(["frame"], () => {
    const maps = store.get("frame")?.arrays.units;
    if (live && maps && unit.picture < maps.shape[0]) paintTile(canvas, maps.data, unit.picture * maps.shape[1] * maps.shape[2], maps.shape[1]);
  });
  showPopover({
    title: unit.title, at, back, onclose: () => { live = false; },
    content: [h("div", { class: "unit-editor" }, canvas, h("div", { class: "weights" }, h("p", { class: "label" }, WORDS.edit.incoming), ...fields.map((each) => each.element)))],
  });
}

/** Which of many inputs to use. @param {Desk} desk @param {{x: number, y: number}} at @param {HTMLElement} back */
export function moreInputs(desk, at, back) {
  const { store } = desk;
  const boxes = offeredInputs(store).map(({ name, label }) => {
    const made = check({
      label,
      onchange: (on) => {
        const names = store.get("configuration").features;
        const next = on ? [...names, name] : names.filter((/** @type {string} */ each) => each !== name);
        if (next.length > 0) void desk.change({ features: next });
        else made.set(true);
      },
    });
    made.set(store.get("configuration").features.includes(name));
    return made.element;
  });
  showPopover({ title: WORDS.net.inputs, at, back, content: [h("div", { class: "many-inputs" }, ...boxes)] });
}
