"""Facts about back-propagation: the worked examples, by the compiled equations and by autograd."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from strata.data.sources import Batch
from strata.nn import DenseLoss, DenseNetwork
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent
from strata.rules.optimizers import SGD
from strata.verify._examples import autograd, batch, sigmoid_331, small_221, xor_221
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("backprop")

SIX_TWO = "S3 S0 S2, A 6.2"
FIRST = batch([(1.0, 0.5, -1.5)], [(1.0,)])
SECOND = batch([(-0.3, 2.0, 0.7)], [(0.0,)])
BOTH = batch([(1.0, 0.5, -1.5), (-0.3, 2.0, 0.7)], [(1.0,), (0.0,)])
SMALL = batch([(0.05, 0.1)], [(0.01,)])
SMALL_CLASS_2 = batch([(0.05, 0.1)], [(1.0,)])


def _trace(net: DenseNetwork, rows: Batch) -> list[dict[str, np.ndarray]]:
    """Return every z, a, delta and gradient of a step, by layer, in the lectures' orientation."""
    layers = CompiledDense(net).trace(rows)
    return [
        {
            "z": np.asarray(layer.z)[0],
            "a": np.asarray(layer.a)[0],
            "delta": np.asarray(layer.delta)[0],
            "weight": np.asarray(layer.grad_weight).T,
            "bias": np.asarray(layer.grad_bias),
        }
        for layer in layers
    ]


def _register(
    name: str, source: str, make: Callable[[], DenseNetwork], rows: Batch, parts: dict[str, tuple[int, str, object]]
) -> None:
    """Register one fact per traced quantity: label -> (layer from the input, part, expected)."""
    for label, (layer, part, expected) in parts.items():

        def measure(layer: int = layer, part: str = part) -> np.ndarray:
            return _trace(make(), rows)[layer][part]

        claim(f"{name}: {label}", source, expected)(measure)


_register(
    "3-3-1 sigmoid",
    SIX_TWO,
    sigmoid_331,
    FIRST,
    {
        "z2": (0, "z", [-0.44, 1.53, -1.62]),
        "a2": (0, "a", [0.3917409693, 0.8220063142, 0.1652048702]),
        "z3": (1, "z", [-0.0333705800]),
        "a3": (1, "a", [0.4916581291]),
        "delta 3": (1, "delta", [-0.1270500938]),
        "delta 2": (0, "delta", [-0.0151367471, 0.0074355780, -0.0052565282]),
        "gradient of W2": (1, "weight", [[-0.0497707269, -0.1044359794, -0.0209892943]]),
        "gradient of b2": (1, "bias", [-0.1270500938]),
        "gradient of W1": (
            0,
            "weight",
            [
                [-0.0151367471, -0.0075683735, 0.0227051206],
                [0.0074355780, 0.0037177890, -0.0111533669],
                [-0.0052565282, -0.0026282641, 0.0078847923],
            ],
        ),
        "gradient of b1 is delta 2": (0, "bias", [-0.0151367471, 0.0074355780, -0.0052565282]),
    },
)
_register(
    "3-3-1 sigmoid, second example",
    SIX_TWO,
    sigmoid_331,
    SECOND,
    {
        "z2": (0, "z", [-0.21, 0.44, 2.47]),
        "a2": (0, "a", [0.4476920904, 0.6082590307, 0.9220117649]),
        "a3": (1, "a", [0.5761884705]),
        "delta 3": (1, "delta", [0.1407025262]),
        "delta 2": (0, "delta", [0.0173953265, -0.0134106382, 0.0030352097]),
    },
)
_register(
    "3-3-1 tanh and linear",
    SIX_TWO,
    lambda: sigmoid_331("tanh", None),
    batch([(1.0, 0.5, -1.5)], [(0.25,)]),
    {
        "a2": (0, "a", [-0.4136444422, 0.9104245939, -0.9246242190]),
        "a3": (1, "a", [-0.7983793243]),
        "delta 3": (1, "delta", [-1.0483793243]),
        "delta 2": (0, "delta", [-0.4344999070, 0.0717624281, -0.0456265335]),
        "gradient of W2": (1, "weight", [[0.4336562808, -0.9544703206, 0.9693569140]]),
    },
)
_register(
    "2-2-1 sigmoid",
    "A 6.3",
    small_221,
    SMALL,
    {
        "z2": (0, "z", [0.3775, -0.3075]),
        "a2": (0, "a", [0.5932699921, 0.4237250775]),
        "z3": (1, "z", [0.6466317120]),
        "a3": (1, "a", [0.6562510257]),
        "delta 3": (1, "delta", [0.1457849363]),
        "delta 2": (0, "delta", [0.0140712034, -0.0160191347]),
        "gradient of W2": (1, "weight", [[0.0864898280, 0.0617727335]]),
        "gradient of b2": (1, "bias", [0.1457849363]),
        "gradient of W1": (0, "weight", [[0.0007035602, 0.0014071203], [-0.0008009567, -0.0016019135]]),
        "gradient of b1 is delta 2": (0, "bias", [0.0140712034, -0.0160191347]),
    },
)
_register(
    "2-2-2 tanh and softmax",
    "A 6.4",
    lambda: small_221(two_classes=True),
    SMALL_CLASS_2,
    {
        "a2": (0, "a", [0.3605343934, -0.2981610485]),
        "z3": (1, "z", [0.8783862292, -0.0837213800]),
        "p": (1, "a", [0.7235435851, 0.2764564149]),
        "delta 3 is p - y": (1, "delta", [0.7235435851, -0.7235435851]),
        "delta 2": (0, "delta", [-0.0629493737, -0.6592205525]),
        "gradient of W2": (1, "weight", [[0.2608623475, -0.2157325140], [-0.2608623475, 0.2157325140]]),
        "gradient of W1": (0, "weight", [[-0.0031474687, -0.0062949374], [-0.0329610276, -0.0659220553]]),
    },
)
_register(
    "XOR network at (1, 1) with the wrong target 1",
    "S3, A 6.5",
    xor_221,
    batch([(1.0, 1.0)], [(1.0,)]),
    {
        "z2": (0, "z", [2.0, 1.0]),
        "y": (1, "a", [0.0]),
        "delta 3": (1, "delta", [-1.0]),
        "delta 2": (0, "delta", [-1.0, 2.0]),
        "gradient of W2": (1, "weight", [[-2.0, -1.0]]),
        "gradient of W1": (0, "weight", [[-1.0, -1.0], [2.0, 2.0]]),
        "gradient of b1": (0, "bias", [-1.0, 2.0]),
    },
)


