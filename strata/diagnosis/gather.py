"""Train a copy once with a recorder beside it, and write down everything that the judges ask for."""

from __future__ import annotations

import copy
import math
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from strata.data.sources import ArraySource, Batch, SparseSource
from strata.diagnosis._comparing import look_at_rows
from strata.diagnosis._location import find_non_finite
from strata.diagnosis._lookback import Curves, Replica, figures_of, look_at_start, look_back, noise_scale
from strata.diagnosis._modules import gather_module
from strata.diagnosis._outputs import compared
from strata.diagnosis._settings import curves_of, settings_of
from strata.diagnosis._splitting import split
from strata.diagnosis._terms import Terms, constant_loss, estimator_terms
from strata.diagnosis.evidence import Evidence, LayerEvidence, NonFiniteEvidence, OutputEvidence, StartEvidence
from strata.diagnosis.recorder import Moment, Recorder, tensors_of
from strata.diagnosis.treatment import Rows, network_path
from strata.errors import NonFiniteError
from strata.estimators import MLPClassifier, MLPRegressor
from strata.estimators._table_base import BaseTable
from strata.estimators._training import build_trainer
from strata.estimators._validation import as_tensor, is_sparse

__all__ = ["evidence_of", "gather", "gather_module"]

_PROBE_ROWS, _NOISE_ROWS, _CURVE_ROWS = 256, 512, 1000
_QUIET = {"verbose": False, "progress": False, "checkpoint": None, "resume": False, "warm_start": False}


def gather(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    X_val: Any = None,
    y_val: Any = None,
    sample_weight: Any = None,
    random_state: int = 0,
    refit: bool = True,
) -> tuple[Any, Evidence]:
    """Train a copy of an estimator and return it with the evidence.

    Parameters
    ----------
    estimator : estimator
        A multi-layer perceptron, a table estimator, or a pipeline that ends with one.
    X : array or DataFrame of shape (n_samples, n_features)
        Rows to learn from.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    X_val : array or DataFrame of shape (n_val, n_features), optional
        Held-out rows, which training never sees; by default a quarter of the rows.
    y_val : array of shape (n_val,) or (n_val, n_outputs), optional
        Their targets.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the rows; needs ``X_val``.
    random_state : int, default=0
        Seed of the split.
    refit : bool, default=True
        False looks at a fitted estimator as it is: its curves, and its layers at this moment only.

    Returns
    -------
    fitted : estimator
        The copy; not fitted where training failed.
    evidence : Evidence
        What was seen.

    Raises
    ------
    TypeError
        If the estimator holds no multi-layer perceptron.
    ValueError
        If arguments are missing or do not fit together.

    Notes
    -----
    The copy is trained with the same bits as the estimator would be: held-out rows are looked at afterwards, from
    copies of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> fitted, evidence = gather(MLPClassifier((5,), max_iter=20, random_state=0), X, X[:, 0] > 0)
    >>> [layer.name for layer in evidence.layers], evidence.curves.n_epochs
    (['hidden 1', 'output'], 20)
    """
    begun = time.perf_counter()
    if sample_weight is not None and X_val is None:
        raise ValueError("`sample_weight` must come with `X_val` and `y_val`. Received: X_val=None.")
    rows = split(estimator, X, y, X_val, y_val, random_state=random_state)
    subject = _Subject(estimator, refit=refit)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if refit:
            subject.fit(rows, {} if sample_weight is None else {"sample_weight": sample_weight})
        else:
            check_is_fitted(subject.estimator)
        return subject.estimator, subject.evidence(rows, begun)


