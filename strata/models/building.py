"""Build a registered network by its name."""

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn

from strata._names import unknown_name
from strata.models.registry import ModelInfo, model_info
from strata.models.weights import ENTRIES, convert_checkpoint, fetch_weights, load_weights

__all__ = ["build"]


def build(
    name: str,
    *,
    n_classes: int | None = None,
    in_channels: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    options: Mapping[str, object] | None = None,
    seed: int | None = None,
    offline: bool | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Build a network by its name.

    Parameters
    ----------
    name : str
        Name in the register, see :func:`strata.models.list_models`.
    n_classes : int, optional
        Outputs; by default those of the paper.
    in_channels : int, optional
        Channels of an image; by default those of the paper.
    weights : str or path, optional
        A word of :func:`strata.models.pretrained_weights`, such as "imagenet", or the path of a ``.safetensors`` or
        ``.npz`` file. With another number of classes everything but the head is taken. By default they are fresh.
    options : mapping of str to object, optional
        The network's own options, see ``model_info(name).options``.
    seed : int, optional
        Seed of the fresh weights, which leaves torch's global generator alone; by default that generator is drawn from.
    offline : bool, optional
        With True no connection is opened for weights that are not here. By default the environment decides:
        ``STRATA_OFFLINE=1``.
    on_bytes : callable, optional
        Called with ``(bytes so far, bytes in all)`` while weights are fetched.

    Returns
    -------
    network : torch.nn.Module
        In training mode, on the CPU, in float32. It carries its name and options as the plain attributes
        ``strata_name`` and ``strata_options``, which are not part of its state.

    Raises
    ------
    ValueError
        If a name or a size is not one; the message suggests the nearest name.
    ModelRefusedError
        If the weights are damaged or not of this network.
    MissingExtraError, OfflineError, DataError, OSError
        If weights cannot be fetched, see :func:`strata.models.fetch_weights`.

    Notes
    -----
    With torchvision's weights GoogLeNet rescales its input as they expect, and leaves the auxiliary heads out, which
    are not trained in them; both can be set in ``options``.

    Examples
    --------
    >>> network = build("resnet20", n_classes=5, seed=0)
    >>> network(torch.zeros(2, 3, 32, 32)).shape, network.strata_name
    (torch.Size([2, 5]), 'resnet20')
    >>> build("lenet-5")
    Traceback (most recent call last):
    ...
    ValueError: Unknown model 'lenet-5'. Did you mean 'lenet5'? Available: ...
    """
    info = model_info(name)
    _check_size("n_classes", n_classes)
    _check_size("in_channels", in_channels)
    chosen = _checked_options(info, options or {})
    path = None if weights is None else _weights_file(name, weights, offline, on_bytes)
    if name == "googlenet" and weights in ENTRIES:
        chosen = {"transform_input": (in_channels or 3) == 3, "aux_logits": False} | chosen
    network = _fresh(info, n_classes or info.n_classes, in_channels or info.in_channels, chosen, seed)
    if path is not None:
        load_weights(network, convert_checkpoint(path) if weights in ENTRIES else path)
    return network


def _weights_file(
    name: str,
    weights: str | os.PathLike[str],
    offline: bool | None,
    on_bytes: Callable[[int, int], None] | None,
) -> Path:
    """Tell a word from a path: a word has neither a suffix nor a folder."""
    if isinstance(weights, str) and not Path(weights).suffix and Path(weights).name == weights:
        return fetch_weights(name, weights, offline=offline, on_bytes=on_bytes)
    return Path(weights)


def _fresh(
    info: ModelInfo, n_classes: int, in_channels: int, options: Mapping[str, object], seed: int | None
) -> nn.Module:
    with nullcontext() if seed is None else torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        network = info.builder(in_channels=in_channels, n_classes=n_classes, **options)
    marks = {"strata_name": info.name, "strata_options": dict(options)}
    network.__dict__.update(marks)  # plain attributes: no part of the state
    return network


def _check_size(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}.")


def _checked_options(info: ModelInfo, options: Mapping[str, object]) -> dict[str, object]:
    for key in options:
        if key not in info.options:
            if not info.options:
                raise ValueError(f"`options` must be empty: {info.name!r} has none. Received: options={dict(options)}.")
            raise ValueError(unknown_name(f"option of {info.name!r}", key, info.options))
    return dict(options)
