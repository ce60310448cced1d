/**
 * What a room works with: the connection, the store, and the few verbs between them.
 * @module
 */

import { fromHash, toHash } from "./address.js";
import { Curve } from "./curve.js";
import { Store, VIEW_DEFAULTS } from "./store.js";
import { WORDS } from "./words.js";

/** @typedef {import("./connection.js").Connection} Connection */
/** @typedef {import("./types.js").View} View */
/** @typedef {import("./types.js").Frame} Frame */

const OWN = "own";

export class Desk {
  /** @param {Connection} connection @param {string} room */
  constructor(connection, room) {
    this.connection = connection;
    this.room = room;
    this.store = new Store();
    this.curve = new Curve();
    this.curveB = new Curve();
    /** @type {Record<string, any> | null} */
    this.pending = null;
    /** @type {Promise<void> | null} */
    this.sending = null;
    this.listen();
  }

  listen() {
    const { connection, store } = this;
    connection.on("link", ({ link }) => store.set("link", link));
    connection.on("hello", (hello) => void this.begin(hello));
    connection.on("frame", (frame) => this.onFrame(frame));
    connection.on("state", ({ side, state }) => side === "b" || store.set("run", { ...store.get("run"), ...pick(state, ["running", "epoch", "epochs", "seed", "mode"]) }));
    connection.on("verdicts", ({ side, verdicts }) => side === "b" || store.set("verdicts", verdicts));
    connection.on("failed", (event) => this.tell(event.sentence ?? event.error ?? event.message ?? WORDS.run.failed, "bad"));
    connection.on("ended", (event) => this.tell(event.sentence ?? event.reason ?? WORDS.run.ended, "note"));
    addEventListener("hashchange", () => void this.readAddress());
  }

  /** First words of a session: set it to what the address says. @param {import("./types.js").Hello} hello */
  async begin(hello) {
    const { store } = this;
    store.set("configuration", { ...hello.defaults });
    store.set("hello", hello);
    const { data, network, state } = /** @type {any} */ (hello);
    this.take({ data, network, state }, true);
    await this.readAddress(true);
    void this.quietly("speed", { epochs_per_second: this.store.get("view").speed || null });
  }

  /** @param {boolean} [first] */
  async readAddress(first = false) {
    const hello = this.store.get("hello");
    if (!hello || (!first && location.hash === this.written)) return;
    const { values } = fromHash(location.hash, { ...VIEW_DEFAULTS, ...hello.defaults });
    const view = { ...VIEW_DEFAULTS };
    for (const name of /** @type {(keyof typeof view)[]} */ (Object.keys(VIEW_DEFAULTS))) if (name in values) /** @type {any} */ (view)[name] = values[name];
    this.store.set("view", view);
    const changes = { ...hello.defaults };
    for (const name of Object.keys(changes)) if (name in values) changes[name] = values[name];
    const answer = await this.quietly("configure", { changes: withoutRoom(changes) });
    if (answer === null && first && changes.dataset === OWN) {
      // A reader's own table is not in the address: the rest of the state is set, on the first set of data.
      const { dataset, features, problem } = hello.defaults;
      if (await this.quietly("configure", { changes: withoutRoom({ ...changes, dataset, features, problem }) })) this.tell(WORDS.own.gone, "warn");
    }
    this.sendShow();
  }

  writeAddress() {
    const hello = this.store.get("hello");
    if (!hello) return;
    const hash = toHash(this.room, { ...this.store.get("configuration"), ...this.store.get("view") }, { ...hello.defaults, ...VIEW_DEFAULTS });
    this.written = hash;
    if (hash !== location.hash) history.replaceState(null, "", location.pathname + hash);
  }

  /**
   * Change the configuration. What the user chose shows at once; while one change is on its way later ones are gathered.
   * @param {Record<string, any>} changes
   * @returns {Promise<void>}
   */
  async change(changes) {
    this.store.set("configuration", { ...this.store.get("configuration"), ...changes });
    this.pending = { ...this.pending, ...changes };
    this.store.set("message", null);
    this.sending ??= this.flush().finally(() => { this.sending = null; });
    return this.sending;
  }