def evidence_of(estimator: Any, X: Any, y: Any, *, X_val: Any, y_val: Any, watcher: Recorder) -> Evidence:
    """Return the evidence of a training that a recorder has looked at; nothing is trained again.

    Parameters
    ----------
    estimator : estimator
        Fitted: a multi-layer perceptron, a table estimator, or a pipeline that ends with one.
    X : array or DataFrame of shape (n_samples, n_features)
        The rows that it learned from.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    X_val : array or DataFrame of shape (n_val, n_features)
        Held-out rows.
    y_val : array of shape (n_val,) or (n_val, n_outputs)
        Their targets.
    watcher : Recorder
        One of the ``callbacks`` of the estimator while it was fitted. It stays one where the estimator is cloned, so
        ask before a copy is fitted.

    Returns
    -------
    evidence : Evidence
        What was seen. A run that was taken up from a checkpoint has none of its start.

    Raises
    ------
    TypeError
        If ``watcher`` is not a recorder, or the estimator holds no multi-layer perceptron.
    ValueError
        If the recorder has seen no training, or another one since.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> y, recorder = X[:, 0] > 0, Recorder()
    >>> model = MLPClassifier((5,), max_iter=20, tol=0.0, random_state=0, callbacks=[recorder])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     model = model.fit(X[:150], y[:150])
    >>> evidence = evidence_of(model, X[:150], y[:150], X_val=X[150:], y_val=y[150:], watcher=recorder)
    >>> evidence.curves.val_score[-1] == model.score(X[150:], y[150:])
    True
    """
    begun = time.perf_counter()
    if not isinstance(watcher, Recorder):
        raise TypeError(f"`watcher` must be a Recorder. Received: {type(watcher).__name__}.")
    rows = split(estimator, X, y, X_val, y_val, random_state=0)
    subject = _Subject(estimator, refit=False)
    check_is_fitted(subject.estimator)
    trainer = getattr(subject.network, "_trainer", None)
    if watcher.run is None or (trainer is not None and watcher.run.rule is not trainer.rule):
        seen = "no training" if watcher.run is None else "that of another network, or of a copy of this one"
        raise ValueError(
            f"`watcher` must have looked at the last training of `estimator`. Received: one that saw {seen}. "
            "Put it among the `callbacks`, and ask before a copy is fitted."
        )
    subject.recorder = watcher
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return subject.evidence(rows, begun)


class _Looked(NamedTuple):
    """What was found from the copies of the recorder."""

    layers: tuple[LayerEvidence, ...]
    curves: Curves | None
    start: StartEvidence | None
    losses: tuple[float, float | None]  # of training rows and held-out rows, at the end


_NOTHING = _Looked((), None, None, (math.nan, None))


