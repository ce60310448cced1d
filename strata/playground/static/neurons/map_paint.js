/** Paint a decision map into an image of its own size, and points over it. @module */

import { colours, traceMarker } from "../colours.js";

/** @typedef {import("../types.js").NumberArray} NumberArray */

/**
 * @param {HTMLCanvasElement} canvas gets the map's size
 * @param {NumberArray} map values in [-1, 1], or probabilities of classes
 * @param {boolean} discretize
 */
export function paintMap(canvas, map, discretize) {
  const [rows, columns, classes = 1] = map.shape;
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(columns, rows);
  if (classes === 1) paintSigned(image.data, map.data, discretize);
  else paintClasses(image.data, map.data, classes, discretize);
  context.putImageData(image, 0, 0);
}

/** @param {Uint8ClampedArray} pixels @param {ArrayLike<number>} values @param {boolean} discretize */
function paintSigned(pixels, values, discretize) {
  const { ramp } = colours();
  for (let at = 0; at < values.length; at += 1) {
    let value = Math.max(-1, Math.min(1, values[at]));
    if (discretize) value = value >= 0 ? 1 : -1;
    const step = Number.isNaN(value) ? 128 : Math.round((value + 1) * 127.5);
    for (let part = 0; part < 4; part += 1) pixels[4 * at + part] = ramp[4 * step + part];
  }
}

/** The colour of the most probable class, paler where it is less sure. @param {Uint8ClampedArray} pixels @param {ArrayLike<number>} probs @param {number} classes @param {boolean} discretize */
function paintClasses(pixels, probs, classes, discretize) {
  const palette = colours();
  const paints = Array.from({ length: classes }, (_, index) => palette.classRgb(index, classes));
  const floor = 1 / classes;
  for (let at = 0; at * classes < probs.length; at += 1) {
    let best = 0;
    for (let index = 1; index < classes; index += 1) if (probs[at * classes + index] > probs[at * classes + best]) best = index;
    const sure = discretize ? 0.85 : 0.85 * Math.max(0, Math.min(1, (probs[at * classes + best] - floor) / (1 - floor)));
    for (let part = 0; part < 3; part += 1) pixels[4 * at + part] = palette.neutral[part] + (paints[best][part] - palette.neutral[part]) * sure;
    pixels[4 * at + 3] = 255;
  }
}

/**
 * Dots that grow where the networks of a bag disagree.
 * @param {CanvasRenderingContext2D} context @param {NumberArray} spread @param {import("./scale.js").Scale} at
 */
export function paintSpread(context, spread, at) {
  const [rows, columns] = spread.shape;
  let most = 0;
  for (let k = 0; k < spread.data.length; k += 1) most = Math.max(most, spread.data[k]);
  if (most <= 0) return;
  const pace = 9;
  context.fillStyle = `rgb(${colours().ink.join(" ")} / 70%)`;
  for (let y = pace / 2; y < at.height; y += pace) {
    for (let x = pace / 2; x < at.width; x += pace) {
      const value = spread.data[Math.floor((y / at.height) * rows) * columns + Math.floor((x / at.width) * columns)];
      const radius = 2.6 * Math.min(1, value / Math.max(most, 0.05));
      if (radius < 0.35) continue;
      context.beginPath();
      context.arc(at.left + x, at.top + y, radius, 0, 7);
      context.fill();
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../types.js").Data} data
 * @param {import("./scale.js").Scale} at
 * @param {boolean} showTest
 */
export function paintPoints(context, data, at, showTest) {
  const palette = colours();
  const classes = Math.max(2, data.classes.length);
  const regression = data.problem === "regression";
  const most = regression ? Math.max(1e-9, ...data.points.map((point) => Math.abs(point[2]))) : 1;
  const radius = data.points.length > 700 ? 2.6 : data.points.length < 40 ? 5.5 : 3.4;
  for (const late of [0, 1]) {
    if (late === 1 && !showTest) break;
    for (const [x, y, label, test] of data.points) {
      if (test !== late) continue;
      if (regression) {
        context.beginPath();
        context.arc(at.x(x), at.y(y), radius, 0, 7);
        context.fillStyle = palette.signed(label / most);
      } else {
        traceMarker(context, at.x(x), at.y(y), radius, label, classes);
        context.fillStyle = palette.classCss(label, data.classes.length);
      }
      context.fill();
      context.lineWidth = test ? 1.4 : 1;
      context.strokeStyle = test ? `rgb(${palette.ink.join(" ")})` : `rgb(${palette.card.join(" ")})`;
      context.stroke();
    }
  }
}
