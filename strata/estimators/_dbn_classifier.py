"""The deep belief network that tells classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from strata._threads import limit_threads
from strata.data.sources import ArraySource
from strata.engine import EarlyStopping, train
from strata.estimators._dbn_base import DBN_CONSTRAINTS, PretrainedMLP, SavesBelief, SavesLayers
from strata.estimators._dbn_pretraining import by_layer, checked_steps
from strata.estimators._decorators import fitting
from strata.estimators._labelled_mlp import LabelledMLP
from strata.estimators._mlp_base import Rows
from strata.estimators._parameters import hidden_sizes
from strata.estimators._rbm_parts import as_dense
from strata.estimators._save import SavedState
from strata.estimators._saved_mlp import SavesClassifier, _ClassifierState
from strata.nn.belief import DeepBelief
from strata.rules.up_down import UpDown

__all__ = ["DBNClassifier"]

_ROWS_AT_ONCE = 2048


class _DBNState(_ClassifierState):
    """Learned values of :class:`DBNClassifier`."""

    pretraining_histories: list[dict[str, list[float]]]
    belief: list[np.ndarray] | None = None


class DBNClassifier(SavesBelief, SavesLayers, SavesClassifier, ClassifierMixin, PretrainedMLP, LabelledMLP):  # type: ignore[misc]
    r"""Tell classes with a network of logistic units whose layers first learn one by one, without labels.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(500, 500)
        Units of each hidden layer.
    pretraining : {"rbm", "autoencoder", "supervised"} or None, default="rbm"
        How each layer is trained before the whole: as a Boltzmann machine; as an auto-associator with tied weights; as
        the hidden layer of a network of one that predicts the targets; or not at all.
    visible : {"binary", "gaussian", "rectified"}, default="binary"
        Kind of the inputs: from 0 to 1, standardized real numbers, or numbers that are never negative.
    pretraining_iter : int or sequence of int, default=20
        Epochs of greedy training, for all layers or for each.
    pretraining_rate : float or sequence of float, default=0.1
        Learning rate of greedy training, for all layers or for each.
    pretraining_batch_size : int, default=100
        Rows of a batch of greedy training.
    pretraining_momentum : float or (float, float), default=(0.5, 0.9)
        Momentum of greedy training, or that of a machine's first five epochs and that of the rest; the other kinds
        take the last.
    pretraining_decay : float, default=2e-4
        L2 penalty of greedy training.
    n_gibbs_steps : int, default=1
        Steps of the chains of a machine between two updates.
    persistent : bool, default=False
        Whether the chains of a machine go on from update to update.
    hidden_values : {"probabilities", "samples"}, default="probabilities"
        What the next layer learns from: the probabilities of the hidden units, or one draw of each.
    corruption : float, default=0.0
        Share of the inputs that is hidden from an auto-associator while it learns.
    fine_tuning : {"backprop", "up_down"}, default="backprop"
        How the whole learns after its layers: as a network with an output layer, by back-propagation; or as a
        generative model whose top machine sees the label, by the up-down algorithm [1]_. The second needs
        ``pretraining="rbm"``, binary inputs and one label a row.
    up_down_steps : int or sequence of (int, int), default=1
        Gibbs steps of the top machine in the up-down algorithm, or pairs of an epoch and the steps from then on.
    solver : str, optimizer specification or callable, default="sgd"
        How the whole network learns; see :class:`MLPClassifier`.
    learning_rate_init : float, default=0.1
        Rate of the whole network's learning.
    momentum : float, default=0.0
        Momentum of the solver "sgd", in the lecture's form.
    alpha : float, default=0.0
        L2 penalty on the weights, ``alpha / 2 * sum(W ** 2)`` over the rows of the batch.
    batch_size : int, default=100
        Rows a step.
    max_iter : int, default=50
        Most epochs of the whole network's learning.
    schedule : str, Schedule or None, default=None
        How the rate changes.
    dropout : float or sequence of float, default=0.0
        Probability of dropping a hidden unit while the whole network learns.
    input_dropout : float, default=0.0
        Probability of dropping an input.
    max_norm : float or None, default=None
        Largest length of a unit's incoming weight vector.
    scale_inputs : bool, default=False
        Whether inputs are scaled inside: binary ones to the range from 0 to 1, others standardized.
    early_stopping : bool, default=False
        Whether the score on rows set aside, or on ``X_val``, decides when to stop and which weights are kept.
    validation_fraction : float, default=0.1
        Part of the rows set aside for it; greedy training does not see them either.
    tol : float, default=1e-4
        Smallest gain that counts as progress.
    n_iter_no_change : int, default=10
        Epochs without progress that are borne before the end.
    restore_best : "auto" or bool, default="auto"
        Whether the weights of the best epoch are kept; "auto" does so with early stopping.
    random_state : int, RandomState or None, default=None
        Source of all draws.
    verbose : bool or int, default=False
        Whether to write a line a layer and an epoch to the standard output.
    n_threads : int or None, default=None
        Most threads in training.
    callbacks : sequence of Callback or None, default=None
        Callbacks of :mod:`strata.engine`, for the whole network's learning.
    time_limit : float or None, default=None
        Seconds after which the whole network's learning ends, weights kept.
    progress : bool, default=False
        Whether to show progress on the standard error.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of each class, multiplied into ``sample_weight``.

    Attributes
    ----------
    classes_ : ndarray or list of ndarray
        Class labels in sorted order.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    pretraining_history_ : list of History
        Figures of each layer's greedy training.
    history_ : History
        Figures of the whole network's learning.
    loss_, best_loss_ : float
        Training loss of the last epoch, and the smallest.
    loss_curve_ : list of float
        Training loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation rows after every epoch.
    best_validation_score_ : float or None
        Largest of them.
    n_iter_ : int
        Epochs of the whole network's learning.
    t_ : int
        Training rows seen by it.
    n_layers_, n_outputs_ : int
        Layers, inputs and outputs included, and output units.
    out_activation_ : str
        Activation of the output layer.
    stop_reason_ : str
        Why training ended.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.
    validation_loss_curve_ : list of float or None
        Loss on the validation rows after every epoch.
    belief_ : DeepBelief
        The generative model, with ``fine_tuning="up_down"`` only; ``belief_.sample(9, label=3)`` draws rows of a class.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or arguments do not go together.
    NonFiniteError
        If the loss became infinite or NaN.

    See Also
    --------
    DeepBeliefNetwork : The layers alone, as a transformer.
    MLPClassifier : The network without greedy training, with every option.

    Notes
    -----
    Each layer is trained on what the one below makes of the rows; then an output layer is added and everything learns
    from the labels [2]_. With the up-down algorithm a row has the class whose label gives the top machine the lowest
    free energy; ``coefs_`` then holds the way up, and for the last layer the weights between the label and the top.

    References
    ----------
    .. [1] G. Hinton, S. Osindero, Y. Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18,
       2006.
    .. [2] Y. Bengio, P. Lamblin, D. Popovici, H. Larochelle, "Greedy layer-wise training of deep networks", NIPS 19,
       2007.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DBNClassifier((50, 50), learning_rate_init=0.3, tol=0.01, random_state=0).fit(X / 16, y)
    >>> model.score(X / 16, y) > 0.95
    True
    """

    _saved_state: ClassVar[type[SavedState]] = _DBNState
    _parameter_constraints = {
        **DBN_CONSTRAINTS,
        "fine_tuning": [StrOptions({"backprop", "up_down"})],
        "up_down_steps": [int, tuple, list],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }
    loss: Any = "auto"

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (500, 500),
        *,
        pretraining: str | None = "rbm",
        visible: str = "binary",
        pretraining_iter: int | Sequence[int] = 20,
        pretraining_rate: float | Sequence[float] = 0.1,
        pretraining_batch_size: int = 100,
        pretraining_momentum: float | tuple[float, float] = (0.5, 0.9),
        pretraining_decay: float = 2e-4,
        n_gibbs_steps: int = 1,
        persistent: bool = False,
        hidden_values: str = "probabilities",
        corruption: float = 0.0,
        fine_tuning: str = "backprop",
        up_down_steps: int | Sequence[tuple[int, int]] = 1,
        solver: Any = "sgd",
        learning_rate_init: float = 0.1,
        momentum: float = 0.0,
        alpha: float = 0.0,
        batch_size: int = 100,
        max_iter: int = 50,
        schedule: Any = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        max_norm: float | None = None,
        scale_inputs: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        restore_best: str | bool = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
        n_threads: int | None = None,
        callbacks: Sequence[Any] | None = None,
        time_limit: float | None = None,
        progress: bool = False,
        class_weight: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.pretraining = pretraining
        self.visible = visible
        self.pretraining_iter = pretraining_iter
        self.pretraining_rate = pretraining_rate
        self.pretraining_batch_size = pretraining_batch_size
        self.pretraining_momentum = pretraining_momentum
        self.pretraining_decay = pretraining_decay
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.hidden_values = hidden_values
        self.corruption = corruption
        self.fine_tuning = fine_tuning
        self.up_down_steps = up_down_steps
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.schedule = schedule
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.max_norm = max_norm
        self.scale_inputs = scale_inputs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.restore_best = restore_best
        self.random_state = random_state
        self.verbose = verbose
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.time_limit = time_limit
        self.progress = progress
        self.class_weight = class_weight

    @fitting
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn from labelled rows: the layers one after the other, then the whole.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, numbers or strings, or a table of 0 and 1 for several labels at once.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the whole network's learning, >= 0. Greedy training without labels counts all rows
            the same.
        X_val, y_val : array-like, default=None
            Validation rows of your own.
        sample_weight_val : array-like of shape (n_samples,), default=None
            Weight of each validation row.

        Returns
        -------
        self : DBNClassifier
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))
        return self

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.fine_tuning == "up_down":
            checked_steps(self.up_down_steps)
            for name, wanted in (("pretraining", "rbm"), ("visible", "binary")):
                if getattr(self, name) != wanted:
                    raise ValueError(
                        f"`{name}` must be {wanted!r} for fine_tuning='up_down'. "
                        f"Received: {name}={getattr(self, name)!r}. Use fine_tuning='backprop'."
                    )
            if not hidden_sizes(self.hidden_layer_sizes):
                raise ValueError(
                    "`hidden_layer_sizes` must name at least one layer for fine_tuning='up_down'. "
                    f"Received: hidden_layer_sizes={self.hidden_layer_sizes!r}."
                )

    # -- the up-down algorithm -------------------------------------------------------------------------------------

    def _refine(self, rows: Rows, held_out: Rows | None, *, incremental: bool) -> None:
        self.__dict__.pop("belief_", None)
        if self.fine_tuning != "up_down":
            super()._refine(rows, held_out, incremental=incremental)
            return
        if self._label_binarizer.y_type_.startswith("multilabel") or rows.weight is not None:
            raise ValueError(
                "`fine_tuning` must be 'backprop' for several labels a row, or for weights of rows or classes. "
                "Received: fine_tuning='up_down'."
            )
        self._go_up_and_down(rows, held_out)

    def _go_up_and_down(self, rows: Rows, held_out: Rows | None) -> None:
        """Train the top machine with labels, then all layers."""
        network = DeepBelief.from_rbms(self._machines(), n_labels=len(self.classes_), random_state=self._random_state)
        n_layers = len(hidden_sizes(self.hidden_layer_sizes))
        pair = self.pretraining_momentum
        momentum = float(pair[1] if isinstance(pair, (tuple, list)) else pair)
        with limit_threads(self.n_threads):
            top = UpDown(
                network,
                learning_rate=float(by_layer("pretraining_rate", self.pretraining_rate, n_layers)[-1]),
                momentum=momentum,
                weight_decay=float(self.pretraining_decay),
                layers="top",
                random_state=self._random_state,
            )
            train(
                top,
                self._label_source(rows),
                max_epochs=int(by_layer("pretraining_iter", self.pretraining_iter, n_layers)[-1]),
            ).hand_on_interrupt()
            rule = UpDown(
                network,
                learning_rate=float(self.learning_rate_init),
                n_gibbs_steps=checked_steps(self.up_down_steps),
                momentum=float(self.momentum),
                schedule="constant" if self.schedule is None else self.schedule,
                random_state=self._random_state,
            )
            callbacks = list(self.callbacks or ())
            stopping = None
            if self.early_stopping and held_out is not None:
                stopping = EarlyStopping(
                    "val_score", mode="max", tol=float(self.tol), patience=self.n_iter_no_change, restore_best=True
                )
                callbacks.append(stopping)
            run = train(
                rule,
                self._label_source(rows),
                max_epochs=int(self.max_iter),
                validate=None if held_out is None else lambda _: {"val_score": self._accuracy(network, held_out)},
                callbacks=callbacks,
                time_limit=self.time_limit,
                progress=self._progress(),
            )
        self._keep(network)
        self.engine_, self.history_, self.n_iter_ = "up_down", run.history, len(run.history)
        self.stop_reason_ = str(run.stop_reason)
        self.t_ = rows.x.shape[0] * len(run.history)
        self.loss_curve_ = list(run.history["loss"]) if len(run.history) else []
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        self.best_loss_ = min(self.loss_curve_, default=np.inf)
        if "val_score" in run.history:
            self.validation_scores_ = list(run.history["val_score"])
            self.best_validation_score_ = max(self.validation_scores_)

    def _label_source(self, rows: Rows) -> ArraySource:
        x = as_dense(rows.x, torch.float32 if self.coefs_[0].dtype == np.float32 else torch.float64)
        return ArraySource(
            x.numpy(),
            np.ascontiguousarray(rows.targets[:, :1]),
            batch_size=min(int(self.batch_size), len(x)),
            random_state=int(self._random_state.randint(2**31 - 1)),
        )

    def _accuracy(self, network: DeepBelief, rows: Rows) -> float:
        scores = _scores_of(network, rows.x)
        return float((scores.argmax(1).numpy() == rows.targets[:, 0]).mean())

    def _keep(self, network: DeepBelief) -> None:
        """Keep the generative model, and its way up as the network's weights."""
        self.belief_ = network
        n = network.sizes[-2]
        ups = [*network.recognition_weights, network.top.weight[:n]]
        biases = [*network.recognition_biases, network.top.hidden_bias]
        labels, label_bias = network.top.weight[n:].T, network.top.visible_bias[n:]
        if len(self.classes_) == 2:
            labels, label_bias = labels[:, 1:] - labels[:, :1], label_bias[1:] - label_bias[:1]
        for kept, value in zip((*self.coefs_, *self.intercepts_), (*ups, labels, *biases, label_bias), strict=True):
            kept[...] = value.detach().numpy()

    def _scores_and_outputs(self, X: Any) -> tuple[Tensor, Tensor]:
        if self.fine_tuning != "up_down":
            scores, outputs = super()._scores_and_outputs(X)
            return scores, outputs
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        scores = _scores_of(self.belief_, self._scaled(X, reset=False))
        if len(self.classes_) == 2:
            scores = scores[:, 1:] - scores[:, :1]
            return scores, scores.sigmoid()
        return scores, scores.softmax(1)

    # -- predictions -----------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class, or the labels, of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a table of 0 and 1.
        """
        check_is_fitted(self)
        outputs = self._outputs(X)
        if self._label_binarizer.y_type_ == "multiclass":
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        chosen = outputs > self._cut
        if self._label_binarizer.y_type_ == "binary":
            return np.asarray(self.classes_[chosen[:, 0] * (len(self.classes_) - 1)])
        return np.asarray(self._label_binarizer.inverse_transform(chosen.astype(int)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Estimate the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        probs : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``; each row sums to 1 but for several labels at once.
        """
        check_is_fitted(self)
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    # -- files -----------------------------------------------------------------------------------------------------

    def _belief_sizes(self) -> tuple[tuple[int, ...], int] | None:
        if self.fine_tuning != "up_down":
            return None
        return (self.n_features_in_, *hidden_sizes(self.hidden_layer_sizes)), len(self.classes_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.fine_tuning != "up_down"
        return tags


@torch.no_grad()
def _scores_of(network: DeepBelief, X: Any) -> Tensor:
    """Return the scores of every label for rows, dense or sparse."""
    dtype = network.top.weight.dtype
    parts = [
        network.label_scores(as_dense(X[start : start + _ROWS_AT_ONCE], dtype))
        for start in range(0, max(1, X.shape[0]), _ROWS_AT_ONCE)
    ]
    return torch.cat(parts)
