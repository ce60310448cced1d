"""Facts about single neurons: gates, the perceptron rule, the worked neuron, the delta rule."""

from collections.abc import Iterable

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from strata.data.sources import Batch
from strata.estimators import DeltaRulePerceptron, McCullochPitts, MLPClassifier
from strata.nn import DenseNetwork, DenseSpec, Head
from strata.rules.neuron import McCullochPittsRule
from strata.rules.optimizers import LBFGS
from strata.rules.perceptron import PerceptronRule
from strata.verify._registry import Between, Section

__all__: list[str] = []

gates = Section("gates")

INPUTS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
TABLES = {
    "AND": (0, 0, 0, 1),
    "OR": (0, 1, 1, 1),
    "NOR": (1, 0, 0, 0),
    "NAND": (1, 1, 1, 0),
    "XOR": (0, 1, 1, 0),
}

for _name, _weights, _threshold in (
    ("AND", (1.0, 1.0), 1.5),
    ("OR", (1.0, 1.0), 0.5),
    ("NOR", (-1.0, -1.0), -0.5),
    ("NAND", (-1.0, -1.0), -1.5),
):

    def _gate(name: str = _name, weights: tuple[float, ...] = _weights, threshold: float = _threshold) -> object:
        named = McCullochPitts.gate(name.lower()).predict(np.array(INPUTS))
        return [McCullochPitts(weights, threshold).predict(np.array(INPUTS)), named]

    gates(
        f"{_name}: weights {_weights}, threshold {_threshold}, inputs 00 01 10 11",
        "S3, A 2.1",
        [list(TABLES[_name]), list(TABLES[_name])],
        tolerance=0,
    )(_gate)


@gates("NOT: weight -1, threshold -0.5", "A 2.1", [1, 0], tolerance=0)
def _not() -> np.ndarray:
    return McCullochPitts((-1.0,), -0.5).predict(np.array([[0.0], [1.0]]))


@gates("majority of three: weights 1, threshold 1.5, all eight inputs", "A 2.1", [0, 0, 0, 1, 0, 1, 1, 1], tolerance=0)
def _majority() -> np.ndarray:
    return McCullochPitts.gate("majority").predict(
        np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    )


@gates("Boolean functions of two inputs that one neuron can compute", "S3, A 2.1", 14, tolerance=0)
def _fourteen() -> int:
    found = set()
    x = torch.tensor(INPUTS)
    for w1 in (-2, -1, 0, 1, 2):
        for w2 in (-2, -1, 0, 1, 2):
            for threshold in np.arange(-3.5, 4.0):
                found.add(tuple(McCullochPittsRule([w1, w2], float(threshold))(x).flatten().tolist()))
    return len(found)


# -- the perceptron rule -----------------------------------------------------------------------------

perceptron = Section("perceptron")


def _passes(
    targets: Iterable[int], n_epochs: int, rate: float = 1.0
) -> tuple[PerceptronRule, list[object], list[float]]:
    """Return the rule, (w1, w2, b) after each epoch and the share of errors in each."""
    batch = Batch(torch.tensor(INPUTS, dtype=torch.float64), torch.tensor([[float(d)] for d in targets]))
    rule = PerceptronRule(2, learning_rate=rate)
    places: list[object] = []
    errors = []
    for _ in range(n_epochs):
        figures = rule.step(batch)
        rule.end_epoch({name: float(value) for name, value in figures.items()})
        places.append([*rule.weight[0].tolist(), float(rule.bias[0])])
        errors.append(float(figures["error"]))
    return rule, places, errors


for _name, _places, _errors in (
    (
        "AND",
        [(1, 1, 1), (2, 1, 0), (2, 1, -1), (2, 2, -1), (2, 1, -2), (2, 1, -2)],
        [0.25, 0.75, 0.75, 0.5, 0.25, 0],
    ),
    ("OR", [(0, 1, 1), (1, 1, 1), (1, 1, 0), (1, 1, 0)], [0.25, 0.5, 0.25, 0]),
    ("NOR", [(0, -1, 0), (-1, -1, 0), (-1, -1, 1), (-1, -1, 1)], [0.5, 0.5, 0.25, 0]),
):

    def _run(name: str = _name, n: int = len(_places)) -> dict[str, object]:
        rule, places, errors = _passes(TABLES[name], n)
        return {"w1, w2, b": places, "errors": errors, "stops": bool(rule.converged)}

    perceptron(
        f"perceptron rule on {_name}: weights and errors by epoch, from zero",
        "S0 S3, A 2.2",
        {"w1, w2, b": _places, "errors": _errors, "stops": True},
        tolerance=0,
    )(_run)


@perceptron(
    "perceptron rule on XOR: weights and errors of four epochs, and no end",
    "S0 S3, A 2.2",
    {"w1, w2, b": [(-1, 0, 0), (-1, 0, 1), (-1, 0, 1), (-1, 0, 1)], "errors": [0.5, 0.75, 1, 1], "stops": False},
    tolerance=0,
)
def _xor() -> dict[str, object]:
    rule, places, errors = _passes(TABLES["XOR"], 4)
    for _ in range(200):  # it must not stop later either
        _passes_on(rule)
    return {"w1, w2, b": places, "errors": errors, "stops": bool(rule.converged)}


