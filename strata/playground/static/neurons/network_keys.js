/** One tab stop for the whole network; the arrows move between its units. @module */

/** @typedef {import("./network_view.js").NetworkView} NetworkView */

/** @param {NetworkView} view */
export function roving(view) {
  let current = "";

  /** @param {string} key @param {boolean} focus */
  const go = (key, focus) => {
    const node = view.byKey.get(key);
    if (!node) return;
    const before = view.byKey.get(current);
    if (before) before.element.tabIndex = -1;
    current = key;
    node.element.tabIndex = 0;
    if (focus) node.element.focus();
  };

  view.nodes.addEventListener("keydown", (event) => {
    const place = where(view, current);
    if (!place) return;
    const { column, row } = place;
    const target = next(view, column, row, event.key);
    if (target === null) return;
    event.preventDefault();
    go(target, true);
  });
  view.nodes.addEventListener("focusin", (event) => {
    const key = /** @type {HTMLElement} */ (event.target).dataset.key;
    if (key) go(key, false);
  });

  return {
    /** After a new drawing: the same unit, else the first, is the tab stop. @param {string | undefined} focused */
    refresh(focused) {
      const key = view.byKey.has(current) ? current : view.columns[0]?.[0]?.key ?? "";
      current = "";
      go(key, focused !== undefined);
    },
  };
}

/** @param {NetworkView} view @param {string} key */
function where(view, key) {
  for (let column = 0; column < view.columns.length; column += 1) {
    const row = view.columns[column].findIndex((unit) => unit.key === key);
    if (row >= 0) return { column, row };
  }
  return null;
}

/** @param {NetworkView} view @param {number} column @param {number} row @param {string} key */
function next(view, column, row, key) {
  const at = (/** @type {number} */ c, /** @type {number} */ r) => view.columns[c]?.[r]?.key ?? null;
  const beside = (/** @type {number} */ c) => {
    const there = view.columns[c];
    if (!there) return null;
    const share = (row + 0.5) / view.columns[column].length;
    return at(c, Math.min(there.length - 1, Math.floor(share * there.length)));
  };
  if (key === "ArrowUp") return at(column, row - 1);
  if (key === "ArrowDown") return at(column, row + 1);
  if (key === "ArrowLeft") return beside(column - 1);
  if (key === "ArrowRight") return beside(column + 1);
  if (key === "Home") return at(0, 0);
  if (key === "End") return at(view.columns.length - 1, 0);
  return null;
}
