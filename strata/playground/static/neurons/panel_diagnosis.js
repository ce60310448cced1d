/** Diagnosis live: each verdict with its evidence, its proof and its cure. @module */

import { button } from "../parts/controls.js";
import { h, newId, refill } from "../parts/dom.js";
import { percent, short } from "../parts/numbers.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {import("../types.js").Verdict} Verdict */

const W = WORDS.diagnosis;

/** @param {Desk} desk */
export function diagnosisPanel(desk) {
  const list = h("div", { class: "verdicts", "aria-live": "polite" });
  /** @type {Map<string, {card: HTMLElement, text: string}>} */
  const cards = new Map();
  let asked = false;
  const look = button({
    label: W.look, class: "primary",
    onclick: async () => {
      look.disabled = true;
      const answer = await desk.quietly("diagnose");
      look.disabled = false;
      asked = true;
      if (answer) desk.store.set("verdicts", answer.verdicts);
    },
  });
  desk.store.on(["verdicts"], () => {
    const verdicts = desk.store.get("verdicts");
    for (const name of [...cards.keys()]) if (!verdicts.some((each) => each.name === name)) cards.delete(name);
    const made = verdicts.map((verdict) => {
      const text = JSON.stringify([verdict.sentence, verdict.evidence, verdict.proven]);
      const old = cards.get(verdict.name);
      if (old && (old.text === text || old.card.querySelector(".proof"))) return old.card;
      const card = verdictCard(desk, verdict);
      cards.set(verdict.name, { card, text });
      return card;
    });
    const focused = document.activeElement instanceof HTMLElement && list.contains(document.activeElement) ? document.activeElement : null;
    refill(list, ...(made.length > 0 ? made : [h("p", { class: "note" }, asked ? W.nothing : W.none)]));
    if (focused?.isConnected) focused.focus();
  });
  return h("div", { class: "panel" }, h("div", { class: "row" }, h("p", { class: "lead" }, W.lead), h("span", { class: "grow" }), look), list);
}

/** @param {Desk} desk @param {Verdict} verdict */
function verdictCard(desk, verdict) {
  const proof = h("div", { class: "proof-place" });
  const prove = button({ label: W.prove, class: "small", hint: W.proveHint, onclick: () => void run(desk, verdict, prove, proof) });
  const fix = button({
    label: W.fix, class: "small primary", hint: W.fixHint,
    onclick: async () => {
      const answer = await desk.quietly("apply", { code: verdict.name });
      if (answer) desk.tell(W.fixed(verdict.title), "note");
    },
  });
  const healthy = verdict.name === "healthy";
  const can = Object.keys(verdict.changes ?? {}).length + Object.keys(verdict.actions ?? {}).length > 0;
  const id = newId("verdict");
  return h("article", { class: `verdict${healthy ? " healthy" : ""}`, "aria-labelledby": id, "data-verdict": verdict.name },
    h("h3", { id }, verdict.title, h("small", {}, W.sure(percent(verdict.confidence)))),
    h("p", {}, verdict.sentence),
    h("dl", { class: "pairs" }, ...(healthy ? [] : [h("dt", {}, W.cause), h("dd", {}, verdict.cause), h("dt", {}, W.cure), h("dd", {}, verdict.cure)]),
      h("dt", {}, W.evidence), h("dd", {}, ...Object.entries(verdict.evidence).slice(0, 12).map(([name, value]) => h("span", { class: "evidence" }, h("i", {}, name.replace(/_/g, " ")), ` ${plain(value)}`)))),
    !healthy && can && h("div", { class: "row" }, prove, fix), proof);
}

/** @param {any} value @returns {string} */
function plain(value) {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : short(value);
  if (Array.isArray(value)) return value.slice(0, 8).map(plain).join(", ") + (value.length > 8 ? " …" : "");
  if (value !== null && typeof value === "object") return Object.entries(value).slice(0, 6).map(([name, each]) => `${name} ${plain(each)}`).join(", ");
  return String(value);
}

/** @param {Desk} desk @param {Verdict} verdict @param {HTMLButtonElement} control @param {HTMLElement} place */
async function run(desk, verdict, control, place) {
  control.disabled = true;
  refill(place, h("p", { class: "note proof", role: "status" }, W.proving));
  try {
    const { columns, rows, sentence, proven } = await desk.connection.ask("prove", { code: verdict.name });
    refill(place, h("div", { class: "proof" }, h("p", { class: proven ? "good" : "" }, sentence ?? ""),
      h("div", { class: "scroller" }, h("table", { class: "plain" },
        h("thead", {}, h("tr", {}, ...columns.map((/** @type {string} */ each) => h("th", { scope: "col" }, each)))),
        h("tbody", {}, ...rows.map((/** @type {any[]} */ row) => h("tr", {}, ...row.map((each) => h("td", {}, plain(each))))))))));
  } catch (problem) {
    refill(place, h("p", { class: "error proof", role: "alert" }, /** @type {Error} */ (problem).message));
  }
  control.disabled = false;
}

/** One line beside the network: the first verdict, with the way to the rest. @param {Desk} desk */
export function verdictStrip(desk) {
  const element = h("div", { class: "verdict-strip", role: "status" });
  let shown = "?";
  desk.store.on(["verdicts"], () => {
    const [first, ...more] = desk.store.get("verdicts").filter((each) => each.name !== "healthy");
    const healthy = desk.store.get("verdicts").some((each) => each.name === "healthy");
    const text = first ? `${first.title}|${more.length}` : healthy ? "healthy" : "";
    if (text === shown) return;
    shown = text;
    element.className = `verdict-strip${first ? " fault" : healthy ? " fine" : ""}`;
    refill(element, h("span", {}, first ? W.strip(first.title, more.length) : healthy ? W.healthy : W.quiet),
      first && button({ label: W.see, class: "small", onclick: () => desk.look({ panel: "diagnosis" }) }));
  });
  return element;
}
