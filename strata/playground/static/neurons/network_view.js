/** The network drawn: links in SVG, a small map in each unit, and what the pointer and the keys do to them. @module */

import { colours, onTheme } from "../colours.js";
import { h, perFrame, refill, s, say } from "../parts/dom.js";
import { short } from "../parts/numbers.js";
import { series } from "../frames.js";
import { WORDS } from "../words.js";
import { editLink, editUnit, moreInputs } from "./editors.js";
import { layerHeads } from "./layer_heads.js";
import { roving } from "./network_keys.js";
import { columns } from "./network_model.js";
import { distance, linkPath, plan } from "./network_layout.js";
import { paintTile } from "./tiles.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {import("./network_model.js").Unit} Unit */
/** @typedef {{from: Unit, to: Unit, path: SVGPathElement, x0: number, y0: number, x1: number, y1: number, shown: string}} Link */
/** @typedef {{unit: Unit, element: HTMLElement, canvas: HTMLCanvasElement | null, bias: HTMLElement | null}} Node_ */

export class NetworkView {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.svg = s("svg", { class: "links", "aria-hidden": "true" });
    this.nodes = h("div", { class: "nodes", role: "group", "aria-label": WORDS.net.name });
    this.heads = h("div", { class: "heads" });
    this.stage = h("div", { class: "stage" }, this.svg, this.nodes);
    this.status = h("p", { class: "net-status" }, WORDS.net.hint);
    this.element = h("div", { class: "network" }, this.heads, this.stage, this.status);
    /** @type {Link[]} */
    this.links = [];
    /** @type {Map<string, Node_>} */
    this.byKey = new Map();
    /** @type {Unit[][]} */
    this.columns = [];
    this.drawn = "";
    /** @type {Link | null} */
    this.near = null;
    const build = perFrame(() => this.build());
    const paint = perFrame(() => this.paint());
    const { store } = desk;
    store.on(["network", "data", "configuration"], build);
    store.on(["frame"], paint);
    onTheme(() => this.paint(true));
    new ResizeObserver(build).observe(this.element);
    this.keys = roving(this);
    this.listen();
  }

  listen() {
    this.stage.addEventListener("pointermove", (event) => this.point(event));
    this.stage.addEventListener("pointerleave", () => this.mark(null));
    this.stage.addEventListener("click", (event) => {
      if (/** @type {Element} */ (event.target).closest(".unit")) return;
      this.point(event);
      if (this.near) editLink(this.desk, this.near.from, this.near.to, { x: event.clientX, y: event.clientY });
    });
  }

  /** Lay the network out anew when its shape or the room changed. */
  build() {
    const { store } = this.desk;
    const width = this.element.clientWidth;
    if (width === 0 || !store.get("network")) return;
    this.columns = columns(store);
    const drawn = JSON.stringify([width, this.columns]);
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.plan = plan({ width, rows: this.columns.map((each) => each.length), inputLabels: longest(this.columns[0]), outputLabels: longest(this.columns.at(-1) ?? []) });
      this.stage.style.height = `${this.plan.height}px`;
      this.element.classList.toggle("is-narrow", this.plan.narrow);
      this.element.style.setProperty("--tile", `${this.plan.tile}px`);
      this.drawLinks();
      this.drawNodes();
    }
    if (this.plan) refillHeads(this.heads, layerHeads(this.desk, this.plan));
    this.paint(true);
  }

  drawLinks() {
    const at = /** @type {import("./network_layout.js").Plan} */ (this.plan);
    this.links = [];
    this.near = null;
    for (let column = 1; column < this.columns.length; column += 1) {
      this.columns[column - 1].forEach((from, row) => {
        if (from.index < 0) return;
        for (const to of this.columns[column]) {
          const x0 = at.columns[column - 1].left + at.tile;
          const y0 = at.columns[column - 1].tops[row] + at.tile / 2;
          const x1 = at.columns[column].left;
          const y1 = at.columns[column].tops[to.index] + at.tile / 2;
          this.links.push({ from, to, path: s("path", { d: linkPath(x0, y0, x1, y1), class: "link" }), x0, y0, x1, y1, shown: "" });
        }
      });
    }
    this.svg.setAttribute("height", String(at.height));
    refill(this.svg, ...this.links.map((link) => link.path));
  }

  drawNodes() {
    const at = /** @type {import("./network_layout.js").Plan} */ (this.plan);
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    this.byKey = new Map();
    const made = this.columns.flatMap((column, place) => column.map((unit, row) => {
      const node = this.makeNode(unit);
      node.element.style.left = `${at.columns[place].left}px`;
      node.element.style.top = `${at.columns[place].tops[row]}px`;
      this.byKey.set(unit.key, node);
      return node.element;
    }));
    refill(this.nodes, ...made);
    this.keys.refresh(focused);
  }

  /** @param {Unit} unit @returns {Node_} */
  makeNode(unit) {
    const canvas = unit.picture >= 0 ? h("canvas", { width: 1, height: 1, "aria-hidden": "true" }) : null;
    const bias = unit.layer >= 0 ? h("i", { class: "bias", "aria-hidden": "true" }) : null;
    const off = unit.kind === "input" && unit.index < 0;
    const element = h("button", {
      type: "button", class: `unit ${unit.kind}${off ? " off" : ""}`, "data-key": unit.key, tabIndex: -1,
      "aria-label": unit.title, "aria-pressed": unit.kind === "input" ? String(!off) : undefined,
      onclick: () => this.press(unit, element),
      onfocus: () => this.show(unit), onblur: () => this.show(null),
      onpointerenter: () => { this.mark(null); this.show(unit); }, onpointerleave: () => this.show(null),
    }, h("span", { class: "picture" }, canvas, unit.kind === "more" && unit.label), bias,
    unit.label && unit.kind !== "more" ? h("span", { class: "unit-label" }, unit.label) : null);
    return { unit, element, canvas, bias };
  }

  /** @param {Unit} unit @param {HTMLElement} element */
  press(unit, element) {
    const box = element.getBoundingClientRect();
    const at = { x: box.left + box.width / 2, y: box.bottom };
    if (unit.kind === "more") return moreInputs(this.desk, at, element);
    if (unit.kind !== "input") return editUnit(this.desk, this.columns, unit, at, element);
    const names = this.desk.store.get("configuration").features;
    const next = unit.index >= 0 ? names.filter((/** @type {string} */ each) => each !== unit.name) : [...names, unit.name];
    if (next.length === 0) return this.desk.tell(WORDS.net.oneInput, "note");
    const order = this.columns[0].map((each) => each.name);
    next.sort((/** @type {string} */ a, /** @type {string} */ b) => order.indexOf(a) - order.indexOf(b));
    void this.desk.change({ features: next });
  }

  /** Enlarge a unit's map in the output column. @param {Unit | null} unit */
  show(unit) {
    const { store } = this.desk;
    if (unit && unit.picture >= 0) {
      store.set("shownUnit", { unit: unit.picture, title: unit.title });
      say(this.status, this.describe(unit));
    } else {
      if (store.get("shownUnit")) store.set("shownUnit", null);
      say(this.status, unit ? unit.title : WORDS.net.hint);
    }
  }

  /** @param {Unit} unit */
  describe(unit) {
    const frame = this.desk.store.get("frame");
    if (unit.layer < 0 || !frame) return unit.title;
    const bias = series(frame, "biases")[unit.layer]?.data[unit.index];
    return bias === undefined ? unit.title : `${unit.title}: ${WORDS.net.bias} ${short(bias)}`;
  }

  /** Find the link under the pointer. @param {PointerEvent | MouseEvent} event */
  point(event) {
    if (/** @type {Element} */ (event.target).closest(".unit")) return;
    const box = this.stage.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    let best = 7;
    let near = null;
    for (const link of this.links) {
      const far = distance(link, x, y);
      if (far < best) {
        best = far;
        near = link;
      }
    }
    this.mark(near);
  }

  /** @param {Link | null} link */
  mark(link) {
    if (link === this.near) return;
    this.near?.path.classList.remove("near");
    this.near = link;
    this.stage.classList.toggle("on-link", link !== null);
    if (!link) return say(this.status, WORDS.net.hint);
    link.path.classList.add("near");
    this.svg.append(link.path);
    say(this.status, this.describeLink(link));
  }

  /** @param {Link} link */
  describeLink(link) {
    const weight = this.weight(link);
    return `${WORDS.net.weight(link.from.kind === "input" ? link.from.label : link.from.title, link.to.title)}: ${short(weight)}`;
  }

  /** @param {Link} link */
  weight(link) {
    const frame = this.desk.store.get("frame");
    const matrix = frame?.arrays[`weights.${link.to.layer}`];
    return matrix ? matrix.data[link.from.index * matrix.shape[1] + link.to.index] : NaN;
  }

  /** @param {boolean} [fresh] */
  paint(fresh = false) {
    const frame = this.desk.store.get("frame");
    if (!frame) return;
    const palette = colours();
    for (const link of this.links) {
      const weight = this.weight(link);
      const size = Math.min(9, 0.7 + 2.2 * Math.sqrt(Math.abs(weight))) * (this.plan?.stroke ?? 1);
      const shown = `${size.toFixed(1)}${weight < 0 ? "-" : "+"}`;
      if (shown === link.shown && !fresh) continue;
      link.shown = shown;
      link.path.style.strokeWidth = Number.isFinite(size) ? size.toFixed(1) : "0.75";
      link.path.style.stroke = palette.link(weight);
      link.path.style.opacity = Math.min(0.95, 0.3 + 0.5 * Math.abs(weight) || 0.3).toFixed(2);
      link.path.classList.toggle("minus", weight < 0);
    }
    this.paintUnits(frame);
    if (this.near) say(this.status, this.describeLink(this.near));
  }

  /** @param {import("../types.js").Frame} frame */
  paintUnits(frame) {
    const maps = frame.arrays.units;
    const biases = series(frame, "biases");
    const palette = colours();
    for (const { unit, canvas, bias } of this.byKey.values()) {
      if (maps && canvas && unit.picture >= 0 && unit.picture < maps.shape[0]) paintTile(canvas, maps.data, unit.picture * maps.shape[1] * maps.shape[2], maps.shape[1]);
      const value = biases[unit.layer]?.data[unit.index];
      if (bias && value !== undefined) {
        bias.style.background = palette.signed(Math.max(-1, Math.min(1, value)));
        bias.classList.toggle("minus", value < 0);
      }
    }
  }
}

/** @param {Unit[]} units */
function longest(units) {
  return units.reduce((most, unit) => Math.max(most, unit.label.length), 0);
}

/** Keep the focus on the same button when the heads are drawn anew. @param {HTMLElement} element @param {HTMLElement[]} heads */
function refillHeads(element, heads) {
  const focused = document.activeElement instanceof HTMLElement && element.contains(document.activeElement) ? document.activeElement.dataset.does : undefined;
  refill(element, ...heads);
  if (focused) /** @type {HTMLElement | null} */ (element.querySelector(`[data-does="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
}
