"""Facts about penalties, dropout, bagging and weight sharing."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from strata.data.sources import Batch
from strata.functional import Penalty, keep_mask, l1_penalty, soft_threshold
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules.gradient import GradientDescent
from strata.rules.optimizers import SGD
from strata.verify._examples import batch, quadratic, quadratic_batch
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("regularisation")

CURVATURES, BEST = (1.0, 10.0), (3.0, -0.2)


def _optimum(penalty: Penalty, n_steps: int = 300) -> Tensor:
    """Return where gradient descent with a penalty comes to rest on the diagonal quadratic."""
    net = quadratic((0.5, 0.5))
    rule = GradientDescent(net, DenseLoss(net.spec), optimizer=SGD(learning_rate=0.09), penalty=penalty)
    rows = quadratic_batch(CURVATURES, BEST)
    for _ in range(n_steps):
        rule.step(rows)
    theta: Tensor = net.weights[0].detach()[:, 0]
    return theta


@claim("L2 optimum h w* / (h + a) for h = (1, 10), w* = (3, -.2), a = .5", "S1 S3, A 9", [2.0, -0.1904761905])
def _l2() -> Tensor:
    return _optimum(Penalty(l2=0.5))


@claim("L1 optimum sign(w*) max(|w*| - a/h, 0), a = .5, by proximal steps", "S1 S3 S4, A 9", [2.5, -0.15])
def _l1() -> Tensor:
    return _optimum(Penalty(l1=0.5, l1_form="proximal"))


@claim("L1 optimum for a = 3 is (0, 0) by proximal steps", "S1 S3 S4, A 9", [0.0, 0.0])
def _l1_zero() -> Tensor:
    return _optimum(Penalty(l1=3.0, l1_form="proximal"))


@claim("plain subgradient steps do not land on zero", "S1, A 9", 0, tolerance=0)
def _l1_subgradient() -> int:
    return int((_optimum(Penalty(l1=3.0)) == 0).sum())


@claim("soft threshold by .5 of (3, -.2, .5, -2)", "A 9", [2.5, 0.0, 0.0, -1.5])
def _soft() -> Tensor:
    return soft_threshold(torch.tensor([3.0, -0.2, 0.5, -2.0], dtype=torch.float64), 0.5)


@claim("subgradient of the L1 penalty at 0 is 0", "S3, A 9", [1.0, 0.0, -1.0], tolerance=0)
def _sign() -> Tensor:
    w = torch.tensor([2.0, 0.0, -3.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(l1_penalty([w]), w)
    return gradient


@claim("one SGD step with L2 is shrink, then step; biases are left alone", "S1 S3, A 9", 0.0, tolerance=1e-12)
def _shrink() -> float:
    rows = batch([(1.0, 2.0), (0.5, -1.0)], [(1.0,), (-2.0,)])
    start = (np.array([[0.3], [-0.7]]), np.array([0.4]))
    spec = DenseSpec(2, (), (), (Head(1, "squared_error"),))
    after = []
    for decay in (0.0, 0.1):
        net = DenseNetwork.from_arrays(spec, [start[0].copy()], [start[1].copy()])
        rule = GradientDescent(net, DenseLoss(spec), optimizer=SGD(learning_rate=0.01), penalty=Penalty(l2=decay))
        rule.step(rows)
        after.append((net.weights[0].detach(), net.biases[0].detach()))
    (plain, bias), (shrunk, other_bias) = after
    wanted = plain - 0.01 * 0.1 * torch.from_numpy(start[0])
    return max(float((shrunk - wanted).abs().max()), float((bias - other_bias).abs().max()))


# -- dropout -----------------------------------------------------------------------------------------

H = (0.5, -1.0, 2.0, 4.0)
ONE = ((0.3, 0.2, -0.1, 0.4),)
TWO = ((0.3, 0.2, -0.1, 0.4), (-0.2, 0.5, 0.1, 0.1))


def _dropping(weights: Sequence[Sequence[float]], p: float, form: str) -> DenseNetwork:
    loss = "squared_error" if len(weights) == 1 else "cross_entropy"
    spec = DenseSpec(4, (), (), (Head(len(weights), loss),), dropout=(p,), dropout_form=form)  # type: ignore[arg-type]
    return DenseNetwork.from_arrays(spec, [np.array(weights).T.copy()], [np.zeros(len(weights))])


def _over_all_masks(net: DenseNetwork) -> tuple[Tensor, Tensor]:
    """Return the training outputs under each of the 16 masks, and how often a unit was kept there."""
    n = 4000  # rows of one batch draw their own masks: all 16 are among them
    net.train()
    p = net.spec.dropout[0]
    masks = keep_mask(int(net.dropout_seed), int(net.dropout_step), 0, (n, 4), p, torch.device("cpu"))
    scores = net(torch.tensor([H] * n, dtype=torch.float64)).detach()
    codes = (masks.long() * torch.tensor([8, 4, 2, 1])).sum(1)
    first = [int((codes == code).nonzero()[0]) for code in range(16)]
    return scores[first], masks[first].sum(1)


@claim("linear consumer of (.5, -1, 2, 4): full sum", "A 9", 1.35)
def _full() -> Tensor:
    return _dropping(ONE, 0.5, "inverted").predict(torch.tensor([H], dtype=torch.float64))[0, 0]


@claim("dropout p = .5: mean over all 16 masks, and weight scaling", "S2 S3, A 9", [0.675, 0.675])
def _half() -> list[Tensor]:
    net = _dropping(ONE, 0.5, "rescaling")
    outputs, _ = _over_all_masks(net)
    return [outputs.mean(), net.predict(torch.tensor([H], dtype=torch.float64))[0, 0]]


@claim("dropout p = .2: mean over all 16 masks by their probability, and weight scaling", "S2 S3, A 9", [1.08, 1.08])
def _fifth() -> list[Tensor]:
    net = _dropping(ONE, 0.2, "rescaling")
    outputs, kept = _over_all_masks(net)
    chances = 0.8 ** kept.double() * 0.2 ** (4 - kept).double()
    return [chances @ outputs[:, 0], net.predict(torch.tensor([H], dtype=torch.float64))[0, 0]]


@claim("inverted dropout keeps the expectation: mean over all 16 masks, p = .5", "A 9", 1.35)
def _inverted() -> Tensor:
    return _over_all_masks(_dropping(ONE, 0.5, "inverted"))[0].mean()


@claim(
    "softmax layer, p = .5: renormalised geometric mean over all masks, and weight scaling",
    "S3, A 9",
    [[0.6626218372, 0.3373781628], [0.6626218372, 0.3373781628]],
)
def _geometric() -> list[Tensor]:
    net = _dropping(TWO, 0.5, "rescaling")
    outputs, _ = _over_all_masks(net)
    mean = torch.log_softmax(outputs, dim=1).mean(0)
    return [torch.softmax(mean, 0), net.predict(torch.tensor([H], dtype=torch.float64))[0]]


@claim("a dropped unit receives no gradient in that pass", "S3, A 9", True)
def _no_gradient() -> bool:
    net = _dropping(ONE, 0.5, "inverted").train()
    x = torch.tensor([H] * 50, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).sum(), x)
    kept = keep_mask(int(net.dropout_seed), int(net.dropout_step), 0, (50, 4), 0.5, torch.device("cpu"))
    return bool(((gradient != 0) == kept).all())


@claim("share of units kept at p = .5 and p = .2, of 400,000", "S3, A 9", [0.5, 0.8], tolerance=0.004)
def _share() -> list[Tensor]:
    return [keep_mask(1, 2, 3, (100_000, 4), p, torch.device("cpu")).double().mean() for p in (0.5, 0.2)]


# -- sharing and tasks -------------------------------------------------------------------------------


@claim("tied autoencoder: the gradient is that of the encoder plus the decoder's transpose", "S3 S4, A 9", 0.0,
       tolerance=1e-12)  # fmt: skip
def _tied() -> float:
    tied = DenseNetwork(DenseSpec(3, (2,), ("tanh",), (Head(3, "squared_error"),), tied=True), dtype=torch.float64)
    free_spec = DenseSpec(3, (2,), ("tanh",), (Head(3, "squared_error"),))
    matrices = [matrix.detach().numpy().copy() for matrix in tied.matrices()]
    free = DenseNetwork.from_arrays(free_spec, matrices, [bias.detach().numpy().copy() for bias in tied.biases])
    rows = batch([(1.0, -0.5, 0.25), (0.5, 2.0, -1.0)], [(1.0, -0.5, 0.25), (0.5, 2.0, -1.0)])
    gradients = []
    for net in (tied, free):
        DenseLoss(net.spec)(net(rows.x), rows.y, None).backward()
        gradients.append([weight.grad for weight in net.weights if weight.grad is not None])
    return float((gradients[0][0] - (gradients[1][0] + gradients[1][1].T)).abs().max())


@claim("a task of weight zero gives neither its head nor the trunk a gradient", "S3, A 9", 0.0, tolerance=0)
def _silent_task() -> float:
    def gradients(weight: float, target: float) -> Tensor:
        heads = (Head(1, "squared_error", name="a"), Head(1, "squared_error", weight=weight, name="b"))
        net = DenseNetwork(DenseSpec(2, (3,), ("tanh",), heads), dtype=torch.float64)
        rows = batch([(1.0, -0.5)], [(1.0, target)])
        DenseLoss(net.spec)(net(rows.x), rows.y, None).backward()
        trunk, head = net.weights[0].grad, net.weights[1].grad
        if trunk is None or head is None:
            raise ArithmeticError("no gradient")
        return torch.cat([trunk.ravel(), head[:, 1]])

    return float((gradients(0.0, 5.0) - gradients(0.0, -7.0)).abs().max() + gradients(0.0, 5.0)[-3:].abs().max())


@claim("frozen layers are unchanged bit by bit after ten steps", "S4, A 9", True)
def _frozen() -> bool:
    net = DenseNetwork(DenseSpec(2, (3,), ("tanh",), (Head(1, "squared_error"),)), dtype=torch.float64)
    before = net.weights[0].detach().clone()
    rule = GradientDescent(net, DenseLoss(net.spec), frozen=("weights.0", "biases.0"))
    rows = Batch(torch.ones(4, 2, dtype=torch.float64), torch.zeros(4, 1, dtype=torch.float64))
    moved = net.weights[1].detach().clone()
    for _ in range(10):
        rule.step(rows)
    return torch.equal(before, net.weights[0].detach()) and not torch.equal(moved, net.weights[1].detach())


# -- initialisation and the flow of gradients --------------------------------------------------------

flow = Section("flow")


@flow("two identical hidden units have identical gradients for ever", "S2, A 10", 0.0, tolerance=0)
def _identical() -> float:
    spec = DenseSpec(2, (2,), ("tanh",), (Head(1, "squared_error"),))
    weights = [np.array([[0.3, 0.3], [-0.2, -0.2]]), np.array([[0.5], [0.5]])]
    net = DenseNetwork.from_arrays(spec, weights, [np.zeros(2), np.zeros(1)])
    rule = GradientDescent(net, DenseLoss(spec), optimizer=SGD(learning_rate=0.1))
    for _ in range(20):
        rule.step(batch([(1.0, 2.0), (-0.5, 0.3)], [(1.0,), (0.0,)]))
    first = net.weights[0].detach()
    return float((first[:, 0] - first[:, 1]).abs().max())


def _chain(n_layers: int) -> Tensor:
    """Return the derivative of a chain of sigmoid layers of width 1 with w = 1, b = 0, at x = 0."""
    hidden = (1,) * (n_layers - 1)
    spec = DenseSpec(1, hidden, ("logistic",) * len(hidden), (Head(1, "squared_error", activation="logistic"),))
    net = DenseNetwork.from_arrays(spec, [np.ones((1, 1))] * n_layers, [np.zeros(1)] * n_layers)
    x = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(net.spec.activate(net(x)), x)
    return slope[0, 0]


@flow("chain of ten sigmoid layers: derivative at 0", "S1 S4, A 10", 3.8752202321e-07, tolerance=1e-16)
def _ten() -> Tensor:
    return _chain(10)


@flow("and below its bounds .25^5 and .25^10", "S1 S4, A 10", True)
def _bounds() -> bool:
    return 0 < float(_chain(5)) < 9.765625e-4 and 0 < float(_chain(10)) < 9.5367431641e-07


def _ratio(activation: str, sigma: float) -> float:
    """Return first over last gradient norm of a ten-layer network of width 64, mean of five seeds."""
    ratios = []
    for seed in range(5):
        random = np.random.RandomState(seed)
        spec = DenseSpec(64, (64,) * 9, (activation,) * 9, (Head(1, "squared_error"),))
        weights = [random.normal(scale=sigma / shape[0] ** 0.5, size=shape) for shape in spec.weight_shapes]
        net = DenseNetwork.from_arrays(spec, weights, [np.zeros(shape[1]) for shape in spec.weight_shapes])
        x = torch.from_numpy(random.normal(size=(32, 64)))
        DenseLoss(spec)(net(x), torch.from_numpy(random.normal(size=(32, 1))), None).backward()
        norms = [float(weight.grad.norm()) for weight in net.weights if weight.grad is not None]
        ratios.append(norms[0] / norms[8])  # the last square layer: the output layer has one column
    return float(np.mean(ratios))


@flow("ten sigmoid layers, weights 1/sqrt(fan-in): first over last gradient norm", "S1 S4, A 10", Between(0.0, 1e-3))
def _sigmoid_ratio() -> float:
    return _ratio("logistic", 1.0)


@flow("ten ReLU layers by He: first over last gradient norm", "A 10", Between(0.1, 10.0))
def _relu_ratio() -> float:
    return _ratio("relu", 2**0.5)


@flow("ten tanh layers, 1/sqrt(fan-in): first over last gradient norm", "A 10", Between(0.1, 10.0))
def _tanh_ratio() -> float:
    return _ratio("tanh", 1.0)
