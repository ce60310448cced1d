/** Inside one step: the lecture's matrices for one example, as three clicks: forward, backward, update. @module */

import { button, check, number, select } from "../parts/controls.js";
import { h, refill } from "../parts/dom.js";
import { matrix, transpose, vector } from "../parts/matrix.js";
import { short } from "../parts/numbers.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {import("../types.js").Look} Look */
/** @typedef {import("../types.js").LookLayer} LookLayer */
/** @typedef {"forward" | "backward" | "update"} Stage */

/** @type {Stage[]} */
const STAGES = ["forward", "backward", "update"];
const W = WORDS.step;

/** @param {Desk} desk */
export function stepPanel(desk) {
  /** @type {{stage: Stage, digits: number, own: boolean}} */
  const at = { stage: "forward", digits: 4, own: false };
  /** @type {Look | null} */
  let look = null;
  const result = h("div", { class: "step-layers" });
  const formula = h("p", { class: "formula" });
  const loss = h("p", { class: "step-loss", "aria-live": "polite" });
  const error = h("p", { class: "error", role: "alert" });
  const example = number({ label: W.example, min: 0, step: 1, class: "narrow", onchange: () => void ask() });
  example.set(0);
  const own = h("span", { class: "own-inputs" });
  const target = number({ label: W.target, class: "narrow", empty: true, onchange: () => void ask() });
  const typed = check({ label: W.typed, onchange: (on) => { at.own = on; inputs(); void ask(); } });
  const digits = select({ label: W.digits, class: "narrow", options: [3, 4, 6, 10].map((each) => ({ value: String(each), label: String(each) })), onchange: (value) => { at.digits = Number(value); draw(); } });
  digits.set(at.digits);
  /** @type {ReturnType<typeof number>[]} */
  let fields = [];

  const inputs = () => {
    const network = desk.store.get("network");
    const names = network?.inputs ?? [];
    fields = names.map(({ label }, k) => {
      const made = number({ label, class: "narrow", onchange: () => void ask() });
      made.set(look?.example.inputs[k] ?? 0);
      return made;
    });
    const first = Number(look?.example.target);
    target.set(Number.isFinite(first) ? first : null);
    refill(own, ...(at.own ? [...fields.map((each) => each.element), target.element] : []));
    example.box.disabled = at.own;
  };
  const ask = async (apply = false) => {
    error.textContent = "";
    const fieldsNow = at.own ? { example: fields.map((each) => each.box.valueAsNumber || 0) } : { example: Math.max(0, example.box.valueAsNumber || 0) };
    const wanted = at.own && target.box.value !== "" ? { target: target.box.valueAsNumber } : {};
    try {
      look = await desk.connection.ask("look", { ...fieldsNow, ...wanted, stage: at.stage, ...(apply ? { apply: true } : {}) });
      draw();
    } catch (problem) {
      error.textContent = /** @type {Error} */ (problem).message;
    }
  };
  const steps = STAGES.map((stage, k) => h("button", {
    type: "button", class: "stage-button", "data-stage": stage, onclick: () => { at.stage = stage; void ask(); },
  }, h("b", {}, String(k + 1)), h("span", {}, W.stages[stage])));
  const apply = button({ label: W.apply, class: "primary", hint: W.applyHint, onclick: () => void ask(true) });

  const draw = () => {
    steps.forEach((each, k) => each.setAttribute("aria-pressed", String(STAGES[k] === at.stage)));
    formula.textContent = W.formulas[at.stage];
    apply.hidden = at.stage !== "update";
    if (!look) return;
    loss.textContent = W.loss(short(look.loss_before, at.digits), at.stage === "update" ? short(look.loss_after, at.digits) : null, look.example.label ?? String(look.example.target));
    const names = (desk.store.get("network")?.inputs ?? []).map((each) => WORDS.input(each.label));
    const inputNames = look.inputs.map((_, k) => names[k] ?? `a${k + 1}`);
    const blocks = [h("section", { class: "step-layer" }, h("h4", {}, W.inputs), vector(look.inputs, { name: "a⁽⁰⁾ = x", rowNames: inputNames, digits: at.digits, key: "x" }))];
    look.layers.forEach((layer, k) => blocks.push(layerBlock(layer, k, at.stage, at.digits, k === 0 ? inputNames : undefined, /** @type {Look} */ (look).layers.length)));
    refill(result, ...(at.stage === "backward" ? [blocks[0], ...blocks.slice(1)] : blocks));
  };
  // The numbers follow the weights while nothing runs: a frame comes with every change of them.
  let seen = -1;
  let later = 0;
  desk.store.on(["frame", "view"], () => {
    const frame = desk.store.get("frame");
    if (!frame || frame.frame === seen || desk.store.get("run").running || desk.store.get("view").panel !== "step") return;
    seen = frame.frame;
    clearTimeout(later);
    later = setTimeout(() => void ask(), 150);
  });
  draw();
  return h("div", { class: "panel step-panel" },
    h("p", { class: "lead" }, W.lead),
    h("div", { class: "row" }, example.element, button({ label: W.next, class: "small", onclick: () => { example.box.value = String((example.box.valueAsNumber || 0) + 1); void ask(); } }), typed.element, own, digits.element),
    h("div", { class: "stage-buttons", role: "group", "aria-label": W.stagesName }, ...steps, apply),
    formula, loss, error, h("div", { class: "scroller", tabIndex: 0, role: "group", "aria-label": W.matrices }, result));
}

/**
 * @param {LookLayer} layer @param {number} at @param {Stage} stage @param {number} digits @param {string[] | undefined} inputs @param {number} layers
 */
function layerBlock(layer, at, stage, digits, inputs, layers) {
  const units = layer.bias_before.map((_, k) => String(k + 1));
  const from = inputs ?? layer.weight_before.map((_, k) => `a${k + 1}`);
  const n = superscript(at + 1);
  const show = (/** @type {number[][]} */ rows, /** @type {string} */ name, /** @type {string} */ key) => matrix(transpose(rows), { name, rowNames: units, columnNames: from, digits, key: `${key}.${at}` });
  const column = (/** @type {number[]} */ values, /** @type {string} */ name, /** @type {string} */ key) => vector(values, { name, digits, key: `${key}.${at}` });
  const parts = stage === "forward"
    ? [show(layer.weight_before, `W${n}`, "W"), column(layer.bias_before, `b${n}`, "b"), column(layer.z, `z${n}`, "z"), column(layer.a, `a${n}`, "a")]
    : stage === "backward"
      ? [column(layer.z, `z${n}`, "z"), column(layer.a, `a${n}`, "a"), column(layer.delta, `δ${n}`, "delta"), show(layer.grad_weight, `∂J/∂W${n}`, "gradW"), column(layer.grad_bias, `∂J/∂b${n}`, "gradb")]
      : [show(layer.weight_before, W.before(`W${n}`), "W"), show(layer.update_weight, W.change(`W${n}`), "updateW"), show(layer.weight_after, W.after(`W${n}`), "afterW"),
        column(layer.bias_before, W.before(`b${n}`), "b"), column(layer.update_bias, W.change(`b${n}`), "updateb"), column(layer.bias_after, W.after(`b${n}`), "afterb")];
  return h("section", { class: "step-layer" }, h("h4", {}, at === layers - 1 ? W.output : W.layer(at + 1), h("small", {}, ` ${WORDS.activations[layer.activation] ?? layer.activation}`)), h("div", { class: "matrices" }, ...parts));
}

/** @param {number} n */
function superscript(n) {
  return `⁽${String(n).split("").map((each) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(each)]).join("")}⁾`;
}
