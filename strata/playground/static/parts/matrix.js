/** A matrix or a vector as a table of tinted numbers; the full value is in the cell's title. @module */

import { colours } from "../colours.js";
import { h } from "./dom.js";
import { short } from "./numbers.js";

/**
 * @param {number[][]} rows
 * @param {{name: string, rowNames?: string[], columnNames?: string[], digits?: number, key?: string}} options
 */
export function matrix(rows, { name, rowNames, columnNames, digits = 3, key }) {
  const most = rows.reduce((top, row) => row.reduce((inner, value) => Math.max(inner, Number.isFinite(value) ? Math.abs(value) : 0), top), 0);
  const palette = colours();
  const head = columnNames && h("thead", {}, h("tr", {}, rowNames && h("td", {}), ...columnNames.map((each) => h("th", { scope: "col" }, each))));
  const body = h("tbody", {}, ...rows.map((row, at) => h("tr", {}, rowNames && h("th", { scope: "row" }, rowNames[at]),
    ...row.map((value) => h("td", { class: "cell", title: String(value), "data-value": String(value), style: { "background-color": palette.tint(value, most) } }, short(value, digits))))));
  return h("table", { class: "matrix", "data-key": key }, h("caption", {}, name), head, body);
}

/** A column vector. @param {number[]} values @param {{name: string, rowNames?: string[], digits?: number, key?: string}} options */
export function vector(values, options) {
  return matrix(values.map((value) => [value]), { columnNames: ["\u00a0"], ...options }); // an empty head keeps its rows beside those of a matrix
}

/** @param {number[][]} rows */
export function transpose(rows) {
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column]));
}
