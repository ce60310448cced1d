"""Features of points in a plane."""

import numpy as np
import pytest

from strata.data import PLANE_FEATURES, plane_features


def test_every_feature_by_hand():
    values = plane_features([[2.0, -3.0]], list(PLANE_FEATURES))
    assert values.tolist() == [[2.0, -3.0, 4.0, 9.0, -6.0, np.sin(2.0), np.sin(-3.0)]]


@pytest.mark.parametrize(
    ("points", "names", "words"),
    [([[1.0]], ["x1"], "shape"), ([[1.0, 2.0]], [], "at least one"), ([[1.0, 2.0]], ["x3"], "Unknown feature 'x3'")],
)
def test_what_cannot_be_is_refused(points, names, words):
    with pytest.raises(ValueError, match=words):
        plane_features(points, names)
