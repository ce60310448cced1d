"""Which features tell classes apart."""

import numpy as np

from strata.functional.probing import clearly_better_features

RNG = np.random.RandomState(0)
Y = RNG.randint(0, 3, 240)
GOOD = np.eye(3)[Y] + 0.2 * RNG.randn(240, 3)
FAIR = np.eye(3)[Y] + 0.7 * RNG.randn(240, 3)
NOISE = RNG.randn(240, 6)


def test_the_best_of_the_better_ones():
    assert clearly_better_features(NOISE, {"fair": FAIR, "good": GOOD}, Y, random_state=0) == "good"
    assert clearly_better_features(FAIR, {"noise": NOISE, "good": GOOD}, Y, random_state=0) == "good"


def test_the_usual_ones_in_doubt():
    assert clearly_better_features(GOOD, {"noise": NOISE, "fair": FAIR}, Y, random_state=0) is None
    again = GOOD + 1e-3 * RNG.randn(240, 3)
    assert clearly_better_features(GOOD, {"again": again}, Y, random_state=0) is None
    assert clearly_better_features(GOOD, {}, Y, random_state=0) is None


def test_noise_rarely_wins():
    """Five rivals of pure noise against pure noise, fifty times: three standard errors hold for the best of them."""
    wins = 0
    for seed in range(50):
        random = np.random.RandomState(seed)
        rivals = {str(number): random.randn(90, 4) for number in range(5)}
        wins += clearly_better_features(random.randn(90, 4), rivals, Y[:90], random_state=0) is not None
    assert wins <= 3


def test_several_labels():
    table = np.column_stack([Y == 0, Y > 0]).astype(np.int8)
    assert clearly_better_features(NOISE, {"good": GOOD}, table, random_state=0) == "good"


def test_too_few_to_tell():
    assert clearly_better_features(NOISE[:4], {"good": GOOD[:4]}, np.array([0, 1, 2, 0]), random_state=0) is None
    assert clearly_better_features(NOISE, {"good": GOOD}, np.zeros(240, dtype=int), random_state=0) is None
