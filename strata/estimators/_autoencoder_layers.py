"""Greedy pre-training: each layer learns to give back what the layers before it make of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from strata.estimators._autoencoder_network import Shape, build_dense, mirrored
from strata.estimators._autoencoder_rows import blocks_of
from strata.estimators._autoencoder_training import Prices, build_trainer, run_trainer, source_of
from strata.estimators._validation import as_tensor
from strata.models import DenseAutoencoder
from strata.nn import DenseNetwork, Head

__all__ = ["pretrain"]


def pretrain(
    estimator: Any,
    network: nn.Module,
    shape: Shape,
    rows: Any,
    weight: np.ndarray | None,
    random_state: np.random.RandomState,
    seed: int,
    begun: float,
) -> list[list[float]]:
    """Train one layer after the other and write its weights into the network; return the loss curve of each.

    Layer l is the encoder of an autoencoder with one hidden layer, its decoder the mirror layer of the network. It
    learns from the expected codes of the layers before, spoilt by the estimator's noise.
    """
    if not isinstance(network, DenseAutoencoder):
        raise TypeError(f"`network` must be dense to be trained by layers. Received: {type(network).__name__}.")
    current, curves = rows, []
    for layer, head in enumerate(_heads(shape)):
        activation = network.spec.hidden_activations[layer]
        sizes = (head.size, shape.sizes[layer + 1])
        spec = mirrored(sizes, (activation,), head, tied=shape.tied)
        learner = build_dense(spec, rows.dtype, scheme=estimator.init, random_state=random_state)
        last = layer == len(shape.sizes) - 2
        prices = estimator._prices()
        prices = prices if last else Prices(contraction=prices.contraction)
        flops = 6.0 * spec.layer_sizes[0] * spec.layer_sizes[1] * 2
        trainer = build_trainer(estimator, learner, head, prices, flops_per_row=flops)
        source = source_of(
            estimator,
            current,
            weight,
            trainer.optimizer,
            order=int(random_state.randint(np.iinfo(np.int32).max)),
            noise=estimator._corruption(current),
            seed=seed + 1 + layer,
        )
        run = run_trainer(
            estimator,
            trainer,
            source,
            max_epochs=int(estimator.pretrain_iter),
            part=f"layer_{layer + 1}",
            begun=begun,
        )
        run.hand_on_interrupt()
        curves.append(list(run.history["loss"]) if len(run.history) else [])
        _copy(learner, network, layer)
        if not last:
            current = _encoded(learner, current)
    return curves


def _heads(shape: Shape) -> Iterator[Head]:
    """Yield the output units that give back the inputs of each layer."""
    yield shape.head
    for size, activation in zip(shape.sizes[1:-1], shape.activations, strict=True):
        bounded = activation == "logistic"
        yield Head(size, "binary_cross_entropy" if bounded else "squared_error", activation=activation)


@torch.no_grad()
def _copy(learner: DenseNetwork, network: DenseNetwork, layer: int) -> None:
    """Write the two layers of a learner into the layer of a network and its mirror image."""
    mirror = network.spec.n_layers - 1 - layer
    network.weights[layer].copy_(learner.weights[0])
    network.biases[layer].copy_(learner.biases[0])
    network.biases[mirror].copy_(learner.biases[1])
    if not network.spec.tied:
        network.weights[mirror].copy_(learner.weights[1])


@torch.no_grad()
def _encoded(learner: Any, rows: Any) -> np.ndarray:
    """Return the codes of rows, block by block."""
    learner.eval()
    dtype = learner.biases[0].dtype
    return np.concatenate([learner.encode(as_tensor(block, dtype)).numpy() for block in blocks_of(rows)])
