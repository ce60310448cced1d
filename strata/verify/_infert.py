"""Facts about R's neuralnet on infert: one hidden unit, Rprop+, the lecture's table."""

from functools import cache

import numpy as np
import torch

from strata.data import load_set
from strata.data.sources import Batch
from strata.estimators import MLPRegressor
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.nn._r_random import r_random_state
from strata.report.baselines import fit_baselines
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent
from strata.rules.optimizers import Rprop
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("infert")

SOURCE = "S4, B 17"
START = (0.5, -0.5, 0.25, 0.75, 0.1, -0.3)  # hidden bias, parity, induced, spontaneous; output bias, hidden
COLUMNS = ["parity", "induced", "spontaneous"]


@cache
def _rows() -> tuple[np.ndarray, np.ndarray]:
    data = load_set("infert")
    return np.asarray(data.frame()[COLUMNS], dtype=np.float64), np.asarray(data.y, dtype=np.float64)


def _batch() -> Batch:
    x, y = _rows()
    return Batch(torch.from_numpy(x), torch.from_numpy(y[:, None]))


def _network(start: tuple[float, ...] = START) -> DenseNetwork:
    spec = DenseSpec(3, (1,), ("logistic",), (Head(1, "half_squared"),))
    weights = [np.array(start[1:4])[:, None], np.array([[start[5]]])]
    return DenseNetwork.from_arrays(spec, weights, [np.array([start[0]]), np.array([start[4]])])


def _numbers(net: DenseNetwork) -> list[float]:
    """Return the six weights in R's order."""
    (w1, w2), (b1, b2) = net.weights, net.biases
    return [float(value) for part in (b1, w1.ravel(), b2, w2.ravel()) for value in part]


def _table(outputs: np.ndarray) -> list[int]:
    """Return the confusion table by rows: truth 0 (called 0, called 1), truth 1."""
    _, y = _rows()
    called = np.asarray(outputs).ravel() > 0.5
    return [int(((y == truth) & (called == call)).sum()) for truth in (0, 1) for call in (False, True)]


@cache
def _run(engine: str, threshold: float = 0.01) -> tuple[DenseNetwork, int, float, float]:
    """Return the network at its end, R's count of steps, the error and the largest derivative."""
    net, spec, rows = _network(), Rprop(threshold=threshold), _batch()
    rule: CompiledDense | GradientDescent
    if engine == "compiled":
        rule = CompiledDense(net, optimizer=spec)
    else:
        rule = GradientDescent(net, DenseLoss(net.spec), optimizer=spec)
    steps = 0
    while not rule.converged and steps < 20_000:
        rule.step(rows)
        steps += 1
    loss, gradient = CompiledDense(net).loss_and_gradient(rows)
    return net, steps, float(loss), float(np.abs(gradient).max())


@claim("rows, zeros and ones", SOURCE, [248, 165, 83], tolerance=0)
def _counts() -> list[int]:
    _, y = _rows()
    return [len(y), int((y == 0).sum()), int((y == 1).sum())]


@claim(
    "start: error and gradient",
    SOURCE,
    [48.0414209671, [6.4958344257, 13.0057636294, 3.7495215001, 5.8719004738, -96.0437282145, -55.6425695908]],
)
def _start() -> list[object]:
    net = _network()
    loss = DenseLoss(net.spec)(net(_batch().x), _batch().y, None)
    (w1, w2), (b1, b2) = net.weights, net.biases
    gradient = torch.autograd.grad(loss, (b1, w1, b2, w2))
    return [loss, [float(value) for part in gradient for value in part.ravel()]]


for _engine in ("compiled", "autograd"):

    def _first_steps(engine: str = _engine) -> list[object]:
        net, rows = _network(), _batch()
        rule: CompiledDense | GradientDescent
        rule = CompiledDense(net, optimizer=Rprop()) if engine == "compiled" else _autograd_rule(net)
        errors: list[float] = []
        first: list[float] = []
        for _ in range(4):
            rule.step(rows)
            first = first or _numbers(net)
            errors.append(float(rule.evaluate(rows)["loss"]))
        return [first, errors[0], errors[3]]

    def _end(engine: str = _engine) -> list[object]:
        net, steps, loss, largest = _run(engine)
        return [steps, loss, largest, _numbers(net)]

    claim(
        f"Rprop+: weights and error after update 1, error after update 4, {_engine}",
        SOURCE,
        [(0.4, -0.6, 0.15, 0.65, 0.2, -0.2), 34.5242397342, 28.3318063834],
    )(_first_steps)
    claim(
        f"Rprop+ from R's start: steps, error, largest derivative, weights, {_engine}",
        SOURCE,
        [
            950,
            21.2207789652,
            0.0079123476,
            (-1.7094409781, -2.1878762283, 2.7338107702, 4.4480316855, 0.1363533853, 0.7256350165),
        ],
    )(_end)


