"""What is known of a training: plain records, gathered by the recorder and the probes, read by the verdicts.

A field that nobody could measure is None or empty; a verdict that needs it stays silent. Everything here is plain
numbers, strings and lists, so that a diagnosis can be written to JSON and judged again later.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "CurveEvidence",
    "DataEvidence",
    "Evidence",
    "LayerEvidence",
    "LayerSnapshot",
    "NonFiniteEvidence",
    "OutputEvidence",
    "SettingsEvidence",
    "StartEvidence",
]


@dataclass(frozen=True)
class LayerSnapshot:
    """One layer of weights at one moment, seen on the rows of a fixed probe batch.

    Parameters
    ----------
    step : int
        Updates made before.
    epoch : int
        Epochs finished before.
    z_mean : float
        Pre-activation, over rows and units.
    z_std : float
        Spread of the pre-activations.
    activation_mean : float
        Mean activation.
    activation_std : float
        Spread of the activations.
    unit_std : float
        Median over the units of the spread of an activation over the rows.
    dead : float
        Share of the units whose activation is 0 in every row; only for those that can be.
    saturated : float
        Share of the activations within 0.02 of a bound of the activation's range, scaled to [0, 1].
    symmetric : float
        Share of the units that have the incoming weights of another unit.
    weight_rms : float
        Root mean square of the weights.
    gradient_rms : float
        Of the loss of the probe batch, with respect to the weights.
    delta_rms : float
        Of the same loss, with respect to the pre-activations, times the number of rows.
    update_ratio : float | None
        Norm of one update / norm of the weights.
    """

    step: int
    epoch: int
    z_mean: float
    z_std: float
    activation_mean: float
    activation_std: float
    unit_std: float
    dead: float
    saturated: float
    symmetric: float
    weight_rms: float
    gradient_rms: float
    delta_rms: float
    update_ratio: float | None


@dataclass(frozen=True)
class LayerEvidence:
    """One layer of weights over the training, from the first snapshot before any update to the last at the end.

    Parameters
    ----------
    name : str
        "hidden 1", ..., "output"; of a user's module its path.
    activation : str
        The name of the activation behind the weights.
    n_inputs : int
        Inputs of each unit.
    n_units : int
        Units.
    snapshots : tuple[LayerSnapshot, ...]
        In the order of the steps.
    """

    name: str
    activation: str
    n_inputs: int
    n_units: int
    snapshots: tuple[LayerSnapshot, ...]


@dataclass(frozen=True)
class CurveEvidence:
    """Figures of every epoch. Scores are accuracy, or R^2 for regression.

    Parameters
    ----------
    loss : tuple[float, ...]
        As trained, penalties included.
    val_loss : tuple[float, ...]
        Mean loss of the held-out rows, without penalties; may be sampled every few epochs.
    val_score : tuple[float, ...]
        Score of the held-out rows.
    val_epochs : tuple[int, ...]
        After which epochs (from 1) the validation figures were taken.
    train_loss : tuple[float, ...]
        Mean loss of a fixed sample of training rows without dropout or penalties.
    train_score : tuple[float, ...]
        Score of the same sample.
    stop_reason : str | None
        Why training ended.
    n_epochs : int
        Epochs trained.
    max_epochs : int | None
        Most epochs allowed.
    patience : float | None
        Epochs without improvement that are borne, None where nothing stops early.
    """

    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_score: tuple[float, ...]
    val_epochs: tuple[int, ...]
    train_loss: tuple[float, ...]
    train_score: tuple[float, ...]
    stop_reason: str | None
    n_epochs: int
    max_epochs: int | None
    patience: float | None


@dataclass(frozen=True)
class StartEvidence:
    """The network before and in its first updates.

    Parameters
    ----------
    loss : float
        Mean loss of the probe rows before any update.
    prior_loss : float
        Loss of the best constant prediction: entropy of the class shares, half or whole variance.
    one_batch_loss : float | None
        Loss of one small batch after training on it alone.
    one_batch_start : float | None
        Its loss before that.
    one_batch_steps : int | None
        Updates made on it.
    gradient_noise : float | None
        Simple noise scale B = tr(Sigma) / |G|^2 in rows, at the start.
    gradient_noise_end : float | None
        The same at the end.
    """

    loss: float
    prior_loss: float
    one_batch_loss: float | None
    one_batch_start: float | None
    one_batch_steps: int | None
    gradient_noise: float | None
    gradient_noise_end: float | None


@dataclass(frozen=True)
class OutputEvidence:
    """What the trained network says of rows, of the training part and the held-out part.

    Parameters
    ----------
    train_loss : float
        Mean loss of the training rows.
    val_loss : float | None
        Mean loss of the held-out rows.
    train_score : float
        Score of the same sample.
    val_score : float | None
        Score of the held-out rows.
    val_rows : int
        Held-out rows.
    baseline_score : float
        Of the majority class or mean, on the held-out rows.
    linear_score : float | None
        Of a linear or logistic model on standardised inputs, on the same rows.
    neighbours_score : float | None
        Of k nearest neighbours on standardised inputs.
    trees_score : float | None
        Of a small forest of trees.
    predicted_shares : tuple[float, ...]
        Classes: share of the held-out rows that got each.
    true_shares : tuple[float, ...]
        Share of the held-out rows that are of each class.
    class_recalls : tuple[float, ...]
        Share of each class that is found.
    spread_ratio : float | None
        Regression: std of the predictions / std of the targets; classes: std of probabilities.
    mean_confidence : float | None
        Mean of the largest probability.
    """

    train_loss: float
    val_loss: float | None
    train_score: float
    val_score: float | None
    val_rows: int
    baseline_score: float
    linear_score: float | None
    neighbours_score: float | None
    trees_score: float | None
    predicted_shares: tuple[float, ...]
    true_shares: tuple[float, ...]
    class_recalls: tuple[float, ...]
    spread_ratio: float | None
    mean_confidence: float | None


@dataclass(frozen=True)
class DataEvidence:
    """The rows and columns that the network learns from.

    Parameters
    ----------
    n_rows : int
        Training rows.
    n_features : int
        Inputs.
    n_classes : int | None
        Classes; None for numbers.
    class_counts : tuple[int, ...]
        Training rows of each class.
    input_means : tuple[float, ...]
        Of at most 200 columns, the most extreme ones.
    input_stds : tuple[float, ...]
        Standard deviations of the same columns.
    target_mean : float | None
        Regression.
    target_std : float | None
        Its standard deviation.
    constant_columns : tuple[str, ...]
        Columns that do not vary.
    leaking_columns : tuple[tuple[str, float], ...]
        Name, score of a one-column model on held-out rows.
    duplicates_across : int
        Held-out rows whose inputs are also among the training rows.
    conflicting_duplicates : int
        Equal inputs with different targets.
    label_signal : float | None
        Best simple model's cross-validated score above shuffled labels, in deviations.
    shifted_signal : tuple[tuple[int, float], ...]
        Shift of y by k rows -> the same figure, for k in -2, -1, 1, 2.
    order : float | None
        Correlation of the targets of successive training rows.
    non_finite_inputs : int
        Input values that are NaN or infinite.
    """

    n_rows: int
    n_features: int
    n_classes: int | None
    class_counts: tuple[int, ...]
    input_means: tuple[float, ...]
    input_stds: tuple[float, ...]
    target_mean: float | None
    target_std: float | None
    constant_columns: tuple[str, ...]
    leaking_columns: tuple[tuple[str, float], ...]
    duplicates_across: int
    conflicting_duplicates: int
    label_signal: float | None
    shifted_signal: tuple[tuple[int, float], ...]
    order: float | None
    non_finite_inputs: int


@dataclass(frozen=True)
class NonFiniteEvidence:
    """Where a value that is not finite first appeared.

    Parameters
    ----------
    epoch : int
        Counted from 1; 0 for the data itself.
    step : int
        Counted from 1; 0 for the data itself. The loss of step 1 comes before any update.
    where : str
        "loss", "inputs", "targets", "weights of hidden 1", "activation of hidden 2", "gradient of
        output".
    value : float
        The value.
    """

    epoch: int
    step: int
    where: str
    value: float


@dataclass(frozen=True)
class SettingsEvidence:
    """What was asked for, in the estimator's own words where it has them.

    Parameters
    ----------
    task : str
        "classification", "regression".
    estimator : str
        Class of the estimator or module.
    hidden_layer_sizes : tuple[int, ...]
        Units of each hidden layer.
    n_parameters : int
        Weights and biases.
    loss : str
        Its name.
    out_activation : str
        Last unit.
    solver : str
        Optimizer by name.
    learning_rate : float | None
        First learning rate.
    batch_size : int | None
        Rows a step.
    alpha : float
        L2.
    l1 : float
        L1 penalty.
    dropout : float
        The largest of any layer.
    max_norm : float | None
        Largest length of a unit's weights.
    init : str
        Scheme of the first weights.
    shuffle : bool | None
        Whether rows are shuffled; None where nobody knows.
    early_stopping : bool
        Whether a validation score stops training.
    scale_inputs : bool
        Whether inputs are standardised before the network.
    class_weight : str | None
        Weights of the classes.
    parameters : dict[str, Any], optional
        All of them, as plain values.
    spread : tuple[tuple[int, ...], tuple[int, ...]] | None, optional
        Shapes of scores and targets of a batch, where they differ and the loss spreads one over the other.
    """

    task: str
    estimator: str
    hidden_layer_sizes: tuple[int, ...]
    n_parameters: int
    loss: str
    out_activation: str
    solver: str
    learning_rate: float | None
    batch_size: int | None
    alpha: float
    l1: float
    dropout: float
    max_norm: float | None
    init: str
    shuffle: bool | None
    early_stopping: bool
    scale_inputs: bool
    class_weight: str | None
    parameters: dict[str, Any] = field(default_factory=dict)
    spread: tuple[tuple[int, ...], tuple[int, ...]] | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of one training.

    Parameters
    ----------
    settings : SettingsEvidence
        What was asked for.
    layers : tuple[LayerEvidence, ...]
        The layers, the output last.
    curves : CurveEvidence
        Figures of every epoch.
    start : StartEvidence | None
        Before and in the first updates.
    output : OutputEvidence | None
        What the trained network says.
    data : DataEvidence | None
        The rows.
    non_finite : NonFiniteEvidence | None, optional
        Where a value first was not finite.
    seconds : float, optional
        That gathering took.
    """

    settings: SettingsEvidence
    layers: tuple[LayerEvidence, ...]
    curves: CurveEvidence
    start: StartEvidence | None
    output: OutputEvidence | None
    data: DataEvidence | None
    non_finite: NonFiniteEvidence | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; figures that are not finite become None there."""
        found: dict[str, Any] = _finite_only(dataclasses.asdict(self))
        return found


def _finite_only(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _finite_only(value) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_finite_only(value) for value in tree)
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
