/** One small window at a time, beside what it belongs to; Escape and a click outside close it, and the focus goes back. @module */

import { h } from "./dom.js";
import { button } from "./controls.js";
import { WORDS } from "../words.js";

/** @type {{element: HTMLElement, close: () => void} | null} */
let open = null;

export function closePopover() {
  open?.close();
}

export function popoverIsOpen() {
  return open !== null;
}

/**
 * @param {{title: string, at: {x: number, y: number}, content: Node[], back?: HTMLElement | SVGElement | null, onclose?: () => void}} options
 *   `at` in the window's coordinates
 */
export function showPopover({ title, at, content, back, onclose }) {
  closePopover();
  const element = h("div", { class: "popover", role: "dialog", "aria-label": title, tabIndex: -1 },
    h("div", { class: "popover-head" }, h("h3", {}, title), button({ label: WORDS.close, icon: "close", hidden: true, class: "quiet small", onclick: () => close() })),
    ...content);
  const outside = (/** @type {PointerEvent} */ event) => {
    if (!element.contains(/** @type {Node} */ (event.target))) close();
  };
  const close = () => {
    if (open?.element !== element) return;
    open = null;
    const inside = element.contains(document.activeElement);
    element.remove();
    removeEventListener("pointerdown", outside, true);
    if (inside) back?.focus({ preventScroll: true });
    onclose?.();
  };
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  });
  document.body.append(element);
  const { width, height } = element.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.x - width / 2, document.documentElement.clientWidth - width - 8));
  const below = at.y + 12 + height < innerHeight;
  const top = below ? at.y + 12 : Math.max(8, at.y - height - 12);
  element.style.left = `${left + scrollX}px`;
  element.style.top = `${top + scrollY}px`;
  addEventListener("pointerdown", outside, true);
  open = { element, close };
  const first = /** @type {HTMLElement | null} */ (element.querySelector("input, select, .popover > button"));
  (first ?? element).focus({ preventScroll: true });
  if (first instanceof HTMLInputElement && first.type === "number") first.select();
  return { element, close };
}
