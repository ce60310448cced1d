/** The probabilities of the ten digits: bars with numbers. A press asks what it would take for that digit. @module */

import { h, say } from "../parts/dom.js";
import { percent } from "../parts/numbers.js";
import { WORDS_ROOMS } from "./words_rooms.js";

/** @param {import("./desk.js").StudioDesk} desk */
export function bars(desk) {
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const fill = h("span", { class: "bar-fill" });
    const value = h("span", { class: "bar-value" });
    const element = h("button", { type: "button", class: "bar", "aria-pressed": "false", "data-digit": digit, onclick: () => {
      const wish = desk.frame?.wish === digit ? null : digit;
      desk.connection.send({ do: "ask", digit: wish });
    } }, h("b", {}, String(digit)), h("span", { class: "bar-track", "aria-hidden": "true" }, fill), value);
    return { element, fill, value };
  });
  const said = h("p", { class: "answer-said" }, WORDS_ROOMS.answer.none);
  const calm = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
  let timer = 0;
  desk.store.on(["frame"], () => {
    const { frame } = desk;
    if (!frame?.arrays.probabilities) return;
    const shares = frame.arrays.probabilities.data;
    const blank = frame.answer === null;
    rows.forEach(({ element, fill, value }, digit) => {
      const share = blank ? 0 : shares[digit];
      fill.style.width = `${(100 * share).toFixed(1)}%`;
      const text = blank ? "–" : percent(share);
      say(value, text);
      element.setAttribute("aria-label", WORDS_ROOMS.answer.bar(digit, text));
      element.setAttribute("aria-pressed", String(frame.wish === digit));
      element.classList.toggle("best", !blank && frame.answer === digit);
    });
    const text = blank ? WORDS_ROOMS.answer.none : WORDS_ROOMS.answer.is(frame.answer, percent(shares[frame.answer]));
    say(said, text);
    clearTimeout(timer);
    timer = setTimeout(() => say(calm, text), 900);
  });
  return h("div", { class: "answer-box" }, said, h("div", { class: "bars", role: "group", "aria-label": WORDS_ROOMS.answer.title }, ...rows.map((row) => row.element)),
    h("p", { class: "note" }, WORDS_ROOMS.answer.wishHint), calm);
}
