"""Runs of a user's own modules, with the mistakes of hand-written scripts, and healthy ones."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from faults.case import Case, Loop, Start, loaders
from faults.problems import Problem, draw

__all__ = ["healthy_modules", "module_faults"]

Build = Callable[[Problem], nn.Module]


def dense(
    problem: Problem,
    hidden: tuple[int, ...],
    activation: type[nn.Module],
    n_outputs: int,
    *tail: nn.Module,
    he: bool = False,
) -> nn.Sequential:
    widths = (problem.X.shape[1], *hidden)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        linear = nn.Linear(n_in, n_out)
        if he:
            nn.init.kaiming_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_outputs), *tail)


class Residual(nn.Module):
    """Two layers beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class RootOfScore(nn.Module):
    """A loss that takes the square root of what may be negative."""

    def forward(self, prediction: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((prediction.sqrt() - targets.sqrt()) ** 2).mean()


class LogOfProbability(nn.Module):
    """Cross-entropy written by hand, without care for probabilities of 0."""

    def forward(self, prediction: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        probabilities = prediction.exp() / prediction.exp().sum(dim=1, keepdim=True)
        return -probabilities.gather(1, targets[:, None]).log().mean()


def script(
    build: Build,
    loss: Any,
    *,
    kind: str = "index",
    rate: float = 1e-3,
    epochs: int = 60,
    sgd: bool = False,
    **loading: Any,
) -> Start:
    """Return what sets up a script: module, loss, optimizer and loaders, from rows and a seed."""

    def start(problem: Problem, seed: int) -> Loop:
        torch.manual_seed(seed)
        module = build(problem)
        train, val = loaders(problem, seed=seed, kind=kind, **loading)
        optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
            if sgd
            else torch.optim.Adam(module.parameters(), lr=rate)
        )
        return Loop(module, loss, optimizer, train, val, epochs)

    return start


def _run(fault: str, set_name: str, label: str, faulty: Start, twin: Start | None, *accepted: str) -> Case:
    def problem(seed: int) -> Problem:
        return draw(set_name, seed)

    healthy = None if twin is None else lambda seed: (problem(seed), twin)
    return Case(
        f"{fault}/{set_name}-module-{label}", fault, (fault, *accepted), lambda seed: (problem(seed), faulty), healthy
    )


def _classes(*hidden: int, unit: type[nn.Module] = nn.ReLU, tail: tuple[nn.Module, ...] = ()) -> Build:
    return lambda problem: dense(problem, hidden, unit, problem.n_classes, *tail)


def _numbers(*hidden: int, unit: type[nn.Module] = nn.ReLU, tail: tuple[nn.Module, ...] = ()) -> Build:
    return lambda problem: dense(problem, hidden, unit, 1, *tail)


def _changed(build: Build, change: Callable[[nn.Linear], None]) -> Build:
    """Return a builder that also changes every hidden linear layer."""

    def changed(problem: Problem) -> nn.Module:
        module = build(problem)
        linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer in linear[:-1]:
                change(layer)
        return module

    return changed


def _sunk(layer: nn.Linear) -> None:
    layer.bias.fill_(-6.0)


def _even(layer: nn.Linear) -> None:
    layer.weight.fill_(0.05)
    layer.bias.zero_()


def _wide(layer: nn.Linear) -> None:
    layer.weight.normal_(0.0, 10.0)


def module_faults() -> list[Case]:
    """Return the faulty scripts."""
    entropy, squares, binary = nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()
    softmax, sigmoid, relu = nn.Softmax(dim=1), nn.Sigmoid(), nn.ReLU()
    cases = []
    for name, hidden, unit in (
        ("digits", (40,), nn.ReLU),
        ("wine", (30, 30), nn.Tanh),
        ("columns20", (40, 40), nn.ReLU),
    ):
        good = script(_classes(*hidden, unit=unit), entropy, epochs=20)
        plain = script(_classes(*hidden, unit=unit), entropy, epochs=30, sgd=True, rate=0.02)
        twice = script(_classes(*hidden, unit=unit, tail=(softmax,)), entropy, epochs=30, sgd=True, rate=0.02)
        cut = script(_classes(*hidden, unit=unit, tail=(relu,)), entropy, epochs=30, sgd=True, rate=0.02)
        cases += [
            _run("wrong_output_unit", name, "softmax-twice", twice, plain, "wrong_loss"),
            _run("wrong_output_unit", name, "relu-scores", cut, plain, "wrong_loss"),
            _run("wrong_loss", name, "nll-of-logits",
                 script(_classes(*hidden, unit=unit), nn.NLLLoss(), epochs=20), good, "wrong_output_unit"),
        ]  # fmt: skip
    for name in ("moons", "circles"):
        good = script(_numbers(32), binary, kind="column", epochs=10)
        cases.append(
            _run("wrong_output_unit", name, "sigmoid-twice",
                 script(_numbers(32, tail=(sigmoid,)), binary, kind="column", epochs=10), good, "wrong_loss")
        )  # fmt: skip
    for name in ("wave", "friedman1"):
        good = script(_numbers(40), squares, kind="column")
        cases += [
            _run("wrong_loss", name, "poisson", script(_numbers(40), nn.PoissonNLLLoss(), kind="column"), good,
            "wrong_output_unit"),
            _run("non_finite_values", name, "root", script(_numbers(40), RootOfScore(), kind="column"), good),
            _run("dead_relus", name, "sunk",
                 script(_changed(_numbers(40, 40), _sunk), squares, kind="column", rate=3e-4),
                 script(_numbers(40, 40), squares, kind="column", rate=3e-4)),
            _run("symmetric_initialization", name, "even",
                 script(_changed(_numbers(40, 20, unit=nn.Tanh), _even), squares, kind="column"),
                 script(_numbers(40, 20, unit=nn.Tanh), squares, kind="column")),
        ]  # fmt: skip
    for name, hidden in (("digits", (50,)), ("moons", (32, 32)), ("columns20", (40, 40, 40)), ("wine", (30, 30))):
        good = script(_classes(*hidden), entropy, rate=3e-4, epochs=40)
        cases.append(
            _run(
                "dead_relus",
                name,
                "sunk",
                script(_changed(_classes(*hidden), _sunk), entropy, rate=3e-4, epochs=40),
                good,
            )
        )
    for name, unit in (("digits", nn.Sigmoid), ("columns20", nn.Tanh)):
        good = script(_classes(40, 40, unit=unit), entropy)
        cases.append(
            _run(
                "saturated_sigmoids", name, "wide", script(_changed(_classes(40, 40, unit=unit), _wide), entropy), good
            )
        )
    cases.append(
        _run("non_finite_values", "digits", "log", script(_classes(50), LogOfProbability(), rate=3.0, epochs=20),
             script(_classes(50), entropy, epochs=20), "learning_rate_too_high", "diverging")
    )  # fmt: skip
    for name in ("digits", "wine"):
        slow = script(_classes(40), entropy, rate=1e-6)
        fast = script(_classes(40), entropy, rate=1.0)
        good = script(_classes(40), entropy)
        cases += [
            _run("learning_rate_too_low", name, "rate", slow, good),
            _run("learning_rate_too_high", name, "rate", fast, good, "diverging"),
        ]
    return cases


def _image_net(problem: Problem) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 4 * 4, problem.n_classes),
    )  # fmt: skip


