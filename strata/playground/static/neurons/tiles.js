/** The small pictures in the units. @module */

import { colours } from "../colours.js";

/**
 * Paint a map of signed values on a canvas; its own largest size, at least 1, is full colour.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values
 * @param {number} from first value of this map
 * @param {number} side
 */
export function paintTile(canvas, values, from, side) {
  if (canvas.width !== side) {
    canvas.width = side;
    canvas.height = side;
  }
  const context = canvas.getContext("2d");
  if (!context) return;
  const { ramp } = colours();
  const image = context.createImageData(side, side);
  const size = side * side;
  let most = 1;
  for (let at = 0; at < size; at += 1) {
    const each = Math.abs(values[from + at]);
    if (each > most && each < Infinity) most = each;
  }
  for (let at = 0; at < size; at += 1) {
    const value = values[from + at] / most;
    const step = Number.isNaN(value) ? 128 : Math.round((Math.max(-1, Math.min(1, value)) + 1) * 127.5);
    image.data[4 * at] = ramp[4 * step];
    image.data[4 * at + 1] = ramp[4 * step + 1];
    image.data[4 * at + 2] = ramp[4 * step + 2];
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
