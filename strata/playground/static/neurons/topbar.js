/** Run and presets: play, step, reset, new seed, epoch, speed, and the settings that everyone turns. @module */

import { h, say } from "../parts/dom.js";
import { icon } from "../parts/icons.js";
import { button, select } from "../parts/controls.js";
import { count } from "../parts/numbers.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */

const RATES = [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const PENALTIES = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const SPEEDS = [1, 2, 5, 10, 30, 60, 0];

/** @param {number[]} values */
const options = (values) => values.map((each) => ({ value: String(each), label: String(each) }));

/** @param {{name: string, label: string}[]} choices */
export const named = (choices) => choices.map(({ name, label }) => ({ value: name, label: WORDS.activations[name] ?? WORDS.modes[name] ?? label }));

/** @param {Desk} desk */
export function topbar(desk) {
  return h("div", { class: "topbar", role: "toolbar", "aria-label": WORDS.bar.name }, transport(desk), presets(desk));
}

/** @param {Desk} desk */
export function transport(desk) {
  const { store } = desk;
  const play = h("button", { type: "button", class: "play", onclick: () => void desk.toggle() });
  const epoch = h("span", { class: "epoch-number" });
  const speed = select({
    label: WORDS.bar.speed, class: "narrow",
    options: SPEEDS.map((each) => ({ value: String(each), label: each === 0 ? WORDS.bar.noLimit : WORDS.bar.perSecond(each) })),
    onchange: (value) => desk.look({ speed: Number(value) }),
  });
  let shown = "";
  store.on(["run"], () => {
    const { running, epoch: at } = store.get("run");
    say(epoch, count(at));
    const now = running ? "pause" : "play";
    if (now === shown) return;
    shown = now;
    play.replaceChildren(icon(now));
    play.setAttribute("aria-label", running ? WORDS.bar.pause : WORDS.bar.play);
    play.title = running ? WORDS.bar.pauseHint : WORDS.bar.playHint;
    play.classList.toggle("running", running);
  });
  store.on(["configuration"], () => { play.disabled = store.get("configuration").mode === "gate"; }); // a fixed neuron learns nothing
  store.on(["view"], () => speed.set(store.get("view").speed));
  return h("div", { class: "transport" },
    button({ label: WORDS.bar.reset, icon: "reset", hidden: true, class: "round", hint: WORDS.bar.resetHint, onclick: () => void desk.reset(false) }),
    play,
    button({ label: WORDS.bar.step, icon: "step", hidden: true, class: "round", hint: WORDS.bar.stepHint, onclick: () => void desk.step() }),
    button({ label: WORDS.bar.newSeed, icon: "dice", hidden: true, class: "round", hint: WORDS.bar.newSeedHint, onclick: () => void desk.reset(true) }),
    h("div", { class: "epoch" }, h("span", { class: "label" }, WORDS.bar.epoch), epoch),
    speed.element);
}

/** @param {Desk} desk */
function presets(desk) {
  const { store } = desk;
  const set = (/** @type {string} */ name, /** @type {any} */ value) => void desk.change({ [name]: value });
  const problem = select({ label: WORDS.bar.problem, options: [], onchange: (value) => set("problem", value) });
  const rate = select({ label: WORDS.bar.rate, class: "narrow", options: options(RATES), onchange: (value) => set("learning_rate", Number(value)) });
  const activation = select({
    label: WORDS.bar.activation, options: [],
    onchange: (value) => set("activations", store.get("configuration").hidden.map(() => value)),
  });
  const penalty = select({ label: WORDS.bar.penalty, options: ["none", "l1", "l2"].map((value) => ({ value, label: WORDS.bar.penalties[value] })), onchange: () => report() });
  const strength = select({ label: WORDS.bar.strength, class: "narrow", options: options(PENALTIES), onchange: () => report() });
  const report = () => {
    const kind = penalty.box.value;
    const size = Number(strength.box.value) || (kind === "none" ? 0 : 0.003);
    void desk.change({ l1: kind === "l1" ? size : 0, l2: kind === "l2" ? size : 0 });
  };
  store.on(["configuration", "hello"], () => {
    const hello = store.get("hello");
    if (!hello) return;
    const at = store.get("configuration");
    problem.set(at.problem, named(hello.choices.problems));
    rate.set(at.learning_rate);
    const kinds = [...new Set(at.activations)];
    const list = named(hello.choices.activations);
    if (kinds.length > 1) activation.set("", [{ value: "", label: WORDS.bar.perLayer }, ...list]);
    else activation.set(String(kinds[0] ?? store.get("hello")?.defaults.activations[0] ?? "tanh"), list);
    activation.box.disabled = at.hidden.length === 0;
    const both = at.l1 > 0 && at.l2 > 0;
    penalty.set(both ? "both" : at.l1 > 0 ? "l1" : at.l2 > 0 ? "l2" : "none", both ? [{ value: "both", label: "L1 + L2" }, ...["none", "l1", "l2"].map((value) => ({ value, label: WORDS.bar.penalties[value] }))] : undefined);
    strength.set(at.l1 > 0 ? at.l1 : at.l2);
    strength.box.disabled = at.l1 === 0 && at.l2 === 0;
  });
  return h("div", { class: "presets" }, problem.element, rate.element, activation.element, penalty.element, strength.element);
}
