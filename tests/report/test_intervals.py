"""Bootstrap intervals against scipy's, and their coverage on data whose truth is known."""

import time

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, r2_score

from strata.report.evaluation import score_predictions
from strata.report.intervals import _bca_ends, bootstrap_interval, difference_intervals, score_intervals


def binary(n, accuracy, seed):
    random = np.random.RandomState(seed)
    y = random.randint(0, 2, n)
    return y, np.where(random.rand(n) < accuracy, y, 1 - y)


@pytest.mark.parametrize(("ours", "theirs"), [("percentile", "percentile"), ("bca", "BCa")])
def test_the_interval_of_r2_is_scipys(ours, theirs):
    random = np.random.RandomState(0)
    y = random.randn(60)
    called = y + random.standard_t(4, 60)
    found = bootstrap_interval("r2", y, called, method=ours, n_resamples=20_000)
    known = stats.bootstrap(
        (y, called),
        r2_score,
        paired=True,
        vectorized=False,
        method=theirs,
        n_resamples=3000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = known.high - known.low
    assert found.value == r2_score(y, called)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.06 * width)
    other = bootstrap_interval("r2", y, called, method="percentile" if ours == "bca" else "bca", n_resamples=20_000)
    assert abs(found.low - other.low) > 0.06 * width  # and the test can tell


def test_bca_moves_the_quantiles_by_the_skewness_of_the_rows():
    x = np.random.RandomState(0).exponential(size=50)
    left_out = (x.sum() - x) / 49  # of the mean
    around = np.linspace(-1.0, 1.0, 101) + x.mean()  # no bias: as many below as above
    z = stats.norm.ppf([0.025, 0.975])
    expected = stats.norm.cdf(z / (1 - stats.skew(x) / (6 * np.sqrt(50)) * z))
    assert _bca_ends(np.array([0.025, 0.975]), x.mean(), around, left_out) == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    y, called = binary(200, 0.8, 0)
    found = bootstrap_interval("accuracy", y, called, n_resamples=20_000)
    hits = accuracy_score(y, called)
    exact = stats.binom.ppf([0.025, 0.975], 200, hits) / 200
    assert (found.low, found.high) == pytest.approx(tuple(exact), abs=0.0051)


@pytest.mark.parametrize(("score", "truth"), [("accuracy", 0.8), ("rmse", 1.0), ("r2", 0.5)])
def test_intervals_cover_the_truth_in_95_of_100_repetitions(score, truth):
    covered = []
    for seed in range(400):
        if score in ("rmse", "r2"):
            random = np.random.RandomState(seed)
            called = random.randn(200)
            y = called + random.randn(200)  # noise of variance 1, R2 of 1 - 1/2
        else:
            y, called = binary(200, 0.8, seed)
        found = bootstrap_interval(score, y, called, n_resamples=300, random_state=seed)
        covered.append(found.low <= truth <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_paired_differences_cover_and_are_narrower_than_the_scores_alone():
    covered, narrower = [], []
    for seed in range(200):
        random = np.random.RandomState(seed)
        y = random.randint(0, 3, 150)
        hard = random.rand(150)
        first, second = (
            score_predictions(y, np.where(hard < p, y, (y + 1) % 3), task="classification") for p in (0.8, 0.7)
        )
        found = difference_intervals(first, {"other": second}, n_resamples=250, random_state=seed)["other"]
        alone = score_intervals(first, scores=["accuracy"], n_resamples=100)["accuracy"]
        covered.append(found.low <= 0.1 <= found.high)
        narrower.append(found.high - found.low < alone.high - alone.low)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(narrower) > 0.9


def test_a_thousand_resamples_of_ten_thousand_rows_are_quick():
    y, called = binary(10_000, 0.9, 1)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        bootstrap_interval("accuracy", y, called, n_resamples=1000)
        best = min(best, time.perf_counter() - start)
    assert best < 1.0


def test_all_rows_right_is_not_certainty():
    y = np.arange(30) % 3
    found = bootstrap_interval("accuracy", y, y)
    assert (found.value, found.high, found.method) == (1.0, pytest.approx(1.0), "wilson")
    assert found.low == pytest.approx(30 / (30 + stats.norm.ppf(0.975) ** 2))  # Wilson's lower end for n of n


def test_the_seed_decides_and_a_single_row_has_no_interval():
    y, called = np.random.RandomState(0).randn(2, 50)
    first, again, other = (bootstrap_interval("mae", y, called, random_state=s) for s in (1, 1, 2))
    assert first == again and first.value == other.value and (first.low, first.high) != (other.low, other.high)
    alone = bootstrap_interval("mae", [1.0], [2.0])
    assert alone.value == 1.0 and alone.to_dict()["low"] is None and alone.to_dict()["high"] is None


def test_stratified_draws_keep_the_class_counts():
    y = np.repeat([0, 1], [97, 3])
    called = np.where(np.arange(100) < 99, y, 0)
    free, kept = (
        bootstrap_interval("balanced_accuracy", y, called, stratify=s, n_resamples=2000) for s in (False, True)
    )
    # of three rows of the small class, two right: recalls of it are 0, 1/3, 2/3 or 1
    assert kept.low == pytest.approx(0.5) and kept.high == 1.0
    assert free.value == kept.value == pytest.approx((1 + 2 / 3) / 2)
    constant = bootstrap_interval("accuracy", y, np.zeros(100, dtype=int), stratify=True)
    assert constant.low == constant.high == 0.97


def test_weights_count_as_repeated_rows():
    y, called = binary(40, 0.7, 5)
    weights = np.random.RandomState(0).randint(1, 4, 40)
    found = bootstrap_interval("accuracy", y, called, sample_weight=weights)
    assert found.value == pytest.approx(accuracy_score(np.repeat(y, weights), np.repeat(called, weights)))
    assert found.low < found.value < found.high


def test_every_score_of_an_evaluation_has_an_interval_around_its_value():
    random = np.random.RandomState(0)
    y = random.randint(0, 3, 120)
    probs = random.dirichlet(np.ones(3), 120) * 0.5 + 0.5 * np.eye(3)[y]
    evaluation = score_predictions(
        y, probs.argmax(axis=1), task="classification", classes=[0, 1, 2], probabilities=probs
    )
    found = score_intervals(evaluation, n_resamples=300)
    assert set(found) >= {"accuracy", "log_loss", "brier", "roc_auc", "average_precision", "ece", "f1_macro"}
    assert found["log_loss"].value == pytest.approx(evaluation.metrics["log_loss"])
    assert all(each.low <= each.value <= each.high for name, each in found.items() if name != "ece")


def test_bad_arguments_are_refused():
    y = np.arange(6) % 2
    with pytest.raises(ValueError, match="Unknown score 'acuracy'. Did you mean 'accuracy'"):
        bootstrap_interval("acuracy", y, y)
    with pytest.raises(ValueError, match=r"`level` must lie in \(0, 1\)"):
        bootstrap_interval("accuracy", y, y, level=95)
    with pytest.raises(ValueError, match="`n_resamples` must be a positive integer"):
        bootstrap_interval("accuracy", y, y, n_resamples=0)
    with pytest.raises(ValueError, match="Unknown method 'basic'"):
        bootstrap_interval("accuracy", y, y, method="basic")
    with pytest.raises(ValueError, match="`stratify` must be False for a regression"):
        bootstrap_interval("r2", y * 1.0, y * 1.0, stratify=True)
    ours, theirs = (score_predictions(each, each, task="classification") for each in (y, y[::-1]))
    with pytest.raises(ValueError, match="`others` must be of the same rows"):
        difference_intervals(ours, {"other": theirs})
