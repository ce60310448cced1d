/** The texts of the lessons. @module */

/** @typedef {{title: string, about: string, text: [string, string, string], question: string, answer: string}} LessonWords */

/** @type {Record<string, LessonWords>} */
export const LESSON_WORDS = {
  neuron: {
    title: "A neuron", about: "Weights, a threshold, an answer",
    text: ["A McCulloch–Pitts neuron adds its inputs and fires when the sum reaches its threshold.", "Here its threshold is chosen so that it computes AND: both inputs must be 1.", "Nothing is learned: change the gate in “All settings” and look at the line in the map."],
    question: "What must change to turn AND into OR?", answer: "Only the threshold: 1 instead of 2. The line moves in parallel until one active input is enough.",
  },
  perceptron: {
    title: "The perceptron", about: "Learn a line from mistakes",
    text: ["The perceptron rule changes the weights only at a wrong example, and adds or takes away that example's inputs.", "If a line separates the classes, the rule finds one after a finite number of mistakes.", "Press play and watch the line jump; with more noise no line separates the classes, and it never rests."],
    question: "Why does the line stop moving on clean data, while gradient descent goes on?", answer: "No example is wrong any more, so there is no update. A cross-entropy loss is never zero, so gradient descent keeps pushing the outputs apart.",
  },
  xor: {
    title: "Why XOR fails", about: "One line is not enough",
    text: ["Without a hidden layer the network's border is one straight line.", "In XOR opposite corners belong together, so each line has about half of the points on its wrong side.", "Press play: the loss stays near log 2 = 0.693, the loss of a guess."],
    question: "Which one input among those offered makes XOR solvable without a hidden layer?", answer: "x₁x₂: its sign is the class. Switch it on and play again.",
  },
  hidden: {
    title: "A hidden layer", about: "Several lines, joined",
    text: ["Each hidden unit draws a line of its own; point at a unit to see it.", "The output adds their answers, so borders may bend and regions may be joined.", "Four tanh units are enough for XOR; take units away and try again."],
    question: "How many hidden units does XOR need at least?", answer: "Two in theory. With two, gradient descent often stops in a poor place, so more units help to find what fewer could express.",
  },
  activations: {
    title: "Activations", about: "Without a bend, no depth",
    text: ["These four hidden units are linear, and so the whole network is one linear map.", "The circle cannot be separated, however many linear layers are added.", "Change the activation to tanh or ReLU and play: the border closes around the disc."],
    question: "Why are the borders of a ReLU network made of straight pieces?", answer: "Each ReLU unit is linear on either side of its line; a sum of such units is linear in each piece between the lines.",
  },
  backpropagation: {
    title: "Back-propagation", about: "The chain rule in matrices",
    text: ["This is the worked example of the lecture: three inputs, three sigmoid units, one sigmoid output, and half the squared error.", "Go forward (z and a), backward (δ and the gradients) and update, and compare each number with your own.", "The learning rate is 0.5, and the first example has the target 1."],
    question: "Which layer's gradient is smaller, and why?", answer: "The first layer's: its δ is the output's δ times the weights times f′(z), and f′ of a sigmoid is at most 1/4.",
  },
  rate: {
    title: "The learning rate", about: "Too small, good, too large",
    text: ["The learning rate says how far each update goes along the negative gradient.", "Here it is 3, and the loss jumps about instead of falling.", "Try 0.3, 0.03 and 0.0001 from the same start (reset keeps the initial weights)."],
    question: "How do you see from the curve alone that the rate is too large, or too small?", answer: "Too large: the loss oscillates or grows. Too small: it falls smoothly, but is still falling after many epochs.",
  },
  batch: {
    title: "The batch", about: "One example or many",
    text: ["With a batch of one, each example changes the weights at once: many noisy updates in an epoch.", "With a large batch there are few updates, each along the mean gradient.", "Reset and compare a batch of 1 with one of 30 at the same learning rate."],
    question: "With a batch of 30 the loss falls more slowly per epoch. What could make up for it?", answer: "A larger learning rate: the mean gradient is less noisy, so longer steps are safe.",
  },
  optimizers: {
    title: "From momentum to Adam", about: "Better steps from the same gradient",
    text: ["Momentum adds past updates up, so that it rolls along a valley; RMSProp and Adam give each weight its own step length.", "The spiral is hard for plain gradient descent.", "Start the comparison below, choose Adam for B with a rate of 0.01, and play."],
    question: "Why does Adam need a smaller learning rate than plain gradient descent here?", answer: "Adam divides by the gradient's typical size, so each weight moves by about the learning rate per update however small the gradient is.",
  },
  fitting: {
    title: "Over- and underfitting", about: "Learning the noise",
    text: ["A large network sees few and very noisy examples.", "The training loss falls while the test loss rises: it learns these examples by heart.", "Compare with a single hidden layer of two units, and with more data to train on."],
    question: "Name three cures.", answer: "More data, a smaller network, and a penalty, dropout or early stopping. The diagnosis names them as well, and “prove it” tries them.",
  },
  penalties: {
    title: "L1 and L2", about: "Small weights, few weights",
    text: ["A penalty adds the size of the weights to the loss, so that only useful weights stay large.", "L2 makes all of them small; L1 makes many of them exactly zero, which you see as vanishing links.", "Watch the penalty in the curve, and switch between L1, L2 and none."],
    question: "Why does L1 give zeros, and L2 not?", answer: "The pull of L1 is the same however small the weight is, so it reaches zero. The pull of L2 is proportional to the weight and fades.",
  },
  dropout: {
    title: "Dropout", about: "Units that cannot rely on others",
    text: ["In each update every hidden unit is left out with a probability of 30 %.", "No unit can rely on one other unit, so the network spreads what it knows.", "The training loss stays higher; look at what the test loss does, and compare with no dropout."],
    question: "Why is the test loss often below the training loss here?", answer: "Dropout is on while training and off while testing: the test is answered by the whole network.",
  },
  stopping: {
    title: "Early stopping", about: "Stop when it stops helping",
    text: ["A part of the training data is held out, and the run stops when the score there has not improved for some epochs.", "The best weights are brought back.", "Press play and see where the run ends; then switch early stopping off and see what would have followed."],
    question: "Why must the test data not decide when to stop?", answer: "Then they would have been used to choose the model, and their loss would be too good: they would no longer tell how it does on new data.",
  },
};
