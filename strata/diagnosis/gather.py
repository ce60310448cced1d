"""Train a copy once with a watcher beside it, and write down everything that the judges ask for."""

import copy
import math
import time
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from strata.diagnosis._comparing import look_at_rows, peer_scores
from strata.diagnosis._watching import EPOCHS, ModuleWatcher, Watcher
from strata.diagnosis.evidence import (
    CurveEvidence,
    DataEvidence,
    Evidence,
    NonFiniteEvidence,
    OutputEvidence,
    SettingsEvidence,
    StartEvidence,
)
from strata.diagnosis.treatment import network_path
from strata.errors import NonFiniteError
from strata.estimators import MLPClassifier, MLPRegressor

__all__ = ["gather", "gather_module"]


def gather(
    estimator: Any, X: Any, y: Any, *, X_val: Any, y_val: Any, sample_weight: Any = None
) -> tuple[Any, Evidence]:
    """Train a copy of an estimator and return it with the evidence.

    Parameters
    ----------
    estimator : estimator
        A multi-layer perceptron, a table estimator, or a pipeline that ends with one.
    X : array or DataFrame of shape (n_samples, n_features)
        Rows to learn from.
    y : ndarray of shape (n_samples,)
        Their targets.
    X_val : array or DataFrame of shape (n_val, n_features)
        Held-out rows.
    y_val : ndarray of shape (n_val,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the rows.

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
    """
    begun = time.perf_counter()
    fitted, watcher = clone(estimator), Watcher()
    prefix = network_path(fitted)
    if prefix.endswith("network__") and fitted.get_params()[prefix.removesuffix("__")] is None:
        owner = fitted.steps[-1][1] if isinstance(fitted, Pipeline) else fitted
        owner.set_params(network=owner._default_network())
    network = fitted.get_params().get(prefix.removesuffix("__"), fitted) if prefix else fitted
    if not isinstance(network, (MLPClassifier, MLPRegressor)):
        raise TypeError(
            f"`estimator` must be or hold an MLPClassifier or MLPRegressor. Received: {type(network).__name__}."
        )
    fitted.set_params(**{f"{prefix}callbacks": [watcher, *(network.callbacks or ())]})
    task = "classification" if is_classifier(fitted) else "regression"
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    broken, failed = None, False
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fitted.fit(X, y, **weights)
        except NonFiniteError as error:
            broken, failed = _first_bad(error, network, len(y)), True
        except ValueError:
            if _finite(X):
                raise
            broken, failed = NonFiniteEvidence(0, 0, "inputs", math.nan), True
        trained = _inner(fitted)
        watcher = next((each for each in trained.callbacks or () if isinstance(each, Watcher)), watcher)  # or its copy
        rows, rows_val, scaled = _numbers(fitted, X, X_val, failed=failed)
        targets, targets_val = np.asarray(y), np.asarray(y_val)
        data = look_at_rows(rows, targets, rows_val, targets_val, task=task, names=_names(fitted, X, rows))
        output = None if failed else _output(fitted, X, targets, X_val, targets_val, (rows, rows_val), task, watcher)
    settings = _settings(trained, task, len(targets), scaled=scaled)
    evidence = Evidence(
        settings, watcher.layers(), _curves(trained, watcher, broken), _start(watcher, targets, settings), output, data,
        broken, time.perf_counter() - begun,
    )  # fmt: skip
    return fitted, evidence