def _autograd_rule(net: DenseNetwork) -> GradientDescent:
    return GradientDescent(net, DenseLoss(net.spec), optimizer=Rprop())


@claim("Rprop+: error after update 3", SOURCE, 28.14, tolerance=5e-3)
def _third() -> float:
    net, rows = _network(), _batch()
    rule = CompiledDense(net, optimizer=Rprop())
    for _ in range(3):
        rule.step(rows)
    return float(rule.evaluate(rows)["loss"])


@claim("the lecture's table from R's start: 143 22 / 37 46", SOURCE, [143, 22, 37, 46], tolerance=0)
def _from_start() -> list[int]:
    net, *_ = _run("compiled")
    return _table(net.predict(_batch().x).numpy())


@claim("sign symmetry: hidden weights negated, output bias b + v, output weight -v", SOURCE, 0.0, tolerance=1e-12)
def _symmetry() -> torch.Tensor:
    net, *_ = _run("compiled")
    b1, w1, w2, w3, b2, v = _numbers(net)
    other = _network((-b1, -w1, -w2, -w3, b2 + v, -v))
    return (net.predict(_batch().x) - other.predict(_batch().x)).abs().max()


@cache
def _fitted(seed: int) -> MLPRegressor:
    """Return the estimator that started where R starts after ``set.seed(seed)``."""
    x, y = _rows()
    return MLPRegressor(
        hidden_layer_sizes=(1,),
        activation="logistic",
        loss="half_squared",
        solver=Rprop(threshold=0.01),
        alpha=0.0,
        init="neuralnet",
        init_sigma=1.0,
        shuffle=False,
        max_iter=100_000,
        tol=0.0,
        n_iter_no_change=100_000,
        random_state=r_random_state(seed),
    ).fit(x, y)


@claim("MLPRegressor from R's seeds 1 to 5: the lecture's table every time", SOURCE, [[143, 22, 37, 46]] * 5,
       tolerance=0)  # fmt: skip
def _tables() -> list[list[int]]:
    return [_table(_fitted(seed).predict(_rows()[0])) for seed in range(1, 6)]


@claim("MLPRegressor from R's seeds 1 to 5: error 21.219 to 21.222", SOURCE, [21.2205] * 5, tolerance=2e-3)
def _errors() -> list[float]:
    x, y = _rows()
    return [0.5 * float(((_fitted(seed).predict(x) - y) ** 2).sum()) for seed in range(1, 6)]


@claim("MLPRegressor from R's seeds 1 to 5: 600 to 1,700 steps", "issue 6, B 17", [1150] * 5, tolerance=550)
def _steps() -> list[int]:
    return [int(_fitted(seed).n_iter_) for seed in range(1, 6)]


@claim("accuracy of the table", SOURCE, 0.7621, tolerance=5e-5)
def _accuracy() -> float:
    net, *_ = _run("compiled")
    table = _table(net.predict(_batch().x).numpy())
    return (table[0] + table[3]) / sum(table)


OPTIMUM = (-1.7903097721, -2.3523436906, 2.9605501433, 4.7796928847, 0.1397463803, 0.7052415645)


@claim("optimum, threshold 1e-6: error", SOURCE, 21.2187723185, slow=True)
def _optimum_error() -> float:
    return _run("compiled", 1e-6)[2]


@claim("optimum, threshold 1e-6: weights", SOURCE, OPTIMUM, tolerance=2e-6, slow=True)
def _optimum_weights() -> list[float]:
    return _numbers(_run("compiled", 1e-6)[0])


@claim("optimum: smallest distance of a fitted value to 0.5", SOURCE, 0.0938, tolerance=5e-5, slow=True)
def _margin() -> float:
    net, *_ = _run("compiled", 1e-6)
    return float((net.predict(_batch().x) - 0.5).abs().min())


@claim("support vector machine of the baselines: 149 16 / 43 40", SOURCE, [149, 16, 43, 40], tolerance=0)
def _svm() -> list[int]:
    x, y = _rows()
    found = [one for one in fit_baselines(x, y, x, y, task="classification") if "SVM" in one.name]
    confusion = found[0].evaluation.confusion
    return [] if confusion is None else [int(count) for count in confusion.ravel()]


@claim("majority class on infert: accuracy 165/248", SOURCE, 165 / 248)
def _majority() -> float:
    x, y = _rows()
    return float(fit_baselines(x, y, x, y, task="classification")[0].evaluation.score)


@claim("the network's accuracy is above the majority class by", SOURCE, Between(0.09, 0.1))
def _gain() -> float:
    return float(_accuracy() - 165 / 248)