class _Subject:
    """An estimator that is looked at: what it holds, what was seen while it learned, how it ended."""

    def __init__(self, estimator: Any, *, refit: bool) -> None:
        self.estimator = clone(estimator) if refit else estimator
        self.recorder = Recorder()
        self.broken: NonFiniteEvidence | None = None
        self.failed = False
        prefix = network_path(self.estimator)
        owner = self.estimator.steps[-1][1] if isinstance(self.estimator, Pipeline) else self.estimator
        if refit and prefix.endswith("network__") and owner.network is None:
            owner.set_params(network=owner._default_network())
        network = getattr(owner, "network_", None) or getattr(owner, "network", owner)
        if not isinstance(network, (MLPClassifier, MLPRegressor)) or not hasattr(network, "callbacks"):
            raise TypeError(
                f"`estimator` must be or hold an MLPClassifier or MLPRegressor. Received: {type(network).__name__}. "
                "Of a bag, ask one such network."
            )
        self.unfitted = network
        self.task = "classification" if is_classifier(self.estimator) else "regression"

    @property
    def owner(self) -> Any:
        """The last step."""
        return self.estimator.steps[-1][1] if isinstance(self.estimator, Pipeline) else self.estimator

    @property
    def network(self) -> Any:
        """The network, fitted where it is."""
        return self.owner.network_ if hasattr(self.owner, "network_") else self.unfitted

    def fit(self, rows: Rows, weights: dict[str, Any]) -> None:
        """Train, and bear what comes."""
        own = self.unfitted.callbacks
        self.unfitted.set_params(callbacks=[*(own or ()), self.recorder], **_QUIET)
        if isinstance(self.estimator, Pipeline) and weights:
            weights = {f"{self.estimator.steps[-1][0]}__{name}": value for name, value in weights.items()}
        try:
            self.estimator.fit(rows.X, rows.y, **weights)
        except NonFiniteError as error:
            self.failed = True
            self.broken = NonFiniteEvidence(error.epoch, self._step(error, len(rows.y)), "loss", math.nan)
        except ValueError:
            where = next((name for name, part in (("inputs", rows.X), ("targets", rows.y)) if not _finite(part)), None)
            if where is None:
                raise
            self.broken, self.failed = NonFiniteEvidence(0, 0, where, math.nan), True
        for network in (self.unfitted, self.network):
            network.set_params(callbacks=own)

    def _step(self, error: NonFiniteError, n_rows: int) -> int:
        source = None if self.recorder.run is None else self.recorder.run.source
        n_batches = 1 if source is None or source.n_batches is None else source.n_batches
        return max(0, error.epoch - 1) * n_batches + error.batch

    def evidence(self, rows: Rows, begun: float) -> Evidence:
        """Look back at everything."""
        inputs = self._inputs(rows)
        looked = self._looked(rows, inputs)
        y, y_val = _targets(rows.y), _targets(rows.y_val)
        numbers = _plain(inputs[0]), _plain(inputs[1])
        data = look_at_rows(numbers[0], y, numbers[1], y_val, task=self.task, names=_names(rows.X, numbers[0]))
        output = None if self.failed else self._output(rows, (y, y_val), numbers, looked)
        owner, network = self.owner, self.network
        scaled = bool(getattr(network, "scale_inputs", False)) or (
            isinstance(owner, BaseTable) and bool(getattr(owner, "scale", False))
        )
        broke = self.failed and self.recorder.run is not None
        return Evidence(
            settings_of(network, self.task, len(y), scaled=scaled),
            looked.layers,
            curves_of(
                network,
                self._loss_curve(),
                looked.curves,
                broke=broke,
                stop_reason=getattr(network, "stop_reason_", None),
            ),
            looked.start,
            output,
            data,
            self.broken,
            time.perf_counter() - begun,
        )

    def _inputs(self, rows: Rows) -> tuple[Any, Any]:
        """Return the inputs of both parts as the network gets them, before a scaling of its own."""
        X, X_val, owner = rows.X, rows.X_val, self.owner
        if isinstance(self.estimator, Pipeline) and len(self.estimator.steps) > 1:
            try:
                X, X_val = self.estimator[:-1].transform(X), self.estimator[:-1].transform(X_val)
            except Exception:
                if not self.failed:
                    raise
        if hasattr(owner, "encoder_"):
            X, X_val = owner._encoded(X), owner._encoded(X_val)
        return X, X_val

    def _loss_curve(self) -> list[float]:
        """Return the loss of each epoch, of a loss that is a sum over a batch a row's part."""
        network = self.network
        if not hasattr(network, "_network"):
            return []
        losses = [float(loss) for loss in network.loss_curve_]
        while losses and not math.isfinite(losses[-1]) and self.failed:
            losses.pop()
        loss = network._network.spec.heads[0].loss
        run = self.recorder.run
        size = run.source.batch_size if run is not None and loss in ("half_squared", "rss") else 1
        return [each / size for each in losses]

    def _looked(self, rows: Rows, inputs: tuple[Any, Any]) -> _Looked:
        """Find the figures from the copies; nothing where training never began."""
        network, recorder = self.network, self.recorder
        if not hasattr(network, "_network"):
            return _NOTHING
        trainer = getattr(network, "_trainer", None) or build_trainer(network, copy.deepcopy(network._network))
        terms = estimator_terms(network, trainer.loss, self.task)
        held_out = self._encoded(inputs[1], rows.y_val)
        if recorder.run is None:
            train = self._encoded(inputs[0], rows.y)
            if train is None:
                return _NOTHING
            steps = int(getattr(trainer.rule, "n_steps", 0))
            moments = [Moment(int(network.n_iter_), steps, tensors_of(network._current_network()), None)]
            return _look(trainer.rule, moments, terms, train, held_out, batch_size=_PROBE_ROWS, name=None)
        source = recorder.run.source
        if not isinstance(source, (ArraySource, SparseSource)):
            return _NOTHING
        train = source._batch(_some(source.n_rows, max(_CURVE_ROWS, source.batch_size)))
        head = network._network.spec.heads[0]
        name = None if recorder.moments[0].epoch else "" if callable(network.loss) else head.loss  # None: taken up
        final = tensors_of(network._current_network()) if hasattr(network, "stop_reason_") else None
        looked = _look(
            recorder.run.rule, recorder.moments, terms, train, held_out, batch_size=source.batch_size, name=name,
            final=final,
        )  # fmt: skip
        if self.broken is not None or getattr(network, "stop_reason_", None) == "diverged":
            last = self.broken.epoch if self.broken is not None else int(network.n_iter_)
            self.broken = find_non_finite(recorder, terms, last_epoch=last) or self.broken
        return looked

    def _encoded(self, X: Any, y: Any) -> Batch | None:
        """Return rows as the network takes them, without those of classes that it has not seen."""
        network, owner = self.network, self.owner
        targets = _targets(y)
        if isinstance(owner, BaseTable):
            targets = owner._transform_target(targets)
        if hasattr(network, "classes_") and targets.ndim == 1:
            known = np.flatnonzero(np.isin(targets, network.classes_))
            X, targets = (X.iloc[known] if hasattr(X, "iloc") else X[known]), targets[known]
        if not len(targets) or not _finite(X) or not _finite(targets):
            return None
        most = _some(len(targets), _CURVE_ROWS)
        X, targets = (X.iloc[most] if hasattr(X, "iloc") else X[most]), targets[most]
        if isinstance(network, MLPClassifier):
            X, encoded, _ = network._encode_validation(X, targets)
        else:
            X, encoded, _ = network._validate_input(X, targets, incremental=True, reset=False)
        x = network._scaled(X, reset=False)
        dtype = network._network.weights[0].dtype
        return Batch(as_tensor(x.toarray() if is_sparse(x) else x, dtype), as_tensor(encoded, dtype))

    def _output(
        self, rows: Rows, targets: tuple[np.ndarray, np.ndarray], numbers: tuple[np.ndarray, np.ndarray],
        looked: _Looked,
    ) -> OutputEvidence:  # fmt: skip
        estimator = self.estimator
        probs = None
        if self.task == "classification" and targets[0].ndim == 1 and hasattr(estimator, "predict_proba"):
            probs = np.asarray(estimator.predict_proba(rows.X_val))
        return compared(
            *targets,
            np.asarray(estimator.predict(rows.X_val)),
            numbers,
            task=self.task,
            scores=(float(estimator.score(rows.X, rows.y)), float(estimator.score(rows.X_val, rows.y_val))),
            losses=looked.losses,
            probs=probs,
        )


