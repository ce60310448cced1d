/** Keys for the whole room. They rest while the reader types. @module */

import { closePopover, popoverIsOpen } from "../parts/popover.js";

/** @param {import("../desk.js").Desk} desk */
export function shortcuts(desk) {
  const listen = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Escape" && popoverIsOpen()) return closePopover();
    if (event.key === "Escape" && desk.store.get("drawing")) return desk.store.set("drawing", null);
    if (target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog, [role=dialog], [role=application]")) return;
    const { epoch, epochs } = desk.store.get("run");
    /** @type {Record<string, () => unknown>} */
    const keys = {
      " ": () => desk.toggle(), s: () => desk.step(), r: () => desk.reset(false), n: () => desk.reset(true),
      d: () => desk.look({ discretize: !desk.store.get("view").discretize }),
      t: () => desk.look({ show_test: !desk.store.get("view").show_test }),
      ",": () => epoch > 0 && desk.quietly("seek", { epoch: epoch - 1 }),
      ".": () => epoch < epochs && desk.quietly("seek", { epoch: epoch + 1 }),
    };
    const work = keys[event.key];
    if (!work || (event.key === " " && target.closest("button, a, summary, [role=tab], input"))) return;
    event.preventDefault();
    void work();
  };
  document.addEventListener("keydown", listen);
  return () => document.removeEventListener("keydown", listen);
}
