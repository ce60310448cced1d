"""Greedy training, layer by layer: each learns from what the one below makes of the data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch

from strata.engine import train
from strata.engine.history import History
from strata.estimators._parameters import hidden_sizes
from strata.estimators._rbm_parts import as_dense, rows_source
from strata.estimators._training import build_network
from strata.nn.dense import DenseSpec, Head
from strata.nn.rbm import RBM
from strata.rules._checks import check_count, check_number
from strata.rules.auto_associator import AutoAssociator
from strata.rules.base import Rule
from strata.rules.compiled import CompiledDense
from strata.rules.contrastive import ContrastiveDivergence
from strata.rules.optimizers import SGD

__all__ = ["Greedy", "Layer", "by_layer", "check_greedy", "checked_steps"]

_ROWS_AT_ONCE = 4096


@dataclass
class Layer:
    """One layer after greedy training.

    Attributes
    ----------
    weight : ndarray of shape (n_in, n_out)
        Weights.
    hidden_bias : ndarray of shape (n_out,)
        Biases of the units.
    visible_bias : ndarray of shape (n_in,)
        Biases of the way back; zeros where there is none.
    history : History
        Figures of its epochs.
    """

    weight: np.ndarray
    hidden_bias: np.ndarray
    visible_bias: np.ndarray
    history: History


def by_layer(name: str, value: Any, n_layers: int) -> list[Any]:
    """Return one value for each layer, of one for all or a list of them."""
    if not isinstance(value, (tuple, list)):
        return [value] * n_layers
    if len(value) != n_layers:
        raise ValueError(f"`{name}` must be one number, or one for each of {n_layers} layers. Received: {value!r}.")
    return list(value)


def check_greedy(estimator: Any) -> None:
    """Refuse arguments of greedy training that are lists, before any layer learns, by the names they have there."""
    n_layers = len(hidden_sizes(estimator.hidden_layer_sizes))
    for value in by_layer("pretraining_iter", estimator.pretraining_iter, n_layers):
        check_count("pretraining_iter", value, at_least=0)
    for value in by_layer("pretraining_rate", estimator.pretraining_rate, n_layers):
        check_number("pretraining_rate", value, above=0)
    momentum = estimator.pretraining_momentum
    pair = momentum if isinstance(momentum, (tuple, list)) else (momentum, momentum)
    if len(pair) != 2:
        raise ValueError(
            f"`pretraining_momentum` must be a number or a pair of them. Received: pretraining_momentum={momentum!r}."
        )
    for value in pair:
        check_number("pretraining_momentum", value, at_least=0, below=1)


def checked_steps(steps: Any) -> int | tuple[tuple[int, int], ...]:
    """Return the Gibbs steps of the up-down algorithm, one number or pairs of an epoch and a number."""
    if isinstance(steps, Integral):
        return check_count("up_down_steps", steps)
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in steps):
        raise ValueError(
            f"`up_down_steps` must be a number, or pairs of an epoch and steps. Received: up_down_steps={steps!r}."
        )
    return tuple(
        (check_count("up_down_steps", epoch, at_least=0), check_count("up_down_steps", number))
        for epoch, number in steps
    )


@dataclass(frozen=True)
class Greedy:
    """How layers are trained one after the other.

    Attributes
    ----------
    kind : {"rbm", "autoencoder", "supervised"}
        What a layer is while it learns.
    epochs, rate : number or sequence of them
        For all layers, or one for each.
    batch_size : int
        Rows of a batch.
    momentum : float or (float, float)
        Momentum, or that of the first five epochs and that of the rest; the other kinds take the last.
    weight_decay : float
        L2 penalty.
    n_gibbs_steps, persistent : int, bool
        Chains of the machines.
    hidden_values : {"probabilities", "samples"}
        What the next layer learns from.
    visible : {"binary", "gaussian", "rectified"}
        Kind of the inputs of the first layer.
    corruption : float
        Share of the inputs that is hidden from an auto-associator.
    init_sigma : float
        Deviation of the first weights of the machines.
    n_threads : int or None
        Most threads.
    verbose : bool
        Whether to say every epoch.
    """

    kind: str
    epochs: Any = 10
    rate: Any = 0.1
    batch_size: int = 100
    momentum: Any = (0.5, 0.9)
    weight_decay: float = 2e-4
    n_gibbs_steps: int = 1
    persistent: bool = False
    hidden_values: str = "probabilities"
    visible: str = "binary"
    corruption: float = 0.0
    init_sigma: float = 0.01
    n_threads: int | None = None
    verbose: bool = False

    def train(
        self,
        X: Any,
        sizes: Sequence[int],
        *,
        dtype: Any,
        random_state: np.random.RandomState,
        targets: np.ndarray | None = None,
        heads: tuple[Head, ...] = (),
    ) -> list[Layer]:
        """Train layers of given sizes.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_in)
            Inputs of the first.
        sizes : sequence of int
            Units of each layer.
        dtype : dtype
            Of the weights.
        random_state : RandomState
            Source of all draws.
        targets : ndarray of shape (n, t), optional
            Targets, for the supervised kind.
        heads : tuple of Head
            Outputs of the network of one hidden layer, for the supervised kind.

        Returns
        -------
        layers : list of Layer
            The lowest first.
        """
        layers: list[Layer] = []
        epochs = by_layer("pretraining_iter", self.epochs, len(sizes))
        rates = by_layer("pretraining_rate", self.rate, len(sizes))
        values: Any = X
        for level, size in enumerate(sizes):
            rule = self._rule(level, values.shape[1], int(size), float(rates[level]), dtype, random_state, heads)
            source = rows_source(
                values,
                batch_size=min(self.batch_size, values.shape[0]),
                shuffle=True,
                random_state=int(random_state.randint(2**31 - 1)),
                targets=targets if self.kind == "supervised" else None,
            )
            run = train(rule, source, max_epochs=int(epochs[level]))
            run.hand_on_interrupt()
            if self.verbose and len(run.history):
                last = {name: run.history[name][-1] for name in run.history.columns if name != "epoch"}
                words = ", ".join(f"{name} {value:.5g}" for name, value in last.items())
                sys.stdout.write(f"Layer {level + 1} of {len(sizes)}, {len(run.history)} epochs: {words}\n")
            layers.append(_layer(rule, run.history))
            if level + 1 < len(sizes):
                values = self._next(values, layers[-1], random_state)
        return layers

    def _rule(
        self,
        level: int,
        n_in: int,
        size: int,
        rate: float,
        dtype: Any,
        random_state: np.random.RandomState,
        heads: tuple[Head, ...],
    ) -> Rule:
        kind = torch.float32 if dtype == np.float32 else torch.float64
        visible = self.visible if level == 0 else "binary"
        pair = self.momentum if isinstance(self.momentum, (tuple, list)) else (self.momentum, self.momentum)
        if self.kind == "rbm":
            sigma = self.init_sigma
            machine = RBM(n_in, size, visible=visible, init_sigma=sigma, dtype=kind, random_state=random_state)
            return ContrastiveDivergence(
                machine,
                learning_rate=rate,
                n_gibbs_steps=self.n_gibbs_steps,
                persistent=self.persistent,
                n_chains=self.batch_size,
                sampling="all" if self.persistent else "hidden",
                momentum=(float(pair[0]), float(pair[1])),
                weight_decay=self.weight_decay,
                random_state=random_state,
                n_threads=self.n_threads,
            )
        if self.kind == "autoencoder":
            return AutoAssociator(
                n_in,
                size,
                learning_rate=rate,
                momentum=float(pair[1]),
                weight_decay=self.weight_decay,
                corruption=self.corruption,
                output="binary" if visible == "binary" else "gaussian",
                dtype=kind,
                random_state=random_state,
            )
        spec = DenseSpec(n_in, (size,), ("logistic",), heads)
        network = build_network(
            spec, dtype, scheme="auto", sigma=0.01, activation="logistic", random_state=random_state
        )
        optimizer = SGD(learning_rate=rate, momentum=float(pair[1]), weight_decay=self.weight_decay, form="lecture")
        return CompiledDense(network, optimizer=optimizer, n_threads=self.n_threads)

    def _next(self, values: Any, layer: Layer, random_state: np.random.RandomState) -> np.ndarray:
        """Return what the next layer learns from."""
        weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.hidden_bias)
        out = np.empty((values.shape[0], layer.weight.shape[1]), dtype=layer.weight.dtype)
        for start in range(0, len(out), _ROWS_AT_ONCE):
            rows = as_dense(values[start : start + _ROWS_AT_ONCE], weight.dtype)
            probs = torch.addmm(bias, rows, weight).sigmoid_().numpy()
            if self.hidden_values == "samples":
                probs = random_state.random_sample(probs.shape) < probs
            out[start : start + _ROWS_AT_ONCE] = probs
        return out


def _layer(rule: Rule, history: History) -> Layer:
    if isinstance(rule, ContrastiveDivergence):
        parts = (rule.rbm.weight, rule.rbm.hidden_bias, rule.rbm.visible_bias)
    elif isinstance(rule, AutoAssociator):
        parts = (rule.weight, rule.hidden_bias, rule.visible_bias)
    else:
        network: Any = rule.network
        weight = network.weights[0]
        parts = (weight, network.biases[0], weight.new_zeros(weight.shape[0]))
    weight, hidden_bias, visible_bias = (np.ascontiguousarray(part.detach().numpy()).copy() for part in parts)
    return Layer(weight, hidden_bias, visible_bias, history)
