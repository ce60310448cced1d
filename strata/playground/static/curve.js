/** Rows (epoch, train, test, penalty) of a run; thinned when long, so that memory stays small. @module */

const MOST = 4000;

/** @typedef {[number, number, number, number]} Row */

export class Curve {
  constructor() {
    /** @type {Row[]} */
    this.rows = [];
    this.stride = 1;
  }

  clear() {
    this.rows = [];
    this.stride = 1;
  }

  /**
   * Append rows; those already here from their first epoch on belonged to another branch and go.
   * @param {ArrayLike<number> | undefined} data
   * @param {number} width
   */
  add(data, width) {
    if (!data || data.length < width) return;
    const first = data[0];
    let keep = this.rows.length;
    while (keep > 0 && this.rows[keep - 1][0] >= first) keep -= 1;
    // The newest row is always shown; it stays only where it falls on the stride.
    if (keep > 1 && this.rows[keep - 1][0] % this.stride !== 0) keep -= 1;
    this.rows.length = keep;
    for (let at = 0; at + width <= data.length; at += width) {
      const last = at + 2 * width > data.length;
      if (last || data[at] % this.stride === 0) this.rows.push([data[at], data[at + 1], data[at + 2], width > 3 ? data[at + 3] : 0]);
    }
    if (this.rows.length > MOST) this.thin();
  }

  thin() {
    this.stride *= 2;
    const last = this.rows.length - 1;
    this.rows = this.rows.filter((row, at) => at === last || row[0] % this.stride === 0);
  }

  /** Largest epoch seen. */
  get end() {
    return this.rows.length > 0 ? this.rows[this.rows.length - 1][0] : 0;
  }
}
