/** Every word of the page, in one place (the lessons' texts are in `words_lessons.js`). @module */

/** @type {Record<string, string>} */
const ACTIVATIONS = {
  identity: "linear", linear: "linear", logistic: "sigmoid", sigmoid: "sigmoid", relu: "ReLU", leaky_relu: "leaky ReLU", elu: "ELU", selu: "SELU",
  gelu: "GELU", silu: "SiLU", tanh: "tanh", softmax: "softmax", softplus: "softplus", softsign: "softsign", step: "step", auto: "auto",
};
/** @type {Record<string, string>} */
const DATASETS = { // in the order in which they are shown
  circles: "circle", xor: "XOR", gaussians: "clouds", spiral: "spiral", plane: "plane", "gaussian-bumps": "bumps", iris: "Iris", infert: "Infert",
};
/** Names of settings, where the plain name of the library says too little. @type {Record<string, string>} */
const SETTINGS = {
  "n_iter_no_change": "Epochs without progress", tol: "Progress that counts", validation_fraction: "Share held out", "betas.0": "β₁ (memory of the gradient)", "betas.1": "β₂ (memory of its square)",
  beta_1: "β₁", beta_2: "β₂", eps: "ε (keeps from dividing by 0)", epsilon: "ε", momentum: "Momentum", nesterov: "Nesterov's form", weight_decay: "Weight decay", power_t: "Power of the step",
  stop_at_no_error: "Stop when no error is left",
};
/** @type {Record<string, string>} */
const MODES = { perceptron: "Perceptron", delta: "Delta rule", gate: "McCulloch–Pitts neuron", network: "Network", bagging: "Bag of networks" };
/** @type {Record<string, string>} */
const PENALTIES = { none: "None", l1: "L1", l2: "L2" };
/** @type {Record<string, string>} */
const LINES = { train: "training", test: "test", penalty: "penalty" };
/** @type {Record<string, string>} */
const KINDS = { number: "number", numeric: "number", float: "number", int: "number", integer: "number", category: "category", text: "text", bool: "yes or no", date: "date", id: "identifier" };
/** @type {Record<string, string>} */
const PANELS = {
  name: "More", lessons: "Lessons", step: "Inside one step", diagnosis: "Diagnosis", training: "All settings", compare: "Compare",
  surface: "Loss surface", home: "Take it home",
};
/** @type {Record<string, string>} */
const ROOMS = { name: "Rooms", neurons: "Neurons", pictures: "Pictures", codes: "Codes", later: "This room is not built yet." };
/** @type {Record<string, string>} */
const FIELDS = {
  learning_rate: "Learning rate", batch_size: "Batch size", grad_clip: "Clip the gradient at (empty: no)", n_networks: "Networks in the bag", initializer: "Initial weights",
  seed: "Seed of the weights", data_seed: "Seed of the data", n_samples: "Examples (empty: the set's own)", l1: "L1 penalty", l2: "L2 penalty", input_dropout: "Dropout of inputs",
  max_epochs: "Stop after epoch", loss: "Loss", out_activation: "Output activation", hidden: "hidden layers", activations: "activations", solver: "optimizer",
  solver_settings: "optimizer settings", schedule: "schedule", dropout: "dropout", mode: "mode", features: "inputs",
};
/** @type {Record<"forward" | "backward" | "update", string>} */
const STAGES = { forward: "Forward", backward: "Backward", update: "Update" };
/** @type {Record<"forward" | "backward" | "update", string>} */
const FORMULAS = {
  forward: "z = W a + b,   a = f(z), layer after layer",
  backward: "δ of the output from the loss;   δ = (Wᵀ δ of the next layer) ⊙ f′(z);   ∂J/∂W = δ aᵀ,   ∂J/∂b = δ",
  update: "W after = W before + update; for plain gradient descent the update is −η ∂J/∂W, and −η ∂J/∂b for the biases",
};

/** @type {[string, string][]} */
const SHORTCUTS = [
  ["Space", "Play or pause"], ["S", "One epoch"], ["R", "Back to epoch 0, same start"], ["N", "New seed"], [", .", "One epoch back, one forth"],
  ["T", "Show or hide test points"], ["D", "Discretize the map"], ["Arrows", "Move between the units of the network"],
  ["Enter", "On an input: switch it on or off. On a unit: edit its weights and bias"], ["Esc", "Close a window, leave drawing"], ["?", "This list"],
];

