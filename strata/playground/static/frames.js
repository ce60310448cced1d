/**
 * Frames: a magic word, a JSON header, arrays one after the other, little endian.
 * @module
 */

/** @typedef {import("./types.js").Frame} Frame */

const MAGIC = 0x46525453; // "STRF" read as a little-endian number
/** @type {Record<string, Float32ArrayConstructor | Float64ArrayConstructor | Uint8ArrayConstructor>} */
const KINDS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array };

/**
 * Read a binary frame.
 * @param {ArrayBuffer} buffer
 * @returns {Frame}
 */
export function decode(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0, true) !== MAGIC) throw new Error("This is not a frame of the playground.");
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  let at = Math.ceil((8 + length) / 8) * 8;
  /** @type {Frame["arrays"]} */
  const arrays = {};
  for (const { name, dtype, shape } of header.arrays) {
    const Kind = KINDS[dtype];
    if (!Kind) throw new Error(`Unknown number type ${dtype} in a frame.`);
    const size = shape.reduce((/** @type {number} */ product, /** @type {number} */ each) => product * each, 1);
    const bytes = size * Kind.BYTES_PER_ELEMENT;
    arrays[name] = { data: new Kind(buffer.slice(at, at + bytes)), shape };
    at += bytes;
  }
  return { ...header, arrays };
}

/**
 * Read the arrays `name.0`, `name.1`, ... in order.
 * @param {Frame} frame
 * @param {string} name
 */
export function series(frame, name) {
  const out = [];
  for (let at = 0; frame.arrays[`${name}.${at}`]; at += 1) out.push(frame.arrays[`${name}.${at}`]);
  return out;
}
