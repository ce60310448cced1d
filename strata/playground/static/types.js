/**
 * Shapes of what the server sends; see the message classes of `strata.playground`. Types only.
 * @module
 */

/** @typedef {Record<string, any>} Configuration */
/** @typedef {{name: string, label: string, kind: "float" | "int" | "bool" | "choice", default: any, min?: number, max?: number, choices?: string[], help?: string}} Setting */
/** @typedef {{name: string, label: string, form?: string, problem?: string, settings?: Setting[]}} Choice */
/** @typedef {{name: string, label: string, problem: string, group: "plane" | "bundled", preview: number[][]}} Dataset */
/**
 * @typedef {object} Choices
 * @property {Dataset[]} datasets
 * @property {Choice[]} features
 * @property {Choice[]} activations
 * @property {Choice[]} out_activations
 * @property {Choice[]} solvers
 * @property {Choice[]} initializers
 * @property {Choice[]} schedules
 * @property {Choice[]} losses
 * @property {Choice[]} modes
 * @property {Choice[]} problems
 * @property {{settings: Setting[]}} early_stopping
 * @property {Record<string, number>} limits
 */
/** @typedef {{version: string, session: string, defaults: Configuration, choices: Choices}} Hello */
/** @typedef {{running: boolean, epoch: number, epochs: number, seed: number, mode: string}} RunState */
/**
 * @typedef {object} Data
 * @property {number} n_train
 * @property {number} n_test
 * @property {string} problem
 * @property {string[]} classes
 * @property {string[]} columns
 * @property {[string, string]} shown
 * @property {[[number, number], [number, number]]} range
 * @property {number[][]} points
 * @property {string} [source]
 */
/** @typedef {{units: number, activation: string, kind: "hidden" | "output"}} Layer */
/** @typedef {{inputs: {name: string, label: string}[], layers: Layer[], editable: boolean}} Network */
/** @typedef {{configuration: Configuration, data: Data, network: Network, warnings: string[], state: RunState}} View */
/** @typedef {{data: Float32Array | Float64Array | Uint8Array, shape: number[]}} NumberArray */
/**
 * @typedef {object} Frame
 * @property {number} frame
 * @property {number} epoch
 * @property {number} epochs
 * @property {boolean} running
 * @property {"a" | "b"} side
 * @property {{train: number | null, test: number | null, penalty: number | null}} losses
 * @property {Record<string, number | null>} scores
 * @property {number | null} rate
 * @property {Record<string, NumberArray>} arrays
 */
/**
 * @typedef {object} Verdict
 * @property {string} name
 * @property {string} title
 * @property {string} sentence
 * @property {Record<string, any>} evidence
 * @property {string} cause
 * @property {string} cure
 * @property {number} confidence
 * @property {Record<string, any>} changes
 * @property {Record<string, any>} actions
 * @property {boolean | null} proven
 */
/**
 * @typedef {object} LookLayer
 * @property {string} name
 * @property {string} activation
 * @property {number[]} z
 * @property {number[]} a
 * @property {number[]} delta
 * @property {number[][]} grad_weight
 * @property {number[]} grad_bias
 * @property {number[][]} update_weight
 * @property {number[]} update_bias
 * @property {number[][]} weight_before
 * @property {number[]} bias_before
 * @property {number[][]} weight_after
 * @property {number[]} bias_after
 */
/** @typedef {{example: {index: number | null, inputs: number[], target: any, label: string}, inputs: number[], layers: LookLayer[], loss_before: number, loss_after: number}} Look */

export {};
