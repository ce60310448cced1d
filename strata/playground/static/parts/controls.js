/**
 * Labelled controls. Each gives its element and a `set` that shows a value without reporting it, and leaves alone what the
 * reader is typing in.
 * @module
 */

import { h, newId, say } from "./dom.js";
import { icon } from "./icons.js";
import { WORDS } from "../words.js";

/** @typedef {{value: string, label: string}} Option */

/**
 * @param {{label: string, options: Option[], onchange: (value: string) => void, hint?: string, class?: string}} options
 */
export function select({ label, options, onchange, hint, class: extra = "" }) {
  const box = h("select", { id: newId("select"), onchange: () => onchange(box.value) });
  let shown = "";
  const put = (/** @type {Option[]} */ list) => {
    const text = JSON.stringify(list);
    if (text === shown) return;
    shown = text;
    box.replaceChildren(...list.map(({ value, label: name }) => h("option", { value }, name)));
  };
  put(options);
  const element = h("div", { class: `field ${extra}`, title: hint }, h("label", { class: "label", htmlFor: box.id }, label), box);
  return {
    element, box,
    /** @param {string | number} value @param {Option[]} [list] */
    set(value, list = options) {
      const text = String(value);
      put(list.some((each) => each.value === text) ? list : [...list, { value: text, label: text }]);
      if (box.value !== text) box.value = text;
    },
  };
}

/**
 * @param {{label: string, min: number, max: number, step: number, format?: (value: number) => string, onchange: (value: number) => void, oninput?: (value: number) => void}} options
 */
export function slider({ label, min, max, step, format = String, onchange, oninput }) {
  const output = h("output", { class: "value" });
  const box = h("input", { type: "range", min, max, step, "aria-label": label });
  const show = () => {
    say(output, format(box.valueAsNumber));
    box.setAttribute("aria-valuetext", format(box.valueAsNumber));
    box.style.setProperty("--share", String((box.valueAsNumber - Number(box.min)) / Math.max(1e-9, Number(box.max) - Number(box.min))));
  };
  let held = false;
  box.addEventListener("pointerdown", () => { held = true; });
  addEventListener("pointerup", () => { held = false; });
  box.addEventListener("input", () => { show(); oninput?.(box.valueAsNumber); });
  box.addEventListener("change", () => onchange(box.valueAsNumber));
  const element = h("div", { class: "field slider" }, h("span", { class: "label" }, label, output), box);
  return {
    element, box,
    /** @param {number} value @param {number} [top] */
    set(value, top) {
      if (top !== undefined && box.max !== String(top)) box.max = String(top);
      if (!held && box.valueAsNumber !== value) box.value = String(value);
      show();
    },
  };
}

/**
 * @param {{label: string, onchange: (value: number | null) => void, min?: number, max?: number, step?: number | "any", empty?: boolean, hint?: string, class?: string}} options
 */
export function number({ label, onchange, min, max, step = "any", empty = false, hint, class: extra = "" }) {
  const box = h("input", { id: newId("number"), type: "number", min, max, step, inputMode: "decimal" });
  let last = "";
  const report = () => {
    if (box.value === last) return;
    if (box.value === "" && !empty) box.value = last;
    else if (box.value === "") onchange(null);
    else if (box.validity.valid || step === "any" && !box.validity.rangeOverflow && !box.validity.rangeUnderflow) onchange(box.valueAsNumber);
    else return;
    last = box.value;
  };
  box.addEventListener("change", report);
  const element = h("div", { class: `field ${extra}`, title: hint }, h("label", { class: "label", htmlFor: box.id }, label), box);
  return {
    element, box,
    /** @param {number | null | undefined} value */
    set(value) {
      const text = value === null || value === undefined ? "" : String(value);
      last = text;
      if (document.activeElement !== box && box.value !== text) box.value = text;
    },
  };
}

/** @param {{label: string, onchange: (value: boolean) => void, hint?: string}} options */
export function check({ label, onchange, hint }) {
  const box = h("input", { type: "checkbox", onchange: () => onchange(box.checked) });
  const element = h("label", { class: "check", title: hint }, box, h("span", {}, label));
  return { element, box, set: (/** @type {boolean} */ value) => { box.checked = value; } };
}

/**
 * @param {{label: string, icon?: string, onclick: (event: MouseEvent) => void, class?: string, hint?: string, hidden?: boolean}} options
 */
export function button({ label, icon: name, onclick, class: extra = "", hint, hidden }) {
  return h("button", { type: "button", class: `button ${extra}`, onclick, title: hint ?? (name && hidden ? label : undefined), "aria-label": hidden ? label : undefined },
    name && icon(name), !hidden && h("span", {}, label));
}

/**
 * A form from a list of settings as the server describes them.
 * @param {import("../types.js").Setting[]} settings
 * @param {Record<string, any>} values
 * @param {(name: string, value: any) => void} onchange
 */
export function settingsForm(settings, values, onchange) {
  return settings.map((setting) => {
    const { name, kind } = setting;
    const label = WORDS.setting(setting);
    const value = values[name] ?? setting.default;
    const report = (/** @type {any} */ each) => onchange(name, each);
    if (kind === "bool") {
      const made = check({ label, onchange: report, hint: setting.help });
      made.set(Boolean(value));
      return made.element;
    }
    if (kind === "choice") {
      const made = select({ label, hint: setting.help, options: (setting.choices ?? []).map((each) => ({ value: each, label: each })), onchange: report });
      made.set(String(value));
      return made.element;
    }
    const made = number({ label, hint: setting.help, min: setting.min, max: setting.max, step: kind === "int" ? 1 : "any", empty: setting.default === null, onchange: report });
    made.set(value);
    return made.element;
  });
}
