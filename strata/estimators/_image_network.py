"""The network of an image classifier: chosen, built, given learned weights and a head for the classes at hand."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.errors import ModelRefusedError
from strata.estimators._image_defaults import fitting_size
from strata.models import (
    ModelInfo,
    build,
    count_connections,
    fetch_weights,
    head_of,
    list_models,
    model_info,
    pretrained_weights,
    replace_head,
)

__all__ = [
    "BuiltNetwork",
    "adapt_size",
    "build_network",
    "check_model",
    "check_scores",
    "has_batch_norm",
    "is_file",
    "named_for",
    "seeded",
    "shipped_weights",
    "takes",
    "trial_of",
    "work_of",
]

#: Most scores that a trial asks a network for; what they are does not matter, only that they come.
_TRIAL_CLASSES = 2
#: Multiply-adds of the networks that were asked for, by the shape of an image.
_WORK: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], int]] = WeakKeyDictionary()
#: Networks that are made for one scale of values: this one pads its images with paper.
FIXED_INPUT = frozenset({"lenet5_1998"})


@dataclass(frozen=True)
class BuiltNetwork:
    """A network that gives one score a class, and what it wants of its images."""

    network: nn.Module
    name: str | None
    in_channels: int
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw from torch's global generators inside the block as if nobody else did, and leave them as they were."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def check_model(estimator: Any) -> None:
    """Refuse a model, weights or a transfer that do not go together, before anything is read."""
    model, weights, transfer = estimator.model, estimator.weights, estimator.transfer
    if isinstance(model, nn.Module):
        if weights is not None:
            raise ValueError(
                "`weights` must be None with a module of your own, which has its weights. "
                f"Received: weights={weights!r}. Load them into the module, for example with load_state_dict."
            )
        return
    if model != "auto" and model not in list_models():
        raise ValueError(unknown_name("model", model, ["auto", *list_models()]))
    if weights is None and transfer is not None:
        words = () if model == "auto" else pretrained_weights(model)
        which = f" {model!r} has {', '.join(map(repr, words))}." if words else ""
        raise ValueError(
            f"`transfer` must start from learned weights. Received: transfer={transfer!r}, weights=None. "
            f"Give a word or a file as `weights`.{which}"
        )
    if weights is None:
        return
    if model == "auto":
        named_for(weights)
    elif is_file(weights):
        if Path(weights).suffix in (".npz", ".safetensors") and not os.path.isfile(weights):
            raise ModelRefusedError(f"{os.fspath(weights)} is refused: there is no such file.")
    elif weights not in pretrained_weights(model):
        fetch_weights(model, weights)  # raises, and says which words there are


def named_for(weights: Any) -> str:
    """Return the network that a word stands for when nobody names one."""
    if is_file(weights):
        raise ValueError(
            "`model` must be the network that weights in a file are of. Received: model='auto'. Give its name."
        )
    names = [name for name in ("resnet20", "resnet18", *list_models()) if weights in pretrained_weights(name)]
    if not names:
        known = sorted({word for name in list_models() for word in pretrained_weights(name)})
        raise ValueError(unknown_name("weights", weights, known))
    return names[0]


def shipped_weights(name: str) -> tuple[str, ...]:
    """Return the words for weights of a network that need no download."""
    return tuple(word for word in pretrained_weights(name) if not word.startswith("imagenet"))


def is_file(weights: Any) -> bool:
    """Whether weights are named by a path rather than by a word, which has neither a suffix nor a folder."""
    if not isinstance(weights, str):
        return weights is not None
    return bool(Path(weights).suffix) or Path(weights).name != weights


def takes(network: nn.Module, in_channels: int, size: tuple[int, int]) -> bool:
    """Whether a network on the device "meta" has an answer for images of a size; no number is computed."""
    try:
        with torch.no_grad():
            network.eval()(torch.empty(1, in_channels, *size, device="meta"))
    except (RuntimeError, ValueError):
        return False
    return True


def trial_of(name: str, in_channels: int, options: Mapping[str, Any] | None) -> nn.Module:
    """Return a registered network without memory for its weights."""
    with torch.device("meta"):
        network = build(name, n_classes=_TRIAL_CLASSES, in_channels=in_channels, options=options)
    return network.to("meta")  # what a network insists on having on the CPU, such as fixed codes


def adapt_size(
    name: str, in_channels: int, size: tuple[int, int], options: Mapping[str, Any] | None
) -> tuple[int, int]:
    """Return the size nearest to the images' own that a registered network takes."""
    info = model_info(name)
    trial = trial_of(name, in_channels, options)
    own = fitting_size(size, min_size=info.min_size, input_size=info.input_size)
    return own if takes(trial, in_channels, own) else (info.input_size, info.input_size)


