/** The desk of the rooms Pictures and Codes: it asks the server for its room, then works as that of Neurons. @module */

import { Desk } from "../desk.js";
import { WORDS_ROOMS } from "./words_rooms.js";

/** @typedef {import("../types.js").Frame & Record<string, any>} StudioFrame */

/** Until the server has opened the room nothing can be pressed, so that nothing is lost. @param {StudioDesk} desk @param {HTMLElement} element */
export function untilOpen(desk, element) {
  element.inert = true;
  element.setAttribute("aria-busy", "true");
  desk.tell(WORDS_ROOMS.opening, "note");
  desk.store.on(["configuration"], () => {
    if (!("seed" in desk.store.get("configuration")) || !desk.facts.configuration) return;
    element.inert = false;
    element.removeAttribute("aria-busy");
    if (desk.store.get("message")?.text === WORDS_ROOMS.opening) desk.store.set("message", null);
  });
}

export class StudioDesk extends Desk {
  /** @param {import("../connection.js").Connection} connection @param {"pictures" | "codes"} room */
  constructor(connection, room) {
    super(connection, room);
    /** What the server said of its data, beside the settings. @type {Record<string, any>} */
    this.facts = {};
    /** What can be chosen. @type {Record<string, any>} */
    this.choices = {};
    /** Rows (epoch, three figures). @type {number[][]} */
    this.rows = [];
    this.generation = 0;
    /** Called when the server has opened the room. @type {() => void} */
    this.open = () => {};
    /** Whatever is asked waits for that. @type {Promise<void>} */
    this.opened = new Promise((resolve) => { this.open = resolve; });
    connection.on("link", ({ link }) => {
      if (link === "gone") this.opened = new Promise((resolve) => { this.open = resolve; });
    });
  }

  /** @override @param {string} name @param {Record<string, any>} [fields] */
  async quietly(name, fields = {}) {
    await this.opened;
    return super.quietly(name, fields);
  }

  /** @override @param {import("../types.js").Hello} hello */
  async begin(hello) {
    this.generation += 1;
    try {
      const answer = await this.connection.ask("open", { room: this.room });
      this.choices = answer.choices;
      this.facts = answer;
      this.open();
      await super.begin({ version: hello.version, session: hello.session, defaults: answer.defaults, choices: answer.choices });
    } catch (error) {
      this.tell(/** @type {Error} */ (error).message || WORDS_ROOMS.refused, "bad");
    }
  }

  /** These rooms have no plane to choose. @override */
  sendShow() {}

  /** @override @param {Partial<import("../types.js").View>} view @param {boolean} [keepMessage] */
  take(view, keepMessage = false) {
    if (view.configuration) this.facts = { ...this.facts, ...view };
    super.take(view, keepMessage);
  }

  /** @override @param {import("../types.js").Frame} frame */
  onFrame(frame) {
    const more = /** @type {StudioFrame} */ (frame);
    if (more.fresh) this.rows = [];
    const { curve, ...arrays } = frame.arrays;
    if (curve) {
      const width = curve.shape[1];
      for (let at = 0; at < curve.data.length; at += width) this.rows.push(Array.from(curve.data.slice(at, at + width)));
      if (this.rows.length > 4000) this.rows = this.rows.filter((_, at) => at % 2 === 0 || at === this.rows.length - 1);
    }
    super.onFrame({ ...frame, arrays });
  }

  /** The newest frame of this room. @returns {StudioFrame | null} */
  get frame() {
    const frame = /** @type {StudioFrame | null} */ (this.store.get("frame"));
    return frame && "fresh" in frame ? frame : null;
  }
}