def _passes_on(rule: PerceptronRule) -> None:
    targets = torch.tensor([[float(d)] for d in TABLES["XOR"]])
    rule.step(Batch(torch.tensor(INPUTS, dtype=torch.float64), targets))
    rule.end_epoch({})


@perceptron(
    "perceptron rule on AND with rate .1: a tenth of the weights, the same decisions", "A 2.2", [0.2, 0.1, -0.2]
)
def _tenth() -> object:
    _, places, _ = _passes(TABLES["AND"], 6, rate=0.1)
    return places[-1]


@perceptron("best accuracy on XOR of a perceptron: three of four", "S1 S3, A 2.5", Between(0.0, 0.75))
def _xor_accuracy() -> float:
    x, best = torch.tensor(INPUTS, dtype=torch.float64), 0.0
    truth = torch.tensor(TABLES["XOR"])
    for n_epochs in range(1, 12):
        rule, _, _ = _passes(TABLES["XOR"], n_epochs)
        best = max(best, float(((rule(x)[:, 0] > 0).long() == truth).double().mean()))
    return best


# -- the worked neuron and the delta rule --------------------------------------------------------------

delta = Section("delta")

PLANE = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (2.0, 1.0)])
VALUES = np.array([1.0, 3.0, 0.0, 2.5, 4.0])
LINE = np.array([-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5])[:, None]
LABELS = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0])


def _neuron() -> DenseNetwork:
    spec = DenseSpec(2, (), (), (Head(1, "binary_cross_entropy"),))
    return DenseNetwork.from_arrays(spec, [np.array([[3.0], [-2.0]])], [np.array([1.0])])


@delta("the neuron 1 + 3 x1 - 2 x2 at (-1, 2): z and logistic output (slide: 0.002)", "S2, A 2.3", [-6.0, 0.0024726232])
def _worked() -> list[Tensor]:
    x = torch.tensor([[-1.0, 2.0]], dtype=torch.float64)
    return [_neuron()(x)[0, 0], _neuron().predict(x)[0, 0]]


@delta("its decision line: z = 0 and output 1/2 at (1, 2) and (-1, -1)", "S2, A 2.3", [[0.0, 0.0], [0.5, 0.5]])
def _line() -> list[Tensor]:
    x = torch.tensor([[1.0, 2.0], [-1.0, -1.0]], dtype=torch.float64)
    return [_neuron()(x)[:, 0], _neuron().predict(x)[:, 0]]


def _fitted(estimator: DeltaRulePerceptron) -> list[float]:
    return [*np.ravel(estimator.intercept_).tolist(), *np.ravel(estimator.coef_).tolist()]


def _delta(X: np.ndarray, y: np.ndarray, n: int, rates: tuple[float, float], activation: str) -> list[float]:
    rule = DeltaRulePerceptron(bias_rate=rates[0], weight_rate=rates[1], activation=activation, max_iter=n, tol=None)
    return _fitted(rule.fit(X, y))


@delta("delta rule, identity, rates .1 and .05: w0, w after one step from zero", "S4, A 2.4", [1.05, 0.675, 0.325])
def _one_step() -> list[float]:
    return _delta(PLANE, VALUES, 1, (0.1, 0.05), "identity")


@delta("delta rule, identity, converged: ordinary least squares", "S4, A 2.4", [1.0, 2.0, -0.8333333333])
def _least_squares() -> list[float]:
    return _delta(PLANE, VALUES, 5000, (0.1, 0.05), "identity")


@delta("delta rule, expit, rates 1: w0, w after one step from zero", "S4, A 2.4", [-0.125, 0.25, -0.125])
def _expit_step() -> list[float]:
    return _delta(PLANE, np.array([0.0, 1.0, 0.0, 0.0, 1.0]), 1, (1.0, 1.0), "logistic")


@delta(
    "expit neuron with squared loss on ten points: optimum and loss",
    "S4, A 2.4",
    [-0.2672073419, 1.0688293677, 1.4651072493],
    tolerance=1e-8,
)
def _squared_optimum() -> list[float]:
    neuron = DeltaRulePerceptron(bias_rate=0.5, weight_rate=0.5, activation="logistic", max_iter=4000, tol=None)
    neuron.fit(LINE, LABELS)
    return [*_fitted(neuron), float(neuron.loss_)]


@delta(
    "the same points by cross-entropy: logistic regression's optimum, another one",
    "S4, A 2.4",
    [-0.3383528804, 1.3534115217],
    tolerance=1e-7,
)
def _likelihood_optimum() -> list[float]:
    neuron = MLPClassifier((), solver="lbfgs", alpha=0.0, tol=1e-10, max_iter=1000, random_state=0)
    neuron.fit(LINE, LABELS)
    return [float(neuron.intercepts_[0][0]), float(neuron.coefs_[0][0, 0])]


@delta("logistic neuron by NLL on digits 0 against 1: largest difference to scikit-learn's optimum", "A 14",
       Between(0.0, 1e-4), slow=True)  # fmt: skip
def _digits() -> float:
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 2] / 16, y[y < 2]
    search = LBFGS(tol=1e-9, max_fun=100_000)
    ours = MLPClassifier((), solver=search, alpha=1.0, max_iter=5000, random_state=0).fit(X, y)
    theirs = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(X, y)
    return float(np.abs(ours.coefs_[0][:, 0] - theirs.coef_[0]).max())
