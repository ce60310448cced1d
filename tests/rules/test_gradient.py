"""Gradient descent by autograd: parity with bare loops, penalties, clipping, precision, freezing, resume."""

import copy
import csv
import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from strata.data.sources import Batch
from strata.errors import TrainingMemoryError
from strata.functional import Penalty
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules import (
    SGD,
    Adam,
    AdamW,
    Cosine,
    GradientDescent,
    InverseScaling,
    ReduceOnPlateau,
    Rprop,
    StepDecay,
)


def data(n=24, n_in=5, n_out=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, n_in, generator=generator, dtype=torch.float64)
    y = torch.randn(n, n_out, generator=generator, dtype=torch.float64)
    return x, y


def network(seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.LayerNorm(7), nn.Linear(7, 3)).double()


def batches(x, y, size=8):
    return [Batch(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def learn(rule, items, epochs=2):
    rule.plan(n_batches=len(items), max_epochs=epochs)
    for _ in range(epochs):
        for batch in items:
            rule.step(batch)
        rule.end_epoch({"loss": 1.0})


def same_parameters(left, right):
    return all(torch.equal(a, b) for a, b in zip(left.parameters(), right.parameters(), strict=True))


# ------------------------------------------------------------------------------------- parity with a bare loop
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_a_bare_torch_loop_exactly(dtype):
    x, y = (part.to(dtype) for part in data())
    ours, theirs = network().to(dtype), network().to(dtype)
    learn(GradientDescent(ours, nn.MSELoss(), optimizer=Adam(0.01), schedule=StepDecay(every=1, factor=0.5)),
          batches(x, y), epochs=4)  # fmt: skip
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(4):
        for i in range(0, 24, 8):
            optimizer.zero_grad()
            nn.functional.mse_loss(theirs(x[i : i + 8]), y[i : i + 8]).backward()
            optimizer.step()
        scheduler.step()
    assert same_parameters(ours, theirs)


def test_clipping_and_momentum_equal_a_bare_loop():
    x, y = data()
    ours, theirs = network(), network()
    learn(GradientDescent(ours, "mse", optimizer=SGD(0.3, momentum=0.9), clip_norm=0.1, clip_value=0.02), batches(x, y))
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3, momentum=0.9)
    for _ in range(2):
        for i in range(0, 24, 8):
            optimizer.zero_grad()
            ((theirs(x[i : i + 8]) - y[i : i + 8]) ** 2).mean().backward()
            nn.utils.clip_grad_value_(theirs.parameters(), 0.02)
            nn.utils.clip_grad_norm_(theirs.parameters(), 0.1)
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("option", "bound"), [("clip_norm", 0.01), ("clip_value", 0.003)])
def test_clipping_bounds_the_gradient(option, bound):
    x, y = data()
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    GradientDescent(model, "mse", optimizer=SGD(1.0), **{option: bound}).step(Batch(x, y))
    moves = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)]).detach()
    size = moves.norm() if option == "clip_norm" else moves.abs().max()
    assert size.item() == pytest.approx(bound, rel=1e-3)


def test_a_callable_builds_the_optimizer_and_every_group_keeps_its_own_rate():
    x, y = data()
    ours, theirs = network(), network()

    def build(parameters):
        return torch.optim.SGD([{"params": parameters[:1], "lr": 0.2}, {"params": parameters[1:]}], lr=0.02)

    rule = GradientDescent(ours, "mse", optimizer=build, schedule=StepDecay(every=1, factor=0.5, by="steps"))
    learn(rule, batches(x, y), epochs=1)
    assert rule.rate == 0.2 / 8
    optimizer = torch.optim.SGD(
        [{"params": [theirs[0].weight], "lr": 0.2},
         {"params": [p for p in theirs.parameters() if p is not theirs[0].weight]}], lr=0.02
    )  # fmt: skip
    for step in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(theirs(x[8 * step : 8 * step + 8]), y[8 * step : 8 * step + 8]).backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= 0.5
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=1e-14)
    with pytest.raises(TypeError, match=r"`optimizer` must return a torch.optim.Optimizer"):
        GradientDescent(ours, "mse", optimizer=lambda parameters: parameters)


