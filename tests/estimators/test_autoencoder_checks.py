"""scikit-learn's checks on the autoencoders that take rows."""

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from strata.estimators import AnomalyDetector, Autoencoder, SemanticHasher

pytestmark = [pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")]

ESTIMATORS = [
    Autoencoder(max_iter=20),
    Autoencoder(max_iter=5, engine="autograd", hidden_layer_sizes=(8,)),
    Autoencoder(max_iter=5, variational=True, hidden_layer_sizes=(8,)),
    AnomalyDetector(Autoencoder(max_iter=10, hidden_layer_sizes=(8,))),
    SemanticHasher(8, max_iter=5, hidden_layer_sizes=(8,)),
]


BY_ROW = {
    f"check_sample_weight_equivalence_on_{kind}_data": "every row has its own draw of the code"
    for kind in ("dense", "sparse")
}


def expected_failures(estimator):
    return BY_ROW if isinstance(estimator, SemanticHasher) or getattr(estimator, "variational", False) else {}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("check", ["check_param_validation", "check_dataframe_column_names_consistency"])
def test_checks_that_the_suite_does_not_call(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_odd_arrays_are_as_good(tmp_path):
    """Read-only, memory-mapped, Fortran-ordered, strided, big-endian and half-precision rows give the same result."""
    X = np.random.RandomState(0).randint(-8, 8, (40, 4)) / 8.0  # exact in half precision
    wanted = Autoencoder(max_iter=10, random_state=0).fit(X).transform(X)
    mapped = np.memmap(tmp_path / "x", dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((40, 8))
    wide[:, ::2] = X
    for other in (np.asfortranarray(X), frozen, mapped, wide[:, ::2], X.astype(">f8"), X.astype(np.float16)):
        assert np.allclose(Autoencoder(max_iter=10, random_state=0).fit(other).transform(other), wanted, atol=1e-3)