def _look(
    rule: Any, moments: list[Moment], terms: Terms, train: Batch, held_out: Batch | None, *, batch_size: int,
    name: str | None, final: list[Tensor] | None = None,
) -> _Looked:  # fmt: skip
    """Return layers, curves and start; ``name`` of the loss is None where there are no weights of the start.

    ``final`` are the weights that are kept where those are not the last that were seen.
    """
    replica = Replica(rule)
    layers, curves = look_back(
        replica,
        moments,
        terms,
        probe=_first(train, _PROBE_ROWS),
        step_rows=_first(train, batch_size),
        train=_first(train, _CURVE_ROWS),
        held_out=held_out,
    )
    noise = _first(train, _NOISE_ROWS)
    replica.load(moments[-1] if final is None else Moment(0, 0, final, None))
    replica.network.eval()
    val_loss = None if held_out is None else figures_of(replica.network, terms, held_out.to(replica.device))[0]
    losses = (figures_of(replica.network, terms, _first(train, _CURVE_ROWS).to(replica.device))[0], val_loss)
    if name is None or train.y is None:
        return _Looked(layers, curves, None, losses)
    replica.load(moments[-1])
    at_end = noise_scale(replica.network, terms, noise.to(replica.device))
    replica.load(moments[0])
    at_start = noise_scale(replica.network, terms, noise.to(replica.device))
    plain = Batch(train.x, train.y)
    with torch.no_grad():
        scores = replica.network(plain.x.to(replica.device))
    prior = constant_loss(terms, scores, train.y, name=name)
    start = look_at_start(replica.network, terms, _first(plain, _CURVE_ROWS).to(replica.device))
    return _Looked(
        layers,
        curves,
        StartEvidence(
            start.loss, prior, start.one_batch_loss, start.one_batch_start, start.one_batch_steps, at_start, at_end
        ),
        losses,
    )


def _first(rows: Batch, n: int) -> Batch:
    return Batch(*(None if part is None else part[:n] for part in rows))  # type: ignore[arg-type]


def _some(n_rows: int, most: int) -> np.ndarray:
    """Return rows drawn without touching any generator but one of its own."""
    return np.random.RandomState(0).permutation(n_rows)[:most]


def _targets(y: Any) -> np.ndarray:
    values = np.asarray(y)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _finite(values: Any) -> bool:
    if hasattr(values, "tocsr"):
        values = values.tocsr().data
    numbers = values.select_dtypes("number") if hasattr(values, "select_dtypes") else values
    array = np.asarray(numbers)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _plain(X: Any) -> np.ndarray:
    X = X.toarray() if hasattr(X, "toarray") else X
    return np.asarray(X.select_dtypes("number") if hasattr(X, "select_dtypes") else X, dtype=float)


def _names(X: Any, numbers: np.ndarray) -> list[str]:
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else []
    return names if len(names) == numbers.shape[1] else [f"x{place}" for place in range(numbers.shape[1])]