# ------------------------------------------------------------------------------------- backpropagation goldens
def golden_network():
    """Learning.md section 6.2: 3-3-1, logistic, half of the squared error."""
    spec = DenseSpec(3, (3,), ("logistic",), (Head(1, "half_squared", activation="logistic"),))
    weights = [
        np.array([[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.7, 0.8, 0.9]]).T.copy(),
        np.array([[0.5, -0.4, 0.3]]).T.copy(),
    ]
    return spec, DenseNetwork.from_arrays(spec, weights, [np.array([0.01, -0.02, 0.03]), np.array([0.05])])


def test_one_step_of_the_golden_network():
    spec, net = golden_network()
    rule = GradientDescent(net, DenseLoss(spec), optimizer=SGD(0.5))
    batch = Batch(torch.tensor([[1.0, 0.5, -1.5]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64))
    assert rule.step(batch)["loss"].item() == pytest.approx(0.1292057289, abs=1e-9)
    np.testing.assert_allclose(
        net.weights[1].detach().flatten(), [0.5248853635, -0.3477820103, 0.3104946471], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        net.weights[0].detach().T,
        [[0.1075683735, -0.1962158132, 0.2886474397], [0.3962822110, 0.4981411055, -0.5944233165],
         [-0.6973717359, 0.8013141320, 0.8960576039]],
        rtol=0, atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(net.biases[0].detach(), [0.0175683735, -0.0237177890, 0.0326282641], atol=1e-9)
    assert net.biases[1].item() == pytest.approx(0.1135250469, abs=1e-9)
    assert rule.evaluate(batch)["loss"].item() == pytest.approx(0.1139865866, abs=1e-9)


def test_infert_by_rprop_until_the_threshold(shared_data):
    """Generative.md section 17, through the rule: 950 steps from neuralnet's golden start."""
    with open(shared_data / "infert.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    x = torch.tensor([[float(row[name]) for name in ("parity", "induced", "spontaneous")] for row in rows])
    y = torch.tensor([[float(row["case"])] for row in rows])
    spec = DenseSpec(3, (1,), ("logistic",), (Head(1, "half_squared"),))
    net = DenseNetwork.from_arrays(
        spec,
        [np.array([[-0.5], [0.25], [0.75]]), np.array([[-0.3]])],
        [np.array([0.5]), np.array([0.1])],
    )
    rule = GradientDescent(net, DenseLoss(spec), optimizer=Rprop(threshold=0.01))
    while not rule.converged and rule.n_steps < 2000:
        figures = rule.step(Batch(x.double(), y.double()))
    assert rule.n_steps == 950
    assert figures["loss"].item() == pytest.approx(21.2207789652, abs=1e-9)
    found = [net.biases[0].item(), *net.weights[0].flatten().tolist(), net.biases[1].item(), net.weights[1].item()]
    golden = [-1.7094409781, -2.1878762283, 2.7338107702, 4.4480316855, 0.1363533853, 0.7256350165]
    np.testing.assert_allclose(found, golden, rtol=0, atol=1e-8)
    predicted = net.predict(x.double()) > 0.5
    truth = y.bool()
    table = [
        (~predicted & ~truth).sum(),
        (predicted & ~truth).sum(),
        (~predicted & truth).sum(),
        (predicted & truth).sum(),
    ]
    assert [int(cell) for cell in table] == [143, 22, 37, 46]


# ------------------------------------------------------------------------------------- penalties
def test_penalty_is_on_weights_only():
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2), nn.PReLU(2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    before = copy.deepcopy(dict(model.named_parameters()))
    rule = GradientDescent(
        model, lambda scores, targets: 0.0 * scores.sum(), optimizer=SGD(0.1), penalty=Penalty(l2=0.5, l1=0.2)
    )
    x = torch.randn(4, 2, 3, 3, dtype=torch.float64)
    figures = rule.step(Batch(x, torch.zeros(4, 2, dtype=torch.float64)))
    weights = {"0.weight", "3.weight"}
    value = sum(0.2 * before[n].abs().sum() + 0.25 * before[n].square().sum() for n in weights).item()
    assert figures["loss"].item() == pytest.approx(value, rel=1e-12)
    for name, parameter in model.named_parameters():
        was = before[name]
        expected = was - 0.1 * (0.5 * was + 0.2 * was.sign()) if name in weights else was
        np.testing.assert_allclose(parameter.detach(), expected.detach(), rtol=1e-12)


def test_gains_with_two_axes_are_not_weights():
    model = nn.Sequential(nn.LayerNorm((3, 4)), nn.Flatten(), nn.Linear(12, 2))
    rule = GradientDescent(model, "mse", optimizer=SGD(0.1), penalty=Penalty(l2=1.0))
    x, y = torch.randn(5, 3, 4), torch.zeros(5, 2)
    expected = nn.functional.mse_loss(model(x), y) + 0.5 * model[2].weight.square().sum()
    assert rule.step(Batch(x, y))["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_l2_step_is_shrink_then_step():
    x, y = data()
    shrunk, plain = network(), network()
    with torch.no_grad():
        for layer in (shrunk[0], shrunk[3]):
            layer.weight.mul_(1)
    GradientDescent(shrunk, "mse", optimizer=SGD(0.1), penalty=Penalty(l2=0.3)).step(Batch(x, y))
    start = network()
    GradientDescent(plain, "mse", optimizer=SGD(0.1)).step(Batch(x, y))
    for i in (0, 3):
        expected = plain[i].weight - 0.1 * 0.3 * start[i].weight
        np.testing.assert_allclose(shrunk[i].weight.detach(), expected.detach(), rtol=0, atol=1e-12)
        assert torch.equal(shrunk[i].bias, plain[i].bias)
    assert torch.equal(shrunk[2].weight, plain[2].weight)  # LayerNorm's gain


def test_per_sample_penalty_is_divided_by_the_batch_weight():
    x, y = data()
    weights = torch.linspace(0.1, 2, 24, dtype=torch.float64)
    models = [network(), network()]
    rule = GradientDescent(
        models[0], "squared_error", optimizer=SGD(0.1), penalty=Penalty(l2=2.0, l1=1.0, per_sample=True)
    )
    same = GradientDescent(
        models[1],
        "squared_error",
        optimizer=SGD(0.1),
        penalty=Penalty(l2=2.0 / weights.sum().item(), l1=1.0 / weights.sum().item()),
    )
    figures = [each.step(Batch(x, y, weights)) for each in (rule, same)]
    assert figures[0]["weight"].item() == pytest.approx(weights.sum().item())
    assert figures[0]["loss"].item() == pytest.approx(figures[1]["loss"].item(), rel=1e-12)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=1e-14)


def quadratic(target, curvature):
    """Half of sum h (w - w*)^2 as a loss of a one-row linear map."""
    target, curvature = torch.tensor(target).double(), torch.tensor(curvature).double()
    return lambda scores, targets: 0.5 * (curvature * (scores.flatten() - target) ** 2).sum()


@pytest.mark.parametrize(
    ("penalty", "optimum"),
    [
        (Penalty(l2=0.5), (2, -0.1904761905)),
        (Penalty(l1=0.5, l1_form="proximal"), (2.5, -0.15)),
        (Penalty(l1=3.0, l1_form="proximal"), (0, 0)),
    ],
)
def test_optima_of_the_diagonal_quadratic(penalty, optimum):
    model = nn.Linear(1, 2, bias=False).double()
    rule = GradientDescent(model, quadratic([3, -0.2], [1, 10]), optimizer=SGD(0.05), penalty=penalty)
    for _ in range(600):
        rule.step(Batch(torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 2)))
    np.testing.assert_allclose(model.weight.detach().flatten(), optimum, atol=1e-9)
    if penalty.l1 == 3.0:
        assert (model.weight == 0).all()  # exactly


def test_subgradient_hardly_ever_reaches_zero():
    model = nn.Linear(1, 2, bias=False).double()
    rule = GradientDescent(model, quadratic([3, -0.2], [1, 10]), optimizer=SGD(0.051), penalty=Penalty(l1=3.0))
    for _ in range(600):
        rule.step(Batch(torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 2)))
    assert (model.weight.abs() < 0.4).all()
    assert (model.weight != 0).all()


@pytest.mark.parametrize(
    ("make", "axes"),
    [
        (lambda: nn.Linear(4, 6), (1,)),
        (lambda: nn.Conv2d(3, 6, 2), (1, 2, 3)),
        (lambda: nn.ConvTranspose2d(3, 6, 2), (0, 2, 3)),
        (lambda: DenseNetwork(DenseSpec(4, (), (), (Head(6, "mse"),))), (0,)),
    ],
)
def test_max_norm_bounds_the_incoming_vector_of_each_unit(make, axes):
    torch.manual_seed(3)
    model = make().double()
    weight = next(p for p in model.parameters() if p.ndim >= 2)
    with torch.no_grad():
        weight.mul_(3).view(-1)[:1].zero_()
    before = weight.detach().clone()
    x = torch.randn(2, 4) if before.ndim == 2 else torch.randn(2, 3, 5, 5)
    GradientDescent(model, lambda scores, targets: 0.0 * scores.sum(), penalty=Penalty(max_norm=1.0)).step(
        Batch(x.double(), torch.zeros(2))
    )
    norms = before.square().sum(dim=axes, keepdim=True).sqrt()
    assert (norms > 1).any()
    expected = torch.where(norms > 1, before / norms, before)
    np.testing.assert_allclose(weight.detach(), expected, rtol=1e-12)


def test_weight_decay_leaves_biases_alone():
    x, y = data()
    decayed, plain = network(), network()
    GradientDescent(decayed, "mse", optimizer=AdamW(0.01, weight_decay=0.5)).step(Batch(x, y))
    GradientDescent(plain, "mse", optimizer=AdamW(0.01, weight_decay=0.0)).step(Batch(x, y))
    for i in (0, 3):
        assert torch.equal(decayed[i].bias, plain[i].bias)
        assert not torch.equal(decayed[i].weight, plain[i].weight)
    assert torch.equal(decayed[2].weight, plain[2].weight)


# ------------------------------------------------------------------------------------- losses
def test_losses_by_name_and_by_callable_agree():
    x, _ = data()
    labels = torch.arange(24) % 3
    column = labels.double()[:, None]
    weights = torch.linspace(0.5, 1.5, 24, dtype=torch.float64)

    def own(scores, targets, sample_weight):
        each = nn.functional.cross_entropy(scores, targets, reduction="none")
        return (each * sample_weight).sum() / sample_weight.sum()

    by_name, by_column, by_callable = network(), network(), network()
    GradientDescent(by_name, "cross_entropy", optimizer=SGD(0.1)).step(Batch(x, labels, weights))
    GradientDescent(by_column, "cross_entropy", optimizer=SGD(0.1)).step(Batch(x, column, weights))
    rule = GradientDescent(by_callable, own, optimizer=SGD(0.1))
    rule.step(Batch(x, labels, weights))
    assert rule.describe()["loss"] == "own"
    assert same_parameters(by_name, by_column)
    for a, b in zip(by_name.parameters(), by_callable.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=1e-14)


def test_a_loss_without_weights_refuses_them():
    x, y = data()
    with pytest.raises(ValueError, match="`loss` must take a third argument to use sample weights. .*loss=MSELoss"):
        GradientDescent(network(), nn.MSELoss()).step(Batch(x, y, torch.ones(24)))


# ------------------------------------------------------------------------------------- schedules, rates
def test_schedule_counts_rows_and_steps():
    x, y = data()
    rule = GradientDescent(network(), "mse", optimizer=SGD(0.5), schedule=InverseScaling(power_t=0.5))
    items = batches(x, y, size=10)  # 10, 10 and 4 rows
    assert rule.rate == 0.5
    for batch in items[:2]:
        rule.step(batch)
        assert rule.rate == 0.5
    rule.step(items[2])
    rule.end_epoch({"loss": 1.0})
    assert rule.rate == 0.5 / 25**0.5
    learn(rule, items, epochs=1)
    assert rule.rate == 0.5 / 49**0.5
    assert not rule.lower_rate(0.2)
    adaptive = GradientDescent(network(), "mse", optimizer=SGD(0.5), schedule="adaptive")
    assert adaptive.lower_rate(0.2)
    assert adaptive.rate == 0.1
    plateau = ReduceOnPlateau(patience=0, factor=0.5)
    rule = GradientDescent(network(), "mse", optimizer=SGD(0.5), schedule=plateau)
    for _ in range(2):
        rule.end_epoch({"loss": 1.0})
    assert rule.rate == 0.25
    assert plateau.epoch == 0  # the caller's object is not touched


def test_reported_units_change_the_figures_and_nothing_else():
    x, y = data()
    weights = torch.linspace(0.1, 2, 24, dtype=torch.float64)
    models = [network(), network()]
    options = {"optimizer": SGD(0.1), "penalty": Penalty(l2=0.3)}
    plain = GradientDescent(models[0], "mse", **options)
    scaled = GradientDescent(models[1], "mse", report_scale=0.5, count_rows=True, **options)
    one, other = plain.step(Batch(x, y, weights)), scaled.step(Batch(x, y, weights))
    penalty = 0.15 * sum(network()[i].weight.square().sum().item() for i in (0, 3))
    assert other["loss"].item() - penalty == pytest.approx(0.5 * (one["loss"].item() - penalty), rel=1e-12)
    assert (one["weight"].item(), other["weight"].item()) == (pytest.approx(weights.sum().item()), 24.0)
    assert same_parameters(*models)


# ------------------------------------------------------------------------------------- frozen parts
def test_frozen_parts_stay_bit_for_bit():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    rule = GradientDescent(model, "mse", optimizer=Adam(0.1), penalty=Penalty(l2=1.0), frozen=("0", "1", "2.bias"))
    before = copy.deepcopy(model.state_dict())
    learn(rule, batches(*data()))
    rule.evaluate(Batch(*data()))
    learn(rule, batches(*data()))
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {
        "2.weight", "3.weight", "3.bias", "3.running_mean", "3.running_var", "3.num_batches_tracked"
    }  # fmt: skip
    assert model[3].training
    assert not model[1].training
    with pytest.raises(ValueError, match="Unknown `frozen` parameter or module '2.weigth'. Did you mean '2.weight'"):
        GradientDescent(model, "mse", frozen=("2.weigth",))
    with pytest.raises(ValueError, match="`network` must have a parameter that is not frozen"):
        GradientDescent(nn.Linear(2, 2), "mse", frozen=("weight", "bias"))


# ------------------------------------------------------------------------------------- state
def dropout_rule(schedule="constant", precision="full"):
    spec = DenseSpec(5, (8, 8), ("relu", "tanh"), (Head(3, "mse"),), dropout=(0.2, 0.5, 0.5))
    net = DenseNetwork(spec, dtype=torch.float32, seed=4)
    return GradientDescent(net, DenseLoss(spec), optimizer=Adam(0.01), schedule=schedule, precision=precision)


@pytest.mark.parametrize("precision", ["full", "float16", "bfloat16"])
@pytest.mark.parametrize("stop_after", [1, 4, 6, 11])
def test_state_dict_resumes_bit_for_bit(stop_after, precision):
    x, y = (part.float() for part in data())
    items = batches(x, y) * 4
    whole, first, second = (dropout_rule(Cosine(), precision) for _ in range(3))
    for rule in (whole, first, second):
        rule.plan(n_batches=3, max_epochs=4)

    def learn_from(rule, start, stop):
        for i in range(start, stop):
            rule.step(items[i])
            if i % 3 == 2:
                rule.end_epoch({"loss": 1.0})

    learn_from(whole, 0, 12)
    learn_from(first, 0, stop_after)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    learn_from(second, stop_after, 12)
    assert same_parameters(whole, second)
    assert whole.rate == second.rate
    assert whole.n_steps == second.n_steps == 12


def test_dropout_follows_the_step():
    x, y = (part.float() for part in data())
    rule = dropout_rule()
    rule.step(Batch(x, y))
    rule.step(Batch(x, y))
    assert rule.network.dropout_step.item() == 1  # the step that was just taken, counted from 0
    assert rule.evaluate(Batch(x, y))["loss"] == rule.evaluate(Batch(x, y))["loss"]
    assert rule.network.training


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
def test_copies_learn_alike_and_alone(clone):
    x, y = (part.float() for part in data())
    rule = dropout_rule()
    learn(rule, batches(x, y))
    twin = clone(rule)
    before = copy.deepcopy(rule.network.state_dict())
    learn(twin, batches(x, y))
    assert all(torch.equal(value, before[name]) for name, value in rule.network.state_dict().items())
    learn(rule, batches(x, y))
    assert same_parameters(rule, twin)


def test_describe_is_json():
    described = json.loads(json.dumps(dropout_rule("adaptive").describe()))
    assert described["optimizer"]["name"] == "adam"
    assert described["schedule"] == {"name": "adaptive", "min_rate": 1e-6}
    assert described["penalty"]["l2"] == 0


# ------------------------------------------------------------------------------------- precision and memory
@pytest.mark.parametrize(("precision", "dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float16)])
def test_reduced_precision_computes_in_it_and_learns(precision, dtype):
    seen = []
    model = network().float()
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    rule = GradientDescent(model, "mse", optimizer=Adam(0.01), precision=precision)
    x, y = (part.float() for part in data())
    losses = [rule.step(Batch(x, y))["loss"].item() for _ in range(60)]
    assert seen[0] == dtype
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())


class OutOfMemory(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.inner = nn.Linear(5, 3).double()
        self.error = error

    def forward(self, x):
        if len(x) > 10:
            raise self.error
        return self.inner(x)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_names_the_batch_and_leaves_a_usable_rule(error):
    x, y = data()
    rule = GradientDescent(OutOfMemory(error), "mse", optimizer=Adam(0.1))
    twin = GradientDescent(OutOfMemory(error), "mse", optimizer=Adam(0.1))
    twin.load_state_dict(rule.state_dict())
    with pytest.raises(
        TrainingMemoryError, match=r"A batch of 24 rows does not fit .* Take `batch_size` 12 or smaller"
    ):
        rule.step(Batch(x, y))
    for each in (rule, twin):
        each.step(Batch(x[:8], y[:8]))
    assert same_parameters(rule, twin)
    assert rule.n_steps == 1


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="something else"):
        GradientDescent(OutOfMemory(RuntimeError("something else")), "mse").step(Batch(*data()))


# ------------------------------------------------------------------------------------- the facts of gradients
def test_minibatch_gradients_average_to_the_full_gradient():
    x, y = data()
    moves = []
    for items in ([Batch(x, y)], batches(x, y)):
        total = 0
        for batch in items:
            model = network()
            GradientDescent(model, "mse", optimizer=SGD(1.0)).step(batch)
            total = total + (model[0].weight - network()[0].weight).detach()
        moves.append(total / len(items))
    np.testing.assert_allclose(moves[0], moves[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rate", "converges"), [(0.19, True), (0.21, False)])
def test_descent_on_a_quadratic_converges_below_two_over_the_curvature(rate, converges):
    model = nn.Linear(1, 2, bias=False).double()
    rule = GradientDescent(model, quadratic([3, -0.2], [1, 10]), optimizer=SGD(rate))
    for _ in range(400):
        loss = rule.step(Batch(torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 2)))["loss"].item()
    assert (loss < 1e-12) == converges


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: GradientDescent(3, "mse"), TypeError, "`network` must be an nn.Module. Received: network=3"),
        (lambda: GradientDescent(network(), "mes"), ValueError, "Unknown loss 'mes'. Did you mean 'mse'"),
        (lambda: GradientDescent(network(), 5), TypeError, "`loss` must be a name, a Loss or a callable"),
        (lambda: GradientDescent(network(), nn.MSELoss), TypeError, "`loss` must be a name, a Loss or a callable"),
        (lambda: GradientDescent(network(), "mse", optimizer="adm"), ValueError, "Unknown optimizer 'adm'"),
        (lambda: GradientDescent(network(), "mse", optimizer="lbfgs"), ValueError, "Received: LBFGS. Use `LBFGSRule`"),
        (lambda: GradientDescent(network(), "mse", schedule="x"), ValueError, "Unknown schedule 'x'"),
        (lambda: GradientDescent(network(), "mse", penalty=0.1), TypeError, "`penalty` must be a Penalty"),
        (lambda: GradientDescent(network(), "mse", clip_norm=0), ValueError, "`clip_norm` must be a finite number > 0"),
        (lambda: GradientDescent(network(), "mse", precision="half"), ValueError, "Unknown `precision` 'half'"),
        (lambda: GradientDescent(network(), "mse", frozen="0"), TypeError, "`frozen` must be a sequence of names"),
    ],
)
def test_bad_values_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
