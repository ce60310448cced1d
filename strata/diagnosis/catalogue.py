"""The closed list of verdicts: what each means, why it hurts, and what helps."""

from dataclasses import dataclass

__all__ = ["CATALOGUE", "CatalogueEntry"]


@dataclass(frozen=True)
class CatalogueEntry:
    """What is known of a verdict before any network is seen.

    Parameters
    ----------
    name : str
        The name in code.
    title : str
        The name in words.
    meaning : str
        What it says.
    cause : str
        Why that keeps a network from learning.
    cure : str
        What helps.
    """

    name: str
    title: str
    meaning: str
    cause: str
    cure: str


_ENTRIES = (
    CatalogueEntry(
        "inputs_not_scaled",
        "Inputs not scaled",
        "The columns are off-centre, large, tiny or of very different sizes, and the network learns too little.",
        "Weights start at one size for all columns: large inputs saturate units, off-centre or tiny ones give every "
        "row nearly the same activation, and one learning rate cannot suit columns of different sizes.",
        "Standardise the inputs: subtract the mean and divide by the standard deviation of the training rows.",
    ),
    CatalogueEntry(
        "learning_rate_too_high",
        "Learning rate too high",
        "The loss jumps about or settles high because each step overshoots.",
        "A step beyond twice the inverse of the curvature moves away from the minimum instead of towards it.",
        "Divide the learning rate by 10.",
    ),
    CatalogueEntry(
        "learning_rate_too_low",
        "Learning rate too low",
        "The loss falls steadily but so slowly that training ends long before it is done.",
        "Each step changes the weights by a tiny part of their size.",
        "Multiply the learning rate by 10.",
    ),
    CatalogueEntry(
        "diverging",
        "Diverging",
        "The loss ends far above where it began, or beyond all numbers.",
        "The steps are so large that each makes the next larger.",
        "Divide the learning rate by 10, and clip the norm of the gradient.",
    ),
    CatalogueEntry(
        "dead_relus",
        "Dead ReLUs",
        "Most units of a layer are 0 for every row.",
        "A unit below 0 for every row has no gradient and never comes back.",
        "Use leaky ReLUs with He initialization, and a lower rate if the units died during training.",
    ),
    CatalogueEntry(
        "saturated_sigmoids",
        "Saturated sigmoids",
        "Most logistic or tanh units sit at the bounds of their range.",
        "At a bound the slope is nearly 0, and the gradient ends there.",
        "Use smaller first weights (the default initialization), or ReLU units.",
    ),
    CatalogueEntry(
        "vanishing_gradient",
        "Vanishing gradient",
        "The gradient shrinks by orders of magnitude from the output to the first layer.",
        "Back-propagation multiplies one slope a layer; slopes below 1 (at most 1/4 for logistic units) leave nothing.",
        "Use ReLU units with He initialization, or fewer layers.",
    ),
    CatalogueEntry(
        "exploding_gradient",
        "Exploding gradient",
        "Activations or gradients grow by orders of magnitude over the layers before any update.",
        "Weights too large for their number of inputs multiply the signal at every layer.",
        "Use the default or He initialization, and clip the norm of the gradient.",
    ),
    CatalogueEntry(
        "symmetric_initialization",
        "Symmetric initialization",
        "Units of a layer have equal weights.",
        "Equal units get equal gradients, stay equal for ever, and a layer of them is worth one unit (or none).",
        "Draw the first weights at random.",
    ),
    CatalogueEntry(
        "wrong_output_unit",
        "Wrong output unit",
        "The output activation cannot produce the targets.",
        "A bounded or one-sided output cannot reach targets outside its range; a linear output is no probability.",
        "Use the output unit of the task: identity for numbers, logistic or softmax for classes.",
    ),
    CatalogueEntry(
        "wrong_loss",
        "Wrong loss",
        "The loss does not measure the task.",
        "Its gradient fades or points elsewhere when the prediction is wrong, or its target must be of another kind.",
        "Use cross-entropy for classes and squared error for numbers.",
    ),
    CatalogueEntry(
        "labels_shifted",
        "Labels shifted",
        "The inputs predict the target of another row better than their own.",
        "Inputs and targets got out of step by some rows, as by a lost header or a lag.",
        "Join inputs and targets by a key, or move the targets back.",
    ),
    CatalogueEntry(
        "labels_shuffled",
        "Labels shuffled",
        "No simple model finds any relation between the inputs and the targets.",
        "The targets belong to other rows (or the inputs say nothing about them): there is nothing to learn.",
        "Join inputs and targets again by a key, and check a few rows by eye.",
    ),
    CatalogueEntry(
        "labels_constant",
        "Labels constant",
        "All targets, or nearly all, are the same.",
        "A constant needs no inputs, so none are learned.",
        "Check how the target column was made; get rows with other targets.",
    ),
    CatalogueEntry(
        "predicts_the_prior",
        "Predicts the prior",
        "The network answers the same for every row, although the inputs tell more.",
        "Training stopped on the plateau where only the output's bias has been learned.",
        "Cure what keeps the hidden layers from learning: scale of inputs, first weights, rate.",
    ),
    CatalogueEntry(
        "too_few_epochs",
        "Too few epochs",
        "The loss was still falling when the epochs were used up.",
        "Training was cut off.",
        "Give it more epochs.",
    ),
    CatalogueEntry(
        "stopped_too_early",
        "Stopped too early",
        "Training stopped by patience before the network had learned what there is.",
        "Progress below the tolerance for a few epochs was taken for the end.",
        "Give more patience, or a smaller tolerance.",
    ),
    CatalogueEntry(
        "underfits",
        "Underfits",
        "The network misses the training rows as well as the held-out ones, and simpler models do better.",
        "It has too few units for the relation.",
        "Use more hidden units.",
    ),
    CatalogueEntry(
        "overfits",
        "Overfits",
        "The network knows the training rows and fails on held-out ones that simpler models predict.",
        "It has more freedom than the rows can determine.",
        "Stop early, use a penalty, or fewer units.",
    ),
    CatalogueEntry(
        "regularization_too_strong",
        "Regularization too strong",
        "The penalty outweighs the data.",
        "The smallest sum of loss and penalty lies at small weights, where the network predicts little but the mean.",
        "Use a penalty 100 times smaller.",
    ),
    CatalogueEntry(
        "dropout_too_strong",
        "Dropout too strong",
        "So many units are dropped that the rest cannot carry the signal.",
        "Each step sees a small random part of the network.",
        "Drop fewer units: 0.2, or none for a small network.",
    ),
    CatalogueEntry(
        "class_imbalance",
        "Class imbalance",
        "A rare class is hardly ever predicted.",
        "The mean loss is that of the frequent classes.",
        'Weigh the classes (class_weight="balanced"), and judge by recall, not accuracy.',
    ),
    CatalogueEntry(
        "leakage_between_splits",
        "Leakage between splits",
        "Held-out rows are among the training rows too.",
        "The held-out score measures memory there, and is too good.",
        "Take the copies out before splitting, or keep all copies on one side.",
    ),
    CatalogueEntry(
        "leakage_from_a_column",
        "Leakage from a column",
        "One column alone gives the target away.",
        "It was made from the target or after it, and will not be known when it matters.",
        "Leave the column out.",
    ),
    CatalogueEntry(
        "batch_too_large",
        "Batch too large",
        "There are so few updates an epoch that training ends before it is done.",
        "Beyond the noise scale of the gradient, more rows a step make the step hardly better, only rarer.",
        "Use smaller batches.",
    ),
    CatalogueEntry(
        "batch_too_small",
        "Batch too small",
        "Each step is mostly noise.",
        "The gradient of a few rows points anywhere; at this rate the noise does not average out.",
        "Use larger batches.",
    ),
    CatalogueEntry(
        "bad_data_order",
        "Bad data order",
        "The rows come sorted and are not shuffled.",
        "Each batch teaches one kind of row and forgets the one before.",
        "Shuffle the rows before every epoch.",
    ),
    CatalogueEntry(
        "non_finite_values",
        "Values that are not finite",
        "NaN or infinity appeared.",
        "From there it spreads to every weight at the next update.",
        "Remove or fill the values where they first appeared; if they arose in training, lower the rate.",
    ),
    CatalogueEntry(
        "too_little_data",
        "Too little data",
        "There are too few rows for the number of columns.",
        "With about as many columns as rows, chance agreements fit as well as the truth.",
        "Get more rows, use fewer columns, or a stronger penalty.",
    ),
    CatalogueEntry(
        "healthy",
        "Healthy",
        "Nothing was found that keeps the network from learning.",
        "The network does about as well as the other methods on these rows.",
        "Nothing to cure. More signal can only come from other inputs or more rows.",
    ),
)

#: Every verdict by name.
CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in _ENTRIES}
