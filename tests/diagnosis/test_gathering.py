"""What is written down of a training: curves, places of values that are not finite, and what is left as it was."""

import copy
import math
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import strata
from strata import BaggedMLPClassifier
from strata.diagnosis import Recorder, diagnose, evidence_of, from_evidence, judge
from strata.diagnosis.gather import gather, gather_module

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows(n_rows=160, n_features=3):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.mark.parametrize(
    "network",
    [
        strata.MLPClassifier((8,), max_iter=12, random_state=0),
        strata.MLPClassifier((8,), max_iter=12, random_state=0, engine="autograd", dropout=0.2),
        strata.MLPClassifier((8,), max_iter=40, random_state=0, early_stopping=True, n_iter_no_change=2),
        strata.MLPClassifier((8,), max_iter=15, random_state=0, solver="lbfgs", scale_inputs=True),
        make_pipeline(StandardScaler(), strata.MLPClassifier((8,), max_iter=12, random_state=0)),
    ],
    ids=["compiled", "autograd", "early stopping", "lbfgs", "pipeline"],
)
def test_the_held_out_curve_ends_at_the_score_of_predict(network):
    X, y = rows(400)
    fitted, evidence = gather(network, X[:300] * 2 + 1, y[:300], X_val=X[300:] * 2 + 1, y_val=y[300:])
    curves, inner = evidence.curves, fitted[-1] if hasattr(fitted, "steps") else fitted
    assert curves.val_score[-1] == fitted.score(X[300:] * 2 + 1, y[300:]) == evidence.output.val_score
    probs = fitted.predict_proba(X[300:] * 2 + 1)
    by_hand = -np.log(probs[np.arange(100), y[300:]]).mean()
    assert curves.val_loss[-1] == pytest.approx(by_hand, rel=1e-9) == evidence.output.val_loss
    assert curves.val_epochs[-1] == curves.n_epochs == inner.n_iter_
    assert list(curves.loss) == inner.loss_curve_
    assert len(curves.val_epochs) == len(curves.val_score) == len(curves.train_loss) > 3


