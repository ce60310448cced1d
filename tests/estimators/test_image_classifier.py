"""ImageClassifier on arrays: what it learns, what it refuses, and that the same seed gives the same network."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from torch import nn

from strata import ImageClassifier

DIGITS = load_digits()
IMAGES = np.round(DIGITS.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)
RNG = np.random.RandomState(0)


def bars(n=60, size=8, channels=3):
    """Images whose class is the channel that is bright: learned in a few steps."""
    rng = np.random.RandomState(1)
    y = np.arange(n) % channels
    x = rng.randint(0, 100, (n, size, size, channels)).astype(np.uint8)
    x[np.arange(n), :, :, y] += 120
    return x, np.array(["blue", "green", "red", "other"])[y]


class Tiny(nn.Module):
    """A small network of somebody's own."""

    def __init__(self, n_classes=3, in_channels=3):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Linear(8, n_classes)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.conv(x))).mean(dim=(2, 3)))


X, Y = bars()


def quick(**options):
    torch.manual_seed(0)
    return ImageClassifier(Tiny(), **{"max_iter": 5, "random_state": 0, "augment": "none", **options})


def test_digits_are_learned_in_seconds():
    order = np.random.RandomState(0).permutation(len(IMAGES))
    train, test = order[:1200], order[1200:]
    model = ImageClassifier(max_iter=12, random_state=0).fit(IMAGES[train], DIGITS.target[train])
    assert model.model_name_ == "lenet5"
    assert model.image_size_ == (28, 28)
    assert model.score(IMAGES[test], DIGITS.target[test]) > 0.95
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_string_classes_and_probabilities():
    model = quick().fit(X, Y)
    assert model.classes_.tolist() == ["blue", "green", "red"]
    probs = model.predict_proba(X)
    assert probs.shape == (60, 3)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-12)
    assert (model.classes_[probs.argmax(axis=1)] == model.predict(X)).all()
    assert model.score(X, Y) > 0.9
    assert model.n_features_in_ == 8 * 8 * 3
    assert model.network_.training is False


def test_bytes_and_shares_of_one_are_the_same_images():
    model = quick().fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(X / 255.0), atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(torch.from_numpy(X)), atol=0)


def test_the_same_seed_gives_the_same_network_and_a_refit_forgets():
    first = quick().fit(X, Y)
    again = quick().fit(X, Y)
    refitted = first.predict_proba(X), first.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    np.testing.assert_array_equal(*refitted)
    other = quick(random_state=1).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_the_module_that_was_given_is_left_alone():
    module = Tiny()
    before = copy.deepcopy(module.state_dict())
    ImageClassifier(module, max_iter=2, random_state=0).fit(X, Y)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_global_generators_are_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    ImageClassifier("lenet5", max_iter=1).fit(X[:12], Y[:12])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("copied", [clone, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies(copied):
    model = quick().fit(X, Y)
    other = copied(model)
    if copied is clone:
        with pytest.raises(NotFittedError):
            other.predict(X)
        other.fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_predictions_do_not_depend_on_order_or_company():
    model = quick().fit(X, Y)
    probs = model.predict_proba(X)
    order = np.random.RandomState(0).permutation(len(X))
    np.testing.assert_allclose(model.predict_proba(X[order]), probs[order], atol=1e-6)
    np.testing.assert_allclose(np.vstack([model.predict_proba(X[i : i + 1]) for i in range(9)]), probs[:9], atol=1e-6)


def test_rows_of_numbers_are_images_with_an_input_shape():
    planes = X.transpose(0, 3, 1, 2)  # the layout of the bundled sets
    whole = quick().fit(X, Y)
    rows = quick(input_shape=(8, 8, 3)).fit(X.reshape(60, -1), Y)
    by_plane = quick(input_shape=(3, 8, 8)).fit(planes.reshape(60, -1), Y)
    np.testing.assert_array_equal(whole.predict_proba(X), rows.predict_proba(X.reshape(60, -1)))
    np.testing.assert_array_equal(whole.predict_proba(X), by_plane.predict_proba(planes.reshape(60, -1)))


def test_prepare_and_features():
    model = quick().fit(X, Y)
    x = model.prepare(X)
    assert x.shape == (60, 3, 8, 8)
    assert x.dtype == torch.float32
    wanted = (X / 255.0 - model.mean_) / model.std_
    np.testing.assert_allclose(x.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(x.mean(dim=(0, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(x.std(dim=(0, 2, 3), unbiased=False), 1.0, atol=1e-5)
    features = model.features(X)
    assert features.shape == (60, 8)
    with torch.no_grad():
        scores = model.network_.last(torch.from_numpy(features))
    np.testing.assert_allclose(torch.softmax(scores.double(), 1), model.predict_proba(X), atol=1e-6)
