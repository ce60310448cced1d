"""What is known of a training: plain records, gathered by the recorder and the probes, read by the verdicts.

A field that nobody could measure is None or empty; a verdict that needs it stays silent. Everything here is plain
numbers, strings and lists, so that a diagnosis can be written to JSON and judged again later.
"""

import dataclasses
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
    """One layer of weights at one moment, seen on the rows of a fixed probe batch."""

    step: int  # updates made before
    epoch: int  # epochs finished before
    z_mean: float  # pre-activation, over rows and units
    z_std: float
    activation_mean: float
    activation_std: float
    unit_std: float  # median over the units of the spread of an activation over the rows
    dead: float  # share of the units whose activation is 0 in every row; only for those that can be
    saturated: float  # share of the activations within 0.02 of a bound of the activation's range, scaled to [0, 1]
    symmetric: float  # share of the units that have the incoming weights of another unit
    weight_rms: float
    gradient_rms: float  # of the loss of the probe batch, with respect to the weights
    delta_rms: float  # of the same loss, with respect to the pre-activations, times the number of rows
    update_ratio: float | None  # norm of one update / norm of the weights


@dataclass(frozen=True)
class LayerEvidence:
    """One layer of weights over the training, from the first snapshot before any update to the last at the end."""

    name: str  # "hidden 1", ..., "output"; of a user's module its path
    activation: str  # the name of the activation behind the weights
    n_inputs: int
    n_units: int
    snapshots: tuple[LayerSnapshot, ...]


@dataclass(frozen=True)
class CurveEvidence:
    """Figures of every epoch. Scores are accuracy, or R^2 for regression."""

    loss: tuple[float, ...]  # as trained, penalties included
    val_loss: tuple[float, ...]  # mean loss of the held-out rows, without penalties; may be sampled every few epochs
    val_score: tuple[float, ...]
    val_epochs: tuple[int, ...]  # after which epochs (from 1) the validation figures were taken
    train_loss: tuple[float, ...]  # mean loss of a fixed sample of training rows without dropout or penalties
    train_score: tuple[float, ...]
    stop_reason: str | None
    n_epochs: int
    max_epochs: int | None
    patience: float | None  # epochs without improvement that are borne, None where nothing stops early


@dataclass(frozen=True)
class StartEvidence:
    """The network before and in its first updates."""

    loss: float  # mean loss of the probe rows before any update
    prior_loss: float  # loss of the best constant prediction: entropy of the class shares, half or whole variance
    one_batch_loss: float | None  # loss of one small batch after training on it alone
    one_batch_start: float | None
    one_batch_steps: int | None
    gradient_noise: float | None  # simple noise scale B = tr(Sigma) / |G|^2 in rows, at the start
    gradient_noise_end: float | None


@dataclass(frozen=True)
class OutputEvidence:
    """What the trained network says of rows, of the training part and the held-out part."""

    train_loss: float
    val_loss: float | None
    train_score: float
    val_score: float | None
    val_rows: int
    baseline_score: float  # of the majority class or mean, on the held-out rows
    linear_score: float | None  # of a linear or logistic model on standardised inputs, on the same rows
    neighbours_score: float | None  # of k nearest neighbours on standardised inputs
    trees_score: float | None  # of a small forest of trees
    predicted_shares: tuple[float, ...]  # classes: share of the held-out rows that got each
    true_shares: tuple[float, ...]
    class_recalls: tuple[float, ...]
    spread_ratio: float | None  # regression: std of the predictions / std of the targets; classes: std of probabilities
    mean_confidence: float | None


@dataclass(frozen=True)
class DataEvidence:
    """The rows and columns that the network learns from."""

    n_rows: int
    n_features: int
    n_classes: int | None
    class_counts: tuple[int, ...]
    input_means: tuple[float, ...]  # of at most 200 columns, the most extreme ones
    input_stds: tuple[float, ...]
    target_mean: float | None  # regression
    target_std: float | None
    constant_columns: tuple[str, ...]
    leaking_columns: tuple[tuple[str, float], ...]  # name, score of a one-column model on held-out rows
    duplicates_across: int  # held-out rows whose inputs are also among the training rows
    conflicting_duplicates: int  # equal inputs with different targets
    label_signal: float | None  # best simple model's score on the training rows, cross-validated, above shuffled labels, in standard deviations
    shifted_signal: tuple[tuple[int, float], ...]  # shift of y by k rows -> the same figure, for k in -2, -1, 1, 2
    order: float | None  # correlation of the targets of successive training rows
    non_finite_inputs: int


@dataclass(frozen=True)
class NonFiniteEvidence:
    """Where a value that is not finite first appeared."""

    epoch: int
    step: int
    where: str  # "loss", "inputs", "targets", "weights of hidden 1", "activation of hidden 2", "gradient of output"
    value: float


@dataclass(frozen=True)
class SettingsEvidence:
    """What was asked for, in the estimator's own words where it has them."""

    task: str  # "classification", "regression"
    estimator: str
    hidden_layer_sizes: tuple[int, ...]
    n_parameters: int
    loss: str
    out_activation: str
    solver: str
    learning_rate: float | None
    batch_size: int | None
    alpha: float  # l2
    l1: float
    dropout: float  # the largest of any layer
    max_norm: float | None
    init: str
    shuffle: bool | None
    early_stopping: bool
    scale_inputs: bool
    class_weight: str | None
    parameters: dict[str, Any] = field(default_factory=dict)  # all of them, as plain values


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of one training."""

    settings: SettingsEvidence
    layers: tuple[LayerEvidence, ...]
    curves: CurveEvidence
    start: StartEvidence | None
    output: OutputEvidence | None
    data: DataEvidence | None
    non_finite: NonFiniteEvidence | None = None
    seconds: float = 0.0  # that gathering took

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; figures that are not finite become None there."""
        return dataclasses.asdict(self)
