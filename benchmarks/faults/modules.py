"""Runs of a user's own modules, with the mistakes of hand-written scripts, and healthy ones."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from faults.case import Case, Loop, Start, loaders
from faults.problems import Problem, draw

__all__ = [
    "LogOfProbability", "RootOfScore", "changed", "even", "healthy_modules", "image_net", "module_faults", "normalized",
    "of_classes", "of_numbers", "residual", "script", "script_case", "sunk", "wide",
]  # fmt: skip

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


def script_case(fault: str, set_name: str, label: str, faulty: Start, twin: Start | None, *accepted: str) -> Case:
    def problem(seed: int) -> Problem:
        return draw(set_name, seed)

    healthy = None if twin is None else lambda seed: (problem(seed), twin)
    return Case(
        f"{fault}/{set_name}-module-{label}", fault, (fault, *accepted), lambda seed: (problem(seed), faulty), healthy
    )


def of_classes(*hidden: int, unit: type[nn.Module] = nn.ReLU, tail: tuple[nn.Module, ...] = ()) -> Build:
    return lambda problem: dense(problem, hidden, unit, problem.n_classes, *tail)


def of_numbers(*hidden: int, unit: type[nn.Module] = nn.ReLU, tail: tuple[nn.Module, ...] = ()) -> Build:
    return lambda problem: dense(problem, hidden, unit, 1, *tail)


def changed(build: Build, change: Callable[[nn.Linear], None]) -> Build:
    """Return a builder that also changes every hidden linear layer."""

    def built(problem: Problem) -> nn.Module:
        module = build(problem)
        linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer in linear[:-1]:
                change(layer)
        return module

    return built


def sunk(layer: nn.Linear) -> None:
    layer.bias.fill_(-6.0)


def even(layer: nn.Linear) -> None:
    layer.weight.fill_(0.05)
    layer.bias.zero_()


def wide(layer: nn.Linear) -> None:
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
        good = script(of_classes(*hidden, unit=unit), entropy, epochs=20)
        plain = script(of_classes(*hidden, unit=unit), entropy, epochs=30, sgd=True, rate=0.02)
        twice = script(of_classes(*hidden, unit=unit, tail=(softmax,)), entropy, epochs=30, sgd=True, rate=0.02)
        cut = script(of_classes(*hidden, unit=unit, tail=(relu,)), entropy, epochs=30, sgd=True, rate=0.02)
        cases += [
            script_case("wrong_output_unit", name, "softmax-twice", twice, plain, "wrong_loss"),
            script_case("wrong_output_unit", name, "relu-scores", cut, plain, "wrong_loss"),
            script_case("wrong_loss", name, "nll-of-logits",
                 script(of_classes(*hidden, unit=unit), nn.NLLLoss(), epochs=20), good, "wrong_output_unit"),
        ]  # fmt: skip
    for name in ("moons", "circles"):
        good = script(of_numbers(32), binary, kind="column", epochs=10)
        cases.append(
            script_case("wrong_output_unit", name, "sigmoid-twice",
                 script(of_numbers(32, tail=(sigmoid,)), binary, kind="column", epochs=10), good, "wrong_loss")
        )  # fmt: skip
    for name in ("wave", "friedman1"):
        good = script(of_numbers(40), squares, kind="column")
        cases += [
            script_case("wrong_loss", name, "poisson", script(of_numbers(40), nn.PoissonNLLLoss(), kind="column"), good,
            "wrong_output_unit"),
            script_case("non_finite_values", name, "root", script(of_numbers(40), RootOfScore(), kind="column"), good),
            script_case("dead_relus", name, "sunk",
                 script(changed(of_numbers(40, 40), sunk), squares, kind="column", rate=3e-4),
                 script(of_numbers(40, 40), squares, kind="column", rate=3e-4)),
            script_case("symmetric_initialization", name, "even",
                 script(changed(of_numbers(40, 20, unit=nn.Tanh), even), squares, kind="column"),
                 script(of_numbers(40, 20, unit=nn.Tanh), squares, kind="column")),
        ]  # fmt: skip
    for name, hidden in (("digits", (50,)), ("moons", (32, 32)), ("columns20", (40, 40, 40)), ("wine", (30, 30))):
        good = script(of_classes(*hidden), entropy, rate=3e-4, epochs=40)
        cases.append(
            script_case(
                "dead_relus",
                name,
                "sunk",
                script(changed(of_classes(*hidden), sunk), entropy, rate=3e-4, epochs=40),
                good,
            )
        )
    for name, unit in (("digits", nn.Sigmoid), ("columns20", nn.Tanh)):
        good = script(of_classes(40, 40, unit=unit), entropy)
        cases.append(
            script_case(
                "saturated_sigmoids", name, "wide", script(changed(of_classes(40, 40, unit=unit), wide), entropy), good
            )
        )
    cases.append(
        script_case("non_finite_values", "digits", "log",
                    script(of_classes(50), LogOfProbability(), rate=3.0, epochs=20),
                    script(of_classes(50), entropy, epochs=20), "learning_rate_too_high", "diverging")
    )  # fmt: skip
    for name in ("digits", "wine"):
        slow = script(of_classes(40), entropy, rate=1e-6)
        fast = script(of_classes(40), entropy, rate=1.0)
        good = script(of_classes(40), entropy)
        cases += [
            script_case("learning_rate_too_low", name, "rate", slow, good),
            script_case("learning_rate_too_high", name, "rate", fast, good, "diverging"),
        ]
    return cases


def image_net(problem: Problem) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 4 * 4, problem.n_classes),
    )  # fmt: skip


def normalized(problem: Problem) -> nn.Module:
    n = problem.X.shape[1]
    return nn.Sequential(
        nn.Linear(n, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, 24), nn.ReLU(),
        nn.Linear(24, problem.n_classes),
    )  # fmt: skip


def residual(problem: Problem) -> nn.Module:
    return nn.Sequential(
        nn.Linear(problem.X.shape[1], 32), Residual(32), Residual(32), nn.LayerNorm(32), nn.Linear(32, 1)
    )


def healthy_modules() -> list[Case]:
    """Return scripts without a fault."""
    entropy, squares, binary = nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()
    numbers, huber = script(residual, squares, kind="column"), nn.HuberLoss()
    runs = [
        ("digits", "conv", script(image_net, entropy, epochs=20, shape=(1, 8, 8))),
        ("digits", "normalized", script(normalized, entropy, epochs=25)),
        ("columns20", "normalized", script(normalized, entropy, epochs=25)),
        ("wine", "dense", script(of_classes(24), entropy)),
        ("blobs", "tanh", script(of_classes(24, 24, unit=nn.Tanh), entropy)),
        ("moons", "binary", script(of_numbers(32, 32), binary, kind="column", rate=3e-3)),
        ("circles", "silu", script(of_numbers(32, 32, unit=nn.SiLU), binary, kind="column", rate=3e-3)),
        ("wave", "residual", numbers),
        ("friedman1", "residual", script(residual, squares, kind="column", epochs=40)),
        ("wave", "huber", script(of_numbers(64, 64), huber, kind="column", rate=3e-3)),
        ("houses", "sgd", script(of_numbers(32, 32), squares, kind="column", sgd=True, rate=0.01)),
        ("breast_cancer", "log-softmax", script(of_classes(16, tail=(nn.LogSoftmax(dim=1),)), nn.NLLLoss(), epochs=30)),
        ("breast_cancer", "probability", script(of_numbers(16, tail=(nn.Sigmoid(),)), nn.BCELoss(), kind="column",
        epochs=30)),
    ]  # fmt: skip
    return [script_case("healthy", name, label, start, None) for name, label, start in runs]
