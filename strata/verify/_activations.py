"""Facts about activations: values, slopes, identities and what happens far out."""

import torch
from torch import Tensor

from strata.functional import (
    ACTIVATIONS,
    binary_cross_entropy,
    get_activation,
    relu,
    sigmoid,
    softmax,
    step,
    tanh,
)
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("activations")

POINTS = (-2.0, -1.0, 0.0, 0.5, 1.0, 3.0)
GRID = tuple(i / 8 for i in range(-80, 81))


def _points(values: tuple[float, ...] = POINTS) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@claim(
    "sigmoid at six points",
    "S1 S2 S3, A 3",
    [0.1192029220, 0.2689414214, 0.5, 0.6224593312, 0.7310585786, 0.9525741268],
)
def _sigmoid() -> Tensor:
    return sigmoid(_points())


@claim(
    "slope of the sigmoid at six points",
    "S1 S2 S3, A 3",
    [0.1049935854, 0.1966119332, 0.25, 0.2350037122, 0.1966119332, 0.0451766597],
)
def _sigmoid_slope() -> Tensor:
    return get_activation("logistic").derivative(_points())


@claim(
    "tanh at six points",
    "S1 S2 S3, A 3",
    [-0.9640275801, -0.7615941560, 0.0, 0.4621171573, 0.7615941560, 0.9950547537],
)
def _tanh() -> Tensor:
    return tanh(_points())


@claim(
    "slope of tanh at six points",
    "S1 S2 S3, A 3",
    [0.0706508249, 0.4199743416, 1.0, 0.7864477330, 0.4199743416, 0.0098660372],
)
def _tanh_slope() -> Tensor:
    return get_activation("tanh").derivative(_points())


@claim("identity: slope of the sigmoid is g (1 - g)", "S1 S2 S3, A 3", 0.0, tolerance=1e-15)
def _sigmoid_identity() -> Tensor:
    z = _points(GRID)
    return (get_activation("logistic").derivative(z) - sigmoid(z) * (1 - sigmoid(z))).abs().max()


@claim("identity: slope of tanh is 1 - g^2", "S1 S2 S3, A 3", 0.0, tolerance=1e-15)
def _tanh_identity() -> Tensor:
    z = _points(GRID)
    return (get_activation("tanh").derivative(z) - (1 - tanh(z) ** 2)).abs().max()


@claim("identity: tanh z is 2 sigmoid(2 z) - 1", "S2 S3, A 3", 0.0, tolerance=1e-15)
def _tanh_is_sigmoid() -> Tensor:
    z = _points(GRID)
    return (tanh(z) - (2 * sigmoid(2 * z) - 1)).abs().max()


@claim("largest slopes of sigmoid and tanh", "S1 S4, A 3", [0.25, 1.0])
def _largest_slopes() -> list[Tensor]:
    return [get_activation(name).derivative(_points(GRID)).max() for name in ("sigmoid", "tanh")]


@claim("ReLU and its slope at -1, 0, 2: the slope at 0 is 0", "S2, A 3", [[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
def _relu() -> list[Tensor]:
    z = _points((-1.0, 0.0, 2.0))
    return [relu(z), get_activation("relu").derivative(z)]


@claim("step at -1, 0, 1: at equality the output is 0", "S0 S3, A 3", [0.0, 0.0, 1.0], tolerance=0)
def _step() -> Tensor:
    return step(_points((-1.0, 0.0, 1.0)))


@claim("identity at six points, with slope 1", "S1, A 3", [list(POINTS), [1.0] * 6], tolerance=0)
def _identity() -> list[Tensor]:
    linear = get_activation("linear")
    return [linear(_points()), linear.derivative(_points())]


@claim(
    "clipped linear: no slope outside (0, 1), the reason to reject it",
    "S3, A 3",
    [[0.0, 0.25, 1.0], [0.0, 1.0, 0.0]],
    tolerance=0,
)
def _clipped_linear() -> list[Tensor]:
    z = _points((-0.5, 0.25, 1.5))
    return [get_activation("clipped_linear")(z), get_activation("clipped_linear").derivative(z)]


@claim("softmax of (1, 2, 3)", "S3 S4, A 3", [0.0900305732, 0.2447284711, 0.6652409558])
def _softmax() -> Tensor:
    return softmax(_points((1.0, 2.0, 3.0)))


@claim(
    "softmax of (1001, 1002, 1003) is the same and does not overflow",
    "S3, A 3",
    [0.0900305732, 0.2447284711, 0.6652409558],
)
def _softmax_far_out() -> Tensor:
    return softmax(_points((1001.0, 1002.0, 1003.0)))


@claim(
    "softmax of (1, 2, 3): first row of the jacobian diag(p) - p p'",
    "S3, A 3",
    [0.0819250691, -0.0220330445, -0.0598920245],
)
def _softmax_jacobian() -> Tensor:
    return get_activation("softmax").jacobian(_points((1.0, 2.0, 3.0)))[0]


@claim("softmax sums to one, and K sigmoids do not", "S3, A 3", {"softmax": 1.0, "sigmoids": 2.5644297834})
def _sums() -> dict[str, Tensor]:
    z = _points((1.0, 2.0, 3.0))
    return {"softmax": softmax(z).sum(), "sigmoids": sigmoid(z).sum()}


@claim("softmax of two scores is the sigmoid of their difference", "S3, A 3", 0.0, tolerance=1e-15)
def _two_classes() -> Tensor:
    z = _points(GRID)
    pairs = torch.stack([z, 0.5 - z], dim=1)
    return (softmax(pairs)[:, 0] - sigmoid(2 * z - 0.5)).abs().max()


@claim("-log sigmoid(z) is softplus(-z), also at z = -800", "S3, A 3", 0.0, tolerance=1e-12)
def _log_sigmoid() -> Tensor:
    z = _points((*GRID, -800.0, 800.0))
    losses = binary_cross_entropy(z[:, None], torch.ones_like(z)[:, None], reduction="none")
    return (losses - get_activation("softplus")(-z)).abs().max()


@claim("sigmoid and tanh are strictly increasing and bounded", "S1, A 3", True)
def _bounded() -> bool:
    z = _points(GRID)
    rising = all(bool((torch.diff(g(z)) > 0).all()) for g in (sigmoid, tanh))
    return rising and bool(((sigmoid(z) > 0) & (sigmoid(z) < 1) & (tanh(z).abs() < 1)).all())


@claim("slopes of all elementwise activations against central differences, relative", "A 6.6", Between(0.0, 1e-7))
def _all_slopes() -> float:
    z = _points(tuple(point + 0.0371 for point in GRID))  # off every kink
    h, worst = 1e-6, 0.0
    for activation in set(ACTIVATIONS.values()):
        if activation.elementwise:
            difference = (activation(z + h) - activation(z - h)) / (2 * h)
            slope = activation.derivative(z)
            worst = max(worst, float(((difference - slope).abs() / slope.abs().clamp(min=1)).max()))
    return worst
