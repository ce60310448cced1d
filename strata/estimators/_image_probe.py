"""Where a last layer that learns alone is put: at the end of the network, or on the maps of an earlier layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from strata.data import Batch
from strata.estimators._image_transfer import cached_features
from strata.functional.probing import clearly_better_features
from strata.models import LinearProbe, probe_layers

__all__ = ["Probed", "SAMPLE", "check_feature_layer", "probed"]

#: Images that the choice looks at, at most; from how many on there is a choice.
SAMPLE = 1000
FEWEST = 50


class Probed(NamedTuple):
    """A network, and the layer at which it was cut, None where it is whole."""

    network: nn.Module
    layer: str | None


def check_feature_layer(estimator: Any) -> None:
    """Refuse a layer where the last one does not learn alone."""
    layer = estimator.feature_layer
    if layer in ("auto", "last"):
        return
    if estimator.transfer != "last":
        raise ValueError(
            "`feature_layer` must be 'auto' or 'last' unless transfer='last', which alone puts a layer elsewhere. "
            f"Received: feature_layer={layer!r}, transfer={estimator.transfer!r}."
        )
    if estimator.fine_tune not in (None, False):
        raise ValueError(
            "`feature_layer` must be 'auto' or 'last' with `fine_tune`, which needs the whole network. "
            f"Received: feature_layer={layer!r}."
        )


def probed(
    network: nn.Module,
    layer: str,
    batches: Sequence[Batch],
    targets: np.ndarray,
    *,
    n_outputs: int,
    random_state: int,
) -> Probed:
    """Cut a network where features serve best, or where it is told, and put a new last layer there.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, with its new last layer.
    layer : str
        "auto", or a dotted name.
    batches : sequence of Batch
        Some of the training images.
    targets : ndarray of shape (n,) or (n, n_outputs)
        Their classes.
    n_outputs : int
        Scores.
    random_state : int
        Of the division of the images; the weights are torch's to draw.

    Returns
    -------
    probed : Probed
        The network as it was, where "auto" finds nothing that is clearly better.
    """
    x = batches[0].x
    if layer != "auto":
        probe = _at(network, layer, x, n_outputs)
        return _fitted(probe, _seen(probe, batches))
    if len(targets) < FEWEST:
        return Probed(network, None)
    probes = {name: LinearProbe(network, name, x, n_outputs) for name in probe_layers(network, x)}
    features = {name: _seen(probe, batches) for name, probe in probes.items()}
    chosen = clearly_better_features(
        cached_features(network, batches).numpy(),
        {name: seen.numpy() for name, seen in features.items()},
        targets,
        random_state=random_state,
    )
    return Probed(network, None) if chosen is None else _fitted(probes[chosen], features[chosen])


def _at(network: nn.Module, layer: str, x: Tensor, n_outputs: int) -> LinearProbe:
    try:
        return LinearProbe(network, layer, x, n_outputs)
    except ValueError as error:
        known = ", ".join(repr(name) for name in probe_layers(network, x)) or "none for this network"
        raise ValueError(
            f"`feature_layer` must be 'auto', 'last' or a layer that gives maps, such as {known}. "
            f"Received: feature_layer={layer!r}. {error}"
        ) from error


def _seen(probe: LinearProbe, batches: Sequence[Batch]) -> Tensor:
    with torch.no_grad():
        return torch.cat([probe.look(batch.x).float().cpu() for batch in batches])


def _fitted(probe: LinearProbe, features: Tensor) -> Probed:
    probe.standardise(features.to(probe.mean.device))
    return Probed(probe.eval(), probe.layer)
