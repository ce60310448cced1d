/** One line for what the server has to say, and for a connection that is lost. @module */

import { button } from "../parts/controls.js";
import { h, refill } from "../parts/dom.js";
import { WORDS } from "../words.js";

/** @param {import("../desk.js").Desk} desk */
export function messageBar(desk) {
  const { store } = desk;
  const link = h("div", { class: "message bad", role: "alert", hidden: true });
  const message = h("div", { class: "message", role: "status", hidden: true });
  store.on(["link"], () => {
    const state = store.get("link");
    link.hidden = state === "open" || state === "waiting";
    link.textContent = state === "gone" ? WORDS.link.gone : state === "refused" ? WORDS.link.refused : "";
    document.body.classList.toggle("offline", state === "gone" || state === "refused");
  });
  store.on(["message"], () => {
    const now = store.get("message");
    message.hidden = now === null;
    if (!now) return;
    message.className = `message ${now.tone}`;
    refill(message, h("span", {}, now.text), button({ label: WORDS.close, icon: "close", hidden: true, class: "quiet small", onclick: () => store.set("message", null) }));
  });
  const busy = h("div", { class: "busy", role: "status", hidden: true }, h("span", { class: "unseen" }, WORDS.run.busy));
  let wait = 0;
  desk.connection.on("busy", (/** @type {{busy: boolean}} */ now) => {
    if (now.busy && wait !== 0) return;
    clearTimeout(wait);
    wait = now.busy ? setTimeout(() => { busy.hidden = false; }, 700) : 0;
    if (!now.busy) busy.hidden = true;
  });
  return h("div", { class: "messages" }, busy, link, message);
}
