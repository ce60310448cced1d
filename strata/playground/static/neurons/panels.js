/** The drawers under the network: tabs, of which one or none is open; the open one is kept in the address. @module */

import { h } from "../parts/dom.js";
import { WORDS } from "../words.js";
import { comparePanel } from "./panel_compare.js";
import { diagnosisPanel } from "./panel_diagnosis.js";
import { homePanel } from "./panel_home.js";
import { lessonsPanel } from "./panel_lessons.js";
import { stepPanel } from "./panel_step.js";
import { surfacePanel } from "./panel_surface.js";
import { trainingPanel } from "./panel_training.js";

/** @typedef {import("../desk.js").Desk} Desk */

/** @type {[string, (desk: Desk) => HTMLElement][]} */
const PANELS = [
  ["lessons", lessonsPanel], ["step", stepPanel], ["diagnosis", diagnosisPanel], ["training", trainingPanel],
  ["compare", comparePanel], ["surface", surfacePanel], ["home", homePanel],
];

/** @param {Desk} desk */
export function panels(desk) {
  const { store } = desk;
  /** @type {Map<string, HTMLElement>} */
  const made = new Map();
  const body = h("div", { class: "panel-body" });
  const tabs = PANELS.map(([name]) => h("button", {
    type: "button", class: "tab", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, "data-panel": name,
    onclick: () => desk.look({ panel: store.get("view").panel === name ? "" : name }),
  }, h("span", {}, WORDS.panels[name]), name === "diagnosis" && badge(desk)));
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": WORDS.panels.name }, ...tabs);
  list.addEventListener("keydown", (event) => {
    const at = tabs.findIndex((tab) => tab === document.activeElement);
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move === undefined || at < 0) return;
    event.preventDefault();
    tabs[(at + move + tabs.length) % tabs.length].focus();
  });
  let shown = "?";
  store.on(["view", "hello"], () => {
    if (!store.get("hello")) return;
    const { panel } = store.get("view");
    if (panel === shown) return;
    shown = panel;
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(PANELS[at][0] === panel));
      tab.tabIndex = PANELS[at][0] === panel || (panel === "" && at === 0) ? 0 : -1;
    });
    const maker = PANELS.find(([name]) => name === panel)?.[1];
    if (maker && !made.has(panel)) {
      const element = maker(desk);
      element.id = `panel-${panel}`;
      element.setAttribute("role", "tabpanel");
      element.setAttribute("aria-labelledby", `tab-${panel}`);
      made.set(panel, element);
      body.append(element);
    }
    for (const [name, element] of made) element.hidden = name !== panel;
    body.hidden = !maker;
  });
  return h("section", { class: "panels", "aria-label": WORDS.panels.name }, list, body);
}

/** How many verdicts there are to read. @param {Desk} desk */
function badge(desk) {
  const element = h("span", { class: "badge" });
  desk.store.on(["verdicts"], () => {
    const faults = desk.store.get("verdicts").filter((each) => each.name !== "healthy").length;
    element.hidden = faults === 0;
    element.textContent = String(faults);
    element.title = WORDS.diagnosis.count(faults);
  });
  return element;
}