def test_a_regressor_has_the_curve_of_its_score():
    X, _ = rows(300)
    y = X[:, :2] * [1.0, 50.0]
    network = strata.MLPRegressor(hidden_layer_sizes=(10,), max_iter=20, random_state=0)
    fitted, evidence = gather(network, X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert evidence.curves.val_score[-1] == pytest.approx(fitted.score(X[200:], y[200:]), rel=1e-9)


def test_a_table_is_gathered_as_it_is_encoded():
    X, y = rows(200)
    frame = pd.DataFrame(X, columns=list("abc")).assign(d=np.where(X[:, 2] > 0, "x", "y"))
    network = strata.MLPClassifier((6,), max_iter=8, random_state=0)
    fitted, evidence = gather(strata.TableClassifier(network), frame, y, random_state=1)
    assert evidence.layers[0].n_inputs == fitted.encoder_.transform(frame).shape[1]
    assert evidence.curves.val_score[-1] == evidence.output.val_score
    assert network.callbacks is None and fitted.network_.callbacks is None


def test_a_watched_training_gives_what_gathering_gives():
    X, y = rows(200)
    parts = X[:150], y[:150]
    network = strata.MLPClassifier((6,), max_iter=10, random_state=0)
    _, gathered = gather(network, *parts, X_val=X[150:], y_val=y[150:])
    recorder = Recorder()
    model = strata.MLPClassifier((6,), max_iter=10, random_state=0, callbacks=[recorder]).fit(*parts)
    seen = evidence_of(model, *parts, X_val=X[150:], y_val=y[150:], watcher=recorder)
    assert {**seen.to_dict(), "seconds": 0, "settings": 0} == {**gathered.to_dict(), "seconds": 0, "settings": 0}
    assert from_evidence(seen).verdicts == from_evidence(gathered).verdicts


def test_a_watcher_must_have_seen_this_training():
    X, y = rows(60)
    recorder = Recorder()
    model = strata.MLPClassifier((3,), max_iter=3, random_state=0, callbacks=[recorder]).fit(X, y)
    with pytest.raises(TypeError, match="`watcher` must be a Recorder. Received: NoneType"):
        evidence_of(model, X, y, X_val=X, y_val=y, watcher=None)
    with pytest.raises(ValueError, match="`watcher` must have looked at the last training .* saw no training"):
        evidence_of(model, X, y, X_val=X, y_val=y, watcher=Recorder())
    strata.MLPClassifier((3,), max_iter=3, random_state=1, callbacks=[recorder]).fit(X, y)
    with pytest.raises(ValueError, match="saw that of another network, or of a copy"):
        evidence_of(model, X, y, X_val=X, y_val=y, watcher=recorder)
    with pytest.raises(TypeError, match="`estimator` must be or hold an MLPClassifier or MLPRegressor"):
        gather(StandardScaler(), X, y)
    with pytest.raises(ValueError, match="`sample_weight` must come with `X_val` and `y_val`"):
        gather(model, X, y, sample_weight=np.ones(60))


def test_a_fitted_estimator_is_looked_at_without_training():
    X, y = rows()
    model = strata.MLPClassifier((6,), max_iter=5, random_state=0).fit(X, y)
    before = copy.deepcopy(model.coefs_)
    same, evidence = gather(model, X, y, X_val=X, y_val=y, refit=False)
    assert same is model and evidence.start is None
    assert all((own == kept).all() for own, kept in zip(model.coefs_, before, strict=True))
    assert [layer.snapshots[0].epoch for layer in evidence.layers] == [5, 5]
    assert evidence.output.val_score == model.score(X, y)


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_an_overflow_is_found_in_its_layer_and_step(engine):
    X, _ = rows(64)
    X, y = X.astype("float32"), X[:, 0].astype("float32")
    how = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e25, "alpha": 0.0, "batch_size": 32}
    network = strata.MLPRegressor(
        hidden_layer_sizes=(4, 4), shuffle=False, max_iter=20, random_state=0, engine=engine, **how
    )
    _, evidence = gather(network, X, y, X_val=X, y_val=y)
    recorder = Recorder()
    strata.MLPRegressor(
        hidden_layer_sizes=(4, 4), shuffle=False, max_iter=1, random_state=0, engine=engine, callbacks=[recorder],
        **{**how, "learning_rate_init": 1e-9},
    ).fit(X, y)  # fmt: skip
    weights = [tensor.clone().requires_grad_() for tensor in recorder.moments[0].tensors[:6]]
    expected = _first_overflow(weights, torch.from_numpy(X), torch.from_numpy(y)[:, None])
    found = evidence.non_finite
    assert (found.step, found.where) == expected
    assert found.epoch == (found.step + 1) // 2 and not math.isfinite(found.value)
    assert evidence.output is None and evidence.curves.stop_reason == "diverged"
    assert "non_finite_values" in {each.name for each in judge(evidence)}


def _first_overflow(parameters, x, y):
    """Return step and place of the first value that is not finite, by a loop of one's own."""
    names = ["hidden 1", "hidden 2", "output"]
    for step in range(1, 41):
        part = slice(0, 32) if step % 2 else slice(32, 64)
        a, zs = x[part], []
        for layer in range(3):
            z = a @ parameters[layer] + parameters[3 + layer]
            z.retain_grad()
            zs.append(z)
            if not bool(torch.isfinite(z).all()):
                return step, f"activation of {names[layer]}"
            a = z.relu()
        loss = 0.5 * (zs[-1] - y[part]).square().mean()
        if not math.isfinite(loss.item()):
            return step, "loss"
        loss.backward()
        for layer in (2, 1, 0):
            if not all(bool(torch.isfinite(each).all()) for each in (zs[layer].grad, parameters[layer].grad)):
                return step, f"gradient of {names[layer]}"
        with torch.no_grad():
            for parameter in parameters:
                parameter -= 1e25 * parameter.grad
                parameter.grad = None
        for layer in range(3):
            if not bool(torch.isfinite(parameters[layer]).all()):
                return step, f"weights of {names[layer]}"
    raise AssertionError("nothing overflows")


