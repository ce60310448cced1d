"""What learns and how fast when a network begins from learned weights, and what need not be computed twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata.data import Batch
from strata.models import blocks_of, features_of, head_of

__all__ = ["Phase", "block_factors", "cached_features", "fine_tuning", "frozen_names", "phases", "separable_head"]


@dataclass(frozen=True)
class Phase:
    """One run of a training: what does not learn, and what is said otherwise than in the estimator's arguments."""

    name: str
    transfer: str | None
    frozen: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    max_iter: int | None = None
    learning_rate_init: float | None = None


def frozen_names(network: nn.Module, transfer: str | None, n_frozen_blocks: int | None) -> tuple[str, ...]:
    """Return the modules and parameters that do not learn.

    Parameters
    ----------
    network : nn.Module
        With its new head.
    transfer : {"last", "partial", "all"} or None
        "last" freezes all but the head, "partial" the first blocks, the others nothing.
    n_frozen_blocks : int or None
        Blocks that "partial" freezes; None is half of those before the head.

    Returns
    -------
    names : tuple of str
        Dotted names.

    Raises
    ------
    ValueError
        If there are not as many blocks before the head, or the head has no weights.
    """
    if transfer == "last":
        head = head_of(network)
        if next(network.get_submodule(head).parameters(), None) is None:
            raise ValueError(
                f"`transfer` must be 'partial' or 'all' for a network whose last layer has nothing to learn. "
                f"Received: transfer='last', {type(network.get_submodule(head)).__name__}."
            )
        return tuple(_outside(network, head))
    if transfer != "partial":
        return ()
    blocks = blocks_of(network)
    most = len(blocks) - 1
    n_frozen = most // 2 if n_frozen_blocks is None else n_frozen_blocks
    if not 0 <= n_frozen <= most:
        raise ValueError(
            f"`n_frozen_blocks` must be from 0 to {most}, the blocks before the last. "
            f"Received: n_frozen_blocks={n_frozen_blocks!r}."
        )
    return tuple(name for block in blocks[:n_frozen] for name in block)


def _outside(network: nn.Module, kept: str) -> list[str]:
    """Return the largest modules that do not hold the module ``kept``, and the loose parameters besides it."""
    names: list[str] = []
    prefix, holder = "", network
    for step in kept.split("."):
        names += [f"{prefix}{name}" for name, child in holder.named_children() if name != step and _learns(child)]
        names += [f"{prefix}{name}" for name, _ in holder.named_parameters(recurse=False)]
        prefix, holder = f"{prefix}{step}.", holder.get_submodule(step)
    return names


def _learns(module: nn.Module) -> bool:
    """Whether a module has anything that training changes, or behaves otherwise in training."""
    return any(True for _ in (*module.parameters(), *module.buffers())) or any(
        isinstance(each, nn.modules.dropout._DropoutNd) for each in module.modules()
    )


def block_factors(network: nn.Module, block_rates: Any) -> dict[str, float]:
    """Return the share of the learning rate of each module that does not have all of it.

    Parameters
    ----------
    network : nn.Module
        Whose blocks are meant.
    block_rates : float, sequence of float or None
        A number in (0, 1] is the share from one block to the block before, the last block having all; a sequence is
        one share for each block, input side first.

    Returns
    -------
    rates : dict of str to float
        By dotted module name.

    Raises
    ------
    ValueError
        If a sequence does not have one number > 0 for each block.
    """
    if block_rates is None:
        return {}
    blocks = blocks_of(network)
    if isinstance(block_rates, Real):
        shares = [float(block_rates) ** (len(blocks) - 1 - place) for place in range(len(blocks))]
    else:
        shares = _checked_shares(block_rates, len(blocks))
    return {name: share for block, share in zip(blocks, shares, strict=True) for name in block if share != 1.0}


