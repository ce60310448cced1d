"""Figures of the layers and of the start against NumPy by hand, automatic differentiation, and direct computations."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional as F

import strata
from strata.data.sources import Batch
from strata.diagnosis._lookback import look_at_start, noise_scale
from strata.diagnosis._sights import calm, see_layers
from strata.diagnosis._snapshots import snapshot_of
from strata.diagnosis._terms import constant_loss, module_terms
from strata.diagnosis.gather import gather

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def mean_loss(loss):
    return lambda scores, targets, weight: loss(scores, targets)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_the_figures_of_every_layer_are_those_of_back_propagation_by_hand(engine):
    rng = np.random.RandomState(1)
    X = rng.normal(size=(200, 3)) * [1.0, 2.0, 5.0] + 0.5
    y = (X[:, 0] + 0.2 * X[:, 1] * X[:, 2] > 0.4).astype(float)
    network = strata.MLPClassifier((5, 4), activation="tanh", max_iter=6, alpha=0.1, random_state=0, engine=engine)
    fitted, evidence = gather(network, X, y, X_val=X, y_val=y)
    a, activations, pre = X, [], []
    for weight, bias, unit in zip(
        fitted.coefs_, fitted.intercepts_, (np.tanh, np.tanh, lambda z: 1 / (1 + np.exp(-z))), strict=True
    ):
        pre.append(a @ weight + bias)
        activations.append(unit(pre[-1]))
        a = activations[-1]
    deltas = [(a - y[:, None]) / 200]
    for place in (1, 0):
        deltas.insert(0, deltas[0] @ fitted.coefs_[place + 1].T * (1 - activations[place] ** 2))
    for place, layer in enumerate(evidence.layers):
        last, inputs = layer.snapshots[-1], (X, *activations)[place]
        hand = {
            "z_mean": pre[place].mean(),
            "z_std": pre[place].std(),
            "activation_mean": activations[place].mean(),
            "activation_std": activations[place].std(),
            "unit_std": np.median(activations[place].std(axis=0)),
            "saturated": (np.abs(activations[place] - 0.5 * (place == 2)) > (0.48 if place == 2 else 0.96)).mean(),
            "weight_rms": rms(fitted.coefs_[place]),
            "gradient_rms": rms(inputs.T @ deltas[place]),
            "delta_rms": rms(deltas[place]) * 200,
        }
        assert {name: getattr(last, name) for name in hand} == pytest.approx(hand, rel=1e-9), layer.name
        assert (last.epoch, last.step, layer.n_inputs, layer.n_units) == (6, 6, *fitted.coefs_[place].shape)
    assert 0 < evidence.layers[0].snapshots[-1].saturated < 1  # so that the test can tell


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_an_update_of_gradient_descent_is_the_rate_times_the_gradient(engine):
    rng = np.random.RandomState(2)
    X = rng.normal(size=(120, 4))
    network = strata.MLPRegressor(
        hidden_layer_sizes=(7,), solver="sgd", momentum=0.0, learning_rate_init=0.03, alpha=0.0, batch_size=120,
        max_iter=8, random_state=0, engine=engine,
    )  # fmt: skip
    _, evidence = gather(network, X, X[:, 0] * 2, X_val=X, y_val=X[:, 0] * 2)
    for layer in evidence.layers:
        assert [shot.epoch for shot in layer.snapshots] == [0, 1, 2, 4, 8]
        for shot in layer.snapshots:
            assert shot.update_ratio == pytest.approx(0.03 * shot.gradient_rms / shot.weight_rms, rel=1e-6)


class Picture(nn.Module):
    """Convolutions with functions for activations, one of them used twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.mix = nn.Conv2d(3, 3, 1)
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = torch.tanh(self.mix(self.mix(x)))
        return self.fc(x.mean(dim=(2, 3)))


