/** The network as columns of named units, from what the server says and what can be switched on. @module */

import { WORDS } from "../words.js";

/** @typedef {import("../store.js").Store} Store */
/**
 * @typedef {object} Unit
 * @property {string} key
 * @property {"input" | "hidden" | "output" | "more"} kind
 * @property {string} label short
 * @property {string} title long
 * @property {number} layer index into the layers that have weights, -1 for inputs
 * @property {number} index in its layer; -1 for an input that is switched off
 * @property {number} picture index among the small maps; -1 for none
 * @property {string} [name] of an input
 */

export const MOST_INPUTS = 10;

/** Names of all inputs that the data offer. @param {Store} store @returns {{name: string, label: string}[]} */
export function offeredInputs(store) {
  const hello = store.get("hello");
  const data = store.get("data");
  const dataset = hello?.choices.datasets.find((each) => each.name === store.get("configuration").dataset);
  const plane = dataset?.group === "plane" || data?.columns.join() === "x1,x2";
  if (plane && hello) return hello.choices.features.map(({ name }) => ({ name, label: WORDS.input(name) }));
  const known = new Map((store.get("network")?.inputs ?? []).map((each) => [each.name, each.label]));
  const names = data?.columns.length ? data.columns : [...known.keys()];
  return names.map((name) => ({ name, label: WORDS.input(known.get(name) ?? name) }));
}

/**
 * @param {Store} store
 * @returns {Unit[][]} columns: inputs, hidden layers, outputs
 */
export function columns(store) {
  const network = store.get("network");
  if (!network) return [];
  const active = new Map(network.inputs.map((each, at) => [each.name, at]));
  const offered = offeredInputs(store);
  const all = [...offered, ...network.inputs.filter((each) => !offered.some((other) => other.name === each.name))];
  const many = all.length > MOST_INPUTS;
  const seen = many ? [...all.filter((each) => active.has(each.name)), ...all.filter((each) => !active.has(each.name))].slice(0, MOST_INPUTS - 1) : all;
  /** @type {Unit[]} */
  const inputs = seen.map(({ name, label }) => {
    const index = active.get(name) ?? -1;
    return { key: `i:${name}`, kind: "input", name, label, title: WORDS.net.input(label), layer: -1, index, picture: index };
  });
  if (many) inputs.push({ key: "more", kind: "more", label: `+${all.length - seen.length}`, title: WORDS.net.more(all.length - seen.length), layer: -1, index: -1, picture: -1 });
  let picture = network.inputs.length;
  const classes = store.get("data")?.classes ?? [];
  const layers = network.layers.map((layer, at) => Array.from({ length: layer.units }, (_, index) => {
    const output = layer.kind === "output";
    const name = output ? (layer.units > 1 && classes[index] !== undefined ? String(classes[index]) : "") : "";
    /** @type {Unit} */
    const unit = {
      key: `${output ? "o" : "h"}:${at}:${index}`, kind: output ? "output" : "hidden", label: name,
      title: output ? WORDS.net.output(name, layer.units) : WORDS.net.unit(index + 1, at + 1), layer: at, index, picture,
    };
    picture += 1;
    return unit;
  }));
  return [inputs, ...layers];
}

/** Whether layers can be added and taken away. @param {Store} store */
export function layersCanChange(store) {
  return ["network", "bagging"].includes(store.get("configuration").mode ?? "network");
}
