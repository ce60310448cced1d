/**
 * The whole state in the address: `#room&name=value&…`, only what differs from the defaults.
 *
 * Values: numbers as JavaScript writes them (which reads back exactly), true and false as 1 and 0, null as `~`, lists joined
 * by commas (an empty one is `-`), entries of a settings object as `name.entry=value`.
 * @module
 */

/** @typedef {Record<string, any>} Values */

/** @param {any} value @returns {string} */
function write(value) {
  if (value === null || value === undefined) return "~";
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.map(write).join(",");
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number") return String(value);
  return encodeURIComponent(String(value)).replace(/~/g, "%7E").replace(/-/g, "%2D");
}

/** Read one plain value, typed as its default is. @param {string} text @param {any} like @returns {any} */
function read(text, like) {
  if (text === "~") return null;
  if (Array.isArray(like)) return text === "-" || text === "" ? [] : text.split(",").map((each) => read(each, like.length > 0 ? like[0] : undefined));
  if (typeof like === "boolean") return text === "1";
  const plain = decodeURIComponent(text);
  if (typeof like === "number") return readNumber(plain);
  if (typeof like === "string") return plain;
  if (text.includes(",")) return text.split(",").map((each) => read(each, undefined)); // a comma inside a word is escaped
  const number = Number(plain);
  return plain !== "" && Number.isFinite(number) ? number : plain;
}

/** @param {string} text */
function readNumber(text) {
  const number = Number(text);
  return text !== "" && Number.isFinite(number) ? number : undefined;
}

/** @param {any} value */
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/**
 * Write the address.
 * @param {string} room
 * @param {Values} values
 * @param {Values} defaults
 */
export function toHash(room, values, defaults) {
  const parts = [room];
  for (const name of Object.keys(defaults)) {
    const value = values[name];
    if (value === undefined || name === "room") continue;
    if (isObject(value)) {
      const base = isObject(defaults[name]) ? defaults[name] : {};
      for (const [entry, each] of Object.entries(value)) {
        if (write(each) === write(base[entry]) && entry in base) continue;
        parts.push(`${name}.${encodeURIComponent(entry)}=${typeof each === "boolean" ? (each ? "true" : "false") : write(each)}`);
      }
    } else if (write(value) !== write(defaults[name])) parts.push(`${name}=${write(value)}`);
  }
  return `#${parts.join("&")}`;
}

/**
 * Read an address; names that are not in the defaults are passed over.
 * @param {string} hash
 * @param {Values} defaults
 * @returns {{room: string, values: Values}}
 */
export function fromHash(hash, defaults) {
  const [room, ...parts] = hash.replace(/^#/, "").split("&");
  /** @type {Values} */
  const values = {};
  for (const part of parts) {
    const cut = part.indexOf("=");
    if (cut < 1) continue;
    const [, name, entry] = /^([^.]*)(?:\.(.*))?$/.exec(part.slice(0, cut)) ?? [];
    if (!Object.hasOwn(defaults, name)) continue;
    const text = part.slice(cut + 1);
    try {
      if (entry === undefined) {
        const value = read(text, defaults[name]);
        if (value !== undefined) values[name] = value;
      } else {
        const key = decodeURIComponent(entry);
        const base = isObject(defaults[name]) ? defaults[name] : {};
        const like = base[key];
        values[name] ??= { ...base };
        values[name][key] = text === "true" ? true : text === "false" ? false : read(text, like);
      }
    } catch {
      // A malformed escape: that one entry is passed over.
    }
  }
  return { room: room || "neurons", values };
}

/**
 * Take a one-time token out of the address.
 * @param {string} hash
 * @returns {{token: string | null, rest: string}}
 */
export function takeToken(hash) {
  const parts = hash.replace(/^#/, "").split("&").filter(Boolean);
  const found = parts.find((part) => part.startsWith("token="));
  const rest = parts.filter((part) => part !== found);
  return { token: found ? found.slice(6) : null, rest: rest.length > 0 ? `#${rest.join("&")}` : "" };
}
