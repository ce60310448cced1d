"""What ImageClassifier refuses, in which words, and before anything is learned."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from torch import nn

from strata import ImageClassifier
from strata.errors import NonFiniteError
from strata.nn import EuclideanRBF

RNG = np.random.RandomState(0)
X = RNG.randint(0, 256, (12, 8, 8, 3)).astype(np.uint8)
Y = np.arange(12) % 3


class Tiny(nn.Module):
    def __init__(self, n_classes=3, in_channels=3):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.last = nn.Linear(4, n_classes)

    def forward(self, x):
        return self.last(torch.relu(self.conv(x)).mean(dim=(2, 3)))


def tiny(**options):
    torch.manual_seed(0)
    return ImageClassifier(**{"model": Tiny(), "max_iter": 1, "random_state": 0, **options})


FITTED = tiny().fit(X, Y)
GREY = ImageClassifier(Tiny(in_channels=1), max_iter=1, random_state=0).fit(X[..., 0], Y)


def with_value(value):
    wrong = X / 255.0
    wrong[4, 2, 3, 1] = value
    return wrong


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (X.transpose(0, 3, 1, 2), Y, r"channels last.*\(12, 3, 8, 8\), which looks channels-first.*X\.transpose"),
        (X.reshape(12, -1), Y, r"shape \(n, h, w\).*\(12, 192\).*input_shape=\(h, w\)"),
        (X[0, 0, 0], Y[:3], r"shape \(n, h, w\).*Received: X of shape \(3,\)"),
        (X[None], Y, r"3 axes, or 4.*\(1, 12, 8, 8, 3\)"),
        (X[:0], Y[:0], r"0 sample\(s\) \(shape=\(0, 8, 8, 3\)\).*ImageClassifier"),
        (X[:, :0], Y, r"at least one pixel.*\(12, 0, 8, 3\)"),
        (np.zeros((12, 20, 20, 17)), Y, r"at most 16 channels.*\(12, 20, 20, 17\)"),
        (with_value(np.nan), Y, r"contains NaN.*Received: NaN in X\[4\]"),
        (with_value(np.inf), Y, r"contains infinity.*in X\[4\]"),
        (with_value(1.5), Y, r"0 to 1\. Received: values from 0 to 1\.5\. Divide by 255 or give uint8"),
        (with_value(-1.0), Y, r"0 to 1\. Received: values from -1 .*value_range=\(-1, 1\)"),
        (X.astype(np.int64) + 10, Y, r"0 to 255 for whole numbers\. Received: values from 1\d to 26\d.*value_range"),
        (X.astype(complex), Y, r"Complex data not supported"),
        (X.astype(str), Y, r"must hold numbers"),
        ([X[0], X[1][:4]], Y[:2], r"images of one size"),
        (sparse.csr_matrix(X.reshape(12, -1)), Y, r"[Ss]parse"),
        (X, Y[:-1], r"inconsistent numbers of samples\. Received: 12 images, 11 labels"),
        (X, None, r"requires y to be passed, but the target y is None"),
        (X, np.zeros(12), r"at least 2 classes\. Received: 1 class, 0\.0"),
        (X, np.where(Y == 1, np.nan, Y), r"Input y contains NaN"),
        (X, [None, *"abcabcabcab"], r"Input y contains NaN.*None or NaN"),
        (X, RNG.rand(12), r"Unknown label type|continuous"),
        (X, np.column_stack([Y, Y]), r"one class an image, or a table of 0 and 1"),
        (X, np.array(["a", 1, 2.5], dtype=object)[Y], r"`y` must hold strings only, or numbers only\. Received: both"),
        (X, [[]] * 12, r"`y` must hold at least one label\. Received: no image has any"),
    ],
)
def test_images_and_labels_that_are_none(images, labels, match):
    with pytest.raises((ValueError, TypeError), match=match):
        tiny().fit(images, labels)


def test_one_image_in_colour_is_not_many_grey_ones():
    with pytest.raises(ValueError, match=r"several images.*\(40, 40, 3\), which looks like one image.*np\.newaxis"):
        FITTED.predict(np.zeros((40, 40, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("model", "images", "match"),
    [
        (
            FITTED,
            X[:, :6],
            r"of the size that was learned: shape \(n, 8, 8, 3\)\. Received: X of shape \(12, 6, 8, 3\)",
        ),
        (FITTED, X[..., :1], r"of the channels that was learned: shape \(n, 8, 8, 3\).*\(12, 8, 8, 1\)"),
        (FITTED, X[..., 0], r"of the channels.*\(12, 8, 8, 1\)"),
        (GREY, X, r"of the channels.*\(n, 8, 8, 1\).*\(12, 8, 8, 3\)"),
        (FITTED, X.transpose(0, 3, 1, 2), "channels-first"),
        (FITTED, with_value(np.nan), "NaN"),
        (FITTED, X[:0], r"0 sample\(s\)"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "prepare", "features"])
def test_images_unlike_those_that_were_learned(model, images, match, method):
    with pytest.raises(ValueError, match=match):
        getattr(model, method)(images)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "prepare", "features"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(ImageClassifier(), method)(X)
    with pytest.raises(NotFittedError):
        ImageClassifier().score(X, Y)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"model": "lenet-5"}, r"Unknown model 'lenet-5'\. Did you mean 'lenet5'\?"),
        ({"model": 3}, "'model' parameter"),
        ({"model": "resnet20", "transfer": "last"}, r"`transfer` must start from learned weights.*transfer='last'"),
        ({"weights": "imagenet"}, r"`weights` must be None with a module of your own"),
        ({"model": Tiny(5)}, r"`model` must give 3 scores an image, shape \(n, 3\)\. Received: \(1, 5\).*`transfer`"),
        ({"model": nn.Linear(4, 3)}, r"`model` must take images of shape \(1, 3, 8, 8\)"),
        ({"image_size": (4, 4, 4)}, r"`image_size` must be a side, or a height and a width"),
        ({"image_size": 0}, "'image_size' parameter"),
        ({"input_shape": (8, 8, 3, 1)}, r"`input_shape` must be \(h, w\)"),
        ({"input_shape": (-1, -1)}, r"one may be -1"),
        ({"input_shape": (2.5, 8)}, r"`input_shape` must be"),
        ({"value_range": (1, 0)}, r"`value_range` must be two finite numbers, black and white.*\(1, 0\)"),
        ({"value_range": (0, 1, 2)}, r"`value_range` must be two finite numbers"),
        ({"normalization": (0.5, -1.0)}, r"std > 0\. Received: normalization=\(0\.5, -1\.0\)"),
        ({"normalization": (0.5, [1.0, 2.0])}, r"one finite number or 3"),
        ({"normalization": ([1, [2, 3]], 1)}, r"`normalization` must be 'auto' or a pair"),
        ({"augment": "flipp"}, r"Unknown augmentation 'flipp'"),
        ({"augment": 3.5}, "'augment' parameter"),
        ({"solver": "lbfgs"}, "'solver' parameter"),
        ({"learning_rate_init": -1.0}, "'learning_rate_init' parameter"),
        ({"schedule": "two_cycle"}, "'schedule' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"momentum": 1.0}, "'momentum' parameter"),
        ({"transfer": "first"}, "'transfer' parameter"),
        ({"fine_tune": 3}, r"`fine_tune` must come with transfer='last' or 'partial'"),
        ({"fine_tune": {"epochs": 3}, "transfer": "last"}, r"`fine_tune` must be None, True.*'epochs' is not"),
        ({"fine_tune": {"max_iter": 0}, "transfer": "last"}, r"`fine_tune` must be.*'max_iter' is not"),
        ({"fine_tune": {"learning_rate_init": -1}, "transfer": "last"}, r"'learning_rate_init' is not"),
        (
            {"model": nn.Sequential(Tiny(), EuclideanRBF(torch.ones(2, 3))), "transfer": "last"},
            r"`transfer` must be 'partial' or 'all' for a network whose last layer has nothing to learn.*EuclideanRBF",
        ),
        ({"transfer": "partial", "n_frozen_blocks": 9}, r"`n_frozen_blocks` must be from 0 to 1"),
        ({"block_rates": (0.1, 0.2, 0.3)}, r"`block_rates` must be a number in \(0, 1\].*the 2 blocks"),
        ({"class_weight": {0: -1.0}}, r"`class_weight` must give every class"),
        ({"label_smoothing": 1.0}, "'label_smoothing' parameter"),
        ({"early_stopping": True, "validation_fraction": 0.0}, "'validation_fraction' parameter"),
        ({"device": "abacus"}, r"`device` must be 'auto', 'cpu'"),
        ({"n_threads": 0}, "'n_threads' parameter"),
        ({"on_problem": "ignore"}, "'on_problem' parameter"),
        ({"test_time": "twice"}, "'test_time' parameter"),
        ({"resume": True}, r"`resume` must come with a `checkpoint`"),
    ],
)
def test_parameters_out_of_range(options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        tiny(**options).fit(X, Y)


@pytest.mark.parametrize("size", [1, (3, 40)])
def test_a_size_that_the_network_does_not_take(size):
    with pytest.raises(ValueError, match=r"`image_size` must be one that 'lenet5' takes, \d+ pixels at least"):
        ImageClassifier("lenet5", image_size=size).fit(X, Y)


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        (np.full(12, -1.0), "[Nn]egative"),
        (np.full(12, np.nan), "NaN"),
        (np.ones(11), "sample_weight.shape"),
        (np.zeros(12), "zero"),
    ],
)
def test_weights_of_images(weight, match):
    with pytest.raises(ValueError, match=match):
        tiny().fit(X, Y, weight)


NO_WEIGHT = "`sample_weight` and `class_weight` must leave one of the {} images a weight above 0"


def test_weights_that_leave_nothing():
    only_first = (Y == 0).astype(float)
    with pytest.raises(ValueError, match=NO_WEIGHT.format("training")):
        tiny(class_weight={0: 0.0}).fit(X, Y, only_first)
    with pytest.raises(ValueError, match=NO_WEIGHT.format("training")):
        tiny(class_weight={0: 0, 1: 0, 2: 0}).fit(X, Y)
    with pytest.raises(ValueError, match=NO_WEIGHT.format("held-out")):
        tiny(early_stopping=True, validation_fraction=0.3, random_state=1).fit(X, Y, np.arange(12) == 0)


def test_batches_of_one_image():
    """Batch normalization of maps of one pixel needs two images."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3)]
    with pytest.raises(ValueError, match="`batch_size` must be at least 2 for this network.*batch_size=1, 1 image a"):
        tiny(model=nn.Sequential(*layers), batch_size=1).fit(X, Y)
    for n, size in ((3, 2), (7, 3), (7, 2)):  # the last image alone is left out of the epoch
        fitted = tiny(model=nn.Sequential(*layers), batch_size=size).fit(X[:n], Y[:n])
        assert fitted.network_[2].num_batches_tracked == n // size


