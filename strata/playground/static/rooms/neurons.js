/**
 * The room *Neurons*: a network of strata learns a plane, before one's eyes.
 *
 * A room is a module with `mount(element, connection)`; it gives back `{ unmount }`.
 * @module
 */

import { Desk } from "../desk.js";
import { h } from "../parts/dom.js";
import { WORDS } from "../words.js";
import { announcer } from "../neurons/announcer.js";
import { dataColumn } from "../neurons/data_column.js";
import { layerCount } from "../neurons/layer_heads.js";
import { lessonBanner } from "../neurons/panel_lessons.js";
import { messageBar } from "../neurons/message_bar.js";
import { NetworkView } from "../neurons/network_view.js";
import { outputColumn } from "../neurons/output_column.js";
import { panels } from "../neurons/panels.js";
import { shortcuts } from "../neurons/shortcuts.js";
import { topbar } from "../neurons/topbar.js";
import { verdictStrip } from "../neurons/panel_diagnosis.js";

/**
 * @param {HTMLElement} element
 * @param {import("../connection.js").Connection} connection
 * @returns {{unmount: () => void}}
 */
export function mount(element, connection) {
  const desk = new Desk(connection, "neurons");
  const network = new NetworkView(desk);
  element.append(
    topbar(desk), messageBar(desk), lessonBanner(desk),
    h("div", { class: "columns" },
      dataColumn(desk),
      h("section", { class: "column middle", "aria-labelledby": "network-title" },
        h("div", { class: "middle-head" }, h("h2", { id: "network-title" }, WORDS.net.title), layerCount(desk)),
        network.element, legendOfLinks(), verdictStrip(desk)),
      outputColumn(desk)),
    panels(desk), announcer(desk));
  const stop = shortcuts(desk);
  return {
    unmount() {
      stop();
      element.replaceChildren();
    },
  };
}

/** What colour, width and dashes of a link mean. */
function legendOfLinks() {
  return h("p", { class: "link-legend" },
    h("span", { class: "sample plus" }), h("span", {}, WORDS.net.positive),
    h("span", { class: "sample minus" }), h("span", {}, WORDS.net.negative),
    h("span", { class: "muted" }, WORDS.net.width));
}
