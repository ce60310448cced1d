/**
 * The one connection with the server: the token is exchanged once, questions get numbers and answers find them again,
 * frames are acknowledged when painted, and a lost server is said and looked for again.
 * @module
 */

import { takeToken } from "./address.js";
import { decode } from "./frames.js";
import { WORDS } from "./words.js";

/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {{resolve: (answer: any) => void, reject: (error: Error) => void}} Waiting */

const KEY = "strata.key";
const PAUSES = [500, 1000, 2000, 4000, 8000];

/** Storage that may be switched off. */
const kept = {
  /** @param {string} name */
  get(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  },
  /** @param {string} name @param {string} value */
  set(name, value) {
    try { localStorage.setItem(name, value); } catch { /* this tab alone keeps it */ }
  },
};

export class Connection extends EventTarget {
  constructor() {
    super();
    /** @type {string | null} */
    this.key = null;
    this.session = "";
    /** @type {WebSocket | null} */
    this.socket = null;
    this.number = 0;
    this.tries = 0;
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map();
  }

  /** Exchange the token if the address has one, then open the socket. */
  async open() {
    const { token, rest } = takeToken(location.hash);
    this.key = kept.get(KEY);
    if (token) {
      history.replaceState(null, "", location.pathname + rest);
      try {
        const answer = await fetch("/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
        if (answer.ok) {
          this.key = (await answer.json()).key;
          kept.set(KEY, /** @type {string} */ (this.key));
        }
      } catch {
        // The server is gone; the socket below says so.
      }
    }
    if (!this.key) return this.tell("link", { link: "refused" });
    this.connect();
  }

  connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, ["strata", `key.${this.key}`]);
    socket.binaryType = "arraybuffer";
    let greeted = false;
    socket.addEventListener("message", (event) => {
      if (event.data instanceof ArrayBuffer) return this.onFrame(decode(event.data));
      const message = JSON.parse(event.data);
      if (message.event === "hello") {
        greeted = true;
        this.tries = 0;
        this.session = message.session;
        this.tell("link", { link: "open" });
      }
      if ("re" in message) this.onAnswer(message);
      else this.tell(message.event, message);
    });
    socket.addEventListener("close", () => {
      for (const { reject } of this.waiting.values()) reject(new Error(WORDS.link.gone));
      this.waiting.clear();
      this.tell("busy", { busy: false });
      this.socket = null;
      void this.again(greeted);
    });
    this.socket = socket;
  }

  /** Wait longer each time, and tell a server that is gone from a key that is refused. @param {boolean} greeted */
  async again(greeted) {
    this.tell("link", { link: "gone" });
    if (!greeted && this.tries >= 1) {
      const alive = await fetch("/", { method: "GET", cache: "no-store" }).then((answer) => answer.ok, () => false);
      if (alive) {
        this.tell("link", { link: "refused" });
        if (this.tries > 3) return;
      }
    }
    const pause = PAUSES[Math.min(this.tries, PAUSES.length - 1)];
    this.tries += 1;
    setTimeout(() => this.connect(), pause);
  }

  /**
   * Ask the server; the promise holds its answer or fails with its sentence.
   * @param {string} name
   * @param {Record<string, any>} [fields]
   * @returns {Promise<any>}
   */
  ask(name, fields = {}) {
    const socket = this.socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error(WORDS.link.gone));
    this.number += 1;
    const id = this.number;
    socket.send(JSON.stringify({ do: name, id, ...fields }));
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.tell("busy", { busy: true });
    return answer;
  }

  /** @param {any} message */
  onAnswer(message) {
    const waiting = this.waiting.get(message.re);
    this.waiting.delete(message.re);
    if (this.waiting.size === 0) this.tell("busy", { busy: false });
    if (!waiting) return;
    if (message.ok) waiting.resolve(message);
    else waiting.reject(new Error(message.error));
  }

  /** @param {Frame} frame */
  onFrame(frame) {
    this.tell("frame", frame);
    // After the paint: a page that cannot keep up gets fewer frames.
    requestAnimationFrame(() => this.send({ do: "ack", frame: frame.frame }));
  }

  /** Send without waiting for an answer. @param {Record<string, any>} message */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.number += 1;
    this.socket.send(JSON.stringify({ id: this.number, ...message }));
  }

  /**
   * HTTP with the key, for files.
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async http(path, options = {}) {
    const headers = { ...options.headers, Authorization: `Bearer ${this.key}`, "X-Strata-Session": this.session };
    const answer = await fetch(path, { ...options, headers });
    if (!answer.ok) {
      const text = await answer.text();
      let sentence = text;
      try { sentence = JSON.parse(text).error ?? text; } catch { /* a plain text */ }
      throw new Error(sentence || WORDS.link.failed);
    }
    return answer;
  }

  /** @param {string} name @param {any} detail */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {string} name @param {(detail: any) => void} listener */
  on(name, listener) {
    this.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }
}