@claim("3-3-1 tanh and linear: first row of the gradient of W1", SIX_TWO, [-0.4344999070, -0.2172499535, 0.6517498605])
def _tanh_row() -> object:
    return _trace(sigmoid_331("tanh", None), batch([(1.0, 0.5, -1.5)], [(0.25,)]))[0]["weight"][0]


@claim(
    "loss J of every worked example",
    "A 6.2 6.3 6.4 6.5",
    {
        "3-3-1": 0.1292057289,
        "second": 0.1659965768,
        "both": 0.1476011528,
        "tanh": 0.5495496039,
        "2-2-1": 0.2088201941,
        "2-2-2": 1.2857021019,
        "XOR": 0.5,
    },
)
def _losses() -> dict[str, float]:
    cases = {
        "3-3-1": (sigmoid_331(), FIRST),
        "second": (sigmoid_331(), SECOND),
        "both": (sigmoid_331(), BOTH),
        "tanh": (sigmoid_331("tanh", None), batch([(1.0, 0.5, -1.5)], [(0.25,)])),
        "2-2-1": (small_221(), SMALL),
        "2-2-2": (small_221(two_classes=True), SMALL_CLASS_2),
        "XOR": (xor_221(), batch([(1.0, 1.0)], [(1.0,)])),
    }
    return {name: float(CompiledDense(net).loss_and_gradient(rows)[0]) for name, (net, rows) in cases.items()}


@claim(
    "batch of both examples: mean gradients",
    SIX_TWO,
    {
        "W2": [[0.0066103406, -0.0094261986, 0.0543700451]],
        "b2": [0.0068262162],
        "b1": [0.0011292897, -0.0029875301, -0.0011106592],
        "W1": [
            [-0.0101776725, 0.0136111397, 0.0174409245],
            [0.0057293847, -0.0115517437, -0.0102704068],
            [-0.0030835456, 0.0017210777, 0.0050047195],
        ],
    },
)
def _both() -> dict[str, np.ndarray]:
    first, second = _trace(sigmoid_331(), BOTH)
    return {"W2": second["weight"], "b2": second["bias"], "b1": first["bias"], "W1": first["weight"]}


AFTER = {
    "W2": [[0.5248853635, -0.3477820103, 0.3104946471]],
    "b2": [0.1135250469],
    "W1": [
        [0.1075683735, -0.1962158132, 0.2886474397],
        [0.3962822110, 0.4981411055, -0.5944233165],
        [-0.6973717359, 0.8013141320, 0.8960576039],
    ],
    "b1": [0.0175683735, -0.0237177890, 0.0326282641],
    "J": 0.1139865866,
}


def _after_step(rule: CompiledDense | GradientDescent, net: DenseNetwork) -> dict[str, object]:
    rule.step(FIRST)
    (w1, w2), (b1, b2) = net.weights, net.biases
    return {"W2": w2.T, "b2": b2, "W1": w1.T, "b1": b1, "J": rule.evaluate(FIRST)["loss"]}


@claim("3-3-1 sigmoid: weights and J after one step of rate 0.5, compiled", SIX_TWO, AFTER)
def _compiled_step() -> dict[str, object]:
    net = sigmoid_331()
    return _after_step(CompiledDense(net, optimizer=SGD(learning_rate=0.5)), net)


@claim("3-3-1 sigmoid: weights and J after one step of rate 0.5, autograd", SIX_TWO, AFTER)
def _autograd_step() -> dict[str, object]:
    net = sigmoid_331()
    return _after_step(GradientDescent(net, DenseLoss(net.spec), optimizer=SGD(learning_rate=0.5)), net)


