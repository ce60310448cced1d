"""Generated sets: the logic gates of the lecture, and the plane sets of the TensorFlow Playground.

The formulas are those of the playground (``dataset.ts`` of tensorflow/playground): U(a, b) is uniform, labels
are -1 and +1, and ``noise`` is the playground's slider divided by 100. Rows come in the order of their generation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.data.bundled import SetRequest, register_set
from strata.data.dataset import Dataset, SetInfo

__all__ = ["GATES", "gaussian_bumps", "spiral_points"]

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]
_PLAYGROUND = "formulas of the TensorFlow Playground, dataset.ts"

#: Truth tables in the order (0, 0), (0, 1), (1, 0), (1, 1).
GATES = {
    "and": (0, 0, 0, 1),
    "or": (0, 1, 1, 1),
    "nand": (1, 1, 1, 0),
    "nor": (1, 0, 0, 0),
    "xor": (0, 1, 1, 0),
    "xnor": (1, 0, 0, 1),
    "implies": (1, 1, 0, 1),
}


def _register_gate(gate: str, table: tuple[int, ...]) -> None:
    @register_set(
        SetInfo(
            name=f"gate-{gate}",
            task="classification",
            n_samples=4,
            n_features=2,
            n_classes=2,
            description=f"The logic gate {gate.upper()}: two inputs of 0 or 1, four rows.",
            source="truth table",
            generated=True,
        )
    )
    def build(request: SetRequest) -> Dataset:
        rng = np.random.default_rng(request.random_state)
        rows = np.arange(request.n_samples or 4) % 4
        points: NDArray[Any] = np.stack([rows // 2, rows % 2], axis=1)
        if request.noise:
            points = points + rng.normal(0.0, request.noise, points.shape)
        return _dataset(request, points, np.array(table)[rows], "output")


def _register_plane(
    name: str,
    description: str,
    *,
    n_samples: int,
    make: Callable[[np.random.Generator, int, float], tuple[Floats, Floats]],
) -> None:
    regression = n_samples == 1200

    @register_set(
        SetInfo(
            name=name,
            task="regression" if regression else "classification",
            n_samples=n_samples,
            n_features=2,
            n_classes=None if regression else 2,
            description=description,
            source=_PLAYGROUND,
            generated=True,
        )
    )
    def build(request: SetRequest) -> Dataset:
        rng = np.random.default_rng(request.random_state)
        points, target = make(rng, request.n_samples or n_samples, request.noise)
        return _dataset(request, points, target if regression else target.astype(np.int64), "label")


def _dataset(
    request: SetRequest, points: NDArray[np.generic], target: NDArray[np.generic], target_name: str
) -> Dataset:
    info = request.info
    names = ("x1", "x2")
    frame = pd.DataFrame(points, columns=list(names))
    return Dataset(info.name, frame, target, names, target_name, info.task, info.description, info.source)


def _circles(rng: np.random.Generator, n: int, noise: float) -> Points:
    """Half in a disc of radius 2.5, half in a ring from 3.5 to 5; noise moves labels only."""
    n_inner = n // 2
    radius = np.concatenate([rng.uniform(0.0, 2.5, n_inner), rng.uniform(3.5, 5.0, n - n_inner)])
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    shaken = points + 5.0 * noise * rng.uniform(-1.0, 1.0, points.shape)
    return points, np.where(np.hypot(shaken[:, 0], shaken[:, 1]) < 2.5, 1.0, -1.0)


def _xor(rng: np.random.Generator, n: int, noise: float) -> Points:
    """Uniform in a square, pushed 0.3 off the axes; +1 where the coordinates have one sign."""
    points = rng.uniform(-5.0, 5.0, (n, 2))
    points += np.where(points > 0, 0.3, -0.3)
    shaken = points + 5.0 * noise * rng.uniform(-1.0, 1.0, points.shape)
    return points, np.where(shaken[:, 0] * shaken[:, 1] >= 0.0, 1.0, -1.0)


def _gaussians(rng: np.random.Generator, n: int, noise: float) -> Points:
    """Two clouds at (2, 2) and (-2, -2), of variance 0.5 at no noise and 4 at noise 0.5."""
    labels = np.where(np.arange(n) < n // 2, 1.0, -1.0)
    variance = 0.5 + 3.5 * noise / 0.5
    return 2.0 * labels[:, None] + rng.normal(0.0, np.sqrt(variance), (n, 2)), labels


def spiral_points(n: int, *, turn: float) -> Floats:
    """Return ``n`` points of one noiseless arm, begun at the angle ``turn``; shape (n, 2).

    >>> spiral_points(4, turn=0.0)[1].round(4).tolist()
    [0.4784, -1.1548]
    """
    i = np.arange(n)
    radius, angle = 5.0 * i / n, 1.75 * 2.0 * np.pi * i / n + turn
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


def _spiral(rng: np.random.Generator, n: int, noise: float) -> Points:
    """Two arms, half a turn apart."""
    n_first = n - n // 2
    points = np.concatenate([spiral_points(n_first, turn=0.0), spiral_points(n // 2, turn=np.pi)])
    return points + noise * rng.uniform(-1.0, 1.0, points.shape), np.repeat([1.0, -1.0], [n_first, n // 2])


def _plane(rng: np.random.Generator, n: int, noise: float) -> Points:
    """Return ``(x + y) / 10``, noise added before the division."""
    points = rng.uniform(-6.0, 6.0, (n, 2))
    shaken = points + 6.0 * noise * rng.uniform(-1.0, 1.0, points.shape)
    return points, shaken.sum(axis=1) / 10.0


_BUMPS = np.array([(-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1)])


def gaussian_bumps(points: Floats) -> Floats:
    """Return the height of six signed cones at points of shape (n, 2): the one of largest size counts.

    >>> gaussian_bumps(np.array([[0.0, 2.5], [1.0, 2.5], [-4.0, -2.0], [2.0, 0.0]])).tolist()
    [-1.0, -0.5, -0.75, 0.0]
    """
    distance = np.hypot(points[:, None, 0] - _BUMPS[:, 0], points[:, None, 1] - _BUMPS[:, 1])  # (n, 6)
    heights = _BUMPS[:, 2] * np.maximum(0.0, 1.0 - distance / 2.0)
    strongest = np.abs(heights).argmax(axis=1)
    return np.asarray(heights[np.arange(len(points)), strongest] + 0.0)


def _bumps(rng: np.random.Generator, n: int, noise: float) -> Points:
    """Six cones, looked up at shaken points."""
    points = rng.uniform(-6.0, 6.0, (n, 2))
    return points, gaussian_bumps(points + 6.0 * noise * rng.uniform(-1.0, 1.0, points.shape))


for _gate, _table in GATES.items():
    _register_gate(_gate, _table)
_register_plane("circles", "A disc inside a ring.", n_samples=500, make=_circles)
_register_plane("xor", "Four squares, like signs against unlike.", n_samples=500, make=_xor)
_register_plane("gaussians", "Two Gaussian clouds, almost linearly separable.", n_samples=500, make=_gaussians)
_register_plane("spiral", "Two interleaved spiral arms.", n_samples=500, make=_spiral)
_register_plane("plane", "A tilted plane to be fitted.", n_samples=1200, make=_plane)
_register_plane("gaussian-bumps", "Six signed bumps to be fitted.", n_samples=1200, make=_bumps)
