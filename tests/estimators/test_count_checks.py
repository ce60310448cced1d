"""scikit-learn's checks of the networks of counts, which are told to hand out whole numbers."""

import inspect

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import strata.estimators
from strata import SCVI, CountAutoencoder

pytestmark = pytest.mark.filterwarnings("ignore:.*have no counts:UserWarning")


class _WholeNumbers:
    """What differs in what the suite is to hand a network of counts: numbers rounded as categories are."""

    def __sklearn_tags__(self):
        wanted = super().__sklearn_tags__()
        wanted.input_tags.categorical = True
        return wanted


class CheckedCountAutoencoder(_WholeNumbers, CountAutoencoder):
    __init__ = CountAutoencoder.__init__


class CheckedSCVI(_WholeNumbers, SCVI):
    __init__ = SCVI.__init__


ESTIMATORS = [
    CheckedCountAutoencoder((4, 2, 4), max_iter=2, batch_size=16),
    CheckedSCVI(2, hidden_layer_sizes=4, max_iter=2),
]
EXPECTED = {
    "CheckedSCVI": {"check_methods_subset_invariance": "in single precision, a product of fewer rows rounds otherwise"}
}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda each: EXPECTED.get(type(each).__name__, {}))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("check", ["check_param_validation", "check_dataframe_column_names_consistency"])
def test_checks_that_the_suite_does_not_call(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_every_network_of_counts_is_checked():
    classes = (getattr(strata.estimators, name) for name in strata.estimators.__all__)
    counted = {kind.__name__ for kind in classes if inspect.isclass(kind) and hasattr(kind, "denoise")}
    assert counted == {type(each).__name__.removeprefix("Checked") for each in ESTIMATORS}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_odd_arrays_are_as_good(estimator, tmp_path):
    """Read-only, memory-mapped, Fortran-ordered, strided, big-endian and half-precision counts give the same result."""
    X = np.random.RandomState(0).poisson(2.0, (40, 5)).astype(float)
    estimator = type(estimator)(**estimator.get_params()).set_params(random_state=0)
    wanted = estimator.fit(X).transform(X)
    mapped = np.memmap(tmp_path / "x", dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((40, 10))
    wide[:, ::2] = X
    kinds = [np.asfortranarray(X), frozen, mapped, wide[:, ::2], X.astype(">f8"), X.astype(np.float16)]
    for other in [*kinds, X.astype(np.uint8), X.astype(np.int64)]:
        assert np.array_equal(estimator.fit(other).transform(other), wanted)
