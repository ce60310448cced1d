/** What the page knows, in one place; whoever draws it listens to the parts it needs. @module */

/** @typedef {import("./types.js").Configuration} Configuration */
/**
 * @typedef {object} Known
 * @property {import("./types.js").Hello | null} hello
 * @property {Configuration} configuration
 * @property {import("./types.js").Data | null} data
 * @property {import("./types.js").Network | null} network
 * @property {import("./types.js").RunState} run
 * @property {import("./types.js").Frame | null} frame
 * @property {import("./types.js").Frame | null} frameB
 * @property {import("./types.js").Verdict[]} verdicts
 * @property {"waiting" | "open" | "gone" | "refused"} link
 * @property {{text: string, tone: "note" | "warn" | "bad"} | null} message
 * @property {{name: string, at: number} | null} lesson
 * @property {ViewState} view
 * @property {{unit: number, title: string} | null} shownUnit
 * @property {{label: number, points: number[][]} | null} drawing
 * @property {Configuration | null} b
 */
/**
 * What the reader chose to see; part of the address, not of the configuration.
 * @typedef {object} ViewState
 * @property {string} panel
 * @property {string} lesson
 * @property {boolean} discretize
 * @property {boolean} show_test
 * @property {boolean} spread
 * @property {boolean} log
 * @property {number} speed epochs a second, 0 for no limit
 * @property {string} x
 * @property {string} y
 */

/** @type {ViewState} */
export const VIEW_DEFAULTS = Object.freeze({
  panel: "", lesson: "", discretize: false, show_test: true, spread: true, log: false, speed: 30, x: "", y: "",
});

export class Store {
  constructor() {
    /** @type {Known} */
    this.known = {
      hello: null, configuration: {}, data: null, network: null,
      run: { running: false, epoch: 0, epochs: 0, seed: 0, mode: "network" },
      frame: null, frameB: null, verdicts: [], link: "waiting", message: null, lesson: null,
      view: { ...VIEW_DEFAULTS }, shownUnit: null, drawing: null, b: null,
    };
    /** @type {Map<string, Set<() => void>>} */
    this.listeners = new Map();
  }

  /**
   * @template {keyof Known} K
   * @param {K} key
   * @returns {Known[K]}
   */
  get(key) {
    return this.known[key];
  }

  /**
   * @template {keyof Known} K
   * @param {K} key
   * @param {Known[K]} value
   */
  set(key, value) {
    this.known[key] = value;
    for (const listener of [...(this.listeners.get(key) ?? [])]) listener();
  }

  /**
   * Listen to some parts, and run once now.
   * @param {(keyof Known)[]} keys
   * @param {() => void} listener
   */
  on(keys, listener) {
    for (const key of keys) {
      const set = this.listeners.get(key) ?? new Set();
      set.add(listener);
      this.listeners.set(key, set);
    }
    listener();
  }
}
