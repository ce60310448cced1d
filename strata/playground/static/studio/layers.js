/** What each layer makes of the drawing, from the first to the last, and the filters of the first. @module */

import { h, refill, say } from "../parts/dom.js";
import { Tiles } from "./tiles.js";
import { WORDS_ROOMS } from "./words_rooms.js";

/** @param {import("./desk.js").StudioDesk} desk */
export function layers(desk) {
  const place = h("div", { class: "layers" });
  const filters = new Tiles({ paint: "signed", most: 56, least: 36, gap: 5, class: "filters" });
  const filtersNote = h("span", { class: "muted" });
  const filtersBox = h("figure", { class: "layer first" }, h("figcaption", {}, h("b", {}, WORDS_ROOMS.looking.filters), filtersNote), filters.element);
  /** @type {{tiles: Tiles, note: HTMLElement}[]} */
  let shown = [];
  let built = "";
  desk.store.on(["frame"], () => {
    const { frame } = desk;
    if (!frame?.layers) return;
    const shape = JSON.stringify([frame.layers, frame.layers.map((/** @type {string} */ _, /** @type {number} */ at) => frame.arrays[`layer.${at}`]?.shape)]);
    if (shape !== built) {
      built = shape;
      shown = frame.layers.map((/** @type {string} */ _, /** @type {number} */ at) => {
        const [n, rows = 1] = frame.arrays[`layer.${at}`].shape;
        const most = rows > 20 ? 96 : rows > 12 ? 64 : rows > 8 ? 60 : 36;
        const options = rows > 1 ? { most, columns: n > 8 && rows > 8 ? 8 : n } : { most: 22, least: 15, gap: 2 };
        return { tiles: new Tiles({ paint: "signed", ...options }), note: h("span", { class: "muted" }) };
      });
      refill(place, filtersBox, ...shown.map(({ tiles, note }, at) => h("figure", { class: "layer" }, h("figcaption", {}, h("b", {}, WORDS_ROOMS.layers[frame.layers[at]] ?? frame.layers[at]), note), tiles.element)));
    }
    shown.forEach(({ tiles, note }, at) => {
      const array = frame.arrays[`layer.${at}`];
      const [n, rows = 1] = array.shape;
      const text = rows > 1 ? WORDS_ROOMS.looking.maps(n, rows) : WORDS_ROOMS.looking.units(n);
      say(note, text);
      tiles.show(array, `${WORDS_ROOMS.layers[frame.layers[at]]}: ${text}`);
    });
    const array = frame.arrays.filters;
    if (array) {
      const text = WORDS_ROOMS.looking.filtersNote(array.shape[0], array.shape[1]);
      say(filtersNote, text);
      filters.show(array, text);
    }
  });
  return h("section", { class: "column middle", "aria-labelledby": "layers-title" }, h("h2", { id: "layers-title" }, WORDS_ROOMS.looking.title), place);
}
