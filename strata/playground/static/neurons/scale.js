/** From the data's units to pixels and back, with a margin for the axes. @module */

/** @typedef {{left: number, top: number, width: number, height: number, x: (value: number) => number, y: (value: number) => number, backX: (pixel: number) => number, backY: (pixel: number) => number}} Scale */

/**
 * @param {[[number, number], [number, number]]} range
 * @param {{left: number, top: number, width: number, height: number}} box
 * @returns {Scale}
 */
export function scale([[x0, x1], [y0, y1]], { left, top, width, height }) {
  return {
    left, top, width, height,
    x: (value) => left + ((value - x0) / (x1 - x0)) * width,
    y: (value) => top + (1 - (value - y0) / (y1 - y0)) * height,
    backX: (pixel) => x0 + ((pixel - left) / width) * (x1 - x0),
    backY: (pixel) => y0 + (1 - (pixel - top) / height) * (y1 - y0),
  };
}
