/**
 * The guided lessons: each a state of the playground; their words are in `words_lessons.js`.
 * @module
 */

/** @typedef {import("./desk.js").Desk} Desk */
/**
 * @typedef {object} Lesson
 * @property {string} name
 * @property {Record<string, any>} changes from the defaults
 * @property {string} [panel] that opens with it
 * @property {Partial<import("./store.js").ViewState>} [view]
 * @property {(desk: Desk) => Promise<void>} [worked] what else sets its state
 */

/** The worked example of back-propagation: 3-3-1, logistic units, half the squared error. */
const WORKED = {
  csv: "x1,x2,x3,y\n1,0.5,-1.5,1\n-0.3,2,0.7,0\n",
  weights: [
    [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.7, 0.8, 0.9]],
    [[0.5, -0.4, 0.3]],
  ],
  biases: [[0.01, -0.02, 0.03], [0.05]],
};

/** Upload the two examples, set the sixteen parameters, and open the first step. @param {Desk} desk */
async function workedExample(desk) {
  const answer = await desk.connection.http("/upload/data", { method: "POST", headers: { "Content-Type": "text/csv" }, body: WORKED.csv });
  const { upload } = await answer.json();
  if (!(await desk.quietly("data", { source: "upload", upload, target: "y", features: ["x1", "x2", "x3"], standardize: false, problem: "regression" }))) return;
  const edits = WORKED.weights.flatMap((rows, layer) => rows.flatMap((row, to) => [
    ...row.map((value, from) => ({ layer, from, to, value })), { layer, from: null, to, value: WORKED.biases[layer][to] },
  ]));
  await Promise.all(edits.map((edit) => desk.quietly("edit", edit)));
  desk.look({ panel: "step" });
}

/** @type {Lesson[]} */
export const LESSONS = [
  { name: "neuron", changes: { mode: "gate", dataset: "gate-and" } },
  { name: "perceptron", changes: { mode: "perceptron", dataset: "gaussians", noise: 10, hidden: [], activations: [] } },
  { name: "xor", changes: { dataset: "xor", hidden: [], activations: [] } },
  { name: "hidden", changes: { dataset: "xor", hidden: [4], activations: ["tanh"] } },
  { name: "activations", changes: { dataset: "circles", hidden: [4], activations: ["identity"] } },
  { name: "backpropagation", panel: "step", changes: { hidden: [3], activations: ["logistic"], out_activation: "logistic", problem: "regression", learning_rate: 0.5, scale: false }, worked: workedExample },
  { name: "rate", changes: { dataset: "circles", learning_rate: 3 } },
  { name: "batch", changes: { dataset: "circles", batch_size: 1, learning_rate: 0.03 }, view: { log: true } },
  { name: "optimizers", panel: "compare", changes: { dataset: "spiral", hidden: [8, 8], activations: ["tanh", "tanh"], solver: "sgd-framework", features: ["x1", "x2"] } },
  { name: "fitting", changes: { dataset: "gaussians", noise: 50, train_ratio: 10, hidden: [8, 8, 8], activations: ["relu", "relu", "relu"], solver: "adam", learning_rate: 0.01 } },
  { name: "penalties", changes: { dataset: "gaussians", noise: 50, train_ratio: 10, hidden: [8, 8], activations: ["tanh", "tanh"], l1: 0.003, features: ["x1", "x2", "x1^2", "x2^2", "x1x2", "sin x1", "sin x2"] } },
  { name: "dropout", changes: { dataset: "gaussians", noise: 50, train_ratio: 10, hidden: [8, 8], activations: ["relu", "relu"], dropout: [0.3, 0.3], solver: "adam", learning_rate: 0.01 } },
  { name: "stopping", changes: { dataset: "gaussians", noise: 50, train_ratio: 30, hidden: [8, 8], activations: ["relu", "relu"], solver: "adam", learning_rate: 0.01, early_stopping: true } },
];
