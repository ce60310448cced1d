/** Digits as strokes of a pen in a square from 0 to 1, drawn for this page. @module */

/** @typedef {[number, number]} Point */

/**
 * Points along an ellipse, angles in degrees, clockwise from the right.
 * @param {number} x @param {number} y @param {number} rx @param {number} ry @param {number} from @param {number} to
 * @returns {Point[]}
 */
function arc(x, y, rx, ry, from, to) {
  const n = Math.max(6, Math.round(Math.abs(to - from) / 12));
  return Array.from({ length: n + 1 }, (_, at) => {
    const angle = ((from + ((to - from) * at) / n) * Math.PI) / 180;
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)];
  });
}

/** One list of strokes for each digit. @type {Point[][][]} */
export const STROKES = [
  [arc(0.5, 0.5, 0.2, 0.33, -80, 285)],
  [[[0.4, 0.29], [0.52, 0.16], [0.52, 0.86]]],
  [[...arc(0.49, 0.35, 0.2, 0.19, -165, 40), [0.3, 0.83], [0.74, 0.82]]],
  [[...arc(0.47, 0.33, 0.19, 0.17, -150, 80), ...arc(0.47, 0.67, 0.23, 0.19, -80, 150)]],
  [[[0.4, 0.17], [0.29, 0.54], [0.73, 0.52]], [[0.63, 0.2], [0.58, 0.87]]],
  [[[0.69, 0.17], [0.38, 0.18], [0.35, 0.47], ...arc(0.49, 0.65, 0.21, 0.2, -120, 140)]],
  [[[0.62, 0.14], [0.48, 0.28], [0.37, 0.48], ...arc(0.5, 0.68, 0.17, 0.17, 180, -190)]],
  [[[0.27, 0.2], [0.72, 0.19], [0.58, 0.48], [0.47, 0.86]]],
  [[...arc(0.5, 0.32, 0.16, 0.16, 60, -270), ...arc(0.5, 0.67, 0.19, 0.19, -90, 270)]],
  [[...arc(0.5, 0.35, 0.17, 0.18, 0, -360), [0.66, 0.55], [0.6, 0.86]]],
];
