/** Draw points on the map: with the mouse or a finger, or with the arrow keys and Enter. @module */

import { colours, markerPath } from "../colours.js";
import { button } from "../parts/controls.js";
import { h, refill, s } from "../parts/dom.js";
import { WORDS } from "../words.js";

/** @typedef {import("./map_view.js").MapView} MapView */
/** @typedef {import("../desk.js").Desk} Desk */

const STROKE = 10;

/** @param {Desk} desk */
export function startDrawing(desk) {
  desk.store.set("drawing", { label: 0, points: [] });
}

/** @param {MapView} view */
export function drawingPad(view) {
  const { desk, canvas, frame } = view;
  const { store } = desk;
  const cross = h("div", { class: "crosshair", "aria-hidden": "true" });
  const bar = h("div", { class: "drawing-bar", role: "toolbar", "aria-label": WORDS.draw.name });
  frame.append(cross, bar);
  let at = { x: 0, y: 0 };
  let pressed = false;

  /** @param {number} x @param {number} y in pixels of the frame */
  const add = (x, y) => {
    const now = store.get("drawing");
    const place = view.scale;
    if (!now || !place || x < place.left || x > place.left + place.width || y < place.top || y > place.top + place.height) return;
    if (now.points.length >= (store.get("hello")?.choices.limits.points ?? 5000)) return;
    const round = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
    store.set("drawing", { ...now, points: [...now.points, [round(place.backX(x)), round(place.backY(y)), now.label]] });
  };
  const inside = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!store.get("drawing")) return;
    pressed = true;
    canvas.setPointerCapture(event.pointerId);
    at = inside(event);
    add(at.x, at.y);
  });
  canvas.addEventListener("pointermove", (event) => {
    const next = inside(event);
    if (!pressed || Math.hypot(next.x - at.x, next.y - at.y) < STROKE) return;
    at = next;
    add(at.x, at.y);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { pressed = false; });
  canvas.addEventListener("keydown", (event) => {
    const place = view.scale;
    if (!store.get("drawing") || !place) return;
    const pace = event.shiftKey ? 2 : 12;
    const move = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-pace, 0], ArrowRight: [pace, 0], ArrowUp: [0, -pace], ArrowDown: [0, pace] })[event.key];
    if (move) {
      if (!canvas.classList.contains("by-keys")) at = { x: place.left + place.width / 2, y: place.top + place.height / 2 };
      canvas.classList.add("by-keys");
      at = { x: Math.max(place.left, Math.min(place.left + place.width, at.x + move[0])), y: Math.max(place.top, Math.min(place.top + place.height, at.y + move[1])) };
      cross.style.left = `${at.x}px`;
      cross.style.top = `${at.y}px`;
      cross.hidden = false;
    } else if (event.key === "Enter" || event.key === " ") add(at.x, at.y);
    else if (/^[0-9]$/.test(event.key)) store.set("drawing", { .../** @type {any} */ (store.get("drawing")), label: Number(event.key) });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  let shown = "";
  store.on(["drawing"], () => {
    const now = store.get("drawing");
    canvas.tabIndex = now ? 0 : -1;
    canvas.setAttribute("role", now ? "application" : "img");
    canvas.setAttribute("aria-label", now ? WORDS.draw.pad(now.points.length, now.label) : WORDS.map.name);
    frame.classList.toggle("drawing", now !== null);
    cross.hidden = !now || !canvas.classList.contains("by-keys");
    const text = now ? `${now.label} ${Math.min(1, now.points.length)} ${count(now.points)}` : "";
    if (text === shown) return;
    shown = text;
    if (!now) return bar.replaceChildren();
    const does = document.activeElement instanceof HTMLElement && bar.contains(document.activeElement) ? document.activeElement.dataset.does : undefined;
    refill(bar, ...tools(desk, now));
    if (does) /** @type {HTMLElement | null} */ (bar.querySelector(`[data-does="${does}"]`))?.focus();
  });
}

/** @param {number[][]} points */
const count = (points) => new Set(points.map((point) => point[2])).size;

/** @param {Desk} desk @param {{label: number, points: number[][]}} now */
function tools(desk, now) {
  const { store } = desk;
  const shownClasses = Math.min(10, Math.max(2, ...now.points.map((point) => point[2] + 2), now.label + 1));
  const palette = colours();
  const chips = Array.from({ length: shownClasses }, (_, index) => h("button", {
    type: "button", class: "chip", "aria-pressed": String(index === now.label), "data-does": `class:${index}`, "aria-label": WORDS.draw.class(index),
    onclick: () => store.set("drawing", { .../** @type {any} */ (store.get("drawing")), label: index }),
  }, s("svg", { viewBox: "0 0 20 20", class: "marker" }, s("path", { d: markerPath(index, shownClasses), style: { fill: palette.classCss(index, shownClasses) } })), String(index)));
  const undo = button({ label: WORDS.draw.undo, class: "small", onclick: () => { const each = store.get("drawing"); if (each) store.set("drawing", { ...each, points: each.points.slice(0, -1) }); } });
  const use = button({ label: WORDS.draw.use, class: "small primary", onclick: () => void send(desk) });
  use.disabled = count(now.points) < 2;
  use.title = use.disabled ? WORDS.draw.twoClasses : "";
  undo.disabled = now.points.length === 0;
  const leave = button({ label: WORDS.draw.leave, class: "small", onclick: () => store.set("drawing", null) });
  return [...chips, h("span", { class: "grow" }), undo, leave, use];
}

/** @param {Desk} desk */
async function send(desk) {
  const now = desk.store.get("drawing");
  if (!now) return;
  desk.curve.clear();
  const answer = await desk.quietly("points", { points: now.points });
  if (answer) desk.store.set("drawing", null);
}