def test_gradients_of_a_module_are_those_of_autograd():
    torch.manual_seed(0)
    module, loss = Picture().double(), nn.CrossEntropyLoss()
    x, y = torch.randn(9, 2, 6, 5, dtype=torch.float64), torch.randint(4, (9,))
    value, sights = see_layers(module, mean_loss(loss), Batch(x, y))
    assert [(sight.name, sight.activation) for sight in sights] == [
        ("conv", "relu"), ("mix", "tanh"), ("fc", "identity")
    ]  # fmt: skip
    own = loss(module(x), y)
    own.backward()
    assert value == pytest.approx(own.item(), rel=1e-12)
    for sight, part in zip(sights, (module.conv, module.mix, module.fc), strict=True):
        assert torch.allclose(sight.gradient.flatten(), part.weight.grad.flatten(), rtol=1e-10, atol=1e-14)
        assert torch.equal(sight.weight, part.weight.detach().flatten(1).T)
    conv = F.conv2d(x, module.conv.weight, module.conv.bias).movedim(1, -1).reshape(-1, 3)
    assert torch.allclose(sights[0].z, conv.detach(), rtol=1e-12)
    assert torch.allclose(sights[0].a, conv.detach().clamp(min=0), rtol=1e-12)
    assert sights[1].z.shape == (2 * 9 * 12, 3) and sights[2].z.shape == (9, 4)


def test_an_activation_in_place_does_not_change_what_is_looked_at():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(2, 6), nn.ReLU(inplace=True), nn.Linear(6, 1))
    rows = Batch(torch.randn(8, 2), torch.randn(8, 1))
    _, sights = see_layers(layers, mean_loss(nn.MSELoss()), rows)
    assert float(sights[0].z.min()) < 0 == float(sights[0].a.min())


def shots(module, x):
    with calm(module):
        _, sights = see_layers(module, mean_loss(nn.MSELoss()), Batch(x, torch.zeros(len(x), 1)))
    return {sight.name: snapshot_of(sight, step=0, epoch=0, n_rows=len(x)) for sight in sights}


def test_dead_units_are_counted():
    module = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))
    with torch.no_grad():
        module[0].bias.copy_(torch.tensor([0.0, -1e3, 0.0, -1e3, 1e3]))
    found = shots(module, torch.randn(50, 2))
    assert found["0"].dead == 0.4 and found["2"].dead == 0.0


def test_saturated_activations_are_counted():
    module = nn.Sequential(nn.Linear(1, 2), nn.Sigmoid(), nn.Linear(2, 1))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0], [100.0]]))
        module[0].bias.zero_()
    x = torch.tensor([[-4.0], [-1.0], [1.0], [3.8]])  # sigmoid(3.8) = 0.978, sigmoid(-4) = 0.018
    assert shots(module, x)["0"].saturated == 5 / 8


def test_equal_units_are_counted():
    module = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    assert shots(module, torch.randn(10, 3))["0"].symmetric == 0.0
    with torch.no_grad():
        module[0].weight[4] = module[0].weight[1]
        module[0].weight[3] = module[0].weight[1] * (1 + 1e-7)
    assert shots(module, torch.randn(10, 3))["0"].symmetric == 0.5


def test_gradient_noise_is_that_of_the_rows():
    torch.manual_seed(0)
    module, loss = nn.Sequential(nn.Linear(40, 8), nn.Tanh(), nn.Linear(8, 1)).double(), nn.MSELoss()
    x = torch.randn(512, 40, dtype=torch.float64)
    y = x[:, :1] * 2 + 3 * torch.randn(512, 1, dtype=torch.float64)
    grads = []
    for row in range(512):
        module.zero_grad()
        loss(module(x[row : row + 1]), y[row : row + 1]).backward()
        grads.append(torch.cat([parameter.grad.flatten() for parameter in module.parameters()]))
    every = torch.stack(grads).numpy()
    trace = every.var(axis=0, ddof=1).sum()
    square = (every.mean(axis=0) ** 2).sum() - trace / 512
    found = noise_scale(module, module_terms(loss, "regression"), Batch(x, y))
    assert found == pytest.approx(trace / square, rel=0.25)
    chunks = every.reshape(16, 32, -1).mean(axis=1)  # the same without the chance of which rows are together
    spread = chunks.var(axis=0, ddof=1).sum() * 32
    assert found == pytest.approx(spread / ((every.mean(axis=0) ** 2).sum() - spread / 512), rel=1e-9)


