/** Where each unit of the network stands: columns of tiles, centred, as large as the room allows. @module */

/**
 * @typedef {object} Plan
 * @property {number} tile
 * @property {number} height
 * @property {boolean} narrow
 * @property {number} stroke how wide links may be, 1 where there is room
 * @property {{centre: number, left: number, width: number, tops: number[]}[]} columns
 */

/**
 * @param {{width: number, rows: number[], inputLabels: number, outputLabels: number}} what
 *   rows: units in each column; labels: characters of the longest
 * @returns {Plan}
 */
export function plan({ width, rows, inputLabels, outputLabels }) {
  const narrow = width < 520 || width / rows.length < 76;
  const left = narrow ? 0 : labelRoom(inputLabels);
  const right = narrow ? 0 : labelRoom(outputLabels);
  const room = (width - left - right) / rows.length;
  const most = Math.max(...rows);
  const largest = width > 1100 ? 60 : 46;
  const tile = Math.floor(Math.max(20, Math.min(largest, room * (narrow && width < 520 ? 0.56 : 0.5))));
  const gap = Math.round(Math.max(narrow ? 18 : 12, Math.min(tile * 0.75, (width > 1100 ? 640 : 470) / most - tile)));
  const pitch = tile + gap;
  const height = Math.max(most, 4) * pitch + 4;
  const columns = rows.map((units, at) => {
    const centre = left + room * (at + 0.5);
    const start = (height - (units * pitch - gap)) / 2;
    return { centre, left: centre - tile / 2, width: room, tops: Array.from({ length: units }, (_, k) => start + k * pitch) };
  });
  return { tile, height, narrow, stroke: Math.max(0.4, Math.min(1, (room - tile) / 70)), columns };
}

/** @param {number} characters */
function labelRoom(characters) {
  return characters === 0 ? 0 : Math.min(92, 10 + 8 * characters);
}

/**
 * The curve of a link.
 * @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1
 */
export function linkPath(x0, y0, x1, y1) {
  const middle = (x0 + x1) / 2;
  return `M${x0.toFixed(1)} ${y0.toFixed(1)}C${middle.toFixed(1)} ${y0.toFixed(1)} ${middle.toFixed(1)} ${y1.toFixed(1)} ${x1.toFixed(1)} ${y1.toFixed(1)}`;
}

/**
 * Squared distance of a point from that curve, from its height at the point's x (links run from left to right).
 * @param {{x0: number, y0: number, x1: number, y1: number}} link
 * @param {number} x @param {number} y
 */
export function distance(link, x, y) {
  if (x < link.x0 || x > link.x1) return Infinity;
  // x(t) = x0 + (x1 - x0) * (1.5 t (1-t) + t^3), monotone: a few steps of bisection.
  const wanted = (x - link.x0) / (link.x1 - link.x0);
  let low = 0;
  let high = 1;
  for (let step = 0; step < 12; step += 1) {
    const t = (low + high) / 2;
    if (1.5 * t * (1 - t) + t * t * t < wanted) low = t;
    else high = t;
  }
  const t = (low + high) / 2;
  const height = link.y0 + (link.y1 - link.y0) * t * t * (3 - 2 * t);
  return Math.abs(height - y);
}
