"""scikit-learn's checks of ImageClassifier, on rows of numbers that are cut into images of one row of pixels."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from strata import ImageClassifier
from strata.models import register_model, registry

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]
NAME = "rows_of_the_checks"


class RowNetwork(nn.Module):
    def __init__(self, *, in_channels: int = 1, n_classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 8, 1)
        self.hidden = nn.Linear(32, 32)
        self.last = nn.Linear(32, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x)).flatten(1)
        return self.last(torch.relu(self.hidden(x)))


@pytest.fixture(autouse=True, scope="module")
def _registered():
    """Have the network in the register while these tests run, and not while others are collected."""
    register_model(
        NAME,
        summary="A dense network behind a convolution, for images of one row.",
        source="the checks",
        input_size=8,
        min_size=1,
        n_parameters=1201,
        head="last",
        blocks=(("conv",), ("hidden",), ("last",)),
    )(RowNetwork)
    yield
    del registry._MODELS[NAME]


ESTIMATOR = ImageClassifier(
    NAME,
    input_shape=(1, -1),
    value_range="data",
    image_size=(1, 4),
    max_iter=30,
    batch_size=64,
    learning_rate_init=0.02,
)
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "batches of some images, in float32; full batches are tested in "
    "test_image_options.py",
}


@parametrize_with_checks([ESTIMATOR], expected_failed_checks=lambda _: EXPECTED, xfail_strict=True)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", ["check_param_validation", "check_dataframe_column_names_consistency"])
def test_checks_that_the_suite_does_not_call(check):
    getattr(estimator_checks, check)("ImageClassifier", ESTIMATOR)


def test_odd_arrays_are_as_good(tmp_path):
    rng = np.random.RandomState(0)
    X = rng.randint(0, 8, (24, 4, 6)) / 8.0  # exact in half precision
    y = (X[:, 0, 0] > 0.4).astype(int)
    estimator = ImageClassifier(NAME, image_size=(1, 4), max_iter=2, random_state=0)
    wanted = estimator.fit(X, y).predict_proba(X)
    mapped = np.memmap(tmp_path / "x", dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((24, 4, 12))
    wide[:, :, ::2] = X
    kinds = [np.asfortranarray(X), frozen, mapped, wide[:, :, ::2], X.astype(">f8"), X.astype(np.float16), X.tolist()]
    for other in [*kinds, torch.from_numpy(X)]:
        np.testing.assert_allclose(estimator.fit(other, y).predict_proba(other), wanted, atol=1e-6)
    whole = (X * 8).astype(np.int32)
    estimator.set_params(value_range=(0, 8))
    np.testing.assert_allclose(estimator.fit(whole, y).predict_proba(whole), wanted, atol=1e-6)


def test_every_parameter_has_a_range():
    names = set(inspect.signature(ImageClassifier).parameters)
    assert names == set(ImageClassifier._parameter_constraints)
