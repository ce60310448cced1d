"""Transfer: what learns, how fast, what is kept still, and the features that need not be computed twice."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import strata
import strata.estimators._image_training as training
from strata import ImageClassifier
from strata.errors import ModelRefusedError
from strata.estimators._image_transfer import block_factors, frozen_names, separable_head
from strata.models import LinearProbe, build

X = np.random.RandomState(0).randint(0, 100, (60, 8, 8, 3)).astype(np.uint8)
Y = np.arange(60) % 4
X[np.arange(60), :, :, Y % 3] += (60 + 60 * (Y // 3)).astype(np.uint8)[:, None, None]


class Deep(nn.Module):
    """Three blocks and a head, with batch normalization and dropout in the frozen part."""

    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.high = nn.Sequential(nn.Conv2d(6, 10, 3, padding=1), nn.BatchNorm2d(10), nn.ReLU(), nn.Dropout(0.4))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(10, 7)

    def forward(self, x):
        return self.last(self.pool(self.high(self.low(x))).flatten(1))


class Scaled(Deep):
    """Something follows the head, so its scores are not made of features and head alone."""

    def forward(self, x):
        return 2.0 * super().forward(x)


def learned(kind=Deep):
    torch.manual_seed(0)
    network = kind()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return network


def fit(network=None, **options):
    options = {"max_iter": 3, "random_state": 0, "augment": "none", "batch_size": 16, **options}
    return ImageClassifier(learned() if network is None else network, **options).fit(X, Y)


def weight(model):
    return model.network_.last.weight.detach().numpy()


def moved(model, start):
    """Names of what is not as it was."""
    state = model.network_.state_dict()
    return {name.rpartition(".")[0] for name, value in start.state_dict().items() if name.split(".")[0] != "last"
            and not torch.equal(value, state[name])}  # fmt: skip


def test_what_learns():
    start = learned()
    assert moved(fit(transfer="last"), start) == set()
    assert moved(fit(transfer="partial", n_frozen_blocks=1), start) == {"high.0", "high.1"}
    assert moved(fit(transfer="all"), start) == {"low.0", "low.1", "high.0", "high.1"}
    assert fit(transfer="last").network_.last.out_features == 4
    assert all(parameter.requires_grad for parameter in fit(transfer="last").network_.parameters())


def test_partial_freezes_half_of_the_blocks_by_default():
    network = learned()
    assert frozen_names(network, "partial", None) == frozen_names(network, "partial", 1)
    assert frozen_names(network, "partial", 0) == ()
    assert set(frozen_names(network, "last", None)) == {"low", "high"}


@pytest.mark.parametrize("solver", ["auto", "sgd"])
def test_cached_features_give_what_the_whole_network_gives(monkeypatch, solver):
    options = {"transfer": "last", "solver": solver, "max_iter": 6}
    cached = fit(**options)
    assert cached.features_cached_ is True
    monkeypatch.setattr(training, "separable_head", lambda network, x: None)
    whole = fit(**options)
    assert whole.features_cached_ is False
    np.testing.assert_allclose(cached.loss_curve_, whole.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(weight(cached), weight(whole), atol=1e-5)
    np.testing.assert_allclose(cached.predict_proba(X), whole.predict_proba(X), atol=1e-5)
    assert np.abs(weight(cached) - weight(fit(transfer="last", solver=solver, max_iter=1))).max() > 1e-3


def test_cached_held_out_figures_are_those_of_the_network():
    model = fit(transfer="last", early_stopping=True, validation_fraction=0.3, restore_best=False, max_iter=4)
    held = ImageClassifier(learned(), transfer="last", random_state=0, augment="none", batch_size=16, max_iter=4)
    held.fit(X, Y, X_val=X[:20], y_val=Y[:20])
    assert model.features_cached_
    assert held.validation_scores_[-1] == held.score(X[:20], Y[:20])
    probs = held.predict_proba(X[:20])
    np.testing.assert_allclose(held.validation_loss_curve_[-1], -np.log(probs[np.arange(20), Y[:20]]).mean(), rtol=1e-5)


def test_the_trunk_is_run_once_when_it_is_frozen(monkeypatch):
    calls = []
    original = Deep.forward

    def counting(self, x):
        calls.append(len(x))
        return original(self, x)

    monkeypatch.setattr(Deep, "forward", counting)
    fit(transfer="last", max_iter=10)
    assert sum(n for n in calls if n > 2) == 60
    calls.clear()
    fit(transfer="last", max_iter=10, augment="flip")
    assert sum(n for n in calls if n > 2) > 500


def test_a_head_with_something_behind_it_is_not_cached():
    x = torch.randn(2, 3, 8, 8)
    assert isinstance(separable_head(learned(), x), nn.Linear)
    assert separable_head(learned(Scaled), x) is None
    model = fit(learned(Scaled), transfer="last")
    assert model.features_cached_ is False
    assert moved(model, learned()) == set()


def test_shares_of_the_rate_by_block():
    network = learned()
    assert block_factors(network, None) == {}
    assert block_factors(network, 0.5) == {"low": 0.25, "high": 0.5}
    assert block_factors(network, (0.1, 1.0, 2)) == {"low": 0.1, "last": 2.0}


def test_blocks_learn_at_their_rates():
    """One step of plain gradient descent moves each block in proportion to its share."""
    options = {"transfer": "all", "solver": "sgd", "momentum": 0.0, "alpha": 0.0, "schedule": "constant"}
    options |= {"max_iter": 1, "batch_size": 60, "learning_rate_init": 0.01}
    start, network = learned(), learned()
    network.high[3] = nn.Identity()  # no dropout: one gradient for both
    plain = fit(copy.deepcopy(network), **options).network_
    slower = fit(copy.deepcopy(network), block_rates=(0.25, 0.5, 1.0), **options).network_
    for name, share in (("low.0.weight", 0.25), ("high.0.weight", 0.5)):
        begin = start.get_parameter(name).detach()
        full = plain.get_parameter(name).detach() - begin
        assert full.abs().max() > 1e-6
        np.testing.assert_allclose(slower.get_parameter(name).detach() - begin, share * full, atol=1e-7)


def test_two_phases():
    start = learned()
    model = fit(transfer="last", max_iter=3, fine_tune={"max_iter": 2, "n_frozen_blocks": 1})
    assert model.n_iter_ == 5
    assert model.history_["epoch"] == [1, 2, 3, 4, 5]
    assert len(model.loss_curve_) == 5
    assert moved(model, start) == {"high.0", "high.1"}
    assert fit(transfer="last", max_iter=3, fine_tune=2).n_iter_ == 5
    assert fit(transfer="last", max_iter=3, fine_tune=False).n_iter_ == 3
    assert moved(fit(transfer="partial", fine_tune=True), start) == {"low.0", "low.1", "high.0", "high.1"}


def test_time_that_is_up_ends_both_phases():
    model = fit(transfer="last", max_iter=3, fine_tune=2, time_limit=1e-9)
    assert model.stop_reason_ == "time_limit"
    assert model.n_iter_ <= 1


# Where the last layer is put.


def stripes(n=120, seed=0):
    """Images whose class is the height of a faint stripe: what a mean over all places cannot know."""
    random = np.random.RandomState(seed)
    y = np.arange(n) % 4
    X = random.randint(0, 160, (n, 24, 24, 3)).astype(np.uint8)
    for row, height in enumerate(y):
        X[row, 4 * height + 4 : 4 * height + 7, 4:-4] += 60
    return X, y


def probed(**options):
    settings = {"max_iter": 3, "random_state": 0, "batch_size": 16, "weights": "cifar10", "transfer": "last"}
    return ImageClassifier("resnet20", **settings | options).fit(*stripes())


def test_a_layer_that_knows_better_is_found():
    auto, last = probed(max_iter=10), probed(max_iter=10, feature_layer="last")
    assert auto.feature_layer_ in ("bn1", "layer1", "layer2", "layer3") and last.feature_layer_ is None
    assert type(auto.network_) is LinearProbe and auto.features_cached_
    X, y = stripes(seed=1)
    assert auto.score(X, y) > 0.95 and last.score(X, y) < 0.5
    np.testing.assert_array_equal(probed(max_iter=10).predict_proba(X), auto.predict_proba(X))
    named = probed(feature_layer=auto.feature_layer_, max_iter=10)
    np.testing.assert_array_equal(named.predict_proba(X), auto.predict_proba(X))


def test_nothing_else_learns():
    start = build("resnet20", weights="cifar10").state_dict()
    for options in ({}, {"augment": "crop", "compile": False}):
        trunk = probed(feature_layer="layer2", **options).network_.trunk.state_dict()
        assert "layer2.2.conv2.weight" in trunk and "layer3.0.conv1.weight" not in trunk
        assert all(torch.equal(value, start[name]) for name, value in trunk.items())


def test_where_the_last_features_are_as_good_nothing_is_cut():
    random = np.random.RandomState(0)
    y = np.arange(60) % 2
    X = (random.randint(0, 40, (60, 16, 16, 3)) + 120 * y[:, None, None, None]).astype(np.uint8)
    quick = {"weights": "cifar10", "transfer": "last", "max_iter": 1, "random_state": 0}
    assert ImageClassifier("resnet20", **quick).fit(X, y).feature_layer_ is None
    assert probed(fine_tune=1, max_iter=1).feature_layer_ is None
    few = ImageClassifier("resnet20", **quick).fit(*stripes(n=40))
    assert few.feature_layer_ is None


def test_a_cut_network_is_kept(tmp_path):
    model = probed(feature_layer="layer2")
    model.save(tmp_path / "cut.strata")
    again = strata.load(tmp_path / "cut.strata")
    X, _ = stripes(seed=1)
    assert again.feature_layer_ == "layer2"
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.features(X), model.features(X))


@pytest.mark.parametrize("layer", ["__class__", "layer9", "linear", "layer3.0.conv1"])
def test_files_that_name_another_layer_are_refused(tmp_path, layer):
    path = probed(feature_layer="layer2", max_iter=1).save(tmp_path / "cut.strata")
    config = path / "config.json"
    config.write_text(config.read_text().replace('"feature_layer_": "layer2"', f'"feature_layer_": "{layer}"'))
    assert layer in config.read_text()
    with pytest.raises(ModelRefusedError):
        strata.load(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"feature_layer": "layer9"}, r"`feature_layer` must be 'auto', 'last' or.*such as 'bn1', 'layer1', 'layer2'"),
        ({"feature_layer": "layer2", "transfer": "all"}, r"`feature_layer` must be 'auto' or 'last' unless transfer"),
        ({"feature_layer": "layer2", "fine_tune": True}, r"`feature_layer` must be 'auto' or 'last' with `fine_tune`"),
    ],
)
def test_layers_that_will_not_do(options, words):
    with pytest.raises(ValueError, match=words):
        probed(**options)