def build_network(
    model: str | nn.Module,
    *,
    n_outputs: int,
    in_channels: int,
    weights: Any,
    transfer: str | None,
    options: Mapping[str, Any] | None,
    seed: int,
) -> BuiltNetwork:
    """Build a network with one score a class.

    Parameters
    ----------
    model : str or nn.Module
        A registered name, or a module, which is copied.
    n_outputs : int
        Scores to give.
    in_channels : int
        Channels of the images; networks with learned weights have their own.
    weights : str, path or None
        A word, a file, or None.
    transfer : str or None
        With a transfer the head is replaced; without, a network with learned weights must have as many scores.
    options : mapping or None
        The network's own options.
    seed : int
        Of the first weights.

    Returns
    -------
    built : BuiltNetwork
        In evaluation mode.
    """
    if isinstance(model, nn.Module):
        network = copy.deepcopy(model)
        if transfer is not None:
            replace_head(network, n_outputs, seed=seed)
        return BuiltNetwork(network.eval(), None, in_channels)
    if weights is None:
        network = build(model, n_classes=n_outputs, in_channels=in_channels, options=options, seed=seed)
        fixed = model_info(model) if model in FIXED_INPUT else None
        return _built(network.eval(), model, in_channels, fixed)
    info = model_info(model)
    network = build(
        model, n_classes=n_outputs, in_channels=info.in_channels, weights=weights, options=options, seed=seed
    )
    if transfer is not None:
        replace_head(network, n_outputs, seed=seed)
    elif _is_fresh(network, n_outputs, seed):
        raise ValueError(
            "`transfer` must be set for weights that know other classes than `y` has. Received: transfer=None, "
            f"weights={os.fspath(weights)!r}, `y` with {n_outputs} classes. Use transfer='all'."
        )
    return _built(network.eval(), model, info.in_channels, info)


def _built(network: nn.Module, name: str, in_channels: int, info: ModelInfo | None) -> BuiltNetwork:
    """Return a registered network, with the normalisation of ``info`` where its images must have that."""
    if info is None or len(info.mean) != in_channels:
        return BuiltNetwork(network, name, in_channels)
    return BuiltNetwork(network, name, in_channels, tuple(info.mean), tuple(info.std))


def _is_fresh(network: nn.Module, n_outputs: int, seed: int) -> bool:
    """Whether the head has the weights that it would have without any file."""
    name, options = str(network.strata_name), vars(network)["strata_options"]
    head = head_of(network)
    fresh = build(name, n_classes=n_outputs, in_channels=model_info(name).in_channels, options=options, seed=seed)
    pairs = zip(network.get_submodule(head).parameters(), fresh.get_submodule(head).parameters(), strict=True)
    return all(torch.equal(ours, theirs) for ours, theirs in pairs)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a network normalises over its batches."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def work_of(network: nn.Module, in_channels: int, size: tuple[int, int]) -> int:
    """Return the multiply-adds for one image; of a network that cannot be run without numbers, its parameters.

    They are counted once for each network and size.
    """
    known = _WORK.setdefault(network, {})
    shape = (in_channels, *size)
    if shape not in known:
        try:
            known[shape] = count_connections(network, shape)
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
            known[shape] = sum(parameter.numel() for parameter in network.parameters())
    return known[shape]


def check_scores(network: nn.Module, x: Tensor, n_outputs: int) -> None:
    """Refuse a network that does not give one score a class, by asking it about one image.

    Raises
    ------
    ValueError
        If it fails on the image, or answers in another shape.
    """
    try:
        with torch.no_grad():
            scores = network.eval()(x)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        text = " ".join(str(error).split())[:200]
        raise ValueError(
            f"`model` must take images of shape {tuple(x.shape)}, (n, channels, h, w). Received: {text}."
        ) from error
    if not isinstance(scores, Tensor) or scores.shape != (1, n_outputs):
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(
            f"`model` must give {n_outputs} scores an image, shape (n, {n_outputs}). Received: {shape} for one image. "
            "Give it a last layer of that size, or set `transfer`, which replaces the last layer."
        )