def _first_bad(error: NonFiniteError, network: Any, n_rows: int) -> NonFiniteEvidence:
    """Return where training broke, with the step counted from 1."""
    rows = min(200, n_rows) if network.batch_size == "auto" else max(1, min(int(network.batch_size), n_rows))
    return NonFiniteEvidence(error.epoch, max(0, error.epoch - 1) * -(-n_rows // rows) + error.batch, "loss", math.nan)


def _inner(fitted: Any) -> Any:
    """Return the network inside, fitted or not."""
    last = fitted.steps[-1][1] if isinstance(fitted, Pipeline) else fitted
    return getattr(last, "network_", getattr(last, "network", last))


def _finite(X: Any) -> bool:
    numbers = np.asarray(X.select_dtypes("number") if hasattr(X, "iloc") else X, dtype=float)
    return bool(np.isfinite(numbers).all())


def _numbers(fitted: Any, X: Any, X_val: Any, *, failed: bool) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the inputs as the network gets them, as plain numbers, and whether something has scaled them."""
    scaled = bool(getattr(_inner(fitted), "scale_inputs", False))
    if isinstance(fitted, Pipeline):
        if not failed:
            X, X_val = fitted[:-1].transform(X), fitted[:-1].transform(X_val)
        fitted = fitted.steps[-1][1]
    if hasattr(fitted, "encoder_"):
        return fitted._encoded(X), fitted._encoded(X_val), bool(fitted.scale)
    dense = (rows.toarray() if hasattr(rows, "toarray") else rows for rows in (X, X_val))
    first, second = (
        np.asarray(rows.select_dtypes("number") if hasattr(rows, "iloc") else rows, dtype=float) for rows in dense
    )
    return first, second, scaled


def _names(fitted: Any, X: Any, rows: np.ndarray) -> list[str]:
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else []
    return names if len(names) == rows.shape[1] else [f"x{place}" for place in range(rows.shape[1])]


def _settings(network: Any, task: str, n_rows: int, *, scaled: bool) -> SettingsEvidence:
    parameters = network.get_params(deep=False)
    head = network._network.spec.heads[0] if hasattr(network, "_network") else None
    sizes = parameters["hidden_layer_sizes"]
    batch = parameters["batch_size"]
    stochastic = str(parameters["solver"]) not in ("lbfgs", "rprop")
    solver = parameters["solver"]
    rate = getattr(solver, "learning_rate", parameters["learning_rate_init"])
    drop = parameters["dropout"]
    weights = parameters.get("class_weight")
    return SettingsEvidence(
        task=task,
        estimator=type(network).__name__,
        hidden_layer_sizes=tuple(int(size) for size in np.atleast_1d(np.asarray(sizes, dtype=int))),
        n_parameters=sum(
            values.size for values in (*getattr(network, "coefs_", ()), *getattr(network, "intercepts_", ()))
        ),
        loss=str(parameters["loss"]) if head is None else head.loss,
        out_activation=str(parameters["out_activation"]) if head is None else head.output_activation,
        solver=solver if isinstance(solver, str) else str(getattr(solver, "name", type(solver).__name__)),
        learning_rate=float(rate),
        batch_size=(min(200, n_rows) if stochastic else n_rows) if batch == "auto" else int(min(batch, n_rows)),
        alpha=float(parameters["alpha"]),
        l1=float(parameters["l1"]),
        dropout=max(float(np.max(drop, initial=0.0)), float(parameters["input_dropout"])),
        max_norm=parameters["max_norm"],
        init=str(parameters["init"]),
        shuffle=bool(parameters["shuffle"]) and stochastic,
        early_stopping=bool(parameters["early_stopping"]),
        scale_inputs=scaled,
        class_weight=None if weights is None else str(weights),
        parameters={name: value for name, value in parameters.items() if isinstance(value, (str, int, float, bool))},
    )


def _curves(network: Any, watcher: Watcher, broken: NonFiniteEvidence | None) -> CurveEvidence:
    losses = tuple(watcher.losses)
    reason = getattr(network, "stop_reason_", None)
    if broken is not None and broken.where == "loss":
        losses, reason = (*losses, math.nan), "diverged"
    patience = float(network.n_iter_no_change)
    return CurveEvidence(
        loss=losses, val_loss=(), val_score=(), val_epochs=(), train_loss=(), train_score=(), stop_reason=reason,
        n_epochs=len(losses), max_epochs=int(network.max_iter), patience=patience if math.isfinite(patience) else None,
    )  # fmt: skip


def _prior_loss(targets: np.ndarray, task: str, loss: str) -> float:
    if task == "classification":
        _, counts = np.unique(targets, return_counts=True)
        shares = counts / counts.sum()
        return float(-(shares * np.log(shares)).sum())
    variance = float(np.var(targets.astype(float), axis=0).sum())
    return variance / 2 if loss in ("squared_error", "half_squared") else variance


def _start(watcher: Watcher, targets: np.ndarray, settings: SettingsEvidence) -> StartEvidence | None:
    if watcher.start_loss is None:
        return None
    prior = _prior_loss(targets, settings.task, settings.loss)
    return StartEvidence(watcher.start_loss, prior, None, None, None, None, None)


def _output(
    fitted: Any, X: Any, y: np.ndarray, X_val: Any, y_val: np.ndarray, numbers: tuple[np.ndarray, np.ndarray],
    task: str, watcher: Watcher,
) -> OutputEvidence:  # fmt: skip
    check_is_fitted(fitted)
    answers = np.asarray(fitted.predict(X_val))
    return _compared(
        y, y_val, answers, float(fitted.score(X, y)), float(fitted.score(X_val, y_val)), numbers, task,
        train_loss=watcher.losses[-1] if watcher.losses else math.nan,
    )  # fmt: skip


def _compared(
    y: np.ndarray, y_val: np.ndarray, answers: np.ndarray, score: float, score_val: float,
    numbers: tuple[np.ndarray, np.ndarray], task: str, *, train_loss: float,
) -> OutputEvidence:  # fmt: skip
    linear, neighbours, trees = peer_scores(numbers[0], y, numbers[1], y_val, task=task)
    predicted: tuple[float, ...] = ()
    true: tuple[float, ...] = ()
    recalls: tuple[float, ...] = ()
    spread, baseline = None, 0.0
    if task == "classification":
        labels, counts = np.unique(y, return_counts=True)
        baseline = float((y_val == labels[counts.argmax()]).mean())
        predicted = tuple(float((answers == label).mean()) for label in labels)
        true = tuple(float((y_val == label).mean()) for label in labels)
        recalls = tuple(
            float((answers[y_val == label] == label).mean()) if (y_val == label).any() else math.nan for label in labels
        )
    else:
        spread = float(np.std(answers) / max(float(np.std(y_val)), 1e-12))
    return OutputEvidence(
        train_loss=train_loss, val_loss=None, train_score=score, val_score=score_val, val_rows=len(y_val),
        baseline_score=baseline, linear_score=linear, neighbours_score=neighbours, trees_score=trees,
        predicted_shares=predicted, true_shares=true, class_recalls=recalls, spread_ratio=spread, mean_confidence=None,
    )  # fmt: skip


def gather_module(
    module: nn.Module,
    loss: Any,
    optimizer: torch.optim.Optimizer,
    loader: Iterable[Any],
    *,
    val_loader: Iterable[Any] | None = None,
    epochs: int = 20,
) -> Evidence:
    """Train a module of one's own while looking at its linear layers; afterwards it is as it was.

    Parameters
    ----------
    module : nn.Module
        On the CPU.
    loss : callable
        ``loss(scores, targets)``.
    optimizer : torch.optim.Optimizer
        Over the module's parameters.
    loader : iterable of (inputs, targets)
        One pass is an epoch.
    val_loader : iterable of (inputs, targets), optional
        Held-out batches; by default those of ``loader``.
    epochs : int, default=20
        How long to train.

    Returns
    -------
    evidence : Evidence
        What was seen.
    """
    begun = time.perf_counter()
    kept = copy.deepcopy((module.state_dict(), optimizer.state_dict(), module.training))
    rows = _collected(loader)
    rows_val = rows if val_loader is None else _collected(val_loader)
    order = np.random.RandomState(0).permutation(len(rows[0]))[:256]
    watcher = ModuleWatcher(module, loss, (rows[0][order], rows[1][order]))
    try:
        start = watcher.look(0, 0)
        losses, broken = _trained(module, loss, optimizer, loader, watcher, epochs)
        module.eval()
        with torch.no_grad():
            scores, scores_val = module(rows[0]), module(rows_val[0])
    finally:
        module.load_state_dict(kept[0])
        optimizer.load_state_dict(kept[1])
        module.train(kept[2])
    return _module_evidence(
        module, loss, optimizer, watcher, (rows, rows_val), (scores, scores_val), losses, broken, start, epochs,
        time.perf_counter() - begun,
    )  # fmt: skip


def _collected(loader: Iterable[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    batches = [(batch[0], batch[1]) for batch in loader]
    if not batches:
        raise ValueError("`loader` must hand out batches. Received: an empty loader.")
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def _trained(
    module: nn.Module, loss: Any, optimizer: Any, loader: Iterable[Any], watcher: ModuleWatcher, epochs: int
) -> tuple[list[float], NonFiniteEvidence | None]:
    losses: list[float] = []
    step = 0
    module.train()
    for epoch in range(1, epochs + 1):
        total, n_rows = 0.0, 0
        for x, y, *_ in loader:
            optimizer.zero_grad()
            value = loss(module(x), y)
            value.backward()
            optimizer.step()
            step += 1
            if not math.isfinite(value.item()):
                return [*losses, math.nan], NonFiniteEvidence(epoch, step, "loss", value.item())
            total, n_rows = total + value.item() * len(x), n_rows + len(x)
        losses.append(total / max(1, n_rows))
        if epoch in EPOCHS or epoch == epochs:
            watcher.look(step, epoch)
    return losses, None


def _labels_of(scores: torch.Tensor, loss: Any) -> np.ndarray:
    if scores.ndim > 1 and scores.shape[-1] > 1:
        return scores.argmax(dim=-1).reshape(-1).numpy()
    cut = 0.5 if type(loss).__name__ == "BCELoss" else 0.0
    return (scores.reshape(-1) > cut).numpy().astype(int)


def _module_evidence(
    module: nn.Module, loss: Any, optimizer: Any, watcher: ModuleWatcher, rows: Any, scores: Any, losses: list[float],
    broken: NonFiniteEvidence | None, start: float, epochs: int, seconds: float,
) -> Evidence:  # fmt: skip
    name = str(getattr(loss, "__name__", type(loss).__name__))
    (x, t), (x_val, t_val) = rows
    is_index = not t.is_floating_point()
    binary = name.lower().startswith("b") and bool(((t == 0) | (t == 1)).all())
    task = "classification" if is_index or binary else "regression"
    y, y_val = t.reshape(-1).numpy(), t_val.reshape(-1).numpy()
    if binary:
        y, y_val = y.astype(int), y_val.astype(int)
    numbers = (x.reshape(len(x), -1).numpy().astype(float), x_val.reshape(len(x_val), -1).numpy().astype(float))
    output = None
    if broken is None and all(bool(torch.isfinite(each).all()) for each in scores):
        if task == "classification":
            answers, answers_val = (_labels_of(each, loss) for each in scores)
            own, own_val = float((answers == y).mean()), float((answers_val == y_val).mean())
        else:
            answers, answers_val = (each.reshape(-1).numpy().astype(float) for each in scores)
            own, own_val = _r2(y, answers), _r2(y_val, answers_val)
        output = _compared(y, y_val, answers_val, own, own_val, numbers, task, train_loss=losses[-1])
    data: DataEvidence = look_at_rows(
        numbers[0], y, numbers[1], y_val, task=task, names=[f"x{place}" for place in range(numbers[0].shape[1])]
    )
    group = optimizer.param_groups[0]
    layers = watcher.layers()
    settings = SettingsEvidence(
        task=task, estimator=type(module).__name__, hidden_layer_sizes=tuple(layer.n_units for layer in layers[:-1]),
        n_parameters=sum(value.numel() for value in module.parameters()), loss=name, out_activation=watcher.last_unit,
        solver=type(optimizer).__name__.lower(), learning_rate=float(group["lr"]),
        batch_size=_batch_size(rows, layers, losses),
        alpha=float(group.get("weight_decay", 0.0)), l1=0.0,
        dropout=max((part.p for part in module.modules() if isinstance(part, nn.Dropout)), default=0.0), max_norm=None,
        init="", shuffle=None, early_stopping=False, scale_inputs=False, class_weight=None,
    )  # fmt: skip
    finite = broken is None or bool(losses)
    curves = CurveEvidence(
        loss=tuple(losses), val_loss=(), val_score=(), val_epochs=(), train_loss=(), train_score=(),
        stop_reason="max_epochs" if broken is None else "diverged", n_epochs=len(losses) if finite else 0,
        max_epochs=epochs, patience=None,
    )  # fmt: skip
    prior = _prior_loss(y, task, name)
    return Evidence(
        settings,
        layers,
        curves,
        StartEvidence(start, prior, None, None, None, None, None),
        output,
        data,
        broken,
        seconds,
    )


def _batch_size(rows: Any, layers: Any, losses: list[float]) -> int | None:
    """Return rows a step, from the steps that the snapshots counted."""
    steps = max((layer.snapshots[-1].step for layer in layers), default=0)
    return None if steps == 0 or not losses else max(1, round(len(rows[0][0]) * len(losses) / steps))


def _r2(y: np.ndarray, answers: np.ndarray) -> float:
    total = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - answers) ** 2).sum()) / total if total > 0 else 0.0
