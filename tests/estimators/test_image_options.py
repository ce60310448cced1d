"""Weights, labels, smoothing, test-time views, defaults: each option does what it says."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from strata import ImageClassifier
from strata.data import ten_crop
from strata.estimators import _image_defaults as defaults
from strata.estimators._image_labels import ImageTargets, stratified
from strata.rules import SGD, Adam, Cosine

RNG = np.random.RandomState(0)
X = RNG.randint(0, 130, (60, 8, 8, 3)).astype(np.uint8)
Y = np.arange(60) % 3
X[np.arange(60), :, :, Y] += 60


class Tiny(nn.Module):
    def __init__(self, n_classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.last = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.last(torch.relu(self.conv(x)).mean(dim=(2, 3)))


def tiny(n_classes=3, **options):
    torch.manual_seed(0)
    model = options.pop("model", None)
    base = {"max_iter": 3, "random_state": 0, "augment": "none", "batch_size": 60}
    return ImageClassifier(Tiny(n_classes) if model is None else model, **{**base, **options})


PLAIN = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "schedule": "constant", "learning_rate_init": 0.1}


def weights(model):
    return np.concatenate([p.detach().numpy().ravel() for p in model.network_.parameters()])


def test_a_weight_of_two_is_the_image_twice_and_of_zero_none():
    weight = np.tile([1.0, 2.0, 0.0, 1.0], 15)
    normal = {"normalization": (0.5, 0.25), **PLAIN}
    weighted = tiny(**normal).fit(X, Y[::-1], weight)
    rows = np.repeat(np.arange(60), weight.astype(int))
    repeated = tiny(**normal).fit(X[rows], Y[::-1][rows])
    np.testing.assert_allclose(weights(weighted), weights(repeated), atol=1e-6)
    assert np.abs(weights(weighted) - weights(tiny(**normal).fit(X, Y[::-1]))).max() > 1e-4


def test_class_weight_is_a_sample_weight():
    by_class = {0: 1.0, 1: 3.0, 2: 0.5}
    given = tiny(class_weight=by_class, **PLAIN).fit(X, Y)
    weighted = tiny(**PLAIN).fit(X, Y, [by_class[label] for label in Y])
    np.testing.assert_array_equal(weights(given), weights(weighted))
    few = np.r_[np.arange(60), np.arange(0, 60, 3)]
    balanced = tiny(class_weight="balanced", batch_size=80, **PLAIN).fit(X[few], Y[few])
    counts = np.bincount(Y[few])
    by_hand = tiny(batch_size=80, **PLAIN).fit(X[few], Y[few], (80 / 3 / counts)[Y[few]])
    np.testing.assert_allclose(weights(balanced), weights(by_hand), atol=1e-7)


def test_label_smoothing_is_in_the_loss():
    """The first full-batch loss, against NumPy."""
    model = tiny(label_smoothing=0.3, max_iter=1, **PLAIN).fit(X, Y)
    with torch.no_grad():
        torch.manual_seed(0)
        scores = Tiny()(model.prepare(X)).double().numpy()
    log_probs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    targets = 0.7 * np.eye(3)[Y] + 0.1
    np.testing.assert_allclose(model.loss_curve_[0], -(targets * log_probs).sum(axis=1).mean(), rtol=1e-5)


def test_several_labels_and_their_loss():
    table = np.column_stack([Y == 0, Y != 1]).astype(int)
    model = tiny(2, max_iter=1, label_smoothing=0.2, **PLAIN).fit(X, table)
    assert model.multi_label_
    assert model.classes_.tolist() == [0, 1]
    with torch.no_grad():
        torch.manual_seed(0)
        scores = Tiny(2)(model.prepare(X)).double().numpy()
    probs = 1 / (1 + np.exp(-scores))
    targets = 0.8 * table + 0.1
    loss = -(targets * np.log(probs) + (1 - targets) * np.log(1 - probs)).sum(axis=1).mean()
    np.testing.assert_allclose(model.loss_curve_[0], loss, rtol=1e-5)
    learned = tiny(2, max_iter=60, learning_rate_init=0.05).fit(X, table)
    assert learned.predict(X).shape == (60, 2)
    assert set(np.unique(learned.predict(X))) <= {0, 1}
    assert learned.score(X, table) > 0.9
    lists = [["a"] * int(a) + ["b"] * int(b) for a, b in table]
    named = tiny(2, max_iter=60, learning_rate_init=0.05).fit(X, lists)
    assert named.classes_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(named.predict(X), learned.predict(X))
    assert named.score(X, lists) == learned.score(X, table)


def probs_of(model, x):
    with torch.no_grad():
        return torch.softmax(model.network_(x).double(), dim=1).numpy()


def test_views_at_test_time():
    model = tiny().fit(X, Y)
    x = model.prepare(X)
    single = model.predict_proba(X)
    np.testing.assert_allclose(single, probs_of(model, x), atol=1e-6)
    flipped = model.set_params(test_time="flip").predict_proba(X)
    np.testing.assert_allclose(flipped, (probs_of(model, x) + probs_of(model, x.flip(3))) / 2, atol=1e-6)
    ten = model.set_params(test_time="ten_crop").predict_proba(X)
    np.testing.assert_allclose(ten.sum(axis=1), 1, atol=1e-12)
    assert np.abs(ten - single).max() > 1e-4
    large = model.set_params(image_size=10)
    large.image_size_ = (10, 10)
    crops = ten_crop(large.prepare(X), 8)
    large.image_size_ = (8, 8)
    np.testing.assert_allclose(
        ten, np.mean([probs_of(model, crops[:, number]) for number in range(10)], axis=0), atol=1e-6
    )
    assert model.score(X, Y) == np.mean(model.predict(X) == Y)


def test_early_stopping_keeps_the_best_weights():
    order = RNG.permutation(60)
    model = tiny(early_stopping=True, validation_fraction=0.4, max_iter=40, learning_rate_init=0.05, n_iter_no_change=3)
    model.fit(X[order], Y[order])
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.stop_reason_ == "early_stopping"
    assert model.n_iter_ < 40
    held = tiny(early_stopping=True, max_iter=10, learning_rate_init=0.05).fit(
        X[:40], Y[:40], X_val=X[40:], y_val=Y[40:]
    )
    assert held.score(X[40:], Y[40:]) == held.best_validation_score_


def test_held_out_images_are_drawn_by_class():
    seen = {}

    class Looking(Tiny):
        def forward(self, x):
            seen.setdefault(self.training, []).append(len(x))
            return super().forward(x)

    torch.manual_seed(0)
    labels = np.array([0] * 50 + [1] * 10)
    ImageClassifier(Looking(2), early_stopping=True, validation_fraction=0.2, max_iter=1, random_state=0).fit(X, labels)
    assert 12 in seen[False]
    assert stratified(ImageTargets(labels), 0.2) is labels
    assert stratified(ImageTargets(np.array([0, 0, 1])), 0.5) is None, "a class with one image"
    assert stratified(ImageTargets(np.eye(4)), 0.5) is None


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "adam"},
        {"solver": "rmsprop", "alpha": 0.001},
        {"solver": SGD(0.1, momentum=0.5)},
        {"solver": Adam(0.01), "schedule": Cosine()},
        {"solver": lambda parameters: torch.optim.Adam(parameters, lr=0.01)},
        {"schedule": "constant", "grad_clip": 1.0},
        {"precision": "bfloat16"},
        {"channels_last": True},
        {"channels_last": False},
        {"augment": ["crop", "flip"]},
        {"augment": "mixup"},
        {"augment": lambda x: x.flip(3)},
        {"batch_size": 7},
        {"shuffle": False},
        {"n_threads": 1},
        {"image_size": (10, 12)},
        {"block_rates": 0.5},
        {"normalization": ([0.5, 0.4, 0.3], 0.25)},
    ],
)
def test_options_train(options):
    model = tiny(**{"max_iter": 4, **options}).fit(X, Y)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert np.isfinite(model.predict_proba(X)).all()


def test_the_order_in_memory_changes_rounding_only():
    first = tiny(channels_last=True).fit(X, Y)
    second = tiny(channels_last=False).fit(X, Y)
    np.testing.assert_allclose(weights(first), weights(second), atol=1e-5)
    assert first.network_.conv.weight.is_contiguous()


def test_grids_and_cross_validation():
    search = GridSearchCV(tiny(learning_rate_init=0.05), {"max_iter": [1, 8], "transfer": [None, "all"]}, cv=2)
    search.fit(X, Y)
    assert search.best_params_["max_iter"] == 8
    scores = cross_val_score(tiny(max_iter=8, learning_rate_init=0.05), X, Y, cv=2, n_jobs=2)
    assert scores.min() > 0.8


def test_what_auto_means():
    assert defaults.auto_model((28, 28), 1, 60_000) == "lenet5"
    assert defaults.auto_model((32, 32), 3, 50_000) == "resnet20"
    assert defaults.auto_model((64, 48), 1, 100) == "resnet20"
    assert defaults.auto_model((300, 200), 3, 200) == "resnet20"
    assert defaults.auto_model((300, 200), 3, 5000) == "resnet18"
    assert [defaults.auto_batch_size(n) for n in (5, 200, 1800, 60_000)] == [5, 16, 64, 128]
    assert defaults.auto_epochs(469) == 10
    assert defaults.auto_epochs(40) == 50
    assert defaults.auto_epochs(3) == 60
    assert defaults.auto_epochs(40, transfer="all") == 50
    assert defaults.auto_epochs(469, transfer="partial") == 5
    assert defaults.auto_epochs(40, transfer="last") == 50
    assert defaults.fitting_size((32, 32), min_size=12, input_size=28) == (32, 32)
    assert defaults.fitting_size((8, 10), min_size=12, input_size=28) == (28, 35)
    assert defaults.fitting_size((8, 10), min_size=32, input_size=224) == (32, 40)
    assert defaults.file_size([(32, 32)] * 9, min_size=1, input_size=32) == (32, 32)
    assert defaults.file_size([(300, 200)], min_size=1, input_size=32) == (64, 64)
    assert defaults.file_size([(300, 200), (90, 100)], min_size=1, input_size=224) == (200, 200)
    assert defaults.file_size([(3000, 2000)], min_size=1, input_size=224) == (224, 224)


def test_large_arrays_are_scaled_for_the_automatic_network():
    big = np.repeat(np.repeat(X[:12], 12, axis=1), 16, axis=2)  # 96 x 128 pixels
    model = ImageClassifier(max_iter=1, random_state=0).fit(big, Y[:12])
    assert (model.model_name_, model.image_size_) == ("resnet20", (64, 85))
    assert ImageClassifier("resnet20", max_iter=1, image_size=16).fit(big, Y[:12]).image_size_ == (16, 16)


def test_learned_weights_are_mentioned_and_not_taken(capsys):
    shipped = "resnet20 has learned weights that need no download: with 12 images, weights='cifar10'"
    quiet = ImageClassifier("resnet20", max_iter=1, random_state=0).fit(X[:12], Y[:12])
    assert shipped not in capsys.readouterr().err
    said = ImageClassifier("resnet20", max_iter=1, random_state=0, verbose=True).fit(X[:12], Y[:12])
    assert shipped in capsys.readouterr().err
    np.testing.assert_array_equal(weights(quiet), weights(said))


def test_progress_and_lines(capsys):
    tiny(verbose=True, progress=True, max_iter=2).fit(X, Y)
    written = capsys.readouterr()
    assert written.out.count("Iteration") == 2
    assert written.err


class Recorder:
    """A callback of scikit-learn's kind."""

    def __init__(self):
        self.events = []
        self.scores = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if fitted_estimator is not None and context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X_OTHER, Y))


X_OTHER = X[::-1].copy()


@pytest.mark.parametrize("options", [{}, {"transfer": "last", "fine_tune": 2}])
def test_scikit_learns_callbacks_hear_of_one_fit(options):
    recorder = Recorder()
    model = tiny(max_iter=3, **options).set_callbacks(recorder).fit(X, Y)
    epochs = ["begin epoch", "end epoch"] * (5 if options else 3)
    assert recorder.events == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert recorder.scores[-1] == model.score(X_OTHER, Y)