def _normalized(problem: Problem) -> nn.Module:
    n = problem.X.shape[1]
    return nn.Sequential(
        nn.Linear(n, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, 24), nn.ReLU(),
        nn.Linear(24, problem.n_classes),
    )  # fmt: skip


def _residual(problem: Problem) -> nn.Module:
    return nn.Sequential(
        nn.Linear(problem.X.shape[1], 32), Residual(32), Residual(32), nn.LayerNorm(32), nn.Linear(32, 1)
    )


def healthy_modules() -> list[Case]:
    """Return scripts without a fault."""
    entropy, squares, binary = nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()
    numbers, huber = script(_residual, squares, kind="column"), nn.HuberLoss()
    runs = [
        ("digits", "conv", script(_image_net, entropy, epochs=20, shape=(1, 8, 8))),
        ("digits", "normalized", script(_normalized, entropy, epochs=25)),
        ("columns20", "normalized", script(_normalized, entropy, epochs=25)),
        ("wine", "dense", script(_classes(24), entropy)),
        ("blobs", "tanh", script(_classes(24, 24, unit=nn.Tanh), entropy)),
        ("moons", "binary", script(_numbers(32, 32), binary, kind="column", rate=3e-3)),
        ("circles", "silu", script(_numbers(32, 32, unit=nn.SiLU), binary, kind="column", rate=3e-3)),
        ("wave", "residual", numbers),
        ("friedman1", "residual", script(_residual, squares, kind="column", epochs=40)),
        ("wave", "huber", script(_numbers(64, 64), huber, kind="column", rate=3e-3)),
        ("houses", "sgd", script(_numbers(32, 32), squares, kind="column", sgd=True, rate=0.01)),
        ("breast_cancer", "log-softmax", script(_classes(16, tail=(nn.LogSoftmax(dim=1),)), nn.NLLLoss(), epochs=30)),
        ("breast_cancer", "probability", script(_numbers(16, tail=(nn.Sigmoid(),)), nn.BCELoss(), kind="column",
        epochs=30)),
    ]  # fmt: skip
    return [_run("healthy", name, label, start, None) for name, label, start in runs]
