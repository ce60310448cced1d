"""scikit-learn's checks on every estimator, and those that its suite does not call."""

import inspect

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import strata.estimators
from strata.estimators import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    BernoulliRBM,
    DBNClassifier,
    DBNRegressor,
    DeepBeliefNetwork,
    DeltaRulePerceptron,
    McCullochPitts,
    MLPClassifier,
    MLPRegressor,
    MultiTaskMLP,
    Perceptron,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size`:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:`X` should hold values from 0 to 1:UserWarning"),
]

ESTIMATORS = [
    BaggedMLPClassifier(3, max_iter=100),
    BaggedMLPRegressor(3, max_iter=100),
    BernoulliRBM(),
    DBNClassifier((20,), pretraining_iter=2, max_iter=50),
    DBNRegressor(
        (20,),
        visible="gaussian",
        pretraining_rate=0.01,
        pretraining_iter=2,
        solver="adam",
        learning_rate_init=0.02,
        batch_size=20,
        max_iter=100,
    ),  # fmt: skip
    DeepBeliefNetwork((8, 4), pretraining_iter=2),
    DeltaRulePerceptron(max_iter=200),
    MLPClassifier(max_iter=100),
    MLPClassifier(engine="autograd", max_iter=20),
    MLPRegressor(max_iter=100),
    McCullochPitts(),
    MultiTaskMLP(max_iter=50),
    Perceptron(),
    Perceptron(threshold_error=0.0, tol=None, max_iter=50),
]

#: As in scikit-learn itself: where the examples come one by one, a weight of 2 is not the example twice.
BY_EXAMPLE = {
    "check_sample_weight_equivalence_on_dense_data": "the order of single examples decides the result",
    "check_sample_weight_equivalence_on_sparse_data": "the order of single examples decides the result",
}

UNWEIGHED = dict.fromkeys(BY_EXAMPLE, "the layers are trained without labels, and every row counts the same there")
#: In scikit-learn's own list too.
DRAWN = dict.fromkeys(
    ("check_methods_subset_invariance", "check_methods_sample_order_invariance"),
    "score_samples flips a feature that is drawn for each row",
)


def expected_failures(estimator):
    if isinstance(estimator, BernoulliRBM):
        return DRAWN
    if isinstance(estimator, (DBNClassifier, DBNRegressor)):
        return UNWEIGHED
    return BY_EXAMPLE if isinstance(estimator, (BaggedMLPClassifier, BaggedMLPRegressor, Perceptron)) else {}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator", [MLPClassifier(solver="lbfgs"), MLPRegressor(solver="sgd", tol=1e-2, random_state=42)], ids=repr
)
def test_a_weight_of_two_is_the_row_twice(estimator):
    """The solvers for which scikit-learn runs this check on its own networks."""
    estimator_checks.check_sample_weight_equivalence_on_dense_data(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("check", ["check_param_validation", "check_dataframe_column_names_consistency"])
def test_checks_that_the_suite_does_not_call(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_every_estimator_is_checked():
    classes = {getattr(strata.estimators, name) for name in strata.estimators.__all__}
    elsewhere = ("Table", "Image", "Autoencoder", "AnomalyDetector", "SemanticHasher", "Count", "SCVI")  # own files
    single = {kind for kind in classes if inspect.isclass(kind) and not kind.__name__.startswith(elsewhere)}
    assert {type(estimator) for estimator in ESTIMATORS} == single


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_odd_arrays_are_as_good(estimator, tmp_path):
    """Read-only, memory-mapped, Fortran-ordered, strided, big-endian and half-precision rows give the same result."""
    rs = np.random.RandomState(0)
    X = rs.randint(-8, 8, (40, 3)) / 8.0  # exact in half precision
    y = (X[:, 0] > 0).astype(int)
    estimator = type(estimator)(**estimator.get_params())
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    ask = "predict" if hasattr(estimator, "predict") else "transform"
    wanted = np.asarray(getattr(estimator.fit(X, y), ask)(X), dtype=float)
    mapped = np.memmap(tmp_path / "x", dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((40, 6))
    wide[:, ::2] = X
    kinds = [np.asfortranarray(X), frozen, mapped, wide[:, ::2], X.astype(">f8"), X.astype(np.float16)]
    for other in kinds:
        assert np.allclose(np.asarray(getattr(estimator.fit(other, y), ask)(other), dtype=float), wanted, atol=1e-3)
