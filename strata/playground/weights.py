"""Weights of whatever learns, in one form: arrays of shape ``(n_in, n_out)`` and ``(n_out,)`` by layer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strata.diagnosis.recorder import network_of
from strata.rules.base import Rule

__all__ = ["Edit", "Weights", "edited", "put_weights", "weights_of_model", "weights_of_rule"]

Floats = NDArray[np.float64]
#: Layer, unit that it comes from (None for a bias), unit that it goes to, value.
Edit = tuple[int, int | None, int, float]


class Weights(NamedTuple):
    """Weights and biases by layer; of a bag with the number of the network in front.

    Attributes
    ----------
    coefs : list of ndarray of shape (n_in, n_out)
        Weights.
    intercepts : list of ndarray of shape (n_out,)
        Biases.
    """

    coefs: list[Floats]
    intercepts: list[Floats]

    def copy(self) -> Weights:
        """Return copies of all arrays."""
        return Weights([a.copy() for a in self.coefs], [a.copy() for a in self.intercepts])

    @property
    def n_bytes(self) -> int:
        """Memory of the arrays."""
        return sum(a.nbytes for a in (*self.coefs, *self.intercepts))

    def flat(self) -> Floats:
        """Return all numbers as one vector."""
        return np.concatenate([a.ravel() for a in (*self.coefs, *self.intercepts)])

    def like(self, vector: Floats) -> Weights:
        """Return the numbers of a vector in the shapes of these arrays."""
        arrays, place = [], 0
        for array in (*self.coefs, *self.intercepts):
            arrays.append(vector[place : place + array.size].reshape(array.shape).copy())
            place += array.size
        return Weights(arrays[: len(self.coefs)], arrays[len(self.coefs) :])


def _copied(tensors: Any) -> list[Floats]:
    return [tensor.detach().cpu().numpy().astype(np.float64) for tensor in tensors]


def weights_of_rule(rule: Rule) -> Weights:
    """Return a copy of the weights of a rule: of a network, of a bag of them, or of single neurons.

    Parameters
    ----------
    rule : Rule
        In the midst of learning.

    Returns
    -------
    weights : Weights
        Copies.
    """
    members = getattr(rule, "members", None)
    if members is not None:
        each = [weights_of_rule(member) for member in members]
        return Weights(
            [np.stack(layer) for layer in zip(*(w.coefs for w in each), strict=True)],
            [np.stack(layer) for layer in zip(*(w.intercepts for w in each), strict=True)],
        )
    network: Any = network_of(rule)
    if hasattr(network, "biases"):
        return Weights(_copied(network.weights), _copied(network.biases))
    return Weights([weight.T.copy() for weight in _copied([network.weight])], _copied([network.bias]))


def weights_of_model(model: Any) -> Weights:
    """Return a copy of the weights of a fitted estimator, or of a gate, whose bias is minus its threshold.

    Parameters
    ----------
    model : estimator
        A network, a bag, or a single layer of neurons.

    Returns
    -------
    weights : Weights
        Copies.
    """
    if hasattr(model, "coefs_"):
        return Weights([np.array(a) for a in model.coefs_], [np.array(a) for a in model.intercepts_])
    if hasattr(model, "coef_"):
        return Weights([np.atleast_2d(model.coef_).T.copy()], [np.atleast_1d(model.intercept_).astype(np.float64)])
    weights = np.atleast_2d(np.asarray(model.weights, dtype=np.float64))
    return Weights([weights.T.copy()], [-np.atleast_1d(np.asarray(model.threshold, dtype=np.float64))])


def put_weights(model: Any, weights: Weights) -> None:
    """Give an estimator weights, in place where it shares them with a network.

    Parameters
    ----------
    model : estimator
        Of the same shapes.
    weights : Weights
        They are copied.
    """
    if hasattr(model, "coefs_"):
        for mine, given in zip((*model.coefs_, *model.intercepts_), (*weights.coefs, *weights.intercepts), strict=True):
            mine[...] = given
    elif hasattr(model, "coef_"):
        single = np.ndim(model.coef_) == 1
        model.coef_ = weights.coefs[0][:, 0].copy() if single else weights.coefs[0].T.copy()
        model.intercept_ = float(weights.intercepts[0][0]) if single else weights.intercepts[0].copy()
    else:
        model.weights = [float(w) for w in weights.coefs[0][:, 0]]
        model.threshold = -float(weights.intercepts[0][0])


def edited(weights: Weights, edits: tuple[Edit, ...]) -> Weights:
    """Return a copy of weights with some of them set by hand.

    Parameters
    ----------
    weights : Weights
        Of one network.
    edits : tuple of Edit
        Done in their order.

    Returns
    -------
    weights : Weights
        The argument is left alone.
    """
    changed = weights.copy()
    for layer, source, to, value in edits:
        if source is None:
            changed.intercepts[layer][to] = value
        else:
            changed.coefs[layer][source, to] = value
    return changed