def test_gradient_noise_has_its_ends():
    module, terms = nn.Linear(2, 1).double(), module_terms(nn.MSELoss(), "regression")
    same = Batch(torch.ones(64, 2, dtype=torch.float64), torch.full((64, 1), 5.0, dtype=torch.float64))
    assert noise_scale(module, terms, same) == pytest.approx(0.0, abs=1e-9)
    assert noise_scale(module, terms, Batch(same.x[:16], same.y[:16])) is None


def test_one_batch_is_learned_where_it_can_be():
    torch.manual_seed(0)
    x, y = torch.randn(64, 5), torch.randint(2, (64,))
    terms = module_terms(nn.CrossEntropyLoss(), "classification")
    able = look_at_start(nn.Sequential(nn.Linear(5, 30), nn.Tanh(), nn.Linear(30, 2)), terms, Batch(x, y))
    assert able.one_batch_loss <= 0.01 * able.one_batch_start and able.one_batch_steps < 200
    blind = look_at_start(nn.Sequential(nn.Linear(5, 30), nn.Tanh(), nn.Linear(30, 2)), terms, Batch(x * 0, y))
    share = float(y[:16].double().mean())
    prior = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert blind.one_batch_loss == pytest.approx(prior, abs=1e-3) and blind.one_batch_steps == 200


def test_the_small_steps_are_those_of_adam():
    torch.manual_seed(0)
    module, loss = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), nn.MSELoss()
    twin = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    twin.load_state_dict(module.state_dict())
    x, y = torch.randn(16, 3), torch.randn(16, 1) * 10  # too far away to be learned in 200 steps
    found = look_at_start(module, module_terms(loss, "regression"), Batch(x, y))
    adam = torch.optim.Adam(twin.parameters(), lr=0.01)
    for _ in range(found.one_batch_steps):
        adam.zero_grad()
        loss(twin(x), y).backward()
        adam.step()
    assert found.one_batch_steps == 200
    assert found.one_batch_loss == pytest.approx(loss(twin(x), y).item(), rel=1e-3)


def test_the_loss_of_the_best_constant():
    torch.manual_seed(0)
    numbers, classes = torch.randn(80, 1).double() * 3 + 1, torch.tensor([0] * 10 + [1] * 30 + [2] * 40)
    squares, huber = module_terms(nn.MSELoss(), "regression"), module_terms(nn.HuberLoss(), "regression")
    assert constant_loss(squares, numbers * 0, numbers, name="MSELoss") == pytest.approx(numbers.numpy().var())
    best = minimize_scalar(lambda c: nn.HuberLoss()(numbers * 0 + c, numbers).item()).fun
    assert constant_loss(huber, numbers * 0, numbers, name="HuberLoss") == pytest.approx(best, rel=1e-6)
    cross = module_terms(nn.CrossEntropyLoss(), "classification")
    shares = np.array([1, 3, 4]) / 8
    known = constant_loss(cross, torch.zeros(80, 3), classes, name="CrossEntropyLoss")
    assert known == pytest.approx(-(shares * np.log(shares)).sum())
    searched = constant_loss(cross, torch.zeros(80, 3).double(), classes, name="a loss of my own")
    assert searched == pytest.approx(known, rel=1e-6)


def test_the_loss_at_the_start_is_in_the_units_of_the_loss_curve():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, 2))
    y = X[:, 0] * 3 + 1
    network = strata.MLPRegressor(hidden_layer_sizes=(4,), alpha=0.0, batch_size=100, max_iter=3, random_state=0)
    fitted, evidence = gather(network, X, y, X_val=X, y_val=y)
    assert evidence.start.prior_loss == pytest.approx(y.var() / 2, rel=1e-9)
    assert evidence.start.loss == pytest.approx(fitted.loss_curve_[0], rel=1e-9)  # taken before the first update
    assert evidence.curves.train_loss[0] == pytest.approx(fitted.loss_curve_[1], rel=1e-9)