def test_a_nan_among_the_inputs_is_theirs():
    X, y = rows(60)
    X[7, 1] = math.nan
    _, evidence = gather(strata.MLPClassifier((3,), max_iter=3), X, y, X_val=X[:20], y_val=y[:20])
    assert (evidence.non_finite.where, evidence.non_finite.step) == ("inputs", 0)
    assert evidence.data.non_finite_inputs == 1  # of the training rows


class Picture(nn.Module):
    """A small convolutional network that calls functions, with dropout and batch normalization."""

    def __init__(self, boost=1.0):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.deep, self.fc = nn.Linear(4 * 36, 8), nn.Linear(8, 2)
        self.boost = boost

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x))).flatten(1)
        x = F.dropout(torch.tanh(self.deep(x)), 0.2, self.training)
        return self.fc(x * self.boost) * self.boost


def pictures(boost=1.0):
    torch.manual_seed(0)
    x = torch.randn(96, 1, 8, 8)
    y = (x.mean(dim=(1, 2, 3)) > 0).long()
    module = Picture(boost)
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(TensorDataset(x, y), 16, shuffle=True, generator=generator)
    return module, nn.CrossEntropyLoss(), torch.optim.Adam(module.parameters(), lr=0.01), loader


def test_the_layers_of_a_module_are_seen():
    module, loss, optimizer, loader = pictures()
    held_out = [(loader.dataset.tensors[0][:50], loader.dataset.tensors[1][:50])]
    evidence = gather_module(module, loss, optimizer, loader, val_loader=held_out, epochs=6)
    assert [(layer.name, layer.activation, layer.n_inputs, layer.n_units) for layer in evidence.layers] == [
        ("conv", "relu", 9, 4),
        ("deep", "tanh", 144, 8),
        ("fc", "identity", 8, 2),
    ]
    for layer in evidence.layers:
        assert [shot.epoch for shot in layer.snapshots] == [0, 1, 2, 4, 6]
        assert all(0 < shot.update_ratio < 1 and shot.gradient_rms > 0 for shot in layer.snapshots)
    assert evidence.curves.val_epochs == (1, 2, 3, 4, 5, 6)
    assert len(evidence.curves.loss) == 6 and evidence.curves.loss[-1] < evidence.curves.loss[0]
    assert evidence.start.gradient_noise > 0 and evidence.start.one_batch_loss < 0.01
    assert evidence.settings.batch_size == 16 and evidence.settings.shuffle is True


def test_a_module_learns_as_its_own_loop_would():
    module, loss, optimizer, loader = pictures()
    state = torch.get_rng_state()
    evidence = gather_module(module, loss, optimizer, loader, val_loader=[loader.dataset.tensors], epochs=3)
    torch.set_rng_state(state)
    own = []
    for _ in range(3):
        module.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            value = loss(module(x), y)
            value.backward()
            optimizer.step()
            total += value.item() * len(x)
        own.append(total / 96)
    assert evidence.curves.loss == pytest.approx(own, rel=1e-6)
    module.eval()
    with torch.no_grad():
        x, y = loader.dataset.tensors
        assert evidence.curves.val_score[-1] == pytest.approx((module(x).argmax(1) == y).double().mean().item())


def test_nothing_of_the_user_is_changed():
    module, loss, optimizer, loader = pictures()
    for x, y in loader:  # so that the optimizer has a state
        optimizer.zero_grad()
        loss(module(x), y).backward()
        optimizer.step()
    module.conv.eval()
    kept = copy.deepcopy((module.state_dict(), optimizer.state_dict(), loader.generator.get_state()))
    grads = [parameter.grad.clone() for parameter in module.parameters()]
    random_states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    gather_module(module, loss, optimizer, loader, epochs=2)
    _equal(kept[0], module.state_dict())
    _equal(kept[1], optimizer.state_dict())
    assert torch.equal(kept[2], loader.generator.get_state())
    assert all(torch.equal(own, parameter.grad) for own, parameter in zip(grads, module.parameters(), strict=True))
    assert module.training and not module.conv.training
    assert not any(part._forward_hooks for part in module.modules())
    assert torch.equal(random_states[0], torch.get_rng_state())
    assert (random_states[1] == np.random.get_state()[1]).all() and random_states[2] == random.getstate()


