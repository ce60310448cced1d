/** The right column: the large map, its legend and switches, the losses in numbers, their curve, and the bar to go back in time. @module */

import { colours, markerPath, onTheme } from "../colours.js";
import { check, slider } from "../parts/controls.js";
import { h, refill, s, say } from "../parts/dom.js";
import { count, percent, short } from "../parts/numbers.js";
import { WORDS } from "../words.js";
import { CurveView } from "./curve_view.js";
import { MapView } from "./map_view.js";

/** @typedef {import("../desk.js").Desk} Desk */

/** @param {Desk} desk */
export function outputColumn(desk) {
  const map = new MapView(desk);
  const curve = new CurveView(desk, desk.curve);
  return h("section", { class: "column output", "aria-labelledby": "output-title" },
    h("div", { class: "middle-head" }, h("h2", { id: "output-title" }, WORDS.output.title), map.caption), map.element, legend(desk), switches(desk),
    figures(desk), curve.element, scrub(desk));
}

/** @param {Desk} desk */
export function legend(desk) {
  const element = h("div", { class: "legend" });
  const draw = () => {
    const data = desk.store.get("data");
    if (!data) return;
    const palette = colours();
    if (data.problem === "regression") {
      const most = Math.max(0.001, ...data.points.map((point) => Math.abs(point[2])));
      refill(element, h("span", {}, short(-most, 2)), h("span", { class: "ramp" }), h("span", {}, short(most, 2)));
    } else {
      refill(element, ...data.classes.map((name, index) => h("span", { class: "entry" },
        s("svg", { viewBox: "0 0 20 20", class: "marker", "aria-hidden": "true" }, s("path", { d: markerPath(index, data.classes.length), style: { fill: palette.classCss(index, data.classes.length) } })),
        h("span", {}, WORDS.output.class(String(name))))));
    }
    element.append(h("span", { class: "entry muted" }, s("svg", { viewBox: "0 0 20 20", class: "marker test-mark", "aria-hidden": "true" }, s("circle", { cx: 10, cy: 10, r: 6 })), h("span", {}, WORDS.output.testMark)));
  };
  let shown = "";
  desk.store.on(["data"], () => {
    const data = desk.store.get("data");
    const text = data ? JSON.stringify([data.classes, data.problem, data.points[0], data.points.length]) : "";
    if (text !== shown) draw();
    shown = text;
  });
  onTheme(draw);
  return element;
}

/** @param {Desk} desk */
function switches(desk) {
  const test = check({ label: WORDS.output.showTest, onchange: (value) => desk.look({ show_test: value }) });
  const discretize = check({ label: WORDS.output.discretize, onchange: (value) => desk.look({ discretize: value }) });
  const log = check({ label: WORDS.output.log, onchange: (value) => desk.look({ log: value }) });
  const spread = check({ label: WORDS.output.spread, onchange: (value) => desk.look({ spread: value }) });
  desk.store.on(["view", "configuration"], () => {
    const view = desk.store.get("view");
    test.set(view.show_test);
    discretize.set(view.discretize);
    log.set(view.log);
    spread.set(view.spread);
    spread.element.hidden = desk.store.get("configuration").mode !== "bagging";
  });
  return h("div", { class: "switches" }, test.element, discretize.element, log.element, spread.element);
}

/** Losses and scores; test loss is always there. @param {Desk} desk */
function figures(desk) {
  const make = (/** @type {string} */ name, /** @type {string} */ label) => {
    const value = h("dd", { class: "figure-value" });
    return { value, element: h("div", { class: `figure ${name}` }, h("dt", {}, label), value) };
  };
  const test = make("test", WORDS.output.testLoss);
  const train = make("train", WORDS.output.trainLoss);
  const penalty = make("penalty", WORDS.output.penalty);
  const score = make("score", WORDS.output.score);
  desk.store.on(["frame", "configuration"], () => {
    const frame = desk.store.get("frame");
    if (!frame) return;
    say(test.value, short(frame.losses.test));
    say(train.value, short(frame.losses.train));
    say(penalty.value, short(frame.losses.penalty));
    const regression = desk.store.get("data")?.problem === "regression";
    const figure = frame.scores?.test ?? Object.values(frame.scores ?? {})[0];
    say(/** @type {Node} */ (score.element.firstChild), regression ? WORDS.output.r2 : WORDS.output.score);
    say(score.value, figure === undefined || figure === null ? "–" : regression ? short(figure) : percent(figure));
  });
  return h("dl", { class: "figures" }, test.element, train.element, penalty.element, score.element);
}

/** @param {Desk} desk */
function scrub(desk) {
  let wanted = -1;
  let busy = false;
  const seek = async (/** @type {number} */ epoch) => {
    wanted = epoch;
    if (busy) return;
    busy = true;
    while (wanted >= 0) {
      const next = wanted;
      wanted = -1;
      await desk.quietly("seek", { epoch: next });
    }
    busy = false;
  };
  const bar = slider({ label: WORDS.output.scrub, min: 0, max: 0, step: 1, format: count, onchange: (value) => void seek(value), oninput: (value) => void seek(value) });
  desk.store.on(["run"], () => {
    const { epoch, epochs } = desk.store.get("run");
    if (!busy) bar.set(epoch, epochs);
    bar.box.disabled = epochs === 0;
  });
  bar.element.classList.add("scrub");
  return bar.element;
}
