"""One step of learning in numbers, and the loss around the weights."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch

from strata._names import label_text
from strata.data.sources import Batch
from strata.estimators._training import build_trainer
from strata.estimators._validation import as_tensor, outputs_of
from strata.explain import loss_surface, path_directions
from strata.nn.dense import DenseLoss
from strata.playground.side import Side
from strata.playground.weights import Edit, Weights, weights_of_model, weights_of_rule

__all__ = ["look", "surface"]

_PATH = 300


def look(side: Side, message: Any) -> dict[str, Any]:
    """Show what one example does to the network: forward, backward, update, layer by layer.

    Parameters
    ----------
    side : Side
        A network.
    message : Message
        Which example, with its target where it is typed in; ``apply`` makes the update.

    Returns
    -------
    quantities : dict
        Plain numbers; weights in the order of ``coefs_``.

    Raises
    ------
    ValueError
        If there is no such example, no target, or the solver has no step for one example.
    """
    if not side.painter.is_network:
        raise ValueError("One step can be looked at in the mode 'network'. Choose it first.")
    if side.configuration.solver == "lbfgs":
        raise ValueError("L-BFGS searches along a line over all rows: it has no step for one example.")
    x, y, example = _example(side, message)
    model = side.finished_model()
    model.set_params(alpha=side.configuration.l2, l1=side.configuration.l1)  # of a batch of one row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = model.trace(x, y)
        before = weights_of_model(model)
        loss_before, loss_after, after = _update(model, x, y, side.rule_state if side.live else None)
    layers = _layers(side, traced, before, after)
    inputs = np.asarray(model._scaled(x, reset=False))[0].tolist()
    if message.apply and message.stage == "update":
        side.branch(_edits(before, after))
    return {
        "example": example,
        "inputs": inputs,
        "stage": message.stage,
        "layers": layers,
        "loss_before": loss_before,
        "loss_after": loss_after,
    }


def _example(side: Side, message: Any) -> tuple[Any, Any, dict[str, Any]]:
    rows = side.rows
    if isinstance(message.example, int):
        if message.example >= len(rows.train):
            raise ValueError(f"`example` must be below {len(rows.train)}. Received: example={message.example}.")
        place = rows.train[message.example : message.example + 1]
        x, y = rows.part(place)
        index: int | None = message.example
    else:
        x, y, index = _typed_in(side, message), rows.y[:1], None
    if message.target is not None:
        y = np.array([_target(side, message.target)])
    elif index is None and rows.problem == "regression":
        raise ValueError("`target` must be given with an example that is typed in.")
    value = y[0].item() if hasattr(y[0], "item") else y[0]
    label = label_text(value)[:100] if rows.labels else None
    return x, y, {"index": index, "inputs": x[0].tolist(), "target": value, "label": label}


def _typed_in(side: Side, message: Any) -> Any:
    rows = side.rows
    values = np.array([message.example], dtype=np.float64)
    if values.shape[1] == len(rows.columns) and rows.plane:
        return rows.inputs(values)
    if values.shape[1] != len(rows.features):
        raise ValueError(f"`example` must have {len(rows.features)} numbers. Received: {values.shape[1]}.")
    return values


def _target(side: Side, target: Any) -> Any:
    rows = side.rows
    if rows.problem == "regression":
        return float(target)
    found = [label for label in rows.labels if label == target or label_text(label) == str(target)]
    if not found and isinstance(target, float) and target.is_integer() and 0 <= target < len(rows.labels):
        found = [rows.labels[int(target)]]
    if not found:
        raise ValueError(f"`target` must be one of the classes. Received: target={target!r}.")
    return found[0]


def _update(model: Any, x: Any, y: Any, state: bytes | None) -> tuple[float, float, Weights]:
    """Let the real rule make one step with one example, on a copy; return both losses and the new weights."""
    X, targets, _ = model._encode_validation(x, y)
    network = model._current_network()
    dtype = network.weights[0].dtype
    batch = Batch(as_tensor(model._scaled(X, reset=False), dtype), as_tensor(targets, dtype))
    loss = DenseLoss(network.spec)
    before = float(loss(outputs_of(network, batch.x)[0], batch.y))
    rule = build_trainer(model, network).rule
    rule.plan(n_batches=1, max_epochs=int(model.max_iter))
    if state is not None:
        rule.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
    rule.train()
    rule.step(batch)
    rule.eval()
    after = float(loss(outputs_of(network, batch.x)[0], batch.y))
    return before, after, weights_of_rule(rule)


def _layers(side: Side, traced: list[Any], before: Weights, after: Weights) -> list[dict[str, Any]]:
    found = []
    for place, (layer, description) in enumerate(zip(traced, side.painter.layers(), strict=True)):
        w0, w1 = before.coefs[place], after.coefs[place]
        b0, b1 = before.intercepts[place], after.intercepts[place]
        numbers: dict[str, Any] = {
            "z": layer.z[0],
            "a": layer.a[0],
            "delta": layer.delta[0],
            "grad_weight": layer.grad_weight,
            "grad_bias": layer.grad_bias,
            "update_weight": w1 - w0,
            "update_bias": b1 - b0,
            "weight_before": w0,
            "bias_before": b0,
            "weight_after": w1,
            "bias_after": b1,
        }
        kind = "output" if description["kind"] == "output" else f"hidden {place + 1}"
        plain = {name: value.tolist() for name, value in numbers.items()}
        found.append({"name": kind, "activation": description["activation"], **plain})
    return found


def _edits(before: Weights, after: Weights) -> tuple[Edit, ...]:
    """Return an update as edits by hand, those weights that changed."""
    found: list[Edit] = []
    for layer, (w0, w1) in enumerate(zip(before.coefs, after.coefs, strict=True)):
        found += [(layer, int(i), int(j), float(w1[i, j])) for i, j in np.argwhere(w0 != w1)]
    for layer, (b0, b1) in enumerate(zip(before.intercepts, after.intercepts, strict=True)):
        found += [(layer, None, int(j), float(b1[j])) for (j,) in np.argwhere(b0 != b1)]
    return tuple(found)


def surface(side: Side, span: float, grid: int) -> dict[str, Any]:
    """Show the training loss, penalty included, around the weights along the two directions of the way so far.

    Parameters
    ----------
    side : Side
        What learned.
    span : float
        1 covers the way so far.
    grid : int
        Points along a side.

    Returns
    -------
    surface : dict
        Coordinates, losses, and the way.

    Raises
    ------
    ValueError
        If there are no weights of one network to vary, or they are not finite.
    """
    if side.painter.is_bag or not side.learns:
        raise ValueError("A loss surface needs one network that learns. Choose the mode 'network'.")
    moments = [moment for moment in side.history.moments if moment.epoch <= side.epoch]
    if len(moments) > _PATH:
        moments = [moments[place] for place in np.linspace(0, len(moments) - 1, _PATH).astype(int)]
    path = np.stack([*(moment.weights.flat() for moment in moments), side.weights.flat()])
    directions, shares = path_directions(path)
    coordinates = (path - path[-1]) @ directions.T
    reach = np.abs(coordinates).max(axis=0) * 1.25
    reach = span * np.where(reach > 1e-9, reach, 1.0)
    x, y = (np.linspace(-size, size, grid) for size in reach)
    try:
        losses = loss_surface(
            lambda theta: side.painter.objective(side.weights.like(theta)), path[-1], directions, x, y
        )
    finally:
        side.painter.put(side.weights)
    epochs = [*(moment.epoch for moment in moments), side.epoch]
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "losses": [[None if not np.isfinite(value) else float(value) for value in row] for row in losses],
        "path": [[float(a), float(b), int(e)] for (a, b), e in zip(coordinates, epochs, strict=True)],
        "axes": [f"direction 1 ({shares[0]:.0%} of the way)", f"direction 2 ({shares[1]:.0%} of the way)"],
        "sentence": (
            f"The training loss around the present weights, in the plane of the two directions that hold "
            f"{min(1.0, float(shares.sum())):.0%} of the way since epoch {epochs[0]}; a map of {path.shape[1]} weights "
            "in two dimensions leaves the rest out."
        ),
    }