  async flush() {
    while (this.pending) {
      const changes = this.pending;
      this.pending = null;
      await this.quietly("configure", { changes });
    }
  }

  /**
   * Ask, take the view that comes back, and say an error in the page. Gives the answer, or null after an error.
   * @param {string} name
   * @param {Record<string, any>} [fields]
   */
  async quietly(name, fields = {}) {
    try {
      const answer = await this.connection.ask(name, fields);
      if (answer.configuration || answer.state || answer.data) this.take(answer);
      return answer;
    } catch (error) {
      this.tell(/** @type {Error} */ (error).message, "bad");
      if (name === "configure") void this.recover();
      return null;
    }
  }

  /** Set or end the second side; its answer describes that side only. @param {Record<string, any> | null} b */
  async quietlyB(b) {
    this.curveB.clear();
    try {
      return await this.connection.ask("compare", { b });
    } catch (error) {
      this.tell(/** @type {Error} */ (error).message, "bad");
      return null;
    }
  }

  /** After a refused change, show again what the server holds. */
  async recover() {
    if (this.pending) return;
    try {
      this.take(await this.connection.ask("configure", { changes: {} }), true);
    } catch { /* the connection says it */ }
  }

  /** @param {Partial<View>} view @param {boolean} [keepMessage] */
  take(view, keepMessage = false) {
    const { store } = this;
    if (view.state) store.set("run", { ...store.get("run"), ...view.state });
    if (view.data) store.set("data", view.data);
    if (view.network) store.set("network", view.network);
    if (view.configuration) {
      store.set("configuration", { ...view.configuration, ...this.pending });
      this.writeAddress();
    }
    if (keepMessage) return;
    if (view.warnings && view.warnings.length > 0) this.tell(view.warnings.join(" "), "warn");
  }

  /** @param {Frame} frame */
  onFrame(frame) {
    const { store } = this;
    const rows = frame.arrays.curve;
    (frame.side === "b" ? this.curveB : this.curve).add(rows?.data, rows?.shape[1] ?? 4);
    if (frame.side === "b") {
      store.set("frameB", frame);
      return;
    }
    const run = store.get("run");
    const epochs = frame.epochs ?? Math.max(run.epochs, frame.epoch);
    const running = frame.running ?? run.running;
    if (run.epoch !== frame.epoch || run.epochs !== epochs || run.running !== running) store.set("run", { ...run, epoch: frame.epoch, epochs, running });
    store.set("frame", frame);
  }

  /** @param {Partial<import("./store.js").ViewState>} changes */
  look(changes) {
    this.store.set("view", { ...this.store.get("view"), ...changes });
    this.writeAddress();
    if ("discretize" in changes || "x" in changes || "y" in changes) this.sendShow();
    if ("speed" in changes) void this.quietly("speed", { epochs_per_second: changes.speed || null });
  }

  sendShow() {
    const { x, y, discretize } = this.store.get("view");
    const data = this.store.get("data");
    if (!data) return;
    const [shownX, shownY] = data.shown;
    const has = (/** @type {string} */ name) => name !== "" && data.columns.includes(name);
    void this.quietly("show", { x: has(x) ? x : shownX, y: has(y) ? y : shownY, grid: 100, discretize, unit: null });
  }

  /** @param {string} text @param {"note" | "warn" | "bad"} tone */
  tell(text, tone) {
    this.store.set("message", { text, tone });
  }

  toggle() {
    return this.quietly(this.store.get("run").running ? "pause" : "play");
  }

  step() {
    return this.quietly("step", { epochs: 1 });
  }

  /** @param {boolean} newSeed */
  reset(newSeed) {
    this.curve.clear();
    this.curveB.clear();
    this.store.set("verdicts", []);
    return this.quietly("reset", { new_seed: newSeed });
  }
}

/** @param {Record<string, any>} changes */
function withoutRoom(changes) {
  const { room: _, ...rest } = changes;
  return rest;
}

/** @param {Record<string, any>} from @param {string[]} names */
function pick(from, names) {
  return Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
}
