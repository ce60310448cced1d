/** The page: its head, the rooms as tabs, and one connection for whichever room is open. @module */

import { fromHash } from "./address.js";
import { Connection } from "./connection.js";
import { button } from "./parts/controls.js";
import { h, refill } from "./parts/dom.js";
import { icon } from "./parts/icons.js";
import { toClipboard } from "./neurons/panel_home.js";
import { mount as mountNeurons } from "./rooms/neurons.js";
import { WORDS } from "./words.js";

/** @typedef {(element: HTMLElement, connection: Connection) => {unmount: () => void}} Mount */

/** Rooms that are there; another room is one more line. @type {Record<string, () => Promise<Mount>>} */
const ROOMS = {
  neurons: async () => mountNeurons,
  pictures: async () => (await import("./rooms/pictures.js")).mount,
  codes: async () => (await import("./rooms/codes.js")).mount,
};
const NAMES = ["neurons", "pictures", "codes"];

const connection = new Connection();
const room = h("main", { id: "room", tabIndex: -1 });
const tabs = NAMES.map((name) => h("button", {
  type: "button", class: "room-tab", role: "tab", id: `room-${name}`, "data-room": name, "aria-controls": "room",
  disabled: !ROOMS[name], title: ROOMS[name] ? undefined : WORDS.rooms.later, onclick: () => { location.hash = `#${name}`; },
}, WORDS.rooms[name]));

/** The room that is open. */
let opened = "";

/** Light, dark: what is chosen is kept. */
function themeSwitch() {
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const control = h("button", { type: "button", class: "button round quiet", onclick: () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("strata.theme", next); } catch { /* for this visit only */ }
    dispatchEvent(new Event("strata-theme"));
    show();
  } });
  const show = () => {
    refill(control, icon(dark() ? "sun" : "moon"));
    control.setAttribute("aria-label", dark() ? WORDS.head.light : WORDS.head.dark);
    control.title = dark() ? WORDS.head.light : WORDS.head.dark;
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
  return control;
}

function shortcutsDialog() {
  const dialog = h("dialog", { class: "dialog", "aria-label": WORDS.head.shortcuts },
    h("div", { class: "popover-head" }, h("h3", {}, WORDS.head.shortcuts), button({ label: WORDS.close, icon: "close", hidden: true, class: "quiet small", onclick: () => dialog.close() })),
    h("dl", { class: "keys" }, ...WORDS.shortcuts.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])));
  document.addEventListener("keydown", (event) => {
    if (event.key === "?" && !(/** @type {HTMLElement} */ (event.target).closest("input, textarea"))) dialog.showModal();
  });
  return { dialog, control: button({ label: WORDS.head.shortcuts, icon: "keys", hidden: true, class: "round quiet", onclick: () => dialog.showModal() }) };
}

function copyAddress() {
  const said = h("span", { class: "unseen", role: "status" });
  const control = button({
    label: WORDS.head.copyAddress, icon: "link", hidden: true, class: "round quiet",
    onclick: async () => {
      const good = await toClipboard(location.href);
      said.textContent = good ? WORDS.home.copied : WORDS.home.copyByHand;
      control.classList.add("done");
      setTimeout(() => control.classList.remove("done"), 1200);
    },
  });
  return [control, said];
}

async function start() {
  const keys = shortcutsDialog();
  refill(/** @type {HTMLElement} */ (document.getElementById("page")),
    h("a", { class: "skip", href: "#room", onclick: (/** @type {Event} */ event) => { event.preventDefault(); room.focus(); } }, WORDS.head.skip),
    h("header", { class: "head-bar" },
      h("h1", {}, h("b", {}, "strata"), " playground"),
      h("div", { class: "rooms", role: "tablist", "aria-label": WORDS.rooms.name }, ...tabs),
      h("div", { class: "head-tools" }, ...copyAddress(), keys.control, themeSwitch())),
    room, keys.dialog);
  const wanted = fromHash(location.hash.includes("token=") ? location.hash.replace(/&?token=[^&]*/, "") : location.hash, {}).room;
  const name = opened = ROOMS[wanted] ? wanted : "neurons";
  for (const tab of tabs) tab.setAttribute("aria-selected", String(tab.dataset.room === name));
  (await ROOMS[name]())(room, connection);
  await connection.open();
}

// The desk of a room reads a new state of its own room; an address of another room begins the page anew.
addEventListener("hashchange", () => {
  const asked = fromHash(location.hash, {}).room;
  if (asked !== opened && ROOMS[asked]) location.reload();
});
void start();
