/** For screen readers: epoch and loss, at most every eight seconds while running, and when the run stops. @module */

import { h } from "../parts/dom.js";
import { count, short } from "../parts/numbers.js";
import { WORDS } from "../words.js";

const CALM = 8000;

/** @param {import("../desk.js").Desk} desk */
export function announcer(desk) {
  const element = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
  let last = 0;
  let running = false;
  desk.store.on(["frame", "run"], () => {
    const frame = desk.store.get("frame");
    const run = desk.store.get("run");
    const now = performance.now();
    const stopped = running && !run.running;
    running = run.running;
    if (!frame || (!stopped && (!run.running || now - last < CALM))) return;
    last = now;
    element.textContent = WORDS.run.say(count(frame.epoch), short(frame.losses.test), !run.running);
  });
  return element;
}
