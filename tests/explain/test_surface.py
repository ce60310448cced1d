"""Directions of a path, and the loss around its end."""

import numpy as np
import pytest

from strata.explain import loss_surface, path_directions


def test_the_directions_are_those_of_the_path():
    along = np.array([[0.6, 0.8, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    path = np.array([[-4.0, 1.0], [-2.0, 0.5], [-1.0, -0.7], [0.0, 0.0]]) @ along + 3.0
    directions, shares = path_directions(path)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)
    coordinates = (path - path[-1]) @ directions.T
    np.testing.assert_allclose(coordinates @ directions, path - path[-1], atol=1e-12)
    assert coordinates[0, 0] < 0
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] > shares[1]


def test_a_single_moment_gives_directions_all_the_same():
    directions, shares = path_directions(np.zeros((1, 5)))
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)
    assert shares.tolist() == [0.0, 0.0]
    assert path_directions([[2.0], [0.0]])[0].tolist() in ([[-1.0], [0.0]], [[1.0], [0.0]])
    with pytest.raises(ValueError, match="finite table"):
        path_directions([[np.nan, 1.0]])


def test_the_surface_is_the_loss_at_each_place():
    losses = loss_surface(lambda w: w[0] + 10 * w[1] + 100 * w[2], np.ones(3), np.eye(3)[:2], [0, 2, 5], [0, -1])
    assert losses.tolist() == [[111.0, 113.0, 116.0], [101.0, 103.0, 106.0]]
    with pytest.raises(ValueError, match="shape"):
        loss_surface(lambda w: 0.0, np.ones(3), np.eye(2), [0], [0])