def _flat(rows: list[dict[str, np.ndarray]]) -> np.ndarray:
    return np.concatenate([np.concatenate([row["weight"].ravel(), row["bias"]]) for row in rows])


def _autograd_flat(net: DenseNetwork, rows: Batch) -> np.ndarray:
    _, weights, biases = autograd(net, rows)
    return np.concatenate(
        [np.concatenate([w.numpy().ravel(), b.numpy()]) for w, b in zip(weights, biases, strict=True)]
    )


@claim("compiled back-propagation against autograd, all examples", "A 6.6", Between(0.0, 1e-12))
def _engines() -> float:
    cases: list[tuple[Callable[[], DenseNetwork], Batch]] = [
        (sigmoid_331, BOTH),
        (lambda: sigmoid_331("tanh", None), BOTH),
        (small_221, SMALL),
        (lambda: small_221(two_classes=True), SMALL_CLASS_2),
        (xor_221, batch([(1.0, 1.0), (0.0, 1.0)], [(1.0,), (0.5,)])),
    ]
    return max(float(np.abs(_flat(_trace(make(), rows)) - _autograd_flat(make(), rows)).max()) for make, rows in cases)


@claim("back-propagation against central differences, h = 1e-6: relative error", "A 6.6", Between(0.0, 1e-7))
def _differences() -> float:
    net, h = sigmoid_331(), 1e-6
    wanted = _flat(_trace(sigmoid_331(), BOTH))
    found: list[float] = []
    rule = CompiledDense(net)
    for weight, bias in zip(net.weights, net.biases, strict=True):
        columns = weight.detach().T  # a view: one row a unit, as the lectures write it
        for row in (*columns, bias.detach()):
            for index in range(len(row)):
                losses = []
                for move in (h, -2 * h):
                    row[index] += move
                    losses.append(float(rule.evaluate(BOTH)["loss"]))
                row[index] += h
                found.append((losses[0] - losses[1]) / (2 * h))
    return float(np.linalg.norm(np.array(found) - wanted) / np.linalg.norm(wanted))


@claim("gradient of a batch is the mean of the gradients of its rows", "S3, A 6.6", 0.0, tolerance=1e-15)
def _mean() -> float:
    parts = [_flat(_trace(sigmoid_331(), rows)) for rows in (FIRST, SECOND)]
    return float(np.abs(_flat(_trace(sigmoid_331(), BOTH)) - (parts[0] + parts[1]) / 2).max())


@claim("permuting hidden units permutes the gradients", "A 6.6", 0.0, tolerance=1e-15)
def _permuted() -> float:
    order = [2, 0, 1]
    net = sigmoid_331()
    (w1, w2), (b1, b2) = [list(group) for group in (net.weights, net.biases)]
    arrays = [tensor.detach().numpy().copy() for tensor in (w1[:, order], w2[order], b1[order], b2)]
    other = DenseNetwork.from_arrays(net.spec, arrays[:2], arrays[2:])
    before, after = _trace(sigmoid_331(), BOTH), _trace(other, BOTH)
    worst = [
        np.abs(before[0]["weight"][order] - after[0]["weight"]),
        np.abs(before[0]["bias"][order] - after[0]["bias"]),
    ]
    worst.append(np.abs(before[1]["weight"][:, order] - after[1]["weight"]))
    return float(max(part.max() for part in worst))


@claim(
    "gradient of the input is W1' delta 2",
    "S3, A 6.1",
    [0.1 * -0.0151367471 + 0.4 * 0.0074355780 - 0.7 * -0.0052565282,
     -0.2 * -0.0151367471 + 0.5 * 0.0074355780 + 0.8 * -0.0052565282,
     0.3 * -0.0151367471 - 0.6 * 0.0074355780 + 0.9 * -0.0052565282],
    tolerance=3e-10,
)  # fmt: skip
def _input() -> Tensor:
    net = sigmoid_331()
    x = FIRST.x.clone().requires_grad_()
    loss: Tensor = DenseLoss(net.spec)(net(x), FIRST.y, None)
    (gradient,) = torch.autograd.grad(loss, x)
    return gradient[0]


@claim(
    "XOR by one hidden layer with the slide's weights: h and y for (00), (10), (01), (11)",
    "S3, A 2.6",
    {"z": [[0, 1, 1, 2], [-1, 0, 0, 1]], "h": [[0, 1, 1, 2], [0, 0, 0, 1]], "y": [0, 1, 1, 0]},
    tolerance=0,
)
def _xor() -> dict[str, Tensor]:
    x = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.float64)
    (z, h), (_, y) = xor_221().activations(x)
    return {"z": z.T, "h": h.T, "y": y[:, 0]}


@claim("a deep linear network is the product of its matrices", "S1 S2 S3, A 2.5", 0.0, tolerance=1e-12)
def _collapse() -> Tensor:
    net = sigmoid_331("identity", None)
    (w1, w2), (b1, b2) = net.weights, net.biases
    x = BOTH.x
    product: Tensor = x @ (w1 @ w2) + b1 @ w2 + b2
    gap: Tensor = (net(x) - product).abs().max()
    return gap
