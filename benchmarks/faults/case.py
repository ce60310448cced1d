"""One run of the bench, and what its diagnosis is asked for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from faults.problems import Problem
from strata import MLPClassifier, MLPRegressor

__all__ = ["HALVES", "Case", "Loop", "Net", "Start", "in_half", "loaders", "seed_of"]

HALVES = ("tune", "report")


@dataclass(frozen=True)
class Loop:
    """A module with what trains it, as a user's own script has it."""

    module: nn.Module
    loss: Any
    optimizer: torch.optim.Optimizer
    loader: DataLoader
    val_loader: DataLoader | None
    epochs: int


@dataclass(frozen=True)
class Net:
    """An estimator's configuration, without its seed."""

    hidden: tuple[int, ...]
    activation: str = "relu"
    params: dict[str, Any] = field(default_factory=dict)

    def build(self, task: str, seed: int, **changes: Any) -> MLPClassifier | MLPRegressor:
        kind = MLPClassifier if task == "classification" else MLPRegressor
        settings = {"hidden_layer_sizes": self.hidden, "activation": self.activation, "random_state": seed}
        return kind(**{**settings, **self.params, **changes})


Start = Callable[[Problem, int], Loop]


@dataclass(frozen=True)
class Case:
    """A run whose right diagnosis is known.

    ``faulty`` and ``twin`` each return the rows and what learns them; the twin differs in the fault alone.
    """

    name: str
    fault: str  # "healthy" for a healthy run
    accepted: tuple[str, ...]
    faulty: Callable[[int], tuple[Problem, Net | Start]]
    twin: Callable[[int], tuple[Problem, Net | Start]] | None
    measure: str = "score"  # "score", "balanced" (mean recall), "optimism" (held-out score above the honest one)
    half: str = ""

    @property
    def seed(self) -> int:
        return seed_of(self.name)


def seed_of(name: str) -> int:
    """Return a number below 10,000 that belongs to a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 10_000


def in_half(half: str, cases: list[Case]) -> list[Case]:
    """Put runs into one half, in the order of their names."""
    return sorted((replace(case, half=half) for case in cases), key=lambda case: case.name)


def loaders(
    problem: Problem,
    *,
    seed: int,
    batch_size: int = 32,
    shuffle: bool = True,
    shape: tuple[int, ...] = (),
    kind: str = "index",
) -> tuple[DataLoader, DataLoader]:
    """Return loaders of four fifths of the rows and of the rest. `kind` says the form of the targets."""
    dtype = torch.long if kind == "index" else torch.float32
    x = torch.as_tensor(problem.X, dtype=torch.float32).reshape(len(problem.X), *(shape or problem.X.shape[1:]))
    y = torch.as_tensor(problem.y, dtype=dtype)
    y = y[:, None] if kind == "column" else y
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    split = len(x) * 4 // 5
    rows, held_out = order[:split], order[split:]
    if not shuffle:
        rows = rows.sort().values
    generator = torch.Generator().manual_seed(seed)
    train = DataLoader(TensorDataset(x[rows], y[rows]), batch_size, shuffle=shuffle, generator=generator)
    return train, DataLoader(TensorDataset(x[held_out], y[held_out]), 256)
