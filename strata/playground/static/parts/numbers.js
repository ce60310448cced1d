/** Numbers as people read them: a fixed number of characters, so that nothing moves. @module */

/**
 * A loss or a weight: `digits` decimals, very large and very small ones with an exponent.
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function short(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e5 || size < 0.5 * 10 ** -digits) ? value.toExponential(1) : value.toFixed(digits);
  return text.replace("-", "−");
}

/** A number with its sign. @param {number} value @param {number} [digits] */
export function signed(value, digits = 3) {
  const text = short(value, digits);
  return value > 0 ? `+${text}` : text;
}

/** A count with thin spaces. @param {number} value */
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** @param {number | null | undefined} share */
export function percent(share) {
  return share === null || share === undefined || !Number.isFinite(share) ? "–" : `${(100 * share).toFixed(1)} %`;
}

/**
 * Round steps for an axis.
 * @param {number} low
 * @param {number} high
 * @param {number} about how many
 */
export function ticks(low, high, about) {
  if (!(high > low)) return [low];
  const raw = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw) ?? 10 * power;
  const out = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) out.push(Math.abs(at) < 1e-12 ? 0 : at);
  return out;
}

/** A tick without needless zeros. @param {number} value */
export function tick(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return (size >= 1e4 || size < 1e-3 ? value.toExponential(0).replace("e+", "e") : String(Number(value.toPrecision(4)))).replace("-", "−");
}