def _is_positive(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    return isinstance(value, Real) and float(value) > 0


def _checked_shares(block_rates: Sequence[Any], n_blocks: int) -> list[float]:
    numbers = [share for share in block_rates if _is_positive(share)]
    if len(numbers) != n_blocks or len(block_rates) != n_blocks:
        raise ValueError(
            f"`block_rates` must be a number in (0, 1], or one number > 0 for each of the {n_blocks} blocks, input "
            f"side first. Received: block_rates={block_rates!r}."
        )
    return [float(share) for share in numbers]


def fine_tuning(fine_tune: Any) -> dict[str, Any] | None:
    """Return what a second phase is told, or None where there is none.

    Raises
    ------
    ValueError
        If a key is unknown or a value out of range.
    """
    if fine_tune is None or fine_tune is False:
        return None
    if fine_tune is True:
        return {}
    wishes = {"max_iter": fine_tune} if not isinstance(fine_tune, Mapping) else dict(fine_tune)
    known = {"max_iter", "learning_rate_init", "n_frozen_blocks", "block_rates"}
    whole = {name: wishes.get(name) for name in ("max_iter", "n_frozen_blocks")}
    wrong = sorted(set(wishes) - known)
    wrong += [
        name
        for name, value in whole.items()
        if value is not None
        and (isinstance(value, bool) or not isinstance(value, Integral) or value < (name == "max_iter"))
    ]
    rate = wishes.get("learning_rate_init")
    if rate is not None and (not _is_positive(rate)):
        wrong.append("learning_rate_init")
    if wrong:
        raise ValueError(
            "`fine_tune` must be None, True, a number of epochs > 0, or a dict with some of 'max_iter', "
            f"'learning_rate_init', 'n_frozen_blocks' and 'block_rates'. Received: fine_tune={fine_tune!r}, "
            f"of which {wrong[0]!r} is not understood."
        )
    return wishes


def phases(network: nn.Module, estimator: Any) -> list[Phase]:
    """Return the one run, or the two runs, that the arguments of an estimator describe."""
    transfer = estimator.transfer
    wishes = fine_tuning(estimator.fine_tune)
    if wishes is not None and transfer not in ("last", "partial"):
        raise ValueError(
            "`fine_tune` must come with transfer='last' or 'partial', whose frozen blocks it sets free. "
            f"Received: transfer={transfer!r}."
        )
    first = Phase(
        "fit" if wishes is None else "head",
        transfer,
        frozen_names(network, transfer, estimator.n_frozen_blocks),
        block_factors(network, estimator.block_rates),
    )
    if wishes is None:
        return [first]
    n_frozen = wishes.get("n_frozen_blocks") or 0
    rate = estimator.learning_rate_init
    slower = None if isinstance(rate, str) else 0.1 * float(rate)
    return [
        first,
        Phase(
            "fine_tune",
            "all",
            frozen_names(network, "partial", n_frozen),
            block_factors(network, wishes.get("block_rates") or estimator.block_rates),
            None if wishes.get("max_iter") is None else int(wishes["max_iter"]),
            wishes.get("learning_rate_init") or slower,
        ),
    ]


def separable_head(network: nn.Module, x: Tensor) -> nn.Linear | None:
    """Return the head of a network whose scores are just the head of the features, None where they are not.

    Asked with one batch, ``x``, in evaluation mode.
    """
    head = network.get_submodule(head_of(network))
    if not isinstance(head, nn.Linear):
        return None
    with torch.no_grad():
        scores = network.eval()(x)
        again = head(features_of(network, x))
    return head if isinstance(scores, Tensor) and scores.shape == again.shape and torch.equal(scores, again) else None


def cached_features(network: nn.Module, batches: Iterable[Batch]) -> Tensor:
    """Return the features of every image, shape (n, d), in one pass.

    Parameters
    ----------
    network : nn.Module
        Set to evaluation mode.
    batches : iterable of Batch
        The images, in order.
    """
    network.eval()
    with torch.no_grad():
        return torch.cat([features_of(network, batch.x).float().cpu() for batch in batches])
