"""scikit-learn's issue 31235: a net that predicts the class prior, for want of standardised inputs."""

import warnings

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier as PeerMLPClassifier

import strata

SEEDS = ((1, 42), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0))  # of points and of weights; the come first


def points(seed: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.RandomState(seed).random_sample((n_rows, 2))
    return X, (X[:, 0] + (2 * (X[:, 1] - 0.5)) ** 2 - 0.75 >= 0).astype(int)


@pytest.mark.parametrize(("seed", "random_state"), SEEDS)
def test_scaling_is_the_first_verdict(seed, random_state):
    X, y = points(seed, 500)
    network = PeerMLPClassifier((20, 20), activation="logistic", random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diagnosis = strata.diagnose(network, X, y)
    first = diagnosis.verdicts[0]
    assert first.name == "inputs_not_scaled", str(diagnosis)
    assert first.changes == {"scale_inputs": True}


def test_the_cure_works_on_fresh_points_and_more_epochs_alone_do_not():
    X, y = points(1, 500)
    fresh, truth = points(100, 20_000)
    network = strata.MLPClassifier((20, 20), activation="logistic", random_state=42, max_iter=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, epochs = network.fit(X, y).score(fresh, truth), network.n_iter_
        after = network.set_params(scale_inputs=True).fit(X, y).score(fresh, truth)
    assert epochs == 15
    assert before == max(truth.mean(), 1 - truth.mean())
    assert after > 0.98