export const WORDS = {
  close: "Close",
  activations: ACTIVATIONS,
  setting: (/** @type {{name: string, label: string}} */ each) => SETTINGS[each.name] ?? each.label,
  dataset: (/** @type {{name: string, label: string}} */ each) => DATASETS[each.name] ?? each.label,
  datasetRank: (/** @type {{name: string}} */ each) => (Object.keys(DATASETS).indexOf(each.name) + 100) % 100,
  /** x1^2 as people write it. */
  input: (/** @type {string} */ name) => (/^(sin )?x\d+(\^2|x\d+)?$/.test(name) ? name.replace(/\^2/g, "²").replace(/x(\d+)/g, (_, digits) => `x${[...digits].map((each) => "₀₁₂₃₄₅₆₇₈₉"[Number(each)]).join("")}`) : name),
  modes: MODES,
  panels: PANELS,
  rooms: ROOMS,
  shortcuts: SHORTCUTS,
  head: { light: "Light colours", dark: "Dark colours", shortcuts: "Keyboard shortcuts", copyAddress: "Copy the address of this state", skip: "Skip to the network" },
  link: {
    gone: "The server does not answer. Is `strata playground` still running? The page looks for it again and keeps your settings.",
    refused: "This page has no key for the server, or the server was started anew. Open the address that `strata playground` printed.",
    failed: "The server refused this.",
  },
  run: {
    failed: "The run failed.", busy: "The library is working …", ended: "The run has ended.",
    say: (/** @type {string} */ epoch, /** @type {string} */ loss, /** @type {boolean} */ stopped) => `${stopped ? "Paused at epoch" : "Epoch"} ${epoch}, test loss ${loss}.`,
  },
  bar: {
    name: "Run and settings", play: "Play", pause: "Pause", playHint: "Play (space)", pauseHint: "Pause (space)", step: "One epoch", stepHint: "One epoch (S)",
    reset: "Reset", resetHint: "Back to epoch 0 with the same initial weights (R)", newSeed: "New seed", newSeedHint: "Back to epoch 0 with other initial weights (N)",
    epoch: "Epoch", speed: "Epochs / s", perSecond: (/** @type {number} */ n) => String(n), noLimit: "no limit", problem: "Problem", rate: "Learning rate",
    activation: "Activation", penalty: "Penalty", strength: "Strength", penalties: PENALTIES, perLayer: "per layer",
  },
  data: {
    title: "Data", sets: "Data sets", bundled: "Real data", chooseBundled: "choose a set …", draw: "Draw points", drawHint: "Draw your own points on the map, in up to ten classes",
    own: "Own table", ownHint: "Paste or drop a CSV", regenerate: "New sample", regenerateHint: "Draw the data anew", across: "Across", up: "Up",
    others: "Inputs that are not shown stay at their mean.", ratio: "Share to train on", noise: "Noise", batch: "Batch size",
    sizes: (/** @type {number} */ train, /** @type {number} */ test, /** @type {number} */ batch) => `${train} to train on in ${Math.ceil(train / Math.max(1, batch))} batches, ${test} to test`,
  },
  own: {
    title: "Your own table", paste: "Table as CSV", file: "Choose a file", read: "Read it", placeholder: "height,weight,kind\n1.2,3.4,a\n2.1,0.7,b",
    how: "Paste a CSV with a header, choose a file, or drop one anywhere on the page. It stays on this machine.", target: "Column to foretell", inputs: "Inputs",
    standardize: "Standardize the inputs", use: "Use this table", found: (/** @type {number} */ rows, /** @type {number} */ columns) => `${rows} rows, ${columns} columns.`, kinds: KINDS,
    gone: "The address was made with a table of the reader's own, which it does not hold. Open the table again.",
  },
  draw: {
    name: "Drawing", class: (/** @type {number} */ at) => `Class ${at}`, undo: "Undo", use: "Use these points", leave: "Cancel", twoClasses: "Draw points of two classes at least",
    pad: (/** @type {number} */ points, /** @type {number} */ label) => `Drawing pad: ${points} points. Arrow keys move the cross, Enter sets a point of class ${label}, digits choose the class.`,
  },
  net: {
    title: "Network", name: "Network: arrow keys move between units", inputs: "Inputs", outputs: "Output", hint: "Point at a unit to enlarge its map, at a link to read its weight. Click to edit.",
    input: (/** @type {string} */ name) => `Input ${name}`, unit: (/** @type {number} */ unit, /** @type {number} */ layer) => `Unit ${unit} of layer ${layer}`,
    output: (/** @type {string} */ name, /** @type {number} */ units) => (units > 1 && name !== "" ? `Output for class ${name}` : "Output"), more: (/** @type {number} */ n) => `${n} more inputs`,
    bias: "Bias", weight: (/** @type {string} */ from, /** @type {string} */ to) => `Weight from ${from} to ${to.charAt(0).toLowerCase()}${to.slice(1)}`,
    layers: (/** @type {number} */ n) => (n === 0 ? "no hidden layer" : n === 1 ? "1 hidden layer" : `${n} hidden layers`), addLayer: "Add a hidden layer", removeLayer: "Remove the last hidden layer",
    layer: (/** @type {number} */ n) => `Hidden layer ${n}`, layerSettings: (/** @type {number} */ n, /** @type {string} */ kind) => `Settings of hidden layer ${n}: ${kind}`,
    fewer: (/** @type {number} */ n) => `Remove a unit from layer ${n}`, extra: (/** @type {number} */ n) => `Add a unit to layer ${n}`, dropout: "Dropout", oneInput: "A network needs at least one input.",
    positive: "positive weight", negative: "negative weight", width: "width: its size",
  },
  edit: { weight: "Weight", unit: (/** @type {number} */ n) => `from unit ${n}`, incoming: "Incoming weights and bias", map: (/** @type {string} */ title) => `Map of ${title}` },
  map: { name: "What the network answers over the plane of the two shown inputs", caption: "What the network answers", captionB: "What network B answers" },
  output: {
    title: "Output", class: (/** @type {string} */ name) => `class ${name}`, testMark: "with a rim: test", showTest: "Test data", discretize: "Discretize", log: "Log losses", spread: "Show where the bag disagrees",
    testLoss: "Test loss", trainLoss: "Training loss", penalty: "Penalty", score: "Test accuracy", r2: "Test R²", scrub: "Go to epoch",
  },
  curve: { name: "Losses against the epoch", x: "epoch", y: "loss", lines: LINES },
  diagnosis: {
    lead: "What keeps this network from learning, with the numbers it was seen in.", look: "Look now", prove: "Prove it", proveHint: "Train again with the cure and without, over several seeds",
    fix: "Fix it", fixHint: "Apply the cure and go on", fixed: (/** @type {string} */ title) => `The cure of “${title}” is applied.`, cause: "Cause", cure: "Cure", evidence: "Evidence",
    sure: (/** @type {string} */ share) => ` confidence ${share}`, none: "No verdict yet: press “Look now”, or train and verdicts appear as they become true.", nothing: "Nothing found.",
    proving: "Training with the cure and without …", strip: (/** @type {string} */ title, /** @type {number} */ more) => `Diagnosis: ${title}${more > 0 ? `, and ${more} more` : ""}`, see: "See why",
    healthy: "Diagnosis: healthy", quiet: "Diagnosis: nothing to report", count: (/** @type {number} */ n) => `${n} ${n === 1 ? "verdict" : "verdicts"}`,
  },
  step: {
    lead: "Back-propagation for one example, with the numbers of the network above.", example: "Example", next: "Next example", typed: "Type in the inputs", target: "Target", digits: "Decimals",
    stages: STAGES, stagesName: "Three stages of a step", formulas: FORMULAS, apply: "Make this update", applyHint: "Change the network's weights by this one step", inputs: "Inputs", output: "Output",
    layer: (/** @type {number} */ n) => `Layer ${n}`, matrices: "Matrices, scroll sideways", before: (/** @type {string} */ name) => `${name} before`, change: (/** @type {string} */ name) => `update of ${name}`, after: (/** @type {string} */ name) => `${name} after`,
    loss: (/** @type {string} */ before, /** @type {string | null} */ after, /** @type {string} */ target) => `Target ${target}. Loss J = ${before}${after === null ? "" : `, after the update ${after}`}.`,
  },
  training: {
    mode: "What learns", modeName: "Mode", optimizer: "Optimizer", solver: "Optimizer", schedule: "Schedule", scheduleName: "Learning-rate schedule", start: "Start and sample", regularize: "Penalties and dropout",
    stopping: "When to stop", early: "Early stopping", problem: "Loss and output", scale: "Standardize inputs", scaleAuto: "as the data need", yes: "yes", no: "no", auto: "automatic", fields: FIELDS,
    dropoutOf: (/** @type {number} */ n) => `Dropout of layer ${n}`,
  },
  compare: {
    lead: "A second network, B, learns the same data from the same seed; change what you want to compare.", begin: "Start with a copy as B", end: "End the comparison", settingsB: "Settings of B", curveB: "Losses of B",
    layers: "Units in hidden layers", differs: (/** @type {string[]} */ names) => `B differs in: ${names.join(", ")}.`, same: "B is the same as A so far.",
    losses: (/** @type {string} */ a, /** @type {string} */ b) => `Test loss: A ${a}, B ${b}`,
  },
  surface: {
    lead: "The training loss in a plane through the present weights, along the two directions in which training moved most.", span: "Span", draw: "Draw the surface", busy: "Computing …", name: "Loss surface with the optimizer's path",
    scale: "Loss", marks: "Square: start. Circle: now.",
  },
  home: {
    lead: "Everything here is a model of strata: take the script, which trains the same weights to the last digit, or the trained model.", script: "Script", copy: "Copy as Python", copyHint: "A script that gives the same weights",
    save: "Save model", saveHint: "The model folder as a zip; strata.load opens it", saveScript: "Save script", open: "Open model", opened: "The model is open.", copied: "Copied.", copyByHand: "Select the text and copy it.",
  },
  lessons: {
    lead: "Thirteen steps of the lecture. Each sets the playground; press play, and answer its question.", answer: "Show the answer", back: "Back", next: "Next lesson", again: "Set it again", leave: "Leave the lesson",
    question: "Question:", number: (/** @type {number} */ n, /** @type {number} */ of) => `Lesson ${n} of ${of}`,
  },
};