def test_held_out_images():
    with pytest.raises(ValueError, match=r"`X_val` and `y_val` must be given together"):
        tiny().fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match=r"`X_val` and `y_val` must be given together"):
        tiny().fit(X, Y, y_val=Y)
    with pytest.raises(ValueError, match=r"`y_val` must hold known classes only: \[0, 1, 2\]\. Received: \[3\]"):
        tiny().fit(X, Y, X_val=X, y_val=Y + 1)
    with pytest.raises(ValueError, match=r"of the size that was learned"):
        tiny().fit(X, Y, X_val=X[:, :5], y_val=Y)


def test_a_run_that_blows_up_says_what_to_do():
    with pytest.raises(NonFiniteError, match=r"Training diverged.*learning_rate_init=1e\+30"):
        tiny(solver="sgd", learning_rate_init=1e30, max_iter=5, schedule="constant").fit(X, Y)


def test_warm_start_keeps_to_the_classes():
    model = tiny(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="known classes only"):
        model.fit(X, Y + 1)


def test_a_table_of_one_column_warns():
    with pytest.warns(UserWarning, match="column-vector"):
        tiny().fit(X, Y[:, None])


def test_tables_and_lists_are_images_too():
    rows = pd.DataFrame(X.reshape(12, -1))
    model = tiny(input_shape=(8, 8, 3)).fit(rows, pd.Series(Y))
    np.testing.assert_allclose(model.predict_proba(rows), FITTED.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(FITTED.predict_proba(X.tolist()), FITTED.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(FITTED.predict_proba(X.astype(object)), FITTED.predict_proba(X), atol=1e-6)
    halves = torch.from_numpy(X // 255 * 1.0)
    expected = FITTED.predict_proba(halves.numpy())
    np.testing.assert_array_equal(FITTED.predict_proba(halves.bfloat16()), expected)
    np.testing.assert_array_equal(FITTED.predict_proba(halves.to_sparse()), expected)


def test_lists_of_labels_in_every_container():
    lists = [["a"], ["b", "a"], []] * 4
    network = Tiny(2)
    expected = tiny(model=network).fit(X, lists).loss_curve_
    column = np.empty(12, dtype=object)
    column[:] = lists
    for each in (column, pd.Series(column), tuple(lists), [set(row) for row in lists]):
        assert tiny(model=network).fit(X, each).loss_curve_ == expected


def test_counts_may_be_numpys():
    options = {"batch_size": np.int64(6), "image_size": np.int64(9), "transfer": "last"}
    fitted = tiny(**options, fine_tune=np.int64(2)).fit(X, Y)
    assert fitted.n_iter_ == 3
    assert tiny(**options, fine_tune={"max_iter": np.int32(1), "n_frozen_blocks": np.int32(1)}).fit(X, Y).n_iter_ == 2
