/** Lessons: a list to choose from, and the chosen one above the network with its sentences and its question. @module */

import { button } from "../parts/controls.js";
import { h, newId, refill } from "../parts/dom.js";
import { LESSONS } from "../lessons.js";
import { LESSON_WORDS } from "../words_lessons.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */

const W = WORDS.lessons;

/**
 * Set the room to a lesson: everything at its default but what the lesson says.
 * @param {Desk} desk @param {string} name
 */
export async function openLesson(desk, name) {
  const lesson = LESSONS.find((each) => each.name === name);
  const hello = desk.store.get("hello");
  if (!lesson || !hello) return;
  if (desk.store.get("run").running) await desk.quietly("pause");
  desk.curve.clear();
  desk.store.set("verdicts", []);
  const { room: _, ...defaults } = hello.defaults;
  desk.look({ lesson: name, panel: lesson.worked ? "" : lesson.panel ?? "", ...lesson.view });
  await desk.change({ ...defaults, ...lesson.changes });
  if (lesson.worked) await lesson.worked(desk);
  else await desk.reset(false);
}

/** @param {Desk} desk */
export function lessonsPanel(desk) {
  const items = LESSONS.map(({ name }, at) => {
    const words = LESSON_WORDS[name];
    return h("li", {}, h("button", { type: "button", class: "lesson-card", "data-lesson": name, onclick: () => void openLesson(desk, name) },
      h("b", {}, String(at + 1)), h("span", {}, h("strong", {}, words.title), h("small", {}, words.about))));
  });
  desk.store.on(["view"], () => items.forEach((item, at) => item.firstElementChild?.setAttribute("aria-pressed", String(LESSONS[at].name === desk.store.get("view").lesson))));
  return h("div", { class: "panel" }, h("p", { class: "lead" }, W.lead), h("ol", { class: "lesson-list" }, ...items));
}

/** @param {Desk} desk */
export function lessonBanner(desk) {
  const element = h("div", { class: "lesson-place" });
  let shown = "";
  desk.store.on(["view"], () => {
    const { lesson } = desk.store.get("view");
    if (lesson === shown) return;
    shown = lesson;
    const at = LESSONS.findIndex((each) => each.name === lesson);
    const words = LESSON_WORDS[lesson];
    if (at < 0 || !words) return element.replaceChildren();
    refill(element, banner(desk, at, words));
  });
  return element;
}

/** @param {Desk} desk @param {number} at @param {import("../words_lessons.js").LessonWords} words */
function banner(desk, at, words) {
  const answer = h("p", { class: "answer", hidden: true, role: "status" }, words.answer);
  const reveal = button({ label: W.answer, class: "small", onclick: () => { answer.hidden = !answer.hidden; reveal.setAttribute("aria-expanded", String(!answer.hidden)); } });
  const go = (/** @type {number} */ to) => button({ label: to < at ? W.back : W.next, class: "small", onclick: () => void openLesson(desk, LESSONS[to].name) });
  const id = newId("lesson");
  return h("section", { class: "lesson", "aria-labelledby": id },
    h("div", { class: "lesson-head" }, h("h2", { id }, h("small", {}, W.number(at + 1, LESSONS.length)), words.title),
      h("div", { class: "row" }, at > 0 && go(at - 1), button({ label: W.again, class: "small", onclick: () => void openLesson(desk, LESSONS[at].name) }), at < LESSONS.length - 1 && go(at + 1),
        button({ label: W.leave, icon: "close", hidden: true, class: "quiet small", onclick: () => desk.look({ lesson: "" }) }))),
    h("p", {}, words.text.join(" ")), h("p", { class: "question" }, h("b", {}, W.question), " ", words.question, " ", reveal), answer);
}
