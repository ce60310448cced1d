"""What images are to become, checked."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from strata.data._decode import Target

__all__ = ["checked_target", "checked_workers"]

MAX_SIDE = 16384  # pixels


def checked_target(*, channels: object, size: object, resize: object, max_pixels: object) -> Target:
    """Refuse wrong arguments, and put them together."""
    if channels not in (1, 3) or isinstance(channels, bool):
        raise ValueError(f"`channels` must be 1 (grey levels) or 3 (RGB). Received: channels={channels!r}.")
    if isinstance(max_pixels, bool) or not isinstance(max_pixels, (int, np.integer)) or max_pixels < 1:
        raise ValueError(f"`max_pixels` must be an integer of at least 1. Received: max_pixels={max_pixels!r}.")
    if resize not in ("crop", "stretch", "pad"):
        raise ValueError(f"`resize` must be 'crop', 'stretch' or 'pad'. Received: resize={resize!r}.")
    return Target(int(channels), None if size is None else _checked_size(size), str(resize), int(max_pixels))


def _checked_size(size: object) -> tuple[int, int]:
    sides = [size, size] if isinstance(size, (int, np.integer)) else list(size) if isinstance(size, Iterable) else []
    whole = [int(side) for side in sides if isinstance(side, (int, np.integer)) and not isinstance(side, bool)]
    if len(sides) != 2 or len(whole) != 2 or not all(1 <= side <= MAX_SIDE for side in whole):
        raise ValueError(f"`size` must be (height, width) in 1..{MAX_SIDE} pixels. Received: size={size!r}.")
    return whole[0], whole[1]


def checked_workers(n_workers: object) -> int:
    """Return how many files to decode at a time; None stands for the processors that this process may use."""
    if n_workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(n_workers, bool) or not isinstance(n_workers, (int, np.integer)) or n_workers < 1:
        raise ValueError(f"`n_workers` must be an integer of at least 1, or None. Received: n_workers={n_workers!r}.")
    return int(n_workers)
