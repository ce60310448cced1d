/** The reader's own table: pasted, dropped on the page or opened from a file; then which column is foretold from which. @module */

import { button, check, select } from "../parts/controls.js";
import { h, refill } from "../parts/dom.js";
import { WORDS } from "../words.js";

/** @typedef {import("../desk.js").Desk} Desk */
/** @typedef {{upload: string, columns: {name: string, kind: string}[], rows: number, guess?: string}} Upload */

/** @param {Desk} desk */
export function ownDataButton(desk) {
  const text = h("textarea", { rows: 9, spellcheck: false, placeholder: WORDS.own.placeholder, "aria-label": WORDS.own.paste });
  const file = h("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv,text/plain", "aria-label": WORDS.own.file });
  const error = h("p", { class: "error", role: "alert" });
  const second = h("div", { class: "own-columns" });
  const read = button({ label: WORDS.own.read, class: "primary", onclick: () => void send(text.value) });
  const dialog = h("dialog", { class: "dialog", "aria-label": WORDS.own.title },
    h("div", { class: "popover-head" }, h("h3", {}, WORDS.own.title), button({ label: WORDS.close, icon: "close", hidden: true, class: "quiet small", onclick: () => dialog.close() })),
    h("p", { class: "note" }, WORDS.own.how), text, h("div", { class: "row" }, file, h("span", { class: "grow" }), read), error, second);

  const send = async (/** @type {string | Blob} */ content) => {
    error.textContent = "";
    second.replaceChildren();
    try {
      const answer = await desk.connection.http("/upload/data", { method: "POST", headers: { "Content-Type": "text/csv" }, body: content });
      refill(second, ...columnsForm(desk, await answer.json(), () => dialog.close(), (sentence) => { error.textContent = sentence; }));
      /** @type {HTMLElement | null} */ (second.querySelector("select"))?.focus();
    } catch (problem) {
      error.textContent = /** @type {Error} */ (problem).message;
    }
  };
  file.addEventListener("change", () => { if (file.files?.[0]) void send(file.files[0]); });
  addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
  addEventListener("drop", (event) => {
    const dropped = event.dataTransfer?.files[0];
    if (!dropped || !dialog.isConnected) return;
    event.preventDefault();
    if (!dialog.open) dialog.showModal();
    void send(dropped);
  });
  const open = button({ label: WORDS.data.own, icon: "plus", hint: WORDS.data.ownHint, onclick: () => dialog.showModal() });
  return h("div", { class: "own-data" }, open, dialog);
}

/**
 * @param {Desk} desk @param {Upload} upload @param {() => void} done @param {(sentence: string) => void} fail
 */
function columnsForm(desk, upload, done, fail) {
  const names = upload.columns.map((each) => each.name);
  const used = new Set(upload.columns.filter((each) => !["text", "id", "date", "constant"].includes(each.kind)).map((each) => each.name));
  const boxes = upload.columns.map(({ name, kind }) => {
    const made = check({ label: `${name} (${WORDS.own.kinds[kind] ?? kind})`, onchange: (on) => { if (on) used.add(name); else used.delete(name); } });
    made.set(used.has(name));
    return made;
  });
  const target = select({ label: WORDS.own.target, options: names.map((value) => ({ value, label: value })), onchange: () => mark() });
  target.set(upload.guess ?? names[names.length - 1]);
  const mark = () => boxes.forEach((box, at) => { box.box.disabled = names[at] === target.box.value; });
  mark();
  const standardize = check({ label: WORDS.own.standardize, onchange: () => undefined });
  standardize.set(true);
  const use = button({
    label: WORDS.own.use, class: "primary",
    onclick: async () => {
      const features = names.filter((name) => used.has(name) && name !== target.box.value);
      desk.curve.clear();
      try {
        const answer = await desk.connection.ask("data", { source: "upload", upload: upload.upload, target: target.box.value, features, standardize: standardize.box.checked });
        desk.take(answer);
        done();
      } catch (problem) {
        fail(/** @type {Error} */ (problem).message);
      }
    },
  });
  return [h("p", { class: "note" }, WORDS.own.found(upload.rows, names.length)), target.element,
    h("fieldset", {}, h("legend", {}, WORDS.own.inputs), h("div", { class: "many-inputs" }, ...boxes.map((each) => each.element))),
    h("div", { class: "row" }, standardize.element, h("span", { class: "grow" }), use)];
}
