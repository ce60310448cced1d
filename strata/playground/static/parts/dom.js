/** Elements without innerHTML: text is always text. @module */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Set one property: `on*` listens, `class` and `aria-*`, `data-*`, `role` are attributes, the rest are properties.
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
function put(element, name, value) {
  if (value === undefined || value === null) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, each] of Object.entries(value)) /** @type {HTMLElement} */ (element).style.setProperty(key, String(each));
  else if (name in element && !name.includes("-") && !(element instanceof SVGElement) && name !== "list" && name !== "form") /** @type {any} */ (element)[name] = value;
  else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Build an HTML element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) put(element, name === "class" ? "className" : name, value);
  fill(element, ...children);
  return element;
}

/**
 * Build an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [props]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) put(element, name, value);
  fill(element, ...children);
  return element;
}

/**
 * Append children, texts as text.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Replace what an element holds.
 * @param {Element} element
 * @param {...Child} children
 */
export function refill(element, ...children) {
  element.replaceChildren();
  fill(element, ...children);
}

/**
 * Set a text only when it differs, so that nothing is laid out anew for nothing.
 * @param {Node} node
 * @param {string} text
 */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let counter = 0;
/** @param {string} prefix */
export function newId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

/**
 * Call at most once per painted frame.
 * @param {() => void} work
 * @returns {() => void}
 */
export function perFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
