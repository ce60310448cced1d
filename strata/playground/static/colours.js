/**
 * Colours and markers. Orange to blue through a quiet middle for two classes and for signed numbers; Okabe and Ito's colours
 * (safe for the colour-blind) for more, always with a marker shape beside the colour.
 * @module
 */

/** @typedef {[number, number, number]} Rgb */

/** Okabe, Ito 2008; black is replaced by a grey that shows on both themes; two more for ten. */
const SEVERAL = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#7a7f87", "#7646a3", "#6f4e37"];
const SHAPES = ["circle", "square", "up", "diamond", "down", "plus", "cross", "star", "hexagon", "bar"];

/** @param {string} hex @returns {Rgb} */
function rgb(hex) {
  const text = hex.trim().replace("#", "");
  const part = (/** @type {number} */ at) => parseInt(text.slice(at, at + 2), 16);
  return [part(0), part(2), part(4)];
}

/** @param {Rgb} a @param {Rgb} b @param {number} share @returns {Rgb} */
function mix(a, b, share) {
  const part = (/** @type {number} */ at) => Math.round(a[at] + (b[at] - a[at]) * share);
  return [part(0), part(1), part(2)];
}

/** @param {Rgb} colour */
const css = (colour) => `rgb(${colour.join(" ")})`;

class Palette {
  constructor() {
    const style = getComputedStyle(document.documentElement);
    const of = (/** @type {string} */ name) => rgb(style.getPropertyValue(`--${name}`) || "#888888");
    this.positive = of("positive");
    this.negative = of("negative");
    this.neutral = of("neutral");
    this.card = of("card");
    this.ink = of("ink");
    this.muted = of("muted");
    this.line = of("line");
    this.several = SEVERAL.map(rgb);
    /** 256 steps from -1 to 1. */
    this.ramp = new Uint8ClampedArray(256 * 4);
    for (let at = 0; at < 256; at += 1) {
      const value = (at / 255) * 2 - 1;
      const colour = mix(this.neutral, value < 0 ? this.negative : this.positive, Math.abs(value) ** 0.8 * 0.92);
      this.ramp.set([...colour, 255], at * 4);
    }
  }

  /** Colour of a signed number in [-1, 1]. @param {number} value */
  signed(value) {
    const at = Math.round((Math.max(-1, Math.min(1, value)) + 1) * 127.5) * 4;
    return `rgb(${this.ramp[at]} ${this.ramp[at + 1]} ${this.ramp[at + 2]})`;
  }

  /** Colour of a link: full strength, so that it shows on the page. @param {number} value */
  link(value) {
    return css(value < 0 ? this.negative : this.positive);
  }

  /** @param {number} index @param {number} classes @returns {Rgb} */
  classRgb(index, classes) {
    if (classes <= 2) return index === 0 ? this.negative : this.positive;
    return this.several[index % this.several.length];
  }

  /** @param {number} index @param {number} classes */
  classCss(index, classes) {
    return css(this.classRgb(index, classes));
  }

  /** Colour of a value in a matrix: text stays legible, so the tint is at most half. @param {number} value @param {number} most */
  tint(value, most) {
    const share = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
    return css(mix(this.card, value < 0 ? this.negative : this.positive, 0.55 * share));
  }
}

/** @type {Palette | null} */
let palette = null;

/** The present theme's colours. */
export function colours() {
  palette ??= new Palette();
  return palette;
}

/** Call the listener when light turns dark or back. @param {() => void} listener */
export function onTheme(listener) {
  const again = () => {
    palette = new Palette();
    listener();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("strata-theme", again);
}

/** Marker's outline in a box from -1 to 1, as corner points; the circle has none. @type {Record<string, number[][]>} */
const OUTLINES = {
  square: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
  up: [[0, -1.05], [1, 0.8], [-1, 0.8]],
  down: [[0, 1.05], [1, -0.8], [-1, -0.8]],
  diamond: [[0, -1.2], [1, 0], [0, 1.2], [-1, 0]],
  plus: [[-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35], [0.35, 0.35], [0.35, 1], [-0.35, 1], [-0.35, 0.35], [-1, 0.35], [-1, -0.35], [-0.35, -0.35]],
  bar: [[-1, -0.4], [1, -0.4], [1, 0.4], [-1, 0.4]],
  hexagon: [0, 1, 2, 3, 4, 5].map((k) => [Math.cos(k * Math.PI / 3), Math.sin(k * Math.PI / 3)]),
  star: Array.from({ length: 10 }, (_, k) => [(k % 2 ? 0.45 : 1.15) * Math.sin(k * Math.PI / 5), -(k % 2 ? 0.45 : 1.15) * Math.cos(k * Math.PI / 5)]),
};
OUTLINES.cross = OUTLINES.plus.map(([x, y]) => [(x - y) * 0.72, (x + y) * 0.72]);

/**
 * Trace a class's marker on a canvas.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {number} index of the class
 * @param {number} classes
 */
export function traceMarker(context, x, y, radius, index, classes) {
  const outline = OUTLINES[classes <= 2 ? (index === 0 ? "square" : "circle") : SHAPES[index % SHAPES.length]];
  context.beginPath();
  if (!outline) context.arc(x, y, radius, 0, 2 * Math.PI);
  else {
    outline.forEach(([dx, dy], at) => (at === 0 ? context.moveTo(x + dx * radius, y + dy * radius) : context.lineTo(x + dx * radius, y + dy * radius)));
    context.closePath();
  }
}

/** The same marker as an SVG path in a box of 20. @param {number} index @param {number} classes */
export function markerPath(index, classes) {
  const outline = OUTLINES[classes <= 2 ? (index === 0 ? "square" : "circle") : SHAPES[index % SHAPES.length]];
  if (!outline) return "M10 3a7 7 0 1 0 .001 0Z";
  return `M${outline.map(([x, y]) => `${10 + 7 * x} ${10 + 7 * y}`).join("L")}Z`;
}
