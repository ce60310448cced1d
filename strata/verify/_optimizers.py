"""Facts about optimizers: three steps on J = (theta_1^2 + 10 theta_2^2) / 2 from (3, -2), by both engines."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from strata.functional import Penalty
from strata.nn import DenseLoss
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent
from strata.rules.optimizers import SGD, AdaGrad, Adam, AdamW, OptimizerSpec, RMSProp
from strata.verify._examples import quadratic, quadratic_batch
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("optimizers")


@dataclass(frozen=True)
class _Trace:
    """An optimizer and where it is after steps 1 to 3."""

    name: str
    source: str
    spec: OptimizerSpec
    steps: tuple[tuple[float, float], ...]


TRACES = (
    _Trace(
        "SGD, rate .01", "S3 8.1, A 8.1", SGD(learning_rate=0.01), ((2.97, -1.8), (2.9403, -1.62), (2.910897, -1.458))
    ),
    _Trace(
        "momentum, lecture's form, rate .01, alpha .9",
        "S3 8.2, A 8.1",
        SGD(learning_rate=0.01, momentum=0.9, form="lecture"),
        ((2.97, -1.8), (2.9133, -1.44), (2.833137, -0.972)),
    ),
    _Trace(
        "momentum, frameworks' form, rate .01, alpha .9",
        "A 8.1",
        SGD(learning_rate=0.01, momentum=0.9, form="framework"),
        ((2.97, -1.8), (2.9133, -1.44), (2.833137, -0.972)),
    ),
    _Trace(
        "AdaGrad, lecture's form, rate .1, delta 1e-7",
        "S3 8.4, A 8.2",
        AdaGrad(learning_rate=0.1, eps=1e-7, form="lecture"),
        ((2.9000000033, -1.9000000005), (2.8304977953, -1.8311250545), (2.7743593520, -1.7758215159)),
    ),
    _Trace(
        "AdaGrad, lecture's form, rate .1, delta 1e-2",
        "S3 8.4, A 8.2",
        AdaGrad(learning_rate=0.1, eps=1e-2, form="lecture"),
        ((2.9003322259, -1.9000499750), (2.8309920739, -1.8311990348), (2.7749601640, -1.7759111217)),
    ),
    _Trace(
        "AdaGrad, frameworks' form, rate .1, eps 1e-10",
        "A 8.2",
        AdaGrad(learning_rate=0.1, eps=1e-10, form="framework"),
        ((2.9, -1.9), (2.8304977903, -1.8311250538), (2.7743593459, -1.7758215150)),
    ),
    _Trace(
        "RMSProp, lecture's form, rate .01, rho .9, delta 1e-6",
        "S3 8.5, A 8.3",
        RMSProp(learning_rate=0.01, decay=0.9, eps=1e-6, form="lecture"),
        ((2.9683772410, -1.9683772238), (2.9455511819, -1.9456096372), (2.9264965676, -1.9266336825)),
    ),
    _Trace(
        "RMSProp, frameworks' form, rate .01, rho .9, 1e-6",
        "A 8.3",
        RMSProp(learning_rate=0.01, decay=0.9, eps=1e-6, form="framework"),
        ((2.9683772567, -1.9683772284), (2.9455512084, -1.9456096443), (2.9264966023, -1.9266336913)),
    ),
    _Trace(
        "RMSProp, lecture's form, rate .01, rho .9, delta 1e-2",
        "S3 8.5, A 8.3",
        RMSProp(learning_rate=0.01, decay=0.9, eps=1e-2, form="lecture"),
        ((2.9685514549, -1.9683811755), (2.9457919352, -1.9456150896), (2.9267764380, -1.9266400159)),
    ),
    _Trace(
        "RMSProp, frameworks' form, rate .01, rho .9, 1e-2",
        "A 8.3",
        RMSProp(learning_rate=0.01, decay=0.9, eps=1e-2, form="framework"),
        ((2.9687070797, -1.9684271445), (2.9460539856, -1.9456855837), (2.9271204663, -1.9267278041)),
    ),
    _Trace(
        "RMSProp, frameworks' defaults, rate .01, alpha .99, 1e-8",
        "A 8.3",
        RMSProp(learning_rate=0.01, decay=0.99, eps=1e-8, form="framework"),
        ((2.9000000033, -1.9000000005), (2.8303174519, -1.8309433261), (2.7738885724, -1.7753494420)),
    ),
    _Trace(
        "Adam, lecture's form, rate .001, delta 1e-8",
        "S3 8.7, A 8.4",
        Adam(learning_rate=0.001, eps=1e-8, form="lecture"),
        ((2.999, -1.999), (2.9980000087, -1.9980000131), (2.9970000319, -1.9970000479)),
    ),
    _Trace(
        "Adam, frameworks' form, rate .001, delta 1e-8",
        "A 8.4",
        Adam(learning_rate=0.001, eps=1e-8, form="framework"),
        ((2.999, -1.999), (2.9980000087, -1.9980000131), (2.9970000319, -1.9970000479)),
    ),
    _Trace(
        "Adam, lecture's form, rate .1, delta 1e-2",
        "S3 8.7, A 8.4",
        Adam(learning_rate=0.1, eps=1e-2, form="lecture"),
        ((2.9000555093, -1.9000012500), (2.8002154801, -1.8001690449), (2.7005532972, -1.7006273194)),
    ),
    _Trace(
        "Adam, frameworks' form, rate .1, delta 1e-2",
        "A 8.4",
        Adam(learning_rate=0.1, eps=1e-2, form="framework"),
        ((2.9003322259, -1.9000499750), (2.8007719659, -1.8002675122), (2.7013921990, -1.7007764408)),
    ),
)

_Build = Callable[[OptimizerSpec, Penalty], tuple[CompiledDense | GradientDescent, Tensor]]


def _compiled(spec: OptimizerSpec, penalty: Penalty = Penalty()) -> tuple[CompiledDense, Tensor]:  # noqa: B008
    net = quadratic()
    return CompiledDense(net, optimizer=spec, penalty=penalty), net.weights[0]


def _by_autograd(spec: OptimizerSpec, penalty: Penalty = Penalty()) -> tuple[GradientDescent, Tensor]:  # noqa: B008
    net = quadratic()
    return GradientDescent(net, DenseLoss(net.spec), optimizer=spec, penalty=penalty), net.weights[0]


def _walk(build: _Build, spec: OptimizerSpec, penalty: Penalty = Penalty(), n: int = 3) -> list[list[float]]:  # noqa: B008
    rule, theta = build(spec, penalty)
    rows, places = quadratic_batch(), []
    for _ in range(n):
        rule.step(rows)
        places.append([float(value) for value in theta.detach()[:, 0]])
    return places


for _one in TRACES:
    for _engine, _build in (("compiled", _compiled), ("autograd", _by_autograd)):

        def _measure(build: _Build = _build, spec: OptimizerSpec = _one.spec) -> list[list[float]]:
            return _walk(build, spec)

        claim(f"{_one.name}: steps 1 to 3, {_engine}", _one.source, _one.steps)(_measure)

_DECAYED = (
    (
        "L2 in plain SGD is shrinkage: rate .01, alpha .1, step 3",
        SGD(learning_rate=0.01),
        Penalty(l2=0.1),
        (2.9020850070, -1.4531453980),
    ),
    (
        "SGD with weight decay .1, rate .01, step 3",
        SGD(learning_rate=0.01, weight_decay=0.1),
        Penalty(),
        (2.9020850070, -1.4531453980),
    ),
    (
        "Adam with L2 .1 in the gradient, rate .1, step 3",
        Adam(learning_rate=0.1, form="framework"),
        Penalty(l2=0.1),
        (2.7003815239, -1.7006233914),
    ),
    (
        "AdamW with decoupled decay .1, rate .1, step 3",
        AdamW(learning_rate=0.1, weight_decay=0.1, form="framework"),
        Penalty(),
        (2.6144056178, -1.6443686830),
    ),
)
for _name, _spec, _penalty, _place in _DECAYED:
    for _engine, _build in (("compiled", _compiled), ("autograd", _by_autograd)):

        def _measure_decay(
            build: _Build = _build, spec: OptimizerSpec = _spec, penalty: Penalty = _penalty
        ) -> list[float]:
            return _walk(build, spec, penalty)[-1]

        claim(f"{_name}, {_engine}", "S3, A 8.5", _place)(_measure_decay)


# -- a constant gradient -----------------------------------------------------------------------------


def _push(spec: OptimizerSpec, gradient: float, n: int) -> list[float]:
    """Return the first ``n`` moves of one number under a constant gradient."""
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = spec.build([theta])
    places = [0.0]
    for _ in range(n):
        theta.grad = torch.full_like(theta, gradient)
        optimizer.step()
        places.append(theta.item())
    return [after - before for before, after in pairwise(places)]


@claim(
    "velocity of momentum under a constant gradient 2, rate .01, alpha .9: steps 1, 2, 3, 10, 50, 100",
    "S3, A 8.1",
    [-0.02, -0.038, -0.0542, -0.130264311980, -0.198969244959, -0.199994687720],
)
def _velocity() -> list[float]:
    moves = _push(SGD(learning_rate=0.01, momentum=0.9, form="lecture"), 2.0, 100)
    return [moves[step - 1] for step in (1, 2, 3, 10, 50, 100)]


@claim("terminal speed of momentum: 10 times for alpha .9, 100 times for .99", "S3, A 8.1", [10.0, 100.0])
def _terminal() -> list[float]:
    rate, gradient = 0.01, 2.0
    speeds = [_push(SGD(learning_rate=rate, momentum=mu, form="lecture"), gradient, 4000)[-1] for mu in (0.9, 0.99)]
    return [-speed / (rate * gradient) for speed in speeds]


@claim(
    "where the constant stands, gradient 1e-5: first step in units of the rate",
    "A 8.6",
    {"Adam inside": 0.0995037190, "Adam outside": 0.9990009990, "RMSProp inside": 0.0099999500,
     "RMSProp outside": 3.1523091833},
)  # fmt: skip
def _inside_or_outside() -> dict[str, float]:
    specs: dict[str, OptimizerSpec] = {
        "Adam inside": Adam(learning_rate=1.0, eps=1e-8, form="lecture"),
        "Adam outside": Adam(learning_rate=1.0, eps=1e-8, form="framework"),
        "RMSProp inside": RMSProp(learning_rate=1.0, decay=0.9, eps=1e-6, form="lecture"),
        "RMSProp outside": RMSProp(learning_rate=1.0, decay=0.9, eps=1e-8, form="framework"),
    }
    return {name: -_push(spec, 1e-5, 1)[0] for name, spec in specs.items()}


@claim(
    "first step in units of the rate: AdaGrad 1, Adam 1, RMSProp 3.162 (rho .9) and 10 (rho .99)",
    "A 8.2 8.3 8.4",
    [1.0, 1.0, 10**0.5, 10.0],
    tolerance=2e-4,
)
def _first_steps() -> list[float]:
    specs = (
        AdaGrad(learning_rate=1.0, form="lecture"),
        Adam(learning_rate=1.0, form="lecture"),
        RMSProp(learning_rate=1.0, decay=0.9, form="lecture"),
        RMSProp(learning_rate=1.0, decay=0.99, form="lecture"),
    )
    return [-_push(spec, 2.0, 1)[0] for spec in specs]


@claim("the two forms of momentum part when the rate changes from .1 to .01", "A 8.1", [[-0.2, -0.2], [-0.2, -0.038]])
def _changed_rate() -> list[list[float]]:
    moves = []
    forms: tuple[Literal["lecture", "framework"], ...] = ("lecture", "framework")
    for form in forms:
        theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = SGD(learning_rate=0.1, momentum=0.9, form=form).build([theta])
        places = [0.0]
        for rate in (0.1, 0.01):
            for group in optimizer.param_groups:
                group["lr"] = rate
            theta.grad = torch.full_like(theta, 2.0)
            optimizer.step()
            places.append(theta.item())
        moves.append([places[1], places[2] - places[1]])
    return moves


# -- descent on a quadratic --------------------------------------------------------------------------


def _far(rate: float) -> float:
    """Return how far from the minimum gradient descent is after 300 steps."""
    net = quadratic()
    rule, rows = CompiledDense(net, optimizer=SGD(learning_rate=rate)), quadratic_batch()
    for _ in range(300):
        rule.step(rows)
    return float(net.weights[0].detach().abs().max())


@claim("descent on curvatures (1, 10) converges at rate .199", "A 7", Between(0.0, 1.0))
def _converges() -> float:
    return _far(0.199)


@claim("and diverges at rate .201: the bound is 2 / 10", "A 7", Between(20.0, float("inf")))
def _diverges() -> float:
    return _far(0.201)


@claim(
    "elongated ellipse, curvatures (1, 100) at (10, 1): angle from -gradient to the minimum, degrees",
    "S3, A 7",
    78.5788137250,
)
def _angle() -> float:
    net = quadratic((10.0, 1.0))
    _, gradient = CompiledDense(net).loss_and_gradient(quadratic_batch((1.0, 100.0)))
    slope, way = torch.as_tensor(gradient)[:2], torch.tensor([10.0, 1.0], dtype=torch.float64)
    return float(torch.rad2deg(torch.arccos(slope @ way / (slope.norm() * way.norm()))))
