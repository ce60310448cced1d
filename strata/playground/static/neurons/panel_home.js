/** Take it home: a script that gives the same weights, the model as a file, a model opened, the address. @module */

import { button } from "../parts/controls.js";
import { h } from "../parts/dom.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */

const W = WORDS.home;

/** @param {Desk} desk */
export function homePanel(desk) {
  const code = h("pre", { class: "script", tabIndex: 0, "aria-label": W.script });
  const said = h("span", { class: "note", role: "status" });
  const file = h("input", { type: "file", accept: ".zip,application/zip", "aria-label": W.open });
  code.hidden = true;
  const copy = button({
    label: W.copy, class: "primary", hint: W.copyHint,
    onclick: async () => {
      const answer = await desk.quietly("script");
      if (!answer) return;
      code.hidden = false;
      code.textContent = answer.script;
      said.textContent = (await toClipboard(answer.script)) ? W.copied : W.copyByHand;
    },
  });
  const save = button({ label: W.save, hint: W.saveHint, onclick: () => void download(desk, "/download/model", "model.zip") });
  const saveScript = button({ label: W.saveScript, onclick: () => void download(desk, "/download/python", "playground.py") });
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    try {
      const answer = await desk.connection.http("/upload/model", { method: "POST", headers: { "Content-Type": "application/zip" }, body: chosen });
      desk.curve.clear();
      desk.take(await answer.json());
      said.textContent = W.opened;
    } catch (problem) {
      desk.tell(/** @type {Error} */ (problem).message, "bad");
    }
    file.value = "";
  });
  return h("div", { class: "panel home-panel" }, h("p", { class: "lead" }, W.lead),
    h("div", { class: "row" }, copy, saveScript, save, h("label", { class: "button file-button" }, h("span", {}, W.open), file), said), code);
}

/** @param {string} text */
export async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {Desk} desk @param {string} path @param {string} fallback */
async function download(desk, path, fallback) {
  try {
    const answer = await desk.connection.http(path);
    const named = /filename="?([^";]+)/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
    const url = URL.createObjectURL(await answer.blob());
    h("a", { href: url, download: named ?? fallback }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (problem) {
    desk.tell(/** @type {Error} */ (problem).message, "bad");
  }
}