def _equal(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            _equal(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for first, second in zip(one, other, strict=True):
            _equal(first, second)
    else:
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_an_overflow_of_a_module_is_found_in_its_layer():
    module, loss, optimizer, loader = pictures(boost=1e30)
    batches = list(loader)
    evidence = gather_module(module, loss, optimizer, batches, epochs=2)
    assert (evidence.non_finite.epoch, evidence.non_finite.step) == (1, 1)
    assert evidence.non_finite.where == "loss"  # fc gives 1e30, which is finite; times 1e30 it is not
    with torch.no_grad():
        module.fc.weight.fill_(1e12)
    evidence = gather_module(module, loss, optimizer, batches, epochs=2)
    assert evidence.non_finite.where == "activation of fc"


class Root(torch.autograd.Function):
    """Something whose gradient is infinite where its value is not."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * math.inf


def test_a_gradient_that_is_not_finite_is_found_before_what_it_brings_about():
    torch.manual_seed(0)
    first, last = nn.Linear(3, 4), nn.Linear(4, 1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = first, last

        def forward(self, x):
            return self.last(torch.tanh(Root.apply(self.first(x))))

    module, x = Net(), torch.randn(20, 3)
    batches = [(x[:10], x[:10, :1]), (x[10:], x[10:, :1])]
    evidence = gather_module(module, nn.MSELoss(), torch.optim.SGD(module.parameters(), lr=0.1), batches, epochs=3)
    found = evidence.non_finite
    assert (found.epoch, found.step, found.where) == (1, 1, "gradient of first")


def test_what_a_module_must_bring_is_checked():
    module, loss, optimizer, loader = pictures()
    with pytest.raises(ValueError, match="`epochs` must be an integer of 1 or more. Received: epochs=0"):
        gather_module(module, loss, optimizer, loader, epochs=0)
    with pytest.raises(ValueError, match="`optimizer` must update from one gradient. Received: LBFGS"):
        gather_module(module, loss, torch.optim.LBFGS(module.parameters()), loader)
    with pytest.raises(TypeError, match=r"`loader` must give pairs \(inputs, targets\) of tensors. Received: Tensor"):
        gather_module(module, loss, optimizer, [torch.ones(3)])


def test_the_evidence_is_plain_json_where_values_are_not_finite():
    module, loss, optimizer, loader = pictures(boost=1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        described = gather_module(module, loss, optimizer, list(loader), epochs=1).to_dict()
    assert described["curves"]["loss"] == (None,)


def test_without_held_out_batches_a_part_of_the_rows_stands_for_them():
    module, loss, optimizer, loader = pictures()
    evidence = gather_module(module, loss, optimizer, loader, epochs=6)
    assert evidence.output.val_rows == 96 // 4 and evidence.data.n_rows == 96
    assert evidence.data.duplicates_across == 0 and evidence.data.leaking_columns == ()
    torch.manual_seed(0)
    x = torch.randn(200, 2)
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    whole = DataLoader(TensorDataset(x, x.prod(dim=1, keepdim=True)), 20)
    assert diagnose(net, loss=nn.MSELoss(), optimizer=adam, loader=whole, epochs=60).verdicts[0].name == "healthy"


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.SmoothL1Loss(), F.mse_loss])
def test_scores_that_are_spread_over_the_targets_are_named(loss):
    torch.manual_seed(0)
    x = torch.randn(200, 3)
    for targets, said in ((x.sum(dim=1), "wrong_loss"), (x.sum(dim=1, keepdim=True), "healthy")):
        net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        loader = DataLoader(TensorDataset(x, targets), 20, shuffle=True)
        found = diagnose(net, loss=loss, optimizer=adam, loader=loader, epochs=60)
        assert found.verdicts[0].name == said
    assert found.evidence.settings.spread is None


def test_a_bag_is_refused_in_plain_words():
    with pytest.raises(TypeError, match="Of a bag, ask one such network"):
        diagnose(BaggedMLPClassifier(n_estimators=3), np.zeros((20, 2)), np.arange(20) % 2)
