/** Every word of the rooms Pictures and Codes. @module */

/** @type {Record<string, string>} */
const LAYERS = {
  conv1: "Convolution 1", pool1: "Pooling 1", conv2: "Convolution 2", pool2: "Pooling 2", fc1: "Dense 1", fc2: "Dense 2", hidden1: "Hidden layer 1", hidden2: "Hidden layer 2",
};
/** @type {Record<string, string>} */
const NETWORKS = {
  lenet5: "LeNet-5, has learned MNIST", mlp: "Dense network, has learned MNIST", live_lenet5: "LeNet-5, learns here", live_mlp: "Dense network, learns here",
};
/** @type {Record<string, string>} */
const SETS = { digits: "Digits 8 × 8", mnist: "MNIST 28 × 28" };
/** @type {Record<string, string>} */
const KINDS = { autoencoder: "Autoencoder", machine: "Boltzmann machine" };

export const WORDS_ROOMS = {
  opening: "Opening the room …",
  refused: "The server did not open this room.",
  layers: LAYERS, networks: NETWORKS, sets: SETS, kinds: KINDS,
  run: {
    say: (/** @type {string} */ epoch, /** @type {string} */ figure, /** @type {boolean} */ stopped) => `${stopped ? "Held. " : ""}Epoch ${epoch}, ${figure}`,
  },
  pad: {
    title: "Draw a digit", name: "Drawing pad: arrow keys move the pen, hold Space to draw, Delete clears",
    hint: "Mouse or finger draws. Keyboard: arrows move the pen, hold Space to draw.", empty: "Draw here",
    clear: "Clear", undo: "Undo", eraser: "Eraser", thickness: "Pen width", examples: "Or let one be drawn", tests: "Or take a held-out digit of the bundled set",
    example: (/** @type {number} */ digit) => `Draw a ${digit}`, test: (/** @type {number} */ digit) => `Take a held-out ${digit}`,
  },
  answer: {
    title: "Answer", none: "Draw a digit, and the network answers.", is: (/** @type {number} */ digit, /** @type {string} */ share) => `The network reads ${digit}, with ${share}.`,
    bar: (/** @type {number} */ digit, /** @type {string} */ share) => `${digit}: ${share}. What would it take for a ${digit}?`,
    wishHint: "Press a digit to see what it would take.", sees: "What it sees", saliency: "What the answer hangs on",
    wish: (/** @type {number} */ digit) => `What it would take for a ${digit}`,
    saliencyNote: "The stronger the blue, the more the winning score reacts to that pixel.",
    wishNote: "Blue: ink here would help. Orange: ink here speaks against it.",
  },
  looking: {
    title: "What the layers make of it", maps: (/** @type {number} */ n, /** @type {number} */ side) => `${n} maps of ${side} × ${side}`, units: (/** @type {number} */ n) => `${n} units`,
    filters: "Weights of the first layer", filtersNote: (/** @type {number} */ n, /** @type {number} */ side) => `${n} filters of ${side} × ${side} pixels: blue positive, orange negative`,
    strongest: (/** @type {string} */ name, /** @type {number} */ at) => `${name}: number ${at} is the strongest`,
  },
  facts: {
    measured: (/** @type {string} */ share, /** @type {string} */ n) => `${share} of 10 000 test digits right, ${n} weights. Trained by strata, shipped with it.`,
    live: (/** @type {number} */ train, /** @type {number} */ test) => `Learns from ${train} digits of 8 × 8 pixels; ${test} are held out. Your drawing is brought to the same form.`,
    error: "Wrong answers", train: "training", test: "held out", heldOut: (/** @type {string} */ share) => `${share} of the held-out digits right`,
  },
  settings: {
    name: "Settings", network: "Network", rate: "Learning rate", batch: "Batch size", activation: "Activation", units: "Hidden units", kind: "What learns", dataset: "Pictures",
    numbers: "Code size", hidden: "Hidden layers", linear: "none (linear)", variational: "Variational", noise: "Noise on inputs", none: "none", beta: "Weight of the prior",
    persistent: "Persistent chains", steps: "Gibbs steps", sparse: "Sparse units", decay: "Weight decay",
  },
  plane: {
    title: "The plane of codes", name: "Plane of codes: arrow keys move the cursor", points: "Points", pictures: "Pictures", view: "Show in the plane",
    hint: "Move over the plane, or use the arrow keys: the picture is decoded from the two numbers.", decoded: "Decoded at the cursor",
    sweeps: "One number moves, the others stay", number: (/** @type {number} */ n) => `Number ${n}`, axisX: "Across", axisY: "Up",
    at: (/** @type {string} */ x, /** @type {string} */ y) => `(${x}, ${y})`,
  },
  back: {
    title: "Held-out pictures, given back", original: "original", autoencoder: "autoencoder", machine: "machine", pca: "PCA", error: "Squared error a pixel", better: "Held-out error",
    besides: (/** @type {string} */ own, /** @type {string} */ pca, /** @type {number} */ n) => `Held-out error ${own}; principal components with ${n} numbers: ${pca}`,
    curve: "Error of pictures given back against the epoch", curveTitle: "Error of pictures given back",
  },
  machine: {
    filters: "Filters of the hidden units", filtersNote: "Each picture is the weights of one hidden unit: blue switches it on, orange off.",
    fantasies: "What the machine dreams", fantasiesNote: "Pictures of the persistent chains: drawn from the machine itself, never from the data.",
    fantasiesNew: "Pictures drawn from the machine by 20 Gibbs steps from random hidden units.",
    gap: "Free energy, held out minus training", gapNote: "A gap that grows means overfitting.", gapCurve: "Free-energy gap against the epoch", gapLine: "gap",
  },
};
